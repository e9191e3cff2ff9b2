//! Lists, and whole directories of rules.

use super::model::Policy;
use super::several::{only, read};
use super::tests::{MINIMAL, with};
use super::{Moment, Sources, load, parse_files};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn problems_of_all_files_are_told_at_once_sorted_by_file() {
    let (_, told) = only(&[
        (
            "protocol.toml",
            "answer_at = \"now\"\n[[rule]]\nid = \"a\"\naction = \"reject\"\nlistener = \"out\"\n",
        ),
        ("lists/blocks.list", "a b\n192.0.2.1 ; until=2020-01-01\n"),
        ("limits.toml", "[rates\n"),
        ("gateway.toml", &MINIMAL.replace("inbound", "inwards")),
        ("limit.toml", ""),
        ("lists/x.txt", ""),
    ]);
    assert_eq!(
        told,
        [
            "gateway.toml:6:13: error: `direction`: expected \"inbound\" or \"outbound\", found \"inwards\"",
            "limit.toml:1:1: warning: nobody reads this file; did you mean limits.toml?",
            "limits.toml:1:7: error: the closing ] of the table's name is missing",
            "lists/blocks.list:1:3: error: one entry a line; attributes stand behind a ; and comments behind a blank and #",
            "lists/blocks.list:2:1: warning: `until` is past: the entry does not match; take it out, or give it a new date",
            "lists/x.txt:1:1: warning: nobody reads this file: lists are named lists/NAME.list, such as lists/x.list",
            // The listener may be there when gateway.toml is right, so nothing is said about "out".
            "protocol.toml:1:13: error: `answer_at`: expected \"connect\", \"mail\", \"rcpt\" or \"data\", found \"now\"",
        ]
    );
    let (_, told) = only(&[("limits.toml", "[rates]\nerrors = 1\n")]);
    assert_eq!(
        told,
        [
            "gateway.toml:1:1: error: there is no gateway.toml",
            "limits.toml:2:10: error: `errors`: expected a rate such as \"30/1m\", or \"off\", found the number 1",
        ]
    );
}

#[test]
fn a_list_with_bad_lines_is_not_used() {
    let mut list = String::from("\u{feff}");
    for line in 0..1000 {
        let _ = if line % 10 == 9 {
            writeln!(list, "192.0.2.{line}")
        } else {
            writeln!(list, "10.0.{}.{}", line / 250, line % 250)
        };
    }
    let (policy, told) = read(&[("lists/blocks.list", &list)]);
    assert!(policy.is_none());
    assert_eq!(told.len(), 21, "{told:#?}");
    assert!(told[0].starts_with("lists/blocks.list:260:1: error: "), "{}", told[0]);
    assert_eq!(
        told[20],
        "lists/blocks.list:460:1: error: and 55 more like those above (network), up to line 1000"
    );
}

#[test]
fn a_sweep_leads_to_a_folder_that_there_is() {
    let told = |entry: &str| read(&[("lists/blocks.list", entry)]).1;
    assert!(told("192.0.2.1; sweep=move:policy\nbad.example; sweep=delete\n").is_empty());
    assert_eq!(
        told("192.0.2.1; sweep=move:polcy\nbad.example; sweep=move:held\n"),
        [
            "lists/blocks.list:1:1: error: `sweep`: there is no folder polcy; did you mean policy?",
            "lists/blocks.list:2:1: error: `sweep`: held is for messages that wait by themselves; move to another folder",
        ]
    );
}

