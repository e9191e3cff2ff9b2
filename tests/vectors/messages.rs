//! Whole messages: signed ones with their keys, and the functional tests of another filter with its table of DNS.

use super::arc::{NOW, crlf, envelope, evaluate};
use super::{documents, suites};
use portcullis::authentication::{Answer, Case, Data, Kind, Question, Step};
use portcullis::config::model;
use portcullis::mail::Path;
use portcullis::verdict::{AuthResult, Authentication, Wish};
use serde_json::Value;
use std::collections::HashMap;

/// Where we differ from what the other filter expects, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("SPF FAIL UNRESOLVEABLE INCLUDE", "an include of nothing is permerror (RFC 7208 section 5.2)"),
    ("SPF PLUSALL", "it has a symbol of its own for +all; the result is pass"),
    ("SPF ALLOW DNS REQUESTS AT LIMIT", "its limit is 30 mechanisms, that of RFC 7208 is 10"),
    ("ARC ALLOW CHECK", "its keys are in public DNS only, which no test asks"),
    ("ARC BAD CHECK", "its symbol for a chain that makes no sense; ours is fail as well"),
    ("DKIM Ignore Unknown Tags", "its keys are in public DNS only, which no test asks"),
    ("DKIM Signatures At Limit Are Still Checked", "its keys are in public DNS only, which no test asks"),
    ("DKIM Verify Unknown Key Type", "the body was changed as well, and then we do not ask for the key"),
    ("DKIM Reject Oversized Key Record", "the body was changed as well, and then we do not ask for the key"),
    ("DKIM Reject Oversized Key Modulus", "the body was changed as well, and then we do not ask for the key"),
    (
        "DKIM Verify Revoked Key (missing p=)",
        "the body was changed as well, and then we do not ask for the key",
    ),
];

#[test]
fn signed_messages_pass_with_their_keys() {
    let Some(suites) = suites() else { return };
    let policy = model::Authentication { partial: true, ..Default::default() };
    let mut seen = 0;
    for folder in ["dkim/mail-auth", "arc/mail-auth"] {
        let mut files: Vec<_> =
            std::fs::read_dir(suites.join(folder)).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read(&file).unwrap();
            let at = text.windows(2).position(|two| two == b"\n\n").unwrap();
            let keys = String::from_utf8(text[..at].to_vec()).unwrap();
            let keys: HashMap<String, Vec<u8>> = keys
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, key)| (name.trim_end_matches('.').to_lowercase(), key.as_bytes().to_vec()))
                .collect();
            let told = evaluate(&crlf(&text[at + 2..]), &keys, &policy);
            let passed = told.dkim.iter().filter(|s| s.result == AuthResult::Pass).count();
            let name = file.display();
            println!("{name}: {passed} of {} pass, arc={}", told.dkim.len(), told.arc.name());
            assert!(passed > 0, "{name}: {told:?}");
            assert!(folder.starts_with("dkim") || told.arc == AuthResult::Pass, "{name}: {told:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
}

