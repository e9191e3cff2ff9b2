//! Golden dialogues: `tests/dialogues/*.smtp`, each a session (or several) through a whole gateway.
//!
//! Above `---` stand keys (`top: max_message_size = "1K"`, also `listener`, `downstream`, `relay`,
//! `timeouts`; and lines of `limits`, `protocol`, `quarantine`, `policies`, `attachments`, `content`, `blocks`, `allow`, `dns`), `syntax:` (violations that are taken, with `!` those that are not),
//! `ehlo:` (what the downstream offers, commas between), `mode: auto|script` (who speaks for
//! it), `probe: off`, `client: ADDRESS`. Below it one action or expectation a line:
//!
//! | line | meaning |
//! |---|---|
//! | `C: text`, `C\| raw` | the client sends a line, or octets without CRLF |
//! | `S: text`, `S\| raw` | the client hears this; `S: <closed>` is the end of the stream |
//! | `D: text`, `D\| raw` | the downstream hears this |
//! | `d: text`, `d\| raw` | the downstream says this (script) |
//! | `connect`, `accept` | the downstream takes the next connection, with greeting and EHLO or without a word |
//! | `+30s` | time passes |
//! | `close`, `dclose` | the client, the downstream closes |
//! | `client ADDRESS`, `use c 1`, `use d 2` | another client; which one, which downstream connection speaks |
//! | `down`, `up`, `ehlo A, B`, `mode auto` | the downstream refuses connections; offers something else |
//! | `stop` | the gateway begins to drain |
//! | `kept` | until a message that we keep is durable: its threads have a time of their own |
//! | `I: text` | at the end some message of the vault, as JSON, holds this text |
//! | `full` | a volume is nearly full |
//! | `A: text` | at the end some audit line holds this text |
//!
//! Escapes: `\r \n \t \0 \\ \xNN`, and `{{x*3000}}` repeats. A block of `S` and `D` lines is everything
//! that was heard until everybody waits; their order among each other does not matter. References and
//! dates are replaced. `UPDATE_GOLDEN=1` writes the blocks anew; a line `?` asks for a new one.

use crate::harness::{Downstream, Harness, Keys, Mode, drain, paused};
use portcullis::gateway::Phase;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream};

/// What the downstream offers where a dialogue does not say.
const KEYWORDS: &str = "PIPELINING, SIZE 10485760, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8";

/// A dialogue as it stands in its file.
#[derive(Default)]
pub struct Dialogue {
    pub name: String,
    head: String,
    keys: Keys,
    ehlo: String,
    mode: Option<Mode>,
    probe: bool,
    client: String,
    lines: Vec<String>,
}

impl Dialogue {
    pub fn parse(name: &str, text: &str) -> Self {
        let (head, body) = text.split_once("---\n").expect("a line --- ends the head");
        let mut dialogue = Self {
            name: name.to_owned(),
            head: head.to_owned(),
            ehlo: KEYWORDS.to_owned(),
            probe: true,
            client: "192.0.2.7:4711".to_owned(),
            lines: body.lines().map(str::to_owned).collect(),
            ..Self::default()
        };
        for line in head.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            let add = |text: &mut String| text.push_str(&format!("{value}\n"));
            match key {
                "top" => add(&mut dialogue.keys.top),
                "listener" => add(&mut dialogue.keys.listener),
                "downstream" => add(&mut dialogue.keys.downstream),
                "relay" => add(&mut dialogue.keys.relay),
                "timeouts" => add(&mut dialogue.keys.timeouts),
                "limits" => add(&mut dialogue.keys.limits),
                "protocol" => add(&mut dialogue.keys.protocol),
                "blocks" => add(&mut dialogue.keys.blocks),
                "allow" => add(&mut dialogue.keys.allow),
                "dns" => add(&mut dialogue.keys.dns),
                "quarantine" => add(&mut dialogue.keys.quarantine),
                "policies" => add(&mut dialogue.keys.policies),
                "attachments" => add(&mut dialogue.keys.attachments),
                "content" => add(&mut dialogue.keys.content),
                "syntax" => add(&mut dialogue.keys.syntax),
                "ehlo" => dialogue.ehlo = value.to_owned(),
                "mode" => dialogue.mode = Some(mode(value)),
                "probe" => dialogue.probe = value != "off",
                "client" => dialogue.client = value.to_owned(),
                other => panic!("{name}: unknown key {other}"),
            }
        }
        dialogue
    }

    /// What the client sends, one piece for each pause that it makes.
    pub fn client_pieces(&self) -> Vec<Vec<u8>> {
        let mut pieces = vec![Vec::new()];
        for line in &self.lines {
            match client_octets(line) {
                Some(octets) => pieces.last_mut().unwrap().extend(octets),
                None if pieces.last().unwrap().is_empty() => {}
                None => pieces.push(Vec::new()),
            }
        }
        pieces.retain(|p| !p.is_empty());
        pieces
    }

    /// Whether it is one client that speaks SMTP from its first octet.
    pub fn is_plain(&self) -> bool {
        !self.keys.listener.contains("proxy_protocol")
            && !self.lines.iter().any(|l| l.starts_with("client ") || l.starts_with("use c"))
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn rewritten(&self, lines: &[String]) -> String {
        let mut text = format!("{}---\n", self.head);
        for line in lines {
            text.push_str(line.trim_end_matches(' '));
            text.push('\n');
        }
        text
    }
}

