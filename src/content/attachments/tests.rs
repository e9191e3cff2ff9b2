//! Rules over files: what matches, what wins, what is told; and the tests that stand in the shipped file.

use super::*;
use crate::config::model::{Attachments, Policy};
use crate::config::{Moment, Sources, load, parse_files};
use crate::message::content::PartInfo;
use crate::message::files::{Budget, File, Limits, Mark, Marks, Type, open};
use crate::verdict::{Envelope, Verdict};

const GATEWAY: &str = r#"
hostname = "mx.example.net"
state_dir = "/var/lib/portcullis"
[[listener]]
name = "in"
address = "127.0.0.1:2525"
direction = "inbound"
downstream = "mail"
[[downstream]]
name = "mail"
addresses = ["127.0.0.1:2526"]
[relay]
domains = ["example.net"]
"#;

fn read(text: &str) -> (Option<Policy>, Vec<String>) {
    let texts = [("gateway.toml", GATEWAY), ("attachments.toml", text)];
    let (policy, problems) = parse_files(&Sources::of(&texts), std::path::Path::new("/rules"), Moment::at(0));
    let problems = problems.iter().map(ToString::to_string).collect();
    (policy, problems)
}

fn rules(text: &str) -> Attachments {
    let (policy, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    policy.unwrap().attachments
}

fn shipped() -> Attachments {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    load(&dir, Moment::at(0)).0.unwrap().attachments
}

fn envelope() -> Envelope {
    Envelope::test("<anna@example.com>", ["<bob@example.net>", "<eve@example.net>"])
}

fn part(number: u32, name: &str) -> PartInfo {
    PartInfo {
        number,
        kinds: vec!["application/octet-stream".into()],
        names: if name.is_empty() { vec![] } else { vec![name.into()] },
        attachment: true,
        ..PartInfo::default()
    }
}

/// A message of these parts, each with one file or none.
fn carried(files: &[(&str, Type, &[Mark])]) -> Carried {
    let mut carried = Carried::default();
    for (number, (name, kind, marks)) in (1..).zip(files) {
        let part = part(number, name);
        let marks: Marks = marks.iter().copied().collect();
        carried.part(&part);
        let file = File {
            number: 0,
            parent: None,
            depth: 0,
            names: part.names.clone(),
            kind: *kind,
            octets: 5,
            marks,
        };
        carried.file(&part, &file);
    }
    carried
}

/// Ids, verdicts and whether they count.
fn told(outcome: &Outcome) -> Vec<String> {
    let one = |f: &crate::verdict::Finding| {
        format!("{} {}{}", f.id, f.verdict.name(), if f.enforced { "" } else { " (log)" })
    };
    outcome.findings.iter().map(one).collect()
}

#[test]
fn the_first_rule_that_ends_a_file_decides_and_each_file_is_judged() {
    let policy = rules(
        r#"
[[rule]]
id = "points"
action = "score"
score = 1.5
tag = "archive"
type = "archive"
[[rule]]
id = "watched"
action = "reject"
mode = "log"
extension = "zip"
[[rule]]
id = "known"
action = "accept"
name = "known*"
[[rule]]
id = "zip"
action = "strip"
text = "No archives here"
extension = ".ZIP"
[[rule]]
id = "program"
action = "reject"
text = "No programs"
type = "executable"
[[rule]]
id = "off"
action = "reject"
mode = "off"
name = "*"
"#,
    );
    let carried = carried(&[
        ("known.zip", Type::Zip, &[]),
        ("a.zip", Type::Zip, &[]),
        ("b.zip", Type::Exe, &[]),
        ("c.txt", Type::Exe, &[]),
    ]);
    let outcome = judge(&carried, &[], &policy, &envelope(), 0);
    assert_eq!(
        told(&outcome),
        ["points continue", "watched reject (log)", "known continue", "zip continue", "program reject"]
    );
    assert_eq!(outcome.strips.iter().map(|strip| strip.part).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(outcome.strips[0].text.as_deref(), Some("No archives here"));
    let [points, .., program] = &outcome.findings[..] else { panic!() };
    assert_eq!(
        (points.score_milli, &*points.tags[0], &*points.reason),
        (1500, "archive", "\"known.zip\" (zip), and 1 more")
    );
    assert!(matches!(&program.verdict, Verdict::Reject(reply) if reply.to_log().contains("No programs")));
    assert_eq!((program.source.line, &*program.source.file), (22, "attachments.toml"));
}

#[test]
fn conditions_over_the_envelope() {
    let rule = |line: &str| {
        rules(&format!("[[rule]]\nid = \"r\"\naction = \"reject\"\nextension = \"exe\"\n{line}\n"))
    };
    let carried = carried(&[("a.exe", Type::Unknown, &[])]);
    for (line, want) in [
        ("direction = \"inbound\"", true),
        ("direction = \"outbound\"", false),
        ("sender = \"*@example.com\"", true),
        ("sender = \"<>\"", false),
        ("recipient = \"eve@example.net\"", true),
        ("recipient = \"carl@example.net\"", false),
        ("recipient = \"!bob@example.net\"", true),
        ("authenticated = true", false),
        ("user = \"anna\"", false),
        ("client = \"203.0.113.0/24\"", true),
        ("listener = \"in\"", true),
        ("odd = \"malformed\"", false),
        ("size_over = \"4\"", true),
        ("size_over = \"5\"", false),
        ("member = true", false),
        ("attachment = false", false),
        ("declared = \"application/*\"", true),
        ("type = \"unknown\"", true),
        ("without = \"encrypted\"", true),
    ] {
        let line = line.replace("\"4\"", "4").replace("\"5\"", "5");
        let outcome = judge(&carried, &[], &rule(&line), &envelope(), 0);
        assert_eq!(!outcome.findings.is_empty(), want, "{line}");
    }
    assert_eq!(
        told(&judge(&carried, &["malformed"], &rule("odd = \"malformed\""), &envelope(), 0)),
        ["r reject"]
    );
}

#[test]
fn without_a_file_there_are_no_rules() {
    for policy in [rules(""), read_without()] {
        assert_eq!((policy.limits, policy.rules.len(), policy.expects.len()), (Limits::default(), 0, 0));
    }
}

fn read_without() -> Attachments {
    let texts = [("gateway.toml", GATEWAY)];
    parse_files(&Sources::of(&texts), std::path::Path::new("/rules"), Moment::at(0)).0.unwrap().attachments
}

#[test]
fn what_is_wrong_with_the_message_needs_no_file() {
    let policy = shipped();
    let outcome = judge(&Carried::default(), &["duplicate-boundary", "malformed"], &policy, &envelope(), 0);
    assert_eq!(told(&outcome), ["malformed quarantine"]);
    assert_eq!(&*outcome.findings[0].reason, "the structure of the message: malformed");
}

#[test]
fn reasons_are_short_and_drive_nothing() {
    let policy = shipped();
    let name = format!("\x1b[2J\u{202e}{}.pdf.exe", "x".repeat(5000));
    let outcome = judge(&carried(&[(&name, Type::Exe, &[])]), &[], &policy, &envelope(), 0);
    assert_eq!(told(&outcome)[0], "program quarantine");
    for finding in &outcome.findings {
        assert!(
            finding.reason.chars().count() <= 200 && !finding.reason.contains(['\x1b', '\u{202e}']),
            "{}",
            finding.reason
        );
    }
}

#[test]
fn members_are_told_with_their_archive_and_readings_once() {
    let zip = {
        use std::io::Write as _;
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("dir/bill.pdf.js", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"eval(1)").unwrap();
        writer.finish().unwrap().into_inner()
    };
    let part = part(3, "bill.zip");
    let mut carried = Carried::default();
    carried.part(&part);
    for _ in 0..3 {
        open(&part.names, &zip, &mut Budget::new(Limits::default()), &mut |file, _| {
            carried.file(&part, file)
        });
    }
    assert_eq!(carried.len(), 2);
    let outcome = judge(&carried, &[], &shipped(), &envelope(), 0);
    assert_eq!(told(&outcome), ["program-name quarantine"]);
    assert_eq!(&*outcome.findings[0].reason, "\"dir/bill.pdf.js\" in \"bill.zip\" (plain, double-extension)");
}

#[test]
fn files_have_an_end() {
    let mut carried = Carried::default();
    let part = part(1, "a");
    carried.part(&part);
    for number in 0..FILES_MAX as u32 + 10 {
        let names = vec![format!("{number}.txt").into()];
        let (kind, marks) = (Type::Plain, Marks::NONE);
        carried.file(&part, &File { number, parent: None, depth: 1, names, kind, octets: 1, marks });
    }
    assert_eq!(carried.len(), FILES_MAX);
    let policy = rules("[[rule]]\nid = \"many\"\naction = \"reject\"\nmark = \"too-many\"\n");
    assert_eq!(judge(&carried, &[], &policy, &envelope(), 0).findings.len(), 1);
}

#[test]
fn the_shipped_rules_pass_their_own_tests() {
    let policy = shipped();
    assert!(policy.rules.len() > 15 && policy.expects.len() > 8);
    assert_eq!(run_expects(&policy, 0), []);
}

#[test]
fn a_test_that_fails_says_what_came_out() {
    let policy = rules(
        "[[rule]]\nid = \"r\"\naction = \"reject\"\nextension = \"exe\"\n[[expect]]\nname = \"a.exe\"\nresult = \"pass\"\n[[expect]]\nname = \"a.txt\"\nresult = \"pass\"\nrule = \"r\"\n",
    );
    let told: Vec<String> = run_expects(&policy, 0).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "attachments.toml:5:1: error: this [[expect]] fails: expected pass, the outcome is reject by r (attachments.toml:1): \"a.exe\" (unknown)",
            "attachments.toml:8:1: error: this [[expect]] fails: expected pass with r, the outcome is pass",
        ]
    );
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (lines, want) in MISTAKES {
        let (_, problems) = read(&format!("[[rule]]\nid = \"r\"\n{lines}\n"));
        let told: Vec<&str> = problems
            .iter()
            .map(|problem| problem.strip_prefix("attachments.toml:").unwrap_or(problem))
            .collect();
        assert_eq!(told, *want, "{lines}");
    }
}

