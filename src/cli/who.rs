//! `portcullis who`: the sessions that are open now.

use super::asked;
use super::exit::NOTHING;
use super::items::plain;
use super::out::{self, Ink, Paint, duration};
use crate::control::{Answer, Request};
use crate::gateway::{Doing, LiveReport};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> ExitCode {
    let sessions = match asked::gateway(rules, &Request::Who {}) {
        Ok(Answer::Who(sessions)) => sessions,
        Ok(_) => return asked::other_answer(),
        Err(code) => return code,
    };
    if options.json {
        out::json(&sessions);
    } else {
        let now = Timestamp::now().as_millisecond();
        out::print(&table(&sessions, now, Paint::of_stdout()));
    }
    if sessions.is_empty() { NOTHING.into() } else { ExitCode::SUCCESS }
}

/// The sessions, a line each; `kick` shows them too.
pub(super) fn table(sessions: &[LiveReport], now: i64, paint: Paint) -> String {
    if sessions.is_empty() {
        return "no open sessions\n".to_owned();
    }
    let mut text = String::new();
    let head = format!(
        "{:<8}  {:>12}  {:<12} {:<24} {:<9} {:>8}  {:<28} sender",
        "session", "age", "listener", "client", "state", "messages", "helo"
    );
    let _ = writeln!(text, "{}", paint.ink(Ink::Faint, &head));
    for session in sessions {
        let age = duration(u64::try_from((now - session.since_unix_ms) / 1000).unwrap_or(0));
        let client = session.client.to_string();
        let helo = plain(session.hello.as_deref().unwrap_or("-"));
        let sender = plain(session.sender.as_deref().unwrap_or("-"));
        let _ = writeln!(
            text,
            "{:<8}  {age:>12}  {:<12} {client:<24} {:<9} {:>8}  {helo:<28} {sender}",
            session.session,
            session.listener,
            state(session.state),
            session.messages,
        );
    }
    text
}

fn state(doing: Doing) -> &'static str {
    match doing {
        Doing::Greeting => "greeting",
        Doing::Command => "waits",
        Doing::Tls => "tls",
        Doing::Auth => "auth",
        Doing::Envelope => "envelope",
        Doing::Data => "data",
        Doing::Deliver => "deliver",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_line() {
        let session = LiveReport {
            session: "7F3K9QAB".into(),
            client: "192.0.2.7".parse().unwrap(),
            listener: "in".into(),
            since_unix_ms: 0,
            state: Doing::Data,
            hello: Some("mx.example.com".into()),
            sender: None,
            messages: 3,
        };
        let bad = LiveReport {
            hello: Some("x\x1b[2J\n".into()),
            sender: Some("\u{9b}2J".into()),
            ..session.clone()
        };
        let told = table(&[bad], 0, Paint::none());
        assert!(told.lines().count() == 2 && !told.contains(['\x1b', '\u{9b}']), "{told}");
        let text = table(&[session], 61_000, Paint::none());
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            ["7F3K9QAB", "1", "min", "1", "s", "in", "192.0.2.7", "data", "3", "mx.example.com", "-"]
        );
        assert_eq!(table(&[], 0, Paint::none()), "no open sessions\n");
    }
}