fn mode(word: &str) -> Mode {
    match word {
        "auto" => Mode::Auto,
        "script" => Mode::Script,
        other => panic!("mode {other}"),
    }
}

fn client_octets(line: &str) -> Option<Vec<u8>> {
    if let Some(text) = line.strip_prefix("C|") {
        return Some(unescape(text.strip_prefix(' ').unwrap_or(text)));
    }
    let text = line.strip_prefix("C:")?;
    Some([unescape(text.strip_prefix(' ').unwrap_or(text)), b"\r\n".to_vec()].concat())
}

fn is_heard(line: &str) -> bool {
    line == "?" || ["S:", "S|", "D:", "D|"].iter().any(|p| line.starts_with(p))
}

/// All dialogues in the folder, by name.
pub fn all() -> Vec<(PathBuf, Dialogue)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "smtp"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let dialogue = Dialogue::parse(&name, &text);
        (path, dialogue)
    };
    paths.into_iter().map(read).collect()
}

/// One that runs.
struct Run<'a> {
    dialogue: &'a Dialogue,
    harness: Harness,
    clients: Vec<(DuplexStream, bool)>,
    client: usize,
    downs: Vec<(Option<DuplexStream>, bool)>,
    down: usize,
    audit: Vec<String>,
    items: Vec<String>,
}

