//! Messages that want work, or a panic.

use super::ask::{Answer, Data, Kind};
use super::case::{ANSWERS_MAX, Case, Step};
use crate::config::model;
use crate::verdict::{AuthResult, Authentication, Author, Envelope};
use std::time::Instant;

fn envelope(sender: &str) -> Envelope {
    Envelope {
        client: "192.0.2.1".parse().unwrap(),
        hello: Some("mail.example.org".into()),
        ..Envelope::test(sender, None::<&str>)
    }
}

/// Evaluates with one answer to everything of a kind; also says how many questions there were.
fn judged(message: &[u8], answer: impl Fn(Kind, &str) -> Answer) -> (Authentication, usize) {
    let policy = model::Authentication::default();
    let mut case = Case::of(message, &envelope("<a@example.org>"), &policy, 1_500_000_000);
    let mut asked = 0;
    for _ in 0..1000 {
        match case.step() {
            Step::Done(done) => return (*done, asked),
            Step::Ask(questions) => {
                asked += questions.len();
                for question in questions {
                    let answer = answer(question.kind, &question.name);
                    case.add(question, answer);
                }
            }
        }
    }
    panic!("never done");
}

fn nothing(_: Kind, _: &str) -> Answer {
    Answer::NoName
}

fn signature(number: usize, more: &str) -> String {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=d{number}.example; s=s; bh=aGVsbG8=; b=aGVsbG8=; {more}\r\n"
    )
}

/// Each shape in a size; the larger is ten times the smaller.
fn shapes(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let names = vec!["x"; size * 10].join(":");
    let many = |line: &str| line.repeat(size).into_bytes();
    let signatures: String = (0..size).map(|n| signature(n, "h=from")).collect();
    let lengths: String = (0..size).map(|n| signature(n, &format!("h=from; l={n}"))).collect();
    let sets: String = (1..=size)
        .map(|n| {
            format!(
                "ARC-Seal: i={n}; a=rsa-sha256; cv=pass; d=d.example; s=s; b=aGVsbG8=\r\nARC-Message-Signature: i={n}; \
                 a=rsa-sha256; d=d.example; s=s; h=from; bh=aGVsbG8=; b=aGVsbG8=\r\nARC-Authentication-Results: i={n}; x\r\n"
            )
        })
        .collect();
    let body = |head: String| {
        [head.into_bytes(), b"From: a@example.org\r\n\r\n".to_vec(), many("a \t b\r\n \r\n")].concat()
    };
    vec![
        ("fields without end", many("a:b\r\n")),
        ("folded without end", [b"a:".to_vec(), many("\r\n x")].concat()),
        ("From without end", [b"From: ".to_vec(), many("a@b.example, ")].concat()),
        ("signatures", body(signatures)),
        ("signatures of parts", body(lengths)),
        ("a long list of names", body(signature(1, &format!("h=from:{names}")) + &"x:\r\n".repeat(size))),
        ("tags without end", body(signature(1, &"t=1;".repeat(size)))),
        ("sets", body(sets)),
        ("no line end", vec![b'\n'; size * 10]),
        ("blanks", body(signature(1, &format!("h=from{}", " ".repeat(size))))),
    ]
}

#[test]
fn hostile_messages_are_judged() {
    for (name, message) in shapes(3000) {
        let (told, asked) = judged(&message, nothing);
        assert!(told.dkim.len() <= 10 && !told.is_aligned(), "{name}: {told:?}");
        assert!(asked <= 100, "{name}: {asked}");
        assert_ne!(told.arc, AuthResult::Pass);
    }
}

#[test]
#[ignore = "measures time"]
fn hostile_messages_cost_what_they_are_long() {
    for ((name, small), (_, large)) in shapes(10_000).into_iter().zip(shapes(100_000)) {
        let cost = |message: &[u8]| {
            let start = Instant::now();
            judged(message, nothing);
            start.elapsed()
        };
        cost(&small);
        let (one, ten) = (cost(&small), cost(&large));
        println!("{name}: {} octets {one:?}, {} octets {ten:?}", small.len(), large.len());
        assert!(ten < one * 30 + std::time::Duration::from_millis(20), "{name}");
    }
}

