//! Rules and lists that take a message elsewhere: they end nothing, and the end of data decides.

use super::table::tests::{facts, path, policy_of, shown, stranger};
use super::{Judgement, Scene, judge, run, run_expects};
use crate::config::model::{Outcome, Policy};
use crate::verdict::{Cause, Client, Disposition, Fact, Facts, Folder, Stage};

const NOW: i64 = 1_800_000_000;

fn rules(text: &str) -> Policy {
    policy_of(&[("protocol.toml", text)])
}

fn scene(sender: &str, recipients: &[&str]) -> Scene {
    Scene {
        hello: Some("mx.example.com".into()),
        sender: Some(format!("<{sender}>").into()),
        recipients: recipients.iter().map(|to| format!("<{to}>").into()).collect(),
        ..Scene::of("192.0.2.7".parse().unwrap(), "in", NOW)
    }
}

/// What each recipient, and at the end the message, comes to.
fn ends(judged: &Judgement) -> Vec<String> {
    let shown = judged.steps.iter().filter(|s| matches!(s.stage, Stage::Rcpt | Stage::Message));
    let goes = |goes: &Disposition| match goes {
        Disposition::Deliver => "deliver".to_owned(),
        Disposition::Hold => "hold".to_owned(),
        Disposition::Quarantine(Folder(name)) => format!("-> {name}"),
        Disposition::Discard => "discard".to_owned(),
        Disposition::Refuse(_) | Disposition::Disconnect(_) => "refuse".to_owned(),
    };
    let one = |s: &super::Step| {
        let code = s.reply.as_ref().map(|reply| format!(" {}", reply.code())).unwrap_or_default();
        format!("{}{code}", goes(&s.goes))
    };
    shown.map(one).collect()
}

const BOX: &str = r#"
[[rule]]
id = "box"
action = "quarantine"
folder = "spam"
recipient = ["box@example.net", "box2@example.net"]
[[rule]]
id = "noise"
action = "discard"
sender = "noise@example.com"
[[rule]]
id = "late"
action = "reject"
sender = "noise@example.com"
"#;

#[test]
fn each_recipient_has_its_own_end() {
    let policy = rules(BOX);
    let recipients = ["box@example.net", "b@example.net", "box2@example.net"];
    let judged = judge(&scene("a@example.com", &recipients), &policy);
    assert_eq!(ends(&judged), ["-> spam", "deliver", "-> spam", "-> spam 250"]);
}

#[test]
fn the_first_recipient_decides_and_others_come_again() {
    let mut policy = rules(BOX);
    policy.policies.mixed = crate::config::model::Mixed::Defer;
    let plain = |recipients: &[&str]| judge(&scene("a@example.com", recipients), &policy);
    let judged = plain(&["box@example.net", "b@example.net", "box2@example.net"]);
    assert_eq!(ends(&judged), ["-> spam", "deliver 452", "-> spam", "-> spam 250"]);
    assert_eq!((judged.outcome, judged.decided_by.is_none()), (Outcome::Tempfail, true));
    let judged = plain(&["b@example.net", "box@example.net"]);
    assert_eq!(ends(&judged), ["deliver", "-> spam 452", "deliver"]);
    assert_eq!(judged.decided_by.map(|f| f.id.to_string()), Some("box".into()));
    let judged = plain(&["box@example.net"]);
    assert_eq!((judged.outcome, &*judged.decided_by.unwrap().id), (Outcome::Quarantine, "box"));
    // A refused recipient decides nothing.
    let judged = plain(&["x@elsewhere.example", "box@example.net"]);
    assert_eq!(ends(&judged), ["deliver 550", "-> spam", "-> spam 250"]);
    assert_eq!(judged.outcome, Outcome::Reject);
}

#[test]
fn the_first_rule_that_matches_decides_among_the_rules() {
    let policy = rules(BOX);
    // `late` would refuse, but `noise` is before it; nothing is pending from MAIL on.
    let judged = judge(&scene("noise@example.com", &["b@example.net"]), &policy);
    assert_eq!(ends(&judged), ["discard", "discard 250"]);
    assert_eq!(judged.outcome, Outcome::Discard);
    let judged = judge(&scene("noise@example.com", &["box@example.net"]), &policy);
    assert_eq!(judged.outcome, Outcome::Quarantine);
}