impl<'a> Run<'a> {
    async fn start(dialogue: &'a Dialogue) -> Self {
        let keywords: Vec<&str> = dialogue.ehlo.split(", ").filter(|k| !k.is_empty()).collect();
        let downstream = Downstream::new(dialogue.mode.unwrap_or(Mode::Auto), &keywords);
        let harness = Harness::new(&dialogue.keys, Arc::clone(&downstream));
        if dialogue.probe {
            harness.probe().await;
        }
        let client = harness.connect(address(&dialogue.client));
        Self {
            dialogue,
            harness,
            clients: vec![(client, false)],
            client: 0,
            downs: Vec::new(),
            down: 0,
            audit: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Everything that client and downstream hear until everybody waits.
    async fn heard(&mut self) -> Vec<String> {
        let (mut client, mut down) = (Vec::new(), Vec::new());
        let (mut client_end, mut down_end) = (false, false);
        loop {
            let before = (client.len(), down.len(), client_end, down_end);
            let (stream, ended) = &mut self.clients[self.client];
            if !*ended {
                let (octets, end) = drain(stream).await;
                client.extend(octets);
                client_end |= end;
                *ended = end;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            down.extend(self.harness.downstream.take_heard());
            if let Some((Some(stream), ended)) = self.downs.get_mut(self.down).filter(|d| !d.1) {
                let (octets, end) = drain(stream).await;
                down.extend(octets);
                down_end |= end;
                *ended = end;
            }
            if before == (client.len(), down.len(), client_end, down_end) {
                break;
            }
        }
        let mut lines = shown('S', &client);
        lines.extend(client_end.then(|| "S: <closed>".to_owned()));
        lines.extend(shown('D', &down));
        lines.extend(down_end.then(|| "D: <closed>".to_owned()));
        lines
    }

    async fn act(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            _ if client_octets(line).is_some() => {
                let octets = client_octets(line).unwrap();
                // A client that was closed hears of it; what it says goes nowhere.
                let _ = self.clients[self.client].0.write_all(&octets).await;
            }
            "d:" => self.say(&[unescape(rest), b"\r\n".to_vec()].concat()).await,
            "d|" => self.say(&unescape(rest)).await,
            "accept" => self.accept().await,
            "connect" => {
                self.accept().await;
                self.say(b"220 ds.example.net ESMTP\r\n").await;
                let heard = self.heard_by_down().await;
                assert_eq!(heard, b"EHLO mx.example.net\r\n", "{}", heard.escape_ascii());
                let reply = self.harness.downstream.ehlo_reply();
                self.say(reply.as_bytes()).await;
            }
            "close" => {
                let stream = &mut self.clients[self.client];
                stream.1 = true;
                *stream = (tokio::io::duplex(1).0, true);
            }
            "dclose" => self.downs[self.down] = (None, true),
            "client" => {
                self.clients.push((self.harness.connect(address(rest)), false));
                self.client = self.clients.len() - 1;
            }
            "use" => {
                let (what, number) = rest.split_once(' ').unwrap();
                let number = number.parse::<usize>().unwrap() - 1;
                *(if what == "c" { &mut self.client } else { &mut self.down }) = number;
            }
            "down" => self.harness.downstream.set_down(true),
            "up" => self.harness.downstream.set_down(false),
            "ehlo" => {
                self.harness.downstream.set_keywords(rest.split(", ").map(str::to_owned).collect());
            }
            "mode" => self.harness.downstream.set_mode(mode(rest)),
            "stop" => {
                self.harness.gateway.phase.send_replace(Phase::Draining);
            }
            "A:" => self.audit.push(rest.to_owned()),
            "I:" => self.items.push(rest.to_owned()),
            "kept" => self.harness.settle().await,
            "full" => self.harness.fill_disk(),
            _ if line.starts_with('+') => tokio::time::sleep(duration(&line[1..])).await,
            _ => panic!("no such action: {line}"),
        }
    }

    async fn say(&mut self, octets: &[u8]) {
        let (stream, _) = &mut self.downs[self.down];
        // The gateway may have closed already.
        let _ = stream.as_mut().unwrap().write_all(octets).await;
    }

    async fn heard_by_down(&mut self) -> Vec<u8> {
        drain(self.downs[self.down].0.as_mut().unwrap()).await.0
    }

    async fn accept(&mut self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let stream = self.harness.downstream.accept().expect("the gateway opened no connection");
        self.downs.push((Some(stream), false));
        self.down = self.downs.len() - 1;
    }

    /// Runs it and gives its lines with what was really heard.
    async fn all(mut self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let lines = &self.dialogue.lines;
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at].as_str();
            if is_heard(line) {
                while lines.get(at).is_some_and(|l| is_heard(l)) {
                    at += 1;
                }
                out.extend(self.heard().await);
                continue;
            }
            at += 1;
            if !line.is_empty() && !line.starts_with('#') {
                self.act(line).await;
            }
            out.push(line.to_owned());
        }
        out.extend(self.heard().await);
        assert!(self.harness.downstream.accept().is_none(), "a connection that the dialogue does not accept");
        self.clients.clear();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let Run { harness, audit, items, .. } = self;
        let kept: Vec<String> = harness.items().iter().map(|i| serde_json::to_string(i).unwrap()).collect();
        for wanted in &items {
            let found =
                kept.iter().any(|item| item.contains(wanted)) || (wanted == "nothing" && kept.is_empty());
            assert!(found, "no message that was kept has {wanted}:\n{}", kept.join("\n"));
        }
        let log = harness.audit();
        for wanted in &audit {
            assert!(
                log.iter().any(|l| l.contains(wanted)),
                "no audit line has {wanted}:\n{}",
                log.join("\n")
            );
        }
        out
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn duration(text: &str) -> Duration {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap();
    let number: u64 = text[..split].parse().unwrap();
    match &text[split..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(60 * number),
        other => panic!("{other}"),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let text = repeated(text);
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        out.push(match octets.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digit = |o: Option<u8>| char::from(o.unwrap()).to_digit(16).unwrap() as u8;
                digit(octets.next()) << 4 | digit(octets.next())
            }
            other => panic!("escape {other:?}"),
        });
    }
    out
}

fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{") else { return text.to_owned() };
    let (inner, after) = rest.split_once("}}").expect("}}");
    let (what, times) = inner.rsplit_once('*').expect("{{what*times}}");
    format!("{before}{}{}", what.repeat(times.parse().unwrap()), repeated(after))
}

/// Octets as lines of a dialogue.
fn shown(who: char, octets: &[u8]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in octets.split_inclusive(|&b| b == b'\n') {
        let (mark, text) = match line.strip_suffix(b"\r\n") {
            Some(text) => (':', text),
            None => ('|', line),
        };
        let mut text = shortened(&normal(&escaped(text)));
        if text.ends_with(' ') {
            text.truncate(text.len() - 1);
            text.push_str("\\x20");
        }
        let line = format!("{who}{mark} {text}").trim_end_matches(' ').to_owned();
        out.push(line);
    }
    // Many equal lines are counted.
    let runs = out.chunk_by(|a, b| a == b);
    runs.flat_map(|run| match run {
        [line, ..] if run.len() > 4 => vec![format!("{line} <{} times>", run.len())],
        _ => run.to_vec(),
    })
    .collect()
}

