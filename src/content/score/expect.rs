//! `[[expect]]` of `content.toml`: `check` runs them, and rules that fail one are not taken.

use super::collector::Collector;
use super::evaluate::{Inputs, Scored};
use crate::config::model::{Method, Policy, Score, ScoreExpect};
use crate::content::circles::Circles;
use crate::mail::{Id, Path};
use crate::message::content::{Limits, visit};
use crate::rules::{Position, Problem, thousandths};
use crate::verdict::{Authentication, Direction, Envelope, Signature};
use std::sync::Arc;

/// Runs the tests of a policy; each that fails is an error at its line. `now`: seconds since 1970.
#[must_use]
pub fn run_all(policy: &Policy, now: i64) -> Vec<Problem> {
    let score = &policy.content.score;
    let tell = |expect: &ScoreExpect| {
        let message = format!("this [[expect]] fails: {}", run(expect, score, now)?);
        Some(Problem::error(&expect.file, Position { line: expect.line, column: 1 }, message))
    };
    score.expects.iter().filter_map(tell).collect()
}

fn run(expect: &ScoreExpect, score: &Score, now: i64) -> Option<String> {
    let envelope = envelope(expect)?;
    let mut collector = Collector::new(score, &expect.message, &envelope);
    let _ = visit(&expect.message, &Limits::default(), &mut collector);
    let authentication = authentication(expect);
    let inputs =
        Inputs { envelope: &envelope, authentication: &authentication, findings: &[], odd: &[], now };
    let (_, scored) = collector.finish(&inputs, &Circles::default());
    mistake(expect, scored.first().unwrap_or(&Scored::default()))
}

fn mistake(expect: &ScoreExpect, scored: &Scored) -> Option<String> {
    let has = |id: &str| scored.held.iter().any(|held| **held == *id);
    let found = || {
        let scores = scored.findings.iter().map(|f| format!("{} {}", f.id, thousandths(f.score_milli)));
        let bare = scored.held.iter().filter(|id| !scored.findings.iter().any(|f| f.id == **id));
        let ids: Vec<String> = scores.chain(bare.map(ToString::to_string)).collect();
        if ids.is_empty() {
            "no rule matches".to_owned()
        } else {
            format!("what matches is {}", ids.join(", "))
        }
    };
    if let Some(missing) = expect.symbols.iter().find(|id| !has(id)) {
        return Some(format!("{missing} does not match; {}", found()));
    }
    if let Some(wrong) = expect.without.iter().find(|id| has(id)) {
        return Some(format!("{wrong} matches; {}", found()));
    }
    let score = scored.score_milli;
    if let Some(least) = expect.score_from.filter(|least| score < *least) {
        return Some(format!(
            "the score is {}, less than {}; {}",
            thousandths(score),
            thousandths(least),
            found()
        ));
    }
    let most = expect.score_below.filter(|most| score >= *most)?;
    Some(format!("the score is {}, not below {}; {}", thousandths(score), thousandths(most), found()))
}

fn envelope(expect: &ScoreExpect) -> Option<Envelope> {
    let path = |text: &Option<Box<str>>| Path::parse(text.as_deref()?.as_bytes()).ok().map(|(path, _)| path);
    Some(Envelope {
        id: Id::from_bits(0)?,
        client: expect.client,
        client_name: expect.hello.clone(),
        hello: expect.hello.clone(),
        user: None,
        authenticated: false,
        may_relay: false,
        trusted: false,
        tls: None,
        sender: path(&expect.sender).unwrap_or(Path::Null),
        recipients: path(&expect.recipient).into_iter().collect(),
        listener: Arc::from(""),
        direction: Direction::Inbound,
        hostname: Arc::from("mx.example.net"),
        smtputf8: false,
    })
}

fn authentication(expect: &ScoreExpect) -> Authentication {
    let mut out = Authentication::default();
    for (method, result) in &expect.auth {
        match method {
            Method::Spf => out.spf = *result,
            Method::SpfHello => out.spf_hello = *result,
            Method::Dkim => out.dkim = vec![Signature { result: *result, ..Signature::default() }],
            Method::Dmarc => out.dmarc = *result,
            Method::Arc => out.arc = *result,
        }
    }
    out
}
