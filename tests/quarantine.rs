//! `portcullis quarantine` and its like, as a shell runs them, on a store of their own and without a gateway.

use portcullis::mail::Id;
use portcullis::store::{StateDir, StateLock};
use portcullis::vault::{Item, Vault};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

const INVOICE: &str = "From: Ann <ann@partner.example>\r\nTo: bob@our.example\r\nSubject: your invoice\r\n\
    Message-ID: <1@partner.example>\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n\
    --X\r\nContent-Type: text/html\r\n\r\n<p>Pay \x1b[2J <a href=\"http://evil.example/\">here</a></p>\r\n\
    --X\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"../../in\x1bvoice.pdf\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=\r\n--X--\r\n";
const SPAM: &str = "Subject: buy now\r\n\r\nbuy buy buy\r\nFrom here on\r\n";

/// Rules, and a state directory with messages in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(downstream: SocketAddr) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let text = format!(
            "hostname = \"mx.our.example\"\nstate_dir = \"state\"\n\
            [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\ndirection = \"inbound\"\ndownstream = \"m\"\n\
            [[downstream]]\nname = \"m\"\naddresses = [\"{downstream}\"]\n\
            [relay]\ndomains = [\"our.example\"]\n"
        );
        fs::write(place.path("gateway.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts messages there: folder, sender, octets. Returns their references.
    fn keep(&self, messages: &[(&str, &str, &str)]) -> Vec<Id> {
        let state_dir = self.path("state");
        let lock = StateLock::acquire(&state_dir).unwrap();
        let ids = StateDir::open(&state_dir).unwrap().ids();
        let (vault, mut writer) = Vault::open(&state_dir).unwrap();
        let mut kept = Vec::new();
        for (folder, from, octets) in messages {
            let id = ids.next();
            let subject = octets.split("Subject: ").nth(1).unwrap().lines().next().unwrap();
            let encoded = |line: String| {
                // Lines are base64 in JSON.
                use std::fmt::Write as _;
                let mut out = String::new();
                for three in line.as_bytes().chunks(3) {
                    let mut bits = 0u32;
                    (0..3).for_each(|at| bits = bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
                    for at in 0..4 {
                        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
                        let digit = alphabet[(bits >> (18 - 6 * at) & 63) as usize];
                        let _ = write!(out, "{}", if at > three.len() { '=' } else { char::from(digit) });
                    }
                }
                out
            };
            let item = serde_json::json!({
                "id": id.to_string(), "folder": folder, "received_ms": jiff::Timestamp::now().as_millisecond(),
                "rule": "spam-words", "reason": "too many words\u{1b}[2J", "source": "protocol.toml:12",
                "client": {"session": ids.next().to_string(), "ip": "192.0.2.7", "helo": "mx.partner.example",
                    "listener": "in", "downstream": "m", "direction": "inbound"},
                "envelope": {"from": from, "line": encoded(format!("MAIL FROM:<{from}>\r\n"))},
                "recipients": [{"rcpt": "bob@our.example", "line": encoded("RCPT TO:<bob@our.example>\r\n".into())}],
                "header": {"subject": subject},
                "findings": [{"id": "spam-words", "verdict": "quarantine", "file": "protocol.toml", "line": 12, "text": "7 words"}],
            });
            let item: Item = serde_json::from_value(item).unwrap();
            vault.put_octets(item, octets.as_bytes()).unwrap().commit_blocking().unwrap();
            kept.push(id);
        }
        drop(vault);
        writer.close();
        drop(lock);
        kept
    }

    /// Exit code, standard output, standard error.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .arg("--rules")
            .arg(self.dir.path())
            .args(words)
            .env("SUDO_USER", "someone")
            .stdin(Stdio::null());
        let out = command.output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    /// Runs a command that must end with this code and say all of these.
    fn says(&self, words: &[&str], code: i32, wanted: &[&str]) -> String {
        let (got, out, error) = self.run(words);
        let text = out + &error;
        assert_eq!(got, code, "{words:?}: {text}");
        for want in wanted {
            assert!(text.contains(want), "{words:?}: no {want:?} in\n{text}");
        }
        text
    }
}

/// Envelope lines and message.
type Taken = (Vec<String>, Vec<u8>);

/// A mail server that takes every message and hands it out.
fn server() -> (SocketAddr, Receiver<Taken>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = sync_channel(16);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let tell = tell.clone();
            thread::spawn(move || session(stream, |taken| drop(tell.send(taken))));
        }
    });
    (address, told)
}

