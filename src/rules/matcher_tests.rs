//! Conditions of rules.

use super::*;
use crate::mail::Mailbox;
use crate::verdict::Direction;
use std::sync::Arc;

const NOW: i64 = 1_800_000_000;

fn lists() -> Lists {
    let text = "x.example\n!good@x.example\n10.0.0.0/8; dir=out\nlog@y.example; mode=log\n";
    let (list, problems) = List::parse("bad", "lists/bad.list", text, NOW);
    assert_eq!(problems, []);
    let nets = List::parse("offices", "lists/offices.list", "192.0.2.0/24\n", NOW).0;
    [("bad", list), ("offices", nets)].into_iter().map(|(n, l)| (Arc::from(n), Arc::new(l))).collect()
}

fn read(kind: Kind, items: &[&str]) -> Result<(Matcher, Vec<String>), String> {
    let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
    let mut warnings = Vec::new();
    Matcher::parse(kind, &items, &lists(), &mut |at, text| warnings.push(format!("{at}: {text}")))
        .map(|matcher| (matcher, warnings))
        .map_err(|(at, error)| format!("{at}: {error}"))
}

fn hit(kind: Kind, items: &[&str], subject: &str) -> bool {
    let (matcher, _) = read(kind, items).unwrap();
    let mailbox = Mailbox::parse(subject.as_bytes());
    let subject = match kind {
        Kind::Address => Subject::Address(subject.parse().unwrap()),
        _ if subject == "<>" => Subject::Null,
        kind if kind.is_mailbox() => Subject::Mailbox(mailbox.as_ref().unwrap()),
        _ => Subject::Name(subject.as_bytes()),
    };
    matcher.matches(subject, Direction::Inbound, NOW)
}

#[test]
fn items_match_and_exceptions_do_not() {
    for (kind, items, subject, want) in [
        (Kind::Address, &["10.0.0.0/8", "!10.1.0.0/16"][..], "10.2.0.1", true),
        (Kind::Address, &["10.0.0.0/8", "!10.1.0.0/16"], "10.1.0.1", false),
        // An exception holds however specific the item is: it is no list.
        (Kind::Address, &["10.1.2.3", "!10.1.0.0/16"], "10.1.2.3", false),
        (Kind::Address, &["!10.1.0.0/16"], "10.1.2.3", false),
        (Kind::Address, &["!10.1.0.0/16"], "192.0.2.1", true),
        (Kind::Address, &["@offices"], "192.0.2.1", true),
        (Kind::Address, &["!@offices"], "192.0.2.1", false),
        (Kind::Address, &["@bad"], "10.0.0.1", false),
        (Kind::Address, &[], "10.0.0.1", false),
        (Kind::Sender, &["a@x.example", ".y.example"], "A@x.example", true),
        (Kind::Sender, &["a@x.example", ".y.example"], "b@x.example", false),
        (Kind::Sender, &["a@x.example", ".y.example"], "b@z.y.example", true),
        (Kind::Sender, &["x.example"], "b@x.example", true),
        (Kind::Sender, &["@bad"], "b@x.example", true),
        (Kind::Sender, &["@bad"], "good@x.example", false),
        (Kind::Sender, &["@bad"], "log@y.example", false),
        (Kind::Sender, &["<>"], "<>", true),
        (Kind::Sender, &["a@x.example"], "<>", false),
        (Kind::Sender, &["*@x.example"], "<>", false),
        (Kind::Sender, &["!*@x.example"], "<>", true),
        (Kind::Sender, &["*"], "<>", true),
        (Kind::Sender, &["*"], "a@[192.0.2.1]", true),
        (Kind::Sender, &["/^news-/"], "NEWS-1@x.example", true),
        (Kind::Sender, &["/^ews-/"], "news-1@x.example", false),
        (Kind::Recipient, &["info@*"], "info@any.example", true),
        (Kind::Hello, &["@bad"], "x.example", true),
        (Kind::Hello, &["localhost", "*.local"], "a.LOCAL", true),
        (Kind::Hello, &["/^[0-9.]+$/"], "192.0.2.1", true),
        (Kind::User, &["alice", "svc-*"], "svc-backup", true),
        (Kind::User, &["ali*"], "alice@x.example", true),
        (Kind::ReverseName, &[".dyn.example"], "1-2.dyn.example", true),
        (Kind::ReverseName, &[".dyn.example"], "dyn.example", false),
    ] {
        assert_eq!(hit(kind, items, subject), want, "{kind:?} {items:?} {subject}");
    }
    assert!(!Matcher::default().matches(Subject::Null, Direction::Inbound, NOW));
}

#[test]
fn items_that_are_none_say_what_to_write() {
    for (kind, items, want) in [
        (
            Kind::Hello,
            &["a", "10.0.0.0/8"][..],
            "1: a network is compared with the client's address, not with the HELO name",
        ),
        (Kind::Sender, &["2001:db8::/32"], "not with the envelope sender"),
        (Kind::Sender, &["192.0.2.*"], "write \"192.0.2.0/24\""),
        (Kind::Sender, &["@bda"], "0: no list is named \"bda\"; did you mean \"@bad\"?"),
        (Kind::Sender, &["@lists/office"], "did you mean \"@offices\"?"),
        (Kind::Sender, &["@q"], "there is @bad, @offices; or make the file lists/q.list"),
        (Kind::Sender, &["from:a@x.example"], "the prefix \"from:\" belongs in lists"),
        (Kind::Sender, &["@x.example"], "a whole domain is written without the @"),
        (Kind::Address, &["x.example"], "names do not match addresses"),
        (Kind::Address, &["10.0.0.0/40"], "goes from 0 to 32"),
        (Kind::Hello, &[""], "expected a host name"),
        (Kind::Recipient, &["<>"], "never null"),
        (Kind::User, &["a b"], "a blank within"),
        (Kind::Hello, &["/a{1000}{1000}/"], "the expression is too large"),
    ] {
        let error = read(kind, items).unwrap_err();
        assert!(error.contains(want), "{items:?}: {error}");
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (kind, items, want) in [
        (Kind::Address, &["10.0.0.1", "10.0.0.5/8"][..], "1: host bits are set"),
        (Kind::Sender, &["a@x.example", "A@X.example"], "1: \"A@X.example\" is given twice"),
        (Kind::Hello, &["@offices"], "0: lists/offices.list has no entry that is about the HELO name"),
    ] {
        let (_, warnings) = read(kind, items).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(want), "{items:?}: {warnings:?}");
    }
}
