//! The suite of ARC validation, and forms of DKIM.

use super::{documents, octets, suites};
use portcullis::authentication::{Answer, Case, Data, Form, Kind, Question, Step, canonical_body};
use portcullis::config::model;
use portcullis::mail::{Id, Path};
use portcullis::verdict::{Authentication, Direction, Envelope};
use std::collections::HashMap;

/// When the messages of the suites were signed; seconds since 1970.
pub const NOW: u64 = 1_500_000_000;

pub fn envelope() -> Envelope {
    Envelope {
        id: Id::from_bits(1).unwrap(),
        client: "192.0.2.1".parse().unwrap(),
        client_name: None,
        hello: Some("mail.example.org".into()),
        user: None,
        authenticated: false,
        may_relay: false,
        trusted: false,
        tls: None,
        sender: Path::parse(b"<someone@example.org>").unwrap().0,
        recipients: Vec::new(),
        listener: "mx".into(),
        direction: Direction::Inbound,
        hostname: "mx.example.net".into(),
        smtputf8: false,
    }
}

/// Evaluates with a table of texts; everything else does not exist.
pub fn evaluate(
    message: &[u8],
    texts: &HashMap<String, Vec<u8>>,
    policy: &model::Authentication,
) -> Authentication {
    let mut case = Case::of(message, &envelope(), policy, NOW);
    for _ in 0..20 {
        match case.step() {
            Step::Done(done) => return *done,
            Step::Ask(questions) => questions.into_iter().for_each(|question: Question| {
                let text = texts.get(&*question.name).filter(|_| question.kind == Kind::Txt);
                let answer = match text {
                    Some(text) => Answer::Records([Data::Text(text.clone().into())].into()),
                    None => Answer::NoName,
                };
                case.add(question, answer);
            }),
        }
    }
    panic!("never done");
}

/// Texts of the suites have bare line feeds.
pub fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 100);
    for line in text.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(&[line.strip_suffix(b"\r").unwrap_or(line), b"\r\n"].concat())
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

#[test]
fn chains_are_validated() {
    let Some(documents) = documents("arc") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for document in documents {
        let records = document["txt-records"].as_object().cloned().unwrap_or_default();
        let texts: HashMap<String, Vec<u8>> = records
            .iter()
            .map(|(name, text)| (name.to_lowercase(), octets(text.as_str().unwrap())))
            .collect();
        for (name, test) in document["tests"].as_object().unwrap() {
            let message = crlf(&octets(test["message"].as_str().unwrap()));
            let told = evaluate(&message, &texts, &model::Authentication::default());
            // A chain that says of itself that it failed has no expectation in the suite.
            let wanted = test["cv"].as_str().filter(|cv| !cv.is_empty()).unwrap_or("Fail").to_lowercase();
            if told.arc.name() == wanted {
                passed += 1;
            } else {
                failed.push(format!("{name}: {wanted}, got {} ({})", told.arc.name(), told.arc_reason));
            }
        }
    }
    println!("{passed} pass");
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(passed, 171);
}

#[test]
fn bodies_have_their_canonical_forms() {
    let Some(suites) = suites() else { return };
    let directory = suites.join("dkim/flanker-canon");
    let mut done = 0;
    for number in 1..=25 {
        let file = |kind: &str| std::fs::read(directory.join(format!("{kind}.{number:02}"))).ok();
        let (Some(message), Some(simple), Some(relaxed)) =
            (file("email"), file("simple.expected"), file("relaxed.expected"))
        else {
            continue;
        };
        for (form, wanted) in [(Form::Simple, simple), (Form::Relaxed, relaxed)] {
            let got = canonical(&crlf(&message), form);
            let (got, wanted) = (String::from_utf8_lossy(&got), crlf(&wanted));
            assert_eq!(got, String::from_utf8_lossy(&wanted), "{number:02} {form:?}");
        }
        done += 1;
    }
    println!("{done} of them");
    assert_eq!(done, 21);
}

/// All fields and the body of a message.
fn canonical(message: &[u8], form: Form) -> Vec<u8> {
    let header = portcullis::authentication::Header::of(message);
    let mut out = Vec::new();
    for field in &header.fields {
        portcullis::authentication::canonical_field(&mut out, *field, form);
    }
    out.extend_from_slice(b"\r\n");
    canonical_body(header.body, form, &mut |piece: &[u8]| out.extend_from_slice(piece));
    out
}