#[rustfmt::skip]
const MISTAKES: &[(&str, &[&str])] = &[
    ("action = \"reject\"", &["1:1: warning: this [[rule]] has no condition over a file, so it is for every part of every message"]),
    ("action = \"score\"\ntype = \"exe\"", &["3:10: error: action = \"score\" also needs `score`, for example score = 2.0"]),
    ("action = \"log\"\nscore = 1\ntype = \"exe\"", &["4:9: error: `score`: a rule with this action changes nothing; write action = \"score\""]),
    ("action = \"quarantine\"\nfolder = \"spma\"\ntype = \"exe\"", &["4:10: error: `folder`: there is no folder \"spma\"; did you mean \"spam\"?"]),
    ("action = \"reject\"\nfolder = \"spam\"\ntype = \"exe\"", &["4:10: error: `folder` is for rules with action = \"quarantine\""]),
    ("action = \"quarantine\"\ntext = \"no\"\ntype = \"exe\"", &["4:8: error: `text` is for rules with action = \"reject\" or \"strip\""]),
    ("action = \"reject\"\ntype = [\"exe\", \"executabel\"]", &["4:16: error: `type`: no type is named \"executabel\"; did you mean \"executable\"?"]),
    ("action = \"reject\"\nmark = \"encripted\"", &["4:8: error: `mark`: no mark is named \"encripted\"; did you mean \"encrypted\"?"]),
    ("action = \"reject\"\nextension = \"*.e?e\"", &["4:13: error: `extension`: expected an extension such as \"exe\", found \"*.e?e\"; patterns are for `name`"]),
    ("action = \"reject\"\nname = [\"a\", \"/(/\"]", &["4:14: error: `name`: this is no expression: unclosed group"]),
    ("action = \"reject\"\nexentsion = \"exe\"\ntype = \"exe\"", &["4:1: error: unknown key `exentsion` in [[rule]]; did you mean `extension`?"]),
    ("action = \"delete\"\ntype = \"exe\"", &["3:10: error: `action`: expected \"reject\", \"quarantine\", \"strip\", \"score\", \"log\" or \"accept\", found \"delete\""]),
    ("action = \"reject\"\nodd = \"mal formed\"", &["4:7: error: `odd`: expected up to 64 letters, digits, `-`, `_` and `.`, found \"mal formed\""]),
    ("action = \"reject\"\ntype = \"exe\"\n[[expect]]\nrule = \"x\"\nresult = \"pass\"\ntype = \"archive\"", &[
        "6:8: error: `rule`: no [[rule]] of this file has the id \"x\"",
        "8:8: error: `type`: \"archive\" is a kind of types: name one of them",
    ]),
    ("action = \"reject\"\ntype = \"exe\"\n[archives]\nmemory = \"1G\"\ndepth = 17", &[
        "6:10: warning: `memory` is more than `unpacked`, so it changes nothing",
        "7:9: error: `depth`: expected a whole number from 1 to 16, found the number 17",
    ]),
];
