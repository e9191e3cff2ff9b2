//! What the checks cost: a figure that is printed, with a bound far above it. Run it with
//! `cargo test --release --lib checks::speed -- --ignored --nocapture`.

use super::table::tests::{facts, path, policy_of, stranger};
use super::*;
use crate::config::model::Policy;
use crate::verdict::{Client, Fact, Facts, Gathered, Listings, Stage};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// Sessions that are measured.
const SESSIONS: u32 = 2000;
/// Entries of the block list.
const ENTRIES: u32 = 1_000_000;
/// Rules.
const RULES: u32 = 1000;

/// Rules of all kinds, none of which matches.
fn rules() -> String {
    let mut text = String::new();
    for n in 0..RULES {
        let condition = match n % 10 {
            0..=2 => format!("sender = [\"spam{n}.example\", \"bulk{n}@mail.example\"]"),
            3 | 4 => format!("client = [\"203.{}.{}.0/24\"]", n / 256, n % 256),
            5 | 6 => format!("hello = [\"host{n}.example\", \".dyn{n}.example\"]"),
            7 => format!("recipient = [\"trap{n}@example.net\"]\nsender = [\"*@glob{n}.example\"]"),
            8 => format!("reverse_name = [\"*.pool{n}.example\"]"),
            _ => format!("listener = [\"out\"]\nsender = [\"/^x{n}[0-9]+@/\"]"),
        };
        let action = if n % 5 == 0 { "tempfail" } else { "reject" };
        let _ = write!(text, "[[rule]]\nid = \"r{n}\"\naction = \"{action}\"\n{condition}\n");
    }
    text
}

fn list() -> String {
    let mut text = String::new();
    for n in 0..ENTRIES {
        let _ = match n % 4 {
            0 => writeln!(text, "spammer{n}.example"),
            _ => writeln!(text, "{}.{}.{}.{}", 11 + n % 60, n >> 16, (n >> 8) & 255, n & 255),
        };
    }
    text
}

/// Connect to RCPT of one session.
fn session(facts: &Facts<'_>, policy: &Policy) -> usize {
    let [connect, helo, mail, rcpt] = [
        Facts { hello: None, sender: None, recipient: None, ..facts.clone() },
        Facts { sender: None, recipient: None, ..facts.clone() },
        Facts { recipient: None, ..facts.clone() },
        facts.clone(),
    ];
    let stages = [(Stage::Connect, connect), (Stage::Helo, helo), (Stage::Mail, mail), (Stage::Rcpt, rcpt)];
    stages.iter().map(|(stage, facts)| black_box(run(*stage, facts, policy)).len()).sum()
}

#[test]
#[ignore = "a figure of a release build"]
fn a_session_costs_less_than_50_microseconds() {
    let protocol = format!("{}\n{}", include_str!("../../rules/protocol.toml"), rules());
    let blocks = format!("{}\n{}", include_str!("../../rules/lists/blocks.list"), list());
    let policy = policy_of(&[
        ("limits.toml", include_str!("../../rules/limits.toml")),
        ("protocol.toml", &protocol),
        ("lists/blocks.list", &blocks),
        ("lists/allow.list", include_str!("../../rules/lists/allow.list")),
    ]);
    let client = Client { name: Fact::Known("mx1.mail.example.com".into()), ..stranger() };
    let (sender, recipient) = (path("<anna@mail.example.com>"), path("<bob@example.net>"));
    let gathered = Gathered { listings: Fact::Known(Listings::default()), ..Gathered::NOTHING };
    let facts = Facts {
        hello: Some(b"mx1.mail.example.com"),
        sender: Some(&sender),
        gathered: &gathered,
        ..facts(&client, Some(&recipient))
    };
    assert_eq!(session(&facts, &policy), 0, "nothing matches");
    let began = Instant::now();
    for _ in 0..SESSIONS {
        black_box(session(black_box(&facts), &policy));
    }
    let each = began.elapsed() / SESSIONS;
    println!("checks of a session, shipped rules, {ENTRIES} list entries, {RULES} rules: {each:?}");
    assert!(each.as_micros() < 50, "{each:?}");
}