#[test]
fn lists_that_nothing_names_are_told() {
    let list = "192.0.2.1\n";
    let told = |texts: &[(&str, &str)]| read(texts).1;
    assert_eq!(
        told(&[
            ("lists/block.list", list),
            ("lists/other.list", list),
            ("lists/partners.list", list),
            ("protocol.toml", "[[rule]]\nid = \"a\"\naction = \"reject\"\nclient = [\"!@partners\"]\n")
        ]),
        [
            "lists/block.list:1:1: warning: nothing uses this list; did you mean lists/blocks.list?",
            "lists/other.list:1:1: warning: nothing uses this list: name it in protocol.toml, in [access] or as \"@other\" in a [[rule]]",
        ]
    );
    // A throttle may name one too.
    let throttle = "[[throttle]]\nname = \"a\"\nby = \"client\"\nmessages = \"1/1m\"\nexcept = \"@other\"\n";
    assert!(told(&[("lists/other.list", list), ("limits.toml", throttle)]).is_empty());
}

#[test]
fn a_list_of_recipients_is_no_list_of_entries() {
    let gateway = with("relay", "recipients = { \"example.net\" = \"@lists/people.list\" }");
    let people = ("lists/people.list", "info\nanna.muster@example.net\n");
    let (policy, told) = only(&[("gateway.toml", &gateway), people]);
    assert!(told.is_empty(), "{told:?}");
    let policy = policy.unwrap();
    assert!(policy.lists.is_empty());
    assert_eq!(format!("{:?}", policy.relay.recipients), "RecipientTable(1 domains, 2 recipients)");
    let rules = "[access]\nblock = [\"people\"]\n[[rule]]\nid = \"a\"\naction = \"reject\"\nrecipient = \"@people\"\n";
    let (_, told) = only(&[("gateway.toml", &gateway), people, ("protocol.toml", rules)]);
    assert_eq!(
        told,
        [
            "protocol.toml:2:10: error: `block`: lists/people.list is a list of recipients (relay.recipients names it)",
            "protocol.toml:6:13: error: `recipient`: lists/people.list is a list of recipients (relay.recipients names it)",
        ]
    );
}

#[test]
fn nobody_may_be_allowed_by_a_claim_to_be_us() {
    let gateway = MINIMAL.replace("[\"example.net\"]", "[\"example.net\", \".example.org\"]");
    let told = |list: &str| only(&[("gateway.toml", &gateway), ("lists/allow.list", list)]).1;
    let error = |line: u32, domain: &str| {
        format!(
            "lists/allow.list:{line}:1: error: our own domain as a sender allow entry would let anybody claim it ({domain} is in relay.domains): allow the client's address instead"
        )
    };
    for (entry, domain) in [
        ("example.net", "example.net"),
        ("boss@example.net", "example.net"),
        ("from:example.net ; auth=any", "example.net"),
        (".example.org ; auth=any", "mail.example.org"),
        ("*@example.net ; auth=any", "example.net"),
        ("/@example\\.net$/ ; auth=any", "example.net"),
    ] {
        assert!(told(&format!("# ours\n{entry}\n")).contains(&error(2, domain)), "{entry}");
    }
    for entry in [
        "192.0.2.1",
        "rdns:.example.net",
        "rcpt:boss@example.net",
        "example.com ; auth=any",
        "user:anna",
        "! boss@example.net",
    ] {
        assert!(told(&format!("{entry}\n")).is_empty(), "{entry}: {:?}", told(entry));
    }
    assert_eq!(
        told("192.0.2.1\nexample.com ; auth=any\na@example.com\nfrom:.example.com\n*@x.example\n"),
        [
            "lists/allow.list:3:1: warning: anybody can write this sender, so the entry counts only for clients that authenticated, and where SPF or DKIM prove the sender; \
          with auth=any it counts for everybody (and for 2 more entries here)"
        ]
    );
    // In a block list both are right.
    assert!(only(&[("gateway.toml", &gateway), ("lists/blocks.list", "example.net\n")]).1.is_empty());
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir.join("lists")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

fn loaded(dir: &Path, before: Option<&Policy>) -> (Option<Policy>, Vec<String>) {
    let moment = Moment { before: before.map(|policy| &policy.loaded), ..Moment::at(0) };
    let (policy, problems) = load(dir, moment);
    (policy, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_directory_is_read_with_all_that_lies_in_it() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("gateway.toml", MINIMAL),
            ("limits.toml", "\u{feff}[rates]\r\nerrors = \"off\"\r\n"),
            ("protocol.toml", "answer_at = \"mail\"\n"),
            ("lists/blocks.list", "\u{feff}192.0.2.1\r\n"),
            ("lists/README", "words"),
            ("lists/x.txt", "words"),
            ("milters.toml", "a = 1"),
            ("gateway.toml~", "no"),
            ("README.md", "words"),
        ],
    );
    let (policy, told) = loaded(dir.path(), None);
    assert_eq!(
        told,
        [
            "lists/x.txt:1:1: warning: nobody reads this file: lists are named lists/NAME.list, such as lists/x.list",
            "milters.toml:1:1: warning: nobody reads this file: the files of settings are gateway.toml, limits.toml, protocol.toml, quarantine.toml, scanners.toml, attachments.toml, content.toml, policies.toml",
        ]
    );
    let policy = policy.unwrap();
    assert!(policy.limits.rates.errors.is_none());
    assert_eq!((policy.lists["blocks"].len(), &*policy.protocol.block[0].file), (1, "lists/blocks.list"));
    // A list that is no text, and one that is no file.
    std::fs::write(dir.path().join("lists/blocks.list"), b"192.0.2.1\n# gr\xfcn\n").unwrap();
    std::fs::create_dir(dir.path().join("lists/allow.list")).unwrap();
    let (none, told) = loaded(dir.path(), None);
    assert!(none.is_none());
    assert_eq!(
        told[..2],
        [
            "lists/allow.list:1:1: error: this list cannot be read: it is not a file",
            "lists/blocks.list:2:5: error: not UTF-8: save the file in UTF-8 encoding",
        ]
    );
}

