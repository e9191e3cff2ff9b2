//! `portcullis block` and its like, as a shell runs them, on a rules directory of their own.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;

struct Rules {
    dir: tempfile::TempDir,
}

impl Rules {
    fn new(lists: &[(&str, &str)]) -> Self {
        let rules = Self { dir: tempfile::tempdir().unwrap() };
        let text = "hostname = \"mx.our.example\"\nstate_dir = \"state\"\n\
            [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:2525\"\ndirection = \"inbound\"\ndownstream = \"m\"\n\
            [[downstream]]\nname = \"m\"\naddresses = [\"127.0.0.2:25\"]\n\
            [relay]\ndomains = [\"our.example\"]\nfrom = [\"198.51.100.7\"]\n\
            [trusted]\nclients = [\"127.0.0.0/8\", \"10.9.0.0/16\"]\n";
        fs::create_dir(rules.path("state")).unwrap();
        fs::write(rules.path("gateway.toml"), text).unwrap();
        if !lists.is_empty() {
            fs::create_dir(rules.path("lists")).unwrap();
        }
        for (name, text) in lists {
            fs::write(rules.path(&format!("lists/{name}.list")), text).unwrap();
        }
        rules
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("lists/{name}.list"))).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("--rules").arg(self.dir.path()).args(words).env("SUDO_USER", "someone");
        command.stdin(Stdio::null());
        command
    }

    /// Exit code, standard output and standard error.
    fn run(&self, words: &[&str]) -> (i32, String) {
        let out = self.command(words).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap();
        (out.status.code().unwrap(), text)
    }

    /// Runs a command that must end with this code and say all of these.
    fn says(&self, words: &[&str], code: i32, wanted: &[&str]) -> String {
        let (got, text) = self.run(words);
        assert_eq!(got, code, "{words:?}: {text}");
        for want in wanted {
            assert!(text.contains(want), "{words:?}: no {want:?} in\n{text}");
        }
        text
    }
}

#[test]
fn an_entry_is_added_replaced_and_removed_in_place() {
    let before = "# head\n192.0.2.1   # mine\n\nx.example\n";
    let rules = Rules::new(&[("blocks", before)]);
    let file = rules.path("lists/blocks.list");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    rules.says(
        &[
            "block",
            "192.0.2.7",
            "--for",
            "2h",
            "--note",
            "a \"b\"",
            "--action",
            "drop",
            "--dir",
            "in",
            "--mode",
            "log",
        ],
        0,
        &[
            "lists/blocks.list:5: added: 192.0.2.7; until=",
            "no gateway runs: it takes effect at the next start",
        ],
    );
    let text = rules.read("blocks");
    let line = text.strip_prefix(before).unwrap();
    for part in ["; mode=log; action=drop; dir=in; note=\"a \\\"b\\\"\"; by=", "; created=2"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o604);
    rules.says(
        &["block", "192.0.2.1/32", "--until", "2090-01-01"],
        0,
        &["lists/blocks.list:2: replaced: 192.0.2.1   # mine", "by: 192.0.2.1; until=2090-01-02T00:00Z"],
    );
    assert!(rules.read("blocks").lines().nth(1).unwrap().ends_with("  # mine"));
    rules.says(&["unblock", "192.0.2.7"], 0, &["lists/blocks.list:5: removed: 192.0.2.7; until="]);
    rules.says(&["unblock", "X.example"], 0, &["lists/blocks.list:4: removed: x.example"]);
    rules.says(&["unblock", "x.example"], 1, &["lists/blocks.list has no entry x.example"]);
    let text = rules.read("blocks");
    assert!(text.starts_with("# head\n192.0.2.1; ") && text.ends_with("# mine\n\n"), "{text}");
    // Nothing is left beside it but the lock.
    let mut names: Vec<_> =
        fs::read_dir(rules.path("lists")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, [".lock", "blocks.list"]);
}