fn session(stream: TcpStream, mut tell: impl FnMut((Vec<String>, Vec<u8>))) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    out.write_all(b"220 m.our.example\r\n").ok()?;
    let mut envelope = Vec::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8(line).ok()?;
        let reply = match line.split([' ', '\r']).next()?.to_ascii_uppercase().as_str() {
            "EHLO" => "250-m.our.example\r\n250 8BITMIME\r\n",
            "MAIL" | "RCPT" => {
                envelope.push(line.trim_end().to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                out.write_all(b"354 go\r\n").ok()?;
                let mut message = Vec::new();
                while !message.ends_with(b"\r\n.\r\n") {
                    if input.read_until(b'\n', &mut message).ok()? == 0 {
                        return None;
                    }
                }
                message.truncate(message.len() - 3);
                tell((std::mem::take(&mut envelope), message));
                "250 2.0.0 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        out.write_all(reply.as_bytes()).ok()?;
    }
}

fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn messages_are_listed_counted_found_and_shown() {
    let place = Place::new(nowhere());
    place.says(&["quarantine", "list"], 1, &["no message matches"]);
    let ids = place.keep(&[("spam", "ann@partner.example", INVOICE), ("spam", "x@bad.example", SPAM)]);
    let (invoice, spam) = (ids[0].to_string(), ids[1].to_string());
    let text =
        place.says(&["quarantine", "list"], 0, &[&invoice, &spam, "your invoice", "too many words\\x1b[2J"]);
    assert!(text.find(&spam) < text.find(&invoice) && !text.contains('\x1b'), "{text}");
    let text = place.says(&["q", "list", "from:@partner.example", "--json"], 0, &[]);
    let row: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(row["id"], invoice.as_str());
    assert_eq!(row["from"], "ann@partner.example");
    assert_eq!(row["to"][0], "bob@our.example");
    assert_eq!(row["size"], INVOICE.len());
    for key in ["folder", "subject", "received", "reason", "ref"] {
        assert!(row[key].is_string(), "{key}: {row}");
    }
    place.says(&["q", "list", "-from:@partner.example"], 0, &[&spam, "buy now"]);
    place.says(&["q", "count", "folder:spam"], 0, &["2 messages"]);
    place.says(&["q", "count", "folder:virus"], 1, &["0 messages"]);
    place.says(&["q", "search", "invoice"], 0, &[&invoice]);
    place.says(&["q", "search", "subject:your invoice", "--json"], 0, &[&invoice]);
    let error = place.says(&["q", "list", "folder:spam", "form:bob"], 2, &["did you mean from"]);
    let mut lines = error.lines().skip(1);
    assert_eq!(lines.next().unwrap().find("form"), lines.next().unwrap().find('^'), "{error}");
    // Pages.
    let (code, first, more) = place.run(&["q", "list", "-n", "1", "--json"]);
    assert_eq!(code, 0);
    assert!(first.contains(&spam), "{first}");
    let after = more.trim_end().rsplit(' ').next().unwrap();
    let (_, second, end) = place.run(&["q", "list", "-n", "1", "--json", "--after", after]);
    assert!(second.contains(&invoice) && end.is_empty(), "{second}{end}");
    place.says(&["q", "list", "--after", "x"], 2, &["behind \"more\""]);
    let shown = place.says(
        &["q", "show", &invoice[..5]],
        0,
        &[
            &invoice,
            "your invoice",
            "protocol.toml:12",
            "spam-words quarantine protocol.toml:12: 7 words",
            "192.0.2.7",
            "Message-ID: <1@partner.example>",
            "application/pdf",
            "in_x1bvoice.pdf",
            "Pay \\x1b[2J here [http://evil.example/]",
        ],
    );
    assert!(!shown.contains('\x1b'), "{shown}");
    place.says(&["q", "show", "0000"], 1, &["there is no message"]);
    place.says(&["q", "stats"], 0, &["spam", "different bodies"]);
    place.says(&["q", "group"], 1, &["no two of 2 messages are near-identical"]);
}

#[test]
fn octets_come_out_as_they_went_in() {
    let place = Place::new(nowhere());
    let id = place.keep(&[("spam", "ann@partner.example", INVOICE)])[0].to_string();
    assert_eq!(place.run(&["q", "raw", &id]).1, INVOICE);
    assert_eq!(place.run(&["q", "part", &id, "3"]).1, "%PDF-1.4");
    assert!(place.run(&["q", "headers", &id]).1.ends_with("boundary=X\r\n\r\n"));
    assert!(place.run(&["q", "headers", &id, "3"]).1.starts_with("Content-Type: application/pdf"));
    place.says(&["q", "part", &id, "9"], 2, &["has 3 parts"]);
    let folder = place.path("out");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    place.says(&["q", "part", &id, "3", "--output", folder], 0, &["-3-in_x1bvoice.pdf"]);
    place.says(&["q", "part", &id, "3", "--output", folder], 2, &["nothing is overwritten"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn a_release_goes_downstream_with_its_envelope() {
    let (address, told) = server();
    let place = Place::new(address);
    let id = place.keep(&[("spam", "ann@partner.example", INVOICE)])[0].to_string();
    place.says(&["q", "release", &id, "--dry-run"], 0, &["nothing was done", "your invoice"]);
    let words = ["q", "release", &id, "--allow-sender", "--for", "30d", "--note", "our \"printer\""];
    place.says(&words, 0, &["release: 1 message"]);
    let (envelope, message) = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert!(envelope[0].starts_with("MAIL FROM:<ann@partner.example>"), "{envelope:?}");
    assert_eq!(envelope[1], "RCPT TO:<bob@our.example>");
    let text = String::from_utf8(message).unwrap();
    assert!(text.ends_with(INVOICE), "{text}");
    assert!(text.contains(&format!("X-Portcullis-Released: {id}; folder=spam")), "{text}");
    let list = fs::read_to_string(place.path("lists/allow.list")).unwrap();
    assert!(
        list.contains("ann@partner.example; until=") && list.contains("note=\"our \\\"printer\\\"\""),
        "{list}"
    );
    place.says(&["q", "show", &id], 0, &["delivered", "2.0.0 taken", "someone"]);
    // Once is enough.
    place.says(&["q", "release", &id], 2, &["left alone"]);
    place.says(&["q", "release", &id, "--to", "carol@our.example", "--again"], 0, &["release: 1 message"]);
    let (envelope, _) = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert_eq!(envelope[1], "RCPT TO:<carol@our.example>");
}

#[test]
fn what_cannot_be_delivered_waits_in_the_spool() {
    let place = Place::new(nowhere());
    let id = place.keep(&[("spam", "ann@partner.example", INVOICE)])[0].to_string();
    place.says(&["q", "release", &id], 0, &["release: 1 message"]);
    place.says(&["spool", "list"], 0, &[&id, "0/1"]);
    place.says(&["spool", "list", "--json"], 0, &["\"attempts\":1"]);
    place.says(&["spool", "priority", "high", &id], 0, &["priority: 1 message"]);
    place.says(&["spool", "force", &id], 0, &["force: 1 message"]);
    place.says(&["spool", "list", "--json"], 0, &["\"attempts\":2", "\"priority\":\"high\""]);
    place.says(&["spool", "show", &id], 0, &["waits", "bob@our.example"]);
    place.says(&["held", "list"], 1, &["no message matches"]);
}

#[test]
fn the_trash_gives_back_what_one_command_took() {
    let place = Place::new(nowhere());
    let messages: Vec<_> = (0..25).map(|_| ("spam", "x@bad.example", SPAM)).collect();
    place.keep(&messages);
    place.keep(&[("policy", "ann@partner.example", INVOICE)]);
    place.says(&["q", "delete", "folder:spam"], 2, &["25 messages", "--yes does it"]);
    place.says(&["q", "delete", "folder:spam", "--dry-run"], 0, &["… and 15 more", "nothing was done"]);
    place.says(&["q", "count", "folder:spam"], 0, &["25 messages"]);
    place.says(&["q", "group"], 0, &["25 x  buy now", "like:"]);
    let done = place.says(&["q", "delete", "folder:spam", "--yes"], 0, &["delete: 25 messages", "to undo: "]);
    place.says(&["q", "delete", "folder:spam"], 1, &["no message matches"]);
    place.says(&["q", "count", "state:trash"], 0, &["25 messages"]);
    place.says(&["q", "delete", "folder:policy"], 0, &["delete: 1 message"]);
    let undo = done.lines().find_map(|l| l.strip_prefix("to undo: portcullis ")).unwrap();
    place.says(&undo.split(' ').collect::<Vec<_>>(), 0, &["undelete: 25 messages"]);
    place.says(&["q", "count"], 0, &["25 messages"]);
    place.says(&["q", "undelete", "folder:policy"], 0, &["undelete: 1 message"]);
    place.says(&["q", "move", "folder:policy", "--to", "virus"], 0, &["move: 1 message"]);
    place.says(&["q", "move", "folder:virus", "--to", "vrus"], 2, &["did you mean"]);
    place.says(&["q", "delete", "folder:virus", "--forever"], 0, &["delete: 1 message"]);
    place.says(&["q", "count", "folder:virus"], 1, &["0 messages"]);
    place.says(&["q", "delete"], 2, &["name the messages"]);
    place.says(&["top", "--by", "sender", "x@bad.example", "--sweep", "delete"], 2, &["25 messages"]);
    let sweep = ["top", "--by", "sender-domain", "bad.example", "--sweep", "move=policy", "--yes"];
    place.says(&sweep, 0, &["move: 25 messages"]);
    place.says(&["top", "--by", "ip", "192.0.2.8", "--sweep", "delete"], 1, &["no message matches"]);
    place.says(&["top", "--sweep", "delete"], 2, &["SOURCE"]);
}

#[test]
fn an_export_writes_new_files_only() {
    let place = Place::new(nowhere());
    let ids = place.keep(&[("spam", "ann@partner.example", INVOICE), ("spam", "", SPAM)]);
    let out = place.path("out");
    let to = out.to_str().unwrap();
    place.says(&["q", "export", "folder:spam", "--to", to], 0, &["2 messages written"]);
    assert_eq!(fs::read_to_string(out.join(format!("{}.eml", ids[0]))).unwrap(), INVOICE);
    place.says(&["q", "export", "folder:spam", "--to", to], 2, &["nothing is overwritten"]);
    place.says(&["q", "export", "folder:spam", "--to", to, "--format", "mbox"], 0, &["quarantine.mbox"]);
    let mbox = fs::read_to_string(out.join("quarantine.mbox")).unwrap();
    assert!(mbox.starts_with("From ann@partner.example ") && mbox.contains("\n>From here on\n\n"), "{mbox}");
    assert!(mbox.contains("\nFrom MAILER-DAEMON "), "{mbox}");
    place.says(&["q", "export", "folder:spam", "--to", to, "--format", "mbox"], 0, &["quarantine-2.mbox"]);
    place.says(&["q", "export", "folder:spam", "--to", to, "--format", "tar"], 0, &["quarantine.tar"]);
    assert_eq!(fs::metadata(out.join("quarantine.tar")).unwrap().len() % 512, 0);
    let before = fs::read_dir(&out).unwrap().count();
    place.says(&["q", "export", "folder:virus", "--to", to], 1, &["no message matches"]);
    place.says(&["q", "export", "folder:spam", "--to", to, "--dry-run"], 0, &["nothing was written"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), before);
    // And back.
    let mbox = out.join("quarantine.mbox");
    place.says(&["q", "import", mbox.to_str().unwrap(), "--folder", "policy"], 0, &["import: 2 messages"]);
    place.says(&["q", "count", "folder:policy"], 0, &["2 messages"]);
    // An import that stopped goes on behind what it took.
    let behind = |skip| ["q", "import", mbox.to_str().unwrap(), "--folder", "policy", "--skip", skip];
    place.says(&behind("1"), 0, &["import: 1 message\n"]);
    place.says(&behind("2"), 1, &["has no message behind the first 2"]);
    place.says(&["q", "count", "folder:policy"], 0, &["3 messages"]);
}

#[test]
fn nobody_works_beside_a_silent_gateway() {
    let place = Place::new(nowhere());
    place.keep(&[("spam", "", SPAM)]);
    let lock = StateLock::acquire(&place.path("state")).unwrap();
    place.says(&["q", "list"], 3, &["does not answer"]);
    drop(lock);
    place.says(&["q", "list"], 0, &["buy now"]);
}

/// Without a gateway nobody else makes the index: the command does, and waits for it.
#[test]
fn an_index_that_is_gone_or_damaged_is_made_before_anything_is_said() {
    let place = Place::new(nowhere());
    place.keep(&[("spam", "", SPAM), ("spam", "", INVOICE)]);
    let index = place.path("state").join("vault.db");
    let damage = || {
        let mut octets = fs::read(&index).unwrap();
        octets[8192..].fill(0xaa);
        fs::write(&index, octets).unwrap();
    };
    for command in [["q", "count"], ["q", "rebuild"]] {
        damage();
        place.says(&command, 0, &["2 messages"]);
        place.says(&["q", "list"], 0, &["buy now"]);
        fs::remove_file(&index).unwrap();
        place.says(&command, 0, &["2 messages"]);
    }
    assert!(index.with_extension("db.damaged").exists());
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do() {
    let (address, _told) = server();
    let place = Place::new(address);
    place.keep(&[("spam", "", SPAM)]);
    let text = place.says(&["doctor", "--json"], 0, &[]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let find = |area: &str, report: &serde_json::Value| {
        report["findings"].as_array().unwrap().iter().find(|f| f["area"] == area).cloned().unwrap()
    };
    for area in ["folders", "listeners", "downstreams", "disk", "open files", "clock", "quarantine"] {
        assert_eq!(find(area, &report)["level"], "ok", "{area}: {text}");
    }
    let place = Place::new(nowhere());
    let text = place.says(&["doctor", "--json"], 2, &[]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let down = find("downstreams", &report);
    assert_eq!(down["level"], "bad", "{text}");
    assert!(down["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{text}");
    place.says(&["doctor"], 2, &["BAD", "fix:"]);
}