#[test]
fn the_strongest_word_counts_at_the_end() {
    let more = r#"
[[rule]]
id = "author"
action = "reject"
header_from = "boss@example.net"
[[rule]]
id = "later"
action = "tempfail"
header_from = "later@example.net"
"#;
    let policy = rules(&format!("{BOX}{more}"));
    let with = |from: &str, to: &str| {
        let scene = Scene { header_from: vec![from.into()], ..scene("a@example.com", &[to]) };
        judge(&scene, &policy).outcome
    };
    assert_eq!(with("boss@example.net", "box@example.net"), Outcome::Reject);
    assert_eq!(with("later@example.net", "box@example.net"), Outcome::Quarantine);
    assert_eq!(with("later@example.net", "b@example.net"), Outcome::Tempfail);
    let noisy = Scene {
        header_from: vec!["later@example.net".into()],
        ..scene("noise@example.com", &["b@example.net"])
    };
    assert_eq!(judge(&noisy, &policy).outcome, Outcome::Tempfail, "an error is stronger than discard");
}

#[test]
fn found_early_it_is_carried_to_the_end_unless_something_allows() {
    let early = r#"
[[rule]]
id = "early"
action = "quarantine"
folder = "spam"
answer_at = "connect"
client = "192.0.2.0/24"
"#;
    for (files, want) in [
        (vec![("protocol.toml", early)], vec!["-> spam", "-> spam 250"]),
        (vec![("lists/blocks.list", "192.0.2.7 ; action=quarantine\n")], vec!["-> policy", "-> policy 250"]),
        (
            vec![("lists/blocks.list", "ehlo:mx.example.com ; action=quarantine\n")],
            vec!["-> policy", "-> policy 250"],
        ),
        (
            vec![("lists/blocks.list", "from:a@example.com ; action=quarantine mode=log\n")],
            vec!["deliver", "deliver"],
        ),
        (
            vec![("protocol.toml", early), ("lists/allow.list", "rcpt:b@example.net\n")],
            vec!["deliver", "deliver"],
        ),
        (
            vec![("protocol.toml", early), ("lists/allow.list", "from:a@example.com ; auth=any\n")],
            vec!["deliver", "deliver"],
        ),
    ] {
        let judged = judge(&scene("a@example.com", &["b@example.net"]), &policy_of(&files));
        assert_eq!(ends(&judged), want, "{files:?}");
    }
    // At DATA it is for all recipients.
    let data = early.replace("connect", "data");
    let judged = judge(&scene("a@example.com", &["b@example.net", "c@example.net"]), &rules(&data));
    assert_eq!(ends(&judged), ["deliver", "deliver", "-> spam 250"]);
}

#[test]
fn what_is_unknown_is_put_off_and_never_dropped() {
    let text = r#"
[[rule]]
id = "nameless"
action = "discard"
has_reverse_name = false
"#;
    let client = Client { name: Fact::Unknown(Cause::Timeout), ..stranger() };
    let to = path("<b@example.net>");
    let sender = path("<a@example.com>");
    let facts = Facts { sender: Some(&sender), ..facts(&client, Some(&to)) };
    assert_eq!(shown(&run(Stage::Rcpt, &facts, &rules(text))), "nameless 451@Rcpt");
    let passing = format!("{text}on_unknown = \"pass\"\n");
    assert_eq!(shown(&run(Stage::Rcpt, &facts, &rules(&passing))), "");
    let known = Client { name: Fact::Absent, ..stranger() };
    let facts = Facts { client: &known, ..facts };
    assert_eq!(shown(&run(Stage::Rcpt, &facts, &rules(text))), "nameless discard");
    // Postmaster is spared by refusals only.
    let postmaster = path("<postmaster@example.net>");
    let facts = Facts { recipient: Some(&postmaster), ..facts };
    assert_eq!(shown(&run(Stage::Rcpt, &facts, &rules(text))), "nameless discard");
}

#[test]
fn copies_belong_to_the_message() {
    let text = r#"
[[rule]]
id = "boss"
action = "reject"
header_from = "boss@example.net"
copy = "policy"
"#;
    let policy = rules(text);
    let scene =
        Scene { header_from: vec!["boss@example.net".into()], ..scene("a@example.com", &["b@example.net"]) };
    let judged = judge(&scene, &policy);
    let found = judged.decided_by.unwrap();
    assert_eq!((judged.outcome, found.copy), (Outcome::Reject, Some(Folder("policy".into()))));
}

#[test]
fn tests_of_rules_know_both_results() {
    let expect = |sender: &str, to: &str, result: &str| {
        format!(
            "[[expect]]\nclient = \"192.0.2.7\"\nsender = \"{sender}\"\nrecipient = \"{to}\"\nresult = \"{result}\"\n"
        )
    };
    let good = expect("a@example.com", "box@example.net", "quarantine")
        + &expect("noise@example.com", "b@example.net", "discard");
    assert!(run_expects(&rules(&format!("{BOX}{good}")), NOW).is_empty());
    let bad = expect("a@example.com", "box@example.net", "discard");
    let told: Vec<String> =
        run_expects(&rules(&format!("{BOX}{bad}")), NOW).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "protocol.toml:15:1: error: this [[expect]] fails: expected discard, the outcome is quarantine by box (protocol.toml:2) at RCPT"
        ]
    );
}
