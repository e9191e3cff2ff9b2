//! The same octets mean the same, however they are cut; what is received is what is forwarded.

use crate::dialogues;
use crate::ends::below_trace;
use crate::harness::{Downstream, Harness, Keys, Mode, drain, paused};
use portcullis::reply::{Entry, Reply};
use portcullis::smtp::command::Command;
use portcullis::smtp::data::LineEnds;
use portcullis::smtp::server::{BodyStep, Event, Server, Tolerance};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

/// A driver of the machine that answers everything at once and always the same.
#[derive(Default)]
struct Drive {
    server: Server,
    events: Vec<String>,
    output: Vec<u8>,
    body: Vec<u8>,
}

fn reply(line: &str) -> Reply {
    let code = line[..3].parse().unwrap();
    Reply::relayed(code, format!("{line}\r\n").as_bytes())
}

fn wire(entry: Entry) -> Reply {
    entry.reply()
}

impl Drive {
    fn push(&mut self, octets: &[u8]) {
        self.server.push(octets);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            if self.server.in_body() {
                let body = &mut self.body;
                let step = self.server.body(&mut |octets| body.extend_from_slice(octets));
                match step {
                    BodyStep::More => break,
                    BodyStep::ChunkEnd => {
                        self.events.push(format!("chunk of {}", self.body.len()));
                        self.server.answer(&reply("250 chunk"));
                    }
                    BodyStep::End(facts) => {
                        self.events.push(format!("{facts:?} {}", self.body.escape_ascii()));
                        self.body.clear();
                        self.server.answer(&reply("250 taken"));
                    }
                    BodyStep::Skipped => self.events.push("skipped".into()),
                    BodyStep::None => {}
                }
                continue;
            }
            let Some(event) = self.server.poll() else { break };
            self.events.push(format!("{event:?}"));
            self.on_event(event);
        }
        self.output.append(self.server.output());
        assert!(self.server.buffered() <= 13_000, "{} octets wait", self.server.buffered());
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Command(command) => self.on_command(&command),
            Event::AuthLine(line) if &*line == b"*\r\n" => self.server.answer(&reply("501 cancelled")),
            Event::AuthLine(_) => self.server.answer(&reply("235 welcome")),
            Event::Chunk { octets, refuse: Some(entry), .. } => {
                self.server.refuse_chunk(octets, wire(entry));
            }
            Event::Chunk { octets, .. } if octets > 60_000 => {
                self.body.clear();
                self.server.refuse_chunk(octets, reply("552 too big"));
            }
            Event::Chunk { octets, last, .. } => {
                self.server.accept_chunk(octets, last, LineEnds::Normalize);
            }
            Event::Refuse(entry) | Event::Drop(entry) => self.server.answer(&wire(entry)),
        }
    }

    fn on_command(&mut self, command: &Command) {
        let refused = |path: &dyn ToString| path.to_string().starts_with("bad");
        let line = match command {
            Command::Hello { .. } => "250 hello",
            Command::Mail(mail) if refused(&mail.path) => "550 no",
            Command::Rcpt(rcpt) if refused(&rcpt.path) => "550 no",
            Command::Data => {
                self.server.go_ahead(&reply("354 go"), LineEnds::Reject);
                return;
            }
            Command::Auth { initial: None, .. } => "334 ",
            Command::Auth { .. } => "235 welcome",
            Command::StartTls => "502 no",
            Command::Quit => "221 bye",
            _ => "250 ok",
        };
        if matches!(command, Command::Rset | Command::Hello { .. }) {
            self.body.clear();
        }
        self.server.answer(&reply(line));
    }
}

/// What was heard of and said to a client that sends these pieces, each cut as `cut` says.
fn drive(
    pieces: &[Vec<u8>],
    tolerance: Tolerance,
    cut: &dyn Fn(usize, usize) -> bool,
) -> (Vec<String>, String) {
    let mut drive = Drive::default();
    drive.server.tolerate(tolerance);
    drive.server.greet(&reply("220 hi"));
    for (index, piece) in pieces.iter().enumerate() {
        let mut from = 0;
        for at in 1..=piece.len() {
            if at == piece.len() || cut(index, at) {
                drive.push(&piece[from..at]);
                from = at;
            }
        }
    }
    (drive.events, drive.output.escape_ascii().to_string())
}

/// Everything is taken that can be taken.
const TOLERANT: Tolerance =
    Tolerance { missing_brackets: true, missing_hello: true, space_after_colon: true };