struct Table(HashMap<(String, &'static str), Answer>);

impl Table {
    fn of(records: &Value) -> Self {
        let mut table = HashMap::new();
        for record in records.as_array().unwrap() {
            let text = |at: usize| record[at].as_str().unwrap_or_default();
            let Some(kind) = ["txt", "a", "aaaa", "mx", "ptr"].into_iter().find(|k| *k == text(1)) else {
                continue;
            };
            let replies = record[3].as_array().unwrap().iter().map(|r| r.as_str().unwrap());
            let data = replies.filter_map(|reply| match kind {
                "txt" => Some(Data::Text(reply.as_bytes().into())),
                "a" | "aaaa" => reply.parse().ok().map(Data::Address),
                "mx" => Some(Data::Name(reply.split(' ').next_back()?.trim_end_matches('.').into())),
                _ => Some(Data::Name(reply.trim_end_matches('.').into())),
            });
            let data: Vec<Data> = data.collect();
            let answer = match text(2) {
                "" if !data.is_empty() => Answer::Records(data.into()),
                "norec" | "" => Answer::NoRecords,
                "nxdomain" => Answer::NoName,
                _ => Answer::Trouble,
            };
            table.insert((text(0).to_lowercase(), kind), answer);
        }
        Self(table)
    }

    fn answer(&self, question: &Question) -> Answer {
        let kind = match question.kind {
            Kind::Txt => "txt",
            Kind::A => "a",
            Kind::Aaaa => "aaaa",
            Kind::Mx => "mx",
            Kind::Ptr => "ptr",
        };
        self.0.get(&(question.name.to_string(), kind)).cloned().unwrap_or(Answer::NoName)
    }
}

/// The symbols of the other filter for our results.
fn symbols(told: &Authentication) -> Vec<&'static str> {
    let spf = match told.spf {
        AuthResult::Pass => "R_SPF_ALLOW",
        AuthResult::Fail => "R_SPF_FAIL",
        AuthResult::SoftFail => "R_SPF_SOFTFAIL",
        AuthResult::Neutral => "R_SPF_NEUTRAL",
        AuthResult::TempError => "R_SPF_DNSFAIL",
        AuthResult::PermError => "R_SPF_PERMFAIL",
        AuthResult::None | AuthResult::Policy => "R_SPF_NA",
    };
    let dkim = match told.dkim_result() {
        AuthResult::Pass => "R_DKIM_ALLOW",
        AuthResult::Fail => "R_DKIM_REJECT",
        AuthResult::TempError => "R_DKIM_TEMPFAIL",
        AuthResult::PermError | AuthResult::Policy => "R_DKIM_PERMFAIL",
        _ => "R_DKIM_NA",
    };
    let dmarc = match (told.dmarc, told.wish) {
        (AuthResult::Pass, _) => "DMARC_POLICY_ALLOW",
        (AuthResult::Fail, Wish::None) => "DMARC_POLICY_SOFTFAIL",
        (AuthResult::Fail, Wish::Quarantine) => "DMARC_POLICY_QUARANTINE",
        (AuthResult::Fail, Wish::Reject) => "DMARC_POLICY_REJECT",
        (AuthResult::TempError, _) => "DMARC_DNSFAIL",
        _ => "DMARC_NA",
    };
    let arc = match told.arc {
        AuthResult::Pass => "ARC_ALLOW",
        AuthResult::None => "ARC_NA",
        AuthResult::TempError => "ARC_DNSFAIL",
        _ => "ARC_REJECT",
    };
    vec![spf, dkim, dmarc, arc]
}

fn scan(scan: &Value, message: &[u8], table: &Table) -> Authentication {
    let text = |key: &str| scan[key].as_str();
    let mut envelope = envelope();
    envelope.client = text("IP").unwrap_or("127.0.0.1").parse().unwrap();
    envelope.hello = text("Helo").map(Into::into);
    let from = text("From").unwrap_or_default().trim_matches(['<', '>']);
    envelope.sender = Path::parse(format!("<{from}>").as_bytes()).unwrap().0;
    let mut case = Case::of(&crlf(message), &envelope, &model::Authentication::default(), NOW);
    for _ in 0..50 {
        match case.step() {
            Step::Done(done) => return *done,
            Step::Ask(questions) => questions.into_iter().for_each(|question| {
                let answer = table.answer(&question);
                case.add(question, answer);
            }),
        }
    }
    panic!("never done");
}

#[test]
fn another_filter_says_the_same() {
    let (Some(documents), Some(suites)) = (documents("rspamd"), suites()) else { return };
    let suite = &documents[0];
    let table = Table::of(&suite["records"]);
    let (mut same, mut known, mut different) = (0, 0, Vec::new());
    for test in suite["scans"].as_array().unwrap() {
        let path = suite["files"][test["file"].as_str().unwrap()].as_str().unwrap();
        let told = scan(test, &std::fs::read(suites.join(path)).unwrap(), &table);
        let symbols = symbols(&told);
        let list = |key: &str| -> Vec<&str> {
            let symbols = test[key].as_array().unwrap().iter().map(|symbol| symbol.as_str().unwrap());
            let ours = ["R_SPF", "R_DKIM", "DMARC", "ARC_"];
            symbols.filter(|symbol| ours.iter().any(|prefix| symbol.starts_with(prefix))).collect()
        };
        let (expected, unexpected) = (list("expected"), list("unexpected"));
        if expected.is_empty() {
            continue;
        }
        let good =
            expected.iter().all(|s| symbols.contains(s)) && !unexpected.iter().any(|s| symbols.contains(s));
        let name = test["name"].as_str().unwrap();
        match (good, DIFFERENT.iter().any(|(known, _)| *known == name)) {
            (true, false) => same += 1,
            (false, true) => known += 1,
            (true, true) => different.push(format!("{name}: no longer different")),
            (false, false) => different.push(format!("{name}: {expected:?}, got {symbols:?} of {told:?}")),
        }
    }
    println!("{same} the same, {known} known to differ");
    assert_eq!(different, Vec::<String>::new());
    assert!(same >= 50 && known >= DIFFERENT.len(), "{same} {known}");
}

/// The work of one message without DNS: run it in a release build, with `--ignored --nocapture`.
#[test]
#[ignore = "a figure"]
fn what_a_message_costs() {
    let Some(suites) = suites() else { return };
    let text = std::fs::read(suites.join("arc/mail-auth/001.txt")).unwrap();
    let at = text.windows(2).position(|two| two == b"\n\n").unwrap();
    let keys = String::from_utf8(text[..at].to_vec()).unwrap();
    let keys: HashMap<String, Vec<u8>> = keys
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, key)| (name.trim_end_matches('.').to_lowercase(), key.as_bytes().to_vec()))
        .collect();
    let signed = crlf(&text[at + 2..]);
    let plain = [b"From: a@example.org\r\n\r\n".to_vec(), b"some words, and a line\r\n".repeat(400)].concat();
    for (name, message) in [("three signatures and ARC", &signed), ("none", &plain)] {
        let start = std::time::Instant::now();
        for _ in 0..200 {
            evaluate(message, &keys, &model::Authentication::default());
        }
        println!("{name}, {} octets: {:?} each", message.len(), start.elapsed() / 200);
    }
}