#[test]
fn every_cut_of_a_message_is_judged() {
    let head = signature(1, "h=from:to; i=@a.d1.example; l=3; x=1; t=0; q=dns/txt");
    let message = format!(
        "{head}ARC-Seal: i=1; cv=none\r\n\tx\r\nFrom: \"a\" <a@example.org>, (b) c@b.example\r\n\r\nbody"
    );
    let answers = |kind: Kind, name: &str| match kind {
        Kind::Txt if name.contains("_domainkey") => {
            Answer::Records([Data::Text((*b"v=DKIM1; p=aGVsbG8=").into())].into())
        }
        Kind::Txt => Answer::Records(
            [Data::Text((*b"v=spf1 mx ptr exists:%{i}._spf.%{d2} a:%{p} -all").into())].into(),
        ),
        _ => Answer::Trouble,
    };
    for end in 0..message.len() {
        judged(&message.as_bytes()[..end], answers);
        judged(&message.as_bytes()[end..], answers);
    }
}

#[test]
fn questions_are_bounded_whatever_dns_says() {
    let message = b"From: a@example.org\r\n\r\n";
    let include = |kind: Kind, name: &str| match kind {
        Kind::Txt => {
            let text = format!("v=spf1 mx:a.{name} mx:b.{name} include:c.{name} include:d.{name} ptr -all");
            Answer::Records([Data::Text(text.into_bytes().into())].into())
        }
        Kind::Mx => {
            (0..10).map(|n| Data::Name(format!("{n}.{name}").into())).collect::<Vec<_>>().into_records()
        }
        Kind::Ptr => {
            (0..50).map(|n| Data::Name(format!("{n}.ptr.example").into())).collect::<Vec<_>>().into_records()
        }
        Kind::A | Kind::Aaaa => Answer::Records([Data::Address("203.0.113.1".parse().unwrap())].into()),
    };
    let (told, asked) = judged(message, include);
    assert_eq!((told.spf, told.spf_hello), (AuthResult::PermError, AuthResult::PermError));
    assert!(asked <= ANSWERS_MAX, "{asked}");
}

trait IntoRecords {
    fn into_records(self) -> Answer;
}

impl IntoRecords for Vec<Data> {
    fn into_records(self) -> Answer {
        Answer::Records(self.into())
    }
}

#[test]
fn who_the_author_is_must_be_clear() {
    for (from, author, domain) in [
        ("From: a@example.org\r\n", Author::One, "example.org"),
        ("From: a@example.org\r\nFrom: b@EXAMPLE.org\r\n", Author::One, "example.org"),
        ("From: a@example.org\r\nfrom : b@other.example\r\n", Author::Many, ""),
        ("From: a@example.org, b@other.example\r\n", Author::Many, ""),
        ("From: boss@bank.example <x@other.example>\r\n", Author::Many, ""),
        ("From: \"boss@bank.example\" <x@other.example>\r\n", Author::One, "other.example"),
        ("From: nobody\r\n", Author::Missing, ""),
        ("From: a@[192.0.2.1]\r\n", Author::Missing, ""),
        ("To: a@example.org\r\n", Author::Missing, ""),
    ] {
        let (told, _) = judged(format!("{from}\r\n").as_bytes(), nothing);
        assert_eq!((told.author, &*told.dmarc_domain), (author, domain), "{from}");
        assert_eq!(told.dmarc == AuthResult::PermError, author != Author::One, "{from}");
    }
}

#[test]
fn what_is_missing_when_the_time_is_over_is_trouble() {
    let policy = model::Authentication::default();
    let message = [signature(1, "h=from").as_bytes(), b"From: a@example.org\r\n\r\n"].concat();
    let mut case = Case::of(&message, &envelope("<a@example.org>"), &policy, 1_500_000_000);
    assert!(matches!(case.step(), Step::Ask(questions) if !questions.is_empty()));
    case.give_up();
    let Step::Done(told) = case.step() else { panic!("given up and not done") };
    assert_eq!(
        (told.spf, told.spf_hello, told.dmarc),
        (AuthResult::TempError, AuthResult::TempError, AuthResult::TempError)
    );
}