/// Nothing is.
const STRICT: Tolerance =
    Tolerance { missing_brackets: false, missing_hello: false, space_after_colon: false };

/// Where a long piece is worth a cut: its ends, and around the bounds of a line.
fn worth_a_cut(at: usize, length: usize) -> bool {
    let near = |bound: usize| at.abs_diff(bound) < 8;
    at < 60 || length - at < 60 || near(2048) || near(12_288) || near(at / 4096 * 4096)
}

#[test]
fn dialogues_cut_anywhere_are_the_same_dialogues() {
    let mut sessions = 0;
    for (_, dialogue) in dialogues::all() {
        // Whether octets were there before our 354 is the one thing that depends on when they come.
        if !dialogue.is_plain() || dialogue.name == "early-data" {
            continue;
        }
        let pieces = dialogue.client_pieces();
        let small = pieces.iter().map(Vec::len).sum::<usize>() < 20_000;
        for tolerance in [TOLERANT, STRICT].into_iter().filter(|_| small) {
            let whole = drive(&pieces, tolerance, &|_, _| false);
            let octets = drive(&pieces, tolerance, &|_, _| true);
            assert_eq!(octets, whole, "{}, octet by octet, {tolerance:?}", dialogue.name);
        }
        let tolerance = if dialogue.keys().syntax.is_empty() { Tolerance::default() } else { TOLERANT };
        let whole = drive(&pieces, tolerance, &|_, _| false);
        for (index, piece) in pieces.iter().enumerate() {
            for at in 1..piece.len() {
                if piece.len() < 400 || worth_a_cut(at, piece.len()) {
                    let cut = drive(&pieces, tolerance, &|i, a| i == index && a == at);
                    assert_eq!(cut, whole, "{}, piece {index} cut at {at}", dialogue.name);
                    sessions += 1;
                }
            }
        }
    }
    println!("{sessions} sessions, each with one cut");
    assert!(sessions > 3000);
}

/// A line that a client may say, good or bad.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let said = [
        "EHLO c.example\r\n",
        "HELO c.example\r\n",
        "MAIL FROM:<a@example.com>\r\n",
        "MAIL FROM:<bad@example.com>\r\n",
        "MAIL FROM:a@example.com SIZE=5\r\n",
        "MAIL FROM: a@example.com\r\n",
        "RCPT TO: b@example.net\r\n",
        "RCPT TO:b@example.net NOTIFY=NEVER\r\n",
        "MAIL FROM:<a@example.com> SIZE=10 BODY=8BITMIME\r\n",
        "RCPT TO:<b@example.net>\r\n",
        "RCPT TO:<bad@example.net>\r\n",
        "RCPT TO:<b@example.net> NOTIFY=NEVER\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "BDAT 5\r\nab\r\nc",
        "BDAT 0\r\n",
        "BDAT 4 LAST\r\nxy\r\n",
        "BDAT 0 LAST\r\n",
        "AUTH PLAIN\r\n",
        "*\r\n",
        "FOO\r\n",
        "NO\rOP\r\n",
        "NO\0OP\r\n",
        "STARTTLS\r\n",
        "BDAT 7\r\nQUIT\r\n.",
    ];
    prop_oneof![
        20 => proptest::sample::select(said.to_vec()).prop_map(|l| l.as_bytes().to_vec()),
        1 => Just(b"QUIT\r\n".to_vec()),
        1 => Just(b"NOOP\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
        1 => (2030usize..2060).prop_map(|n| [vec![b'x'; n], b"\r\n".to_vec()].concat()),
    ]
}