#[test]
fn a_first_entry_makes_the_folder_and_the_file() {
    let rules = Rules::new(&[]);
    fs::set_permissions(rules.path("gateway.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    rules.says(&["allow", "ehlo:mx.partner.example"], 0, &["lists/allow.list:1: added"]);
    assert!(rules.read("allow").starts_with("ehlo:mx.partner.example; by="));
    let mode = fs::metadata(rules.path("lists/allow.list")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn what_is_dangerous_or_without_effect_is_said() {
    let rules = Rules::new(&[("blocks", "# x\n203.0.113.0/24\nspam.example\n"), ("allow", "192.0.2.9\n")]);
    for (words, code, wanted) in [
        (&["block", "10.0.0.0/8"][..], 2, &["10.0.0.0/8 has clients in [trusted]", "--force"][..]),
        (&["block", "198.51.100.0/24"], 2, &["clients in relay.from"]),
        (&["block", "10.0.0.0/8", "--mode", "log"], 0, &["wider than a /24: 2^24 addresses"]),
        (&["block", "10.0.0.0/8", "--force"], 0, &["by: 10.0.0.0/8; by=", "wider"]),
        (&["block", "rdns:*", "--mode", "log"], 0, &["it matches every value of the reverse name"]),
        (&["block", "2001:db8::/32"], 0, &["wider than a /48"]),
        (&["block", "203.0.113.9"], 0, &["already matched by lists/blocks.list:2 203.0.113.0/24"]),
        (&["block", "a@spam.example"], 0, &["already matched by lists/blocks.list:3 spam.example"]),
        (&["block", "192.0.2.9"], 0, &["allowed by lists/allow.list:1 192.0.2.9"]),
        (&["block", "boss@our.example"], 0, &["our.example is in relay.domains", "--dir in"]),
        (&["block", "192.0.2.77/24"], 0, &["host bits are set; this is 192.0.2.0/24"]),
        (
            &["allow", "a@friend.example"],
            0,
            &[
                "warning: anybody can write this sender, so the entry counts only for clients that logged in, and where SPF or DKIM",
            ],
        ),
        (&["allow", "our.example"], 2, &["our own domain as a sender allow entry", "nothing was changed"]),
        (&["block", "192.0.2.0/33"], 2, &["goes from 0 to 32"]),
        (&["block", "from:spam"], 0, &["added: from:spam"]),
        (&["block", "form:spam"], 2, &["did you mean \"from:\"?"]),
        (&["block", "a b"], 2, &["expected one entry"]),
        (&["block", "192.0.2.1", "--until", "2020-01-01"], 2, &["in the past"]),
        (&["block", "192.0.2.1", "--for", "2"], 2, &["the unit is missing"]),
        (&["block", "192.0.2.1", "--list", "../x"], 2, &["expected the name of a list"]),
        (
            &["block", "192.0.2.1", "--list", "more"],
            0,
            &["lists/more.list:1: added", "lists/more.list is no block list"],
        ),
        (&["unblock", "203.0.113.5"], 1, &["it is matched by lists/blocks.list:2 203.0.113.0/24"]),
        (&["unblock", "203.0.113.9"], 0, &["still matched by lists/blocks.list:2 203.0.113.0/24"]),
    ] {
        rules.says(words, code, wanted);
    }
    let quiet = rules.says(&["allow", "a@friend.example", "--auth-any"], 0, &["auth=any"]);
    assert!(!quiet.contains("warning"), "{quiet}");
    let quiet = rules.says(&["block", "ehlo:localhost"], 0, &[]);
    assert!(!quiet.contains("warning"), "{quiet}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let rules = Rules::new(&[("blocks", "192.0.2.0/24\n192.0.2.1\n")]);
    rules.says(&["block", "192.0.2.3", "--dry-run"], 0, &["would be added", "nothing was changed"]);
    rules.says(
        &["unblock", "192.0.2.1", "--dry-run"],
        0,
        &["blocks.list:2: would be removed", "still matched by"],
    );
    assert_eq!(rules.read("blocks"), "192.0.2.0/24\n192.0.2.1\n");
    assert!(!rules.path("lists/.lock").exists());
}

#[test]
fn rules_that_would_not_load_stay_as_they_are() {
    let rules = Rules::new(&[("blocks", "192.0.2.1\n10.0.0/8\n")]);
    rules.says(
        &["block", "192.0.2.3"],
        2,
        &[
            "lists/blocks.list:2:1: error: expected an address",
            "nothing was changed: the rules do not load as they are; mend them first",
        ],
    );
    assert_eq!(rules.read("blocks"), "192.0.2.1\n10.0.0/8\n");
    let rules = Rules::new(&[("blocks", "")]);
    let expect = "[[expect]]\nclient = \"192.0.2.9\"\nsender = \"a@x.example\"\n\
        recipient = \"b@our.example\"\nresult = \"pass\"\n";
    fs::write(rules.path("protocol.toml"), expect).unwrap();
    rules.says(
        &["block", "192.0.2.9"],
        2,
        &["protocol.toml:1:1: error: ", "nothing was changed: the rules would not load with it"],
    );
    assert_eq!(rules.read("blocks"), "");
    rules.says(&["block", "192.0.2.10"], 0, &["added"]);
}

/// A gateway that answers one request with this line; gives what it was asked.
fn gateway(rules: &Rules, answer: &'static str) -> thread::JoinHandle<String> {
    let listener = UnixListener::bind(rules.path("state/control.sock")).unwrap();
    let (ready, go) = sync_channel(1);
    let served = thread::spawn(move || {
        ready.send(()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 256];
        let got = stream.read(&mut asked).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked[..got].to_vec()).unwrap()
    });
    go.recv().unwrap();
    served
}

#[test]
fn the_running_gateway_reads_its_rules_and_its_refusal_takes_the_change_back() {
    let rules = Rules::new(&[]);
    let served = gateway(&rules, "{\"reload\":{\"generation\":7,\"reloaded\":true,\"problems\":[]}}\n");
    rules.says(&["block", "192.0.2.1"], 0, &["reloaded: generation 7 is in force"]);
    assert_eq!(served.join().unwrap(), "{\"request\":\"reload\"}\n");
    let refuses = "{\"reload\":{\"generation\":7,\"reloaded\":false,\"problems\":[\"protocol.toml:3:1: error: no\"]}}\n";
    for list in ["blocks", "more"] {
        fs::remove_file(rules.path("state/control.sock")).unwrap();
        let before = fs::read(rules.path(&format!("lists/{list}.list"))).ok();
        let served = gateway(&rules, refuses);
        let file = format!("lists/{list}.list is as it was");
        rules.says(&["block", "192.0.2.2", "--list", list], 2, &["protocol.toml:3:1: error: no", &file]);
        served.join().unwrap();
        assert_eq!(fs::read(rules.path(&format!("lists/{list}.list"))).ok(), before);
    }
    fs::remove_file(rules.path("state/control.sock")).unwrap();
    let served = gateway(&rules, "{\"error\":\"it stops\"}\n");
    rules.says(&["block", "192.0.2.3"], 3, &["the file is changed, but", "the gateway says: it stops"]);
    served.join().unwrap();
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    let rules = Rules::new(&[("blocks", "# head\n")]);
    let all: Vec<_> = (0..12)
        .map(|i| {
            let entry = format!("192.0.2.{i}");
            rules.command(&["block", &entry]).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in all {
        assert!(child.wait().unwrap().success());
    }
    let text = rules.read("blocks");
    for i in 0..12 {
        assert!(text.contains(&format!("\n192.0.2.{i}; ")), "{i}: {text}");
    }
    assert_eq!(text.lines().count(), 13);
}

#[test]
fn blocks_are_listed() {
    let rules = Rules::new(&[
        (
            "blocks",
            "# x\n192.0.2.1; until=2020-01-01; note=\"old one\"; by=top\n!ehlo:*.x.example\nspam.example; action=tempfail; dir=in\n",
        ),
        ("allow", "a@x.example; auth=any\n"),
    ]);
    let text = rules.says(
        &["blocks", "list"],
        0,
        &[
            "lists/blocks.list (block, 3 lines)",
            "     2  ip           192.0.2.1",
            "reject, over since 2020-01-02T00:00:00.000Z, by top, “old one”",
            "     3  ehlo         !*.x.example\n",
            "tempfail, in\n",
            "lists/allow.list (allow, 1 line)",
            "for anybody who claims it",
        ],
    );
    assert!(!text.contains('\x1b'));
    let text = rules.says(&["blocks", "list", "--expired"], 0, &["(block, 1 line)", "192.0.2.1"]);
    assert!(!text.contains("spam.example"), "{text}");
    let (_, text) = rules.run(&["blocks", "list", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = &all["lists"][0]["entries"][0];
    assert_eq!(
        (&entry["entry"], &entry["line"], &entry["expired"]),
        (&"192.0.2.1".into(), &2.into(), &true.into())
    );
    assert_eq!(all["lists"][1]["entries"][0]["auth_any"], true);
    Rules::new(&[]).says(&["blocks", "list"], 0, &["there is no block or allow list yet"]);
}