#[test]
fn a_list_with_the_same_text_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &[
            ("gateway.toml", MINIMAL),
            ("lists/blocks.list", "192.0.2.1/24\n"),
            ("lists/allow.list", "192.0.2.1\n"),
        ],
    );
    let (first, told) = loaded(dir.path(), None);
    let first = first.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    write(dir.path(), &[("lists/allow.list", "192.0.2.2\n"), ("limits.toml", "[bans]\nmode = \"off\"\n")]);
    let (second, again) = loaded(dir.path(), Some(&first));
    let second = second.unwrap();
    // What was said of it is said again.
    assert_eq!(again, told);
    let same = |name: &str| Arc::ptr_eq(&first.lists[name], &second.lists[name]);
    assert_eq!((same("blocks"), same("allow")), (true, false));
    assert!(Arc::ptr_eq(&second.protocol.block[0], &first.protocol.block[0]));
}

/// Prints how long a load with a million entries takes, and a reload with the same list.
/// `cargo test --release --lib config::several_lists::million -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn million() {
    let dir = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for n in 0..1_000_000_u32 {
        let [_, b, c, d] = (n * 13 % 16_777_216).to_be_bytes();
        let _ = writeln!(list, "{}.{b}.{c}.{d}", 11 + n % 200);
    }
    write(dir.path(), &[("gateway.toml", MINIMAL), ("lists/blocks.list", &list)]);
    let start = Instant::now();
    let (policy, told) = loaded(dir.path(), None);
    let first = start.elapsed();
    assert!(told.is_empty(), "{:?}", told.first());
    let start = Instant::now();
    let (_, told) = loaded(dir.path(), policy.as_ref());
    println!("{} octets: load {first:?}, reload {:?}", list.len(), start.elapsed());
    assert!(told.is_empty());
    let sources = Sources::of(&[("gateway.toml", MINIMAL), ("lists/blocks.list", &list)]);
    let start = Instant::now();
    assert!(parse_files(&sources, Path::new("/rules"), Moment::at(0)).0.is_some());
    println!("without files: {:?}", start.elapsed());
}