fn escaped(octets: &[u8]) -> String {
    let mut out = String::new();
    for &octet in octets {
        match octet {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            0 => out.push_str("\\0"),
            b'\\' => out.push_str("\\\\"),
            32..=126 => out.push(char::from(octet)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out
}

/// References, marks and dates are never twice the same.
fn normal(text: &str) -> String {
    let mut text = cut(text, "[ref ", 8);
    text = cut(&text, "IDENT=", 8);
    text = cut(&text, "Ok: queued as ", 8);
    if let Some(at) = text.find(" id ").filter(|&at| text.get(at + 12..at + 13) == Some(".")) {
        text.replace_range(at + 4..at + 23, "…");
    }
    for day in ["Mon, ", "Tue, ", "Wed, ", "Thu, ", "Fri, ", "Sat, ", "Sun, "] {
        if let Some(at) = text.find(day).filter(|_| text.ends_with(" +0000")) {
            text.truncate(at);
            text.push_str("<date>");
        }
    }
    if text.starts_with("BDAT ") && text.ends_with(" LAST") {
        return "BDAT … LAST".to_owned();
    }
    text
}

fn cut(text: &str, before: &str, octets: usize) -> String {
    match text.split_once(before) {
        Some((head, tail)) if tail.len() >= octets => format!("{head}{before}…{}", &tail[octets..]),
        _ => text.to_owned(),
    }
}

/// Very long lines keep their length and both ends.
fn shortened(text: &str) -> String {
    if text.len() <= 200 || !text.is_ascii() {
        return text.to_owned();
    }
    format!("{}<…{} in all…>{}", &text[..40], text.len(), &text[text.len() - 20..])
}

/// Dialogues that the gateway does not hold to yet, each with what is wrong. Empty is the aim; one that
/// holds must leave the list.
const KNOWN: &[(&str, &str)] = &[];

/// Runs one; gives what it should be and what it was.
fn run(dialogue: &Dialogue) -> Result<(), (String, String)> {
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        paused(async { Run::start(dialogue).await.all().await })
    }));
    let want = dialogue.rewritten(&dialogue.lines);
    let got = match ran {
        Ok(lines) => dialogue.rewritten(&lines),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
            return Err((want, format!("(panicked: {})", text.unwrap_or_default())));
        }
    };
    if want == got { Ok(()) } else { Err((want, got)) }
}

#[test]
fn golden_dialogues() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let only = std::env::var("DIALOGUE").unwrap_or_default();
    let all: Vec<_> = all().into_iter().filter(|(_, d)| d.name.contains(&only)).collect();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    // Most of the time of each is waiting for the disk of its state directory.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((path, dialogue)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let known = KNOWN.iter().find(|(name, _)| *name == dialogue.name);
                    let why = match (run(dialogue), known) {
                        (Ok(()), None) | (Err(_), Some(_)) => continue,
                        (Ok(()), Some(_)) => "it holds: take it from KNOWN".to_owned(),
                        (Err((_, got)), None) if update && !got.starts_with("(panicked") => {
                            std::fs::write(path, &got).unwrap();
                            continue;
                        }
                        (Err((want, got)), None) => difference(&want, &got),
                    };
                    failed.lock().unwrap().push((dialogue.name.clone(), why));
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    for (name, why) in &failed {
        println!("=== {name}: the file has (-), the gateway said (+):\n{why}");
    }
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert!(failed.is_empty(), "{} dialogues failed: {}", failed.len(), names.join(", "));
}

fn difference(want: &str, got: &str) -> String {
    let (want, got): (Vec<&str>, Vec<&str>) = (want.lines().collect(), got.lines().collect());
    let same = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let rest = (want.len().min(got.len())) - same;
    let tail = want.iter().rev().zip(got.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut out: Vec<String> = Vec::new();
    out.extend(want[same.saturating_sub(3)..same].iter().map(|line| format!("  {line}")));
    out.extend(want[same..want.len() - tail].iter().map(|line| format!("- {line}")));
    out.extend(got[same..got.len() - tail].iter().map(|line| format!("+ {line}")));
    out.join("\n")
}

#[test]
fn there_are_dialogues() {
    assert!(all().len() >= 50, "{}", all().len());
}