/// A group of lines, and perhaps DATA behind it with a message that comes only after our 354.
fn any_group() -> impl Strategy<Value = (Vec<Vec<u8>>, Option<Vec<u8>>)> {
    let message = proptest::collection::vec(proptest::sample::select(b"\r\n..a\0".to_vec()), 0..20);
    (proptest::collection::vec(any_line(), 0..6), proptest::option::of(message))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_sessions_cut_at_random_are_the_same(
        groups in proptest::collection::vec(any_group(), 1..6),
        cuts in proptest::collection::vec(any::<bool>(), 256),
        chance in 0usize..256,
        brackets: bool,
        hello: bool,
        space: bool,
    ) {
        let tolerance =
            Tolerance { missing_brackets: brackets, missing_hello: hello, space_after_colon: space };
        // What a client really sends depends on whether it heard 354.
        let mut first = Drive::default();
        first.server.tolerate(tolerance);
        let hello = if hello { &b""[..] } else { b"EHLO c\r\n" };
        let mut pieces: Vec<Vec<u8>> = vec![hello.to_vec()];
        first.push(hello);
        for (lines, message) in groups {
            let mut piece = lines.concat();
            if message.is_some() {
                piece.extend_from_slice(b"DATA\r\n");
            }
            first.output.clear();
            first.push(&piece);
            pieces.push(piece);
            if let Some(message) = message.filter(|_| first.output.ends_with(b"354 go\r\n")) {
                let data = [&message[..], b"\r\n.\r\n"].concat();
                first.push(&data);
                pieces.push(data);
            }
        }
        let whole = drive(&pieces, tolerance, &|_, _| false);
        let cut = drive(&pieces, tolerance, &|i, a| cuts[(i * 31 + a * 7 + chance) % 256]);
        // A chunk whose DATA-like content was cut may have come before a 354: then only the order of time differs.
        prop_assume!(!whole.0.iter().chain(&cut.0).any(|e| e.contains("before our go-ahead")));
        prop_assert_eq!(&cut, &whole);
        prop_assert_eq!(&drive(&pieces, tolerance, &|_, _| true), &whole);
    }
}

/// A message of whole lines, with dots where they hurt and every octet but CR, LF, NUL.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![3 => Just(b'.'), 8 => 1u8..=255, 4 => b'a'..=b'z'];
    let line = proptest::collection::vec(octet, 0..90).prop_map(|mut line| {
        line.retain(|&o| o != b'\r' && o != b'\n');
        line.extend_from_slice(b"\r\n");
        line
    });
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.concat())
}

/// A client's stuffing, by the letter.
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in message.split_inclusive(|&o| o == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Sends messages through a gateway, each in pieces, and gives what arrived.
#[expect(clippy::fn_params_excessive_bools, reason = "the two legs are independent")]
fn through(messages: &[Vec<u8>], bdat_in: bool, bdat_out: bool, piece: usize, memory: &str) -> Vec<Vec<u8>> {
    let keywords: &[&str] =
        if bdat_out { &["PIPELINING", "8BITMIME", "CHUNKING"] } else { &["PIPELINING", "8BITMIME"] };
    let keys = Keys { top: format!("memory = \"{memory}\""), ..Keys::default() };
    let mut arrived = Vec::new();
    paused(async {
        let harness = Harness::new(&keys, Downstream::new(Mode::Auto, keywords));
        harness.probe().await;
        let mut client = harness.connect("192.0.2.7:4711".parse().unwrap());
        client.write_all(b"EHLO c\r\n").await.unwrap();
        for message in messages {
            let envelope = b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\nRCPT TO:<b@example.net>\r\n";
            client.write_all(envelope).await.unwrap();
            if bdat_in {
                for chunk in message.chunks(piece * 3) {
                    client.write_all(format!("BDAT {}\r\n", chunk.len()).as_bytes()).await.unwrap();
                    client.write_all(chunk).await.unwrap();
                }
                client.write_all(b"BDAT 0 LAST\r\n").await.unwrap();
            } else {
                client.write_all(b"DATA\r\n").await.unwrap();
                drain(&mut client).await;
                for octets in stuff(message).chunks(piece) {
                    client.write_all(octets).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
            let (heard, _) = drain(&mut client).await;
            let heard = String::from_utf8_lossy(&heard).into_owned();
            assert!(heard.ends_with("250 2.0.0 Ok: queued\r\n"), "{heard}");
            arrived.extend(harness.downstream.take_messages());
        }
    });
    arrived.iter().map(|m| below_trace(m).to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_received_is_what_is_forwarded(
        messages in proptest::collection::vec(any_message(), 1..5),
        bdat_in: bool,
        bdat_out: bool,
        piece in 1usize..400,
    ) {
        prop_assert_eq!(through(&messages, bdat_in, bdat_out, piece, "32M"), messages);
    }
}

#[test]
fn large_messages_arrive_as_they_were_also_from_a_file() {
    let line = |n: usize| format!("{}.{n}\r\n", if n.is_multiple_of(7) { "." } else { "line " });
    let message: Vec<u8> = (0..60_000).flat_map(|n| line(n).into_bytes()).collect();
    for (bdat_in, bdat_out) in [(false, false), (true, false), (false, true), (true, true)] {
        for memory in ["32M", "256K"] {
            let arrived = through(std::slice::from_ref(&message), bdat_in, bdat_out, 30_000, memory);
            assert!(arrived == [message.clone()], "in {bdat_in}, out {bdat_out}, memory {memory}");
        }
    }
}
