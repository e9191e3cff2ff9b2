//! What became of the samples.

use super::sample::Sample;
use crate::cli::out::{Ink, Paint};
use crate::reply::Reply;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long the audit log may take to have the last line: it is written every 10 ms.
const AUDIT_WAIT: Duration = Duration::from_millis(200);

/// One sample and its end.
pub(super) struct Row {
    pub(super) sample: &'static Sample,
    pub(super) result: io::Result<Reply>,
}

impl Row {
    pub(super) fn as_expected(&self) -> bool {
        self.result.as_ref().is_ok_and(|reply| reply.code() == self.sample.expect)
    }
}

/// By the reply that the client heard: the reference in the audit log, the message's or else the session's.
pub(super) async fn references(audit: &Path) -> HashMap<String, String> {
    tokio::time::sleep(AUDIT_WAIT).await;
    let audit = audit.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(audit)).await;
    let text = read.map_err(io::Error::other).flatten().unwrap_or_default();
    let mut all = HashMap::new();
    for (reply, id) in text.lines().filter_map(reference) {
        all.entry(reply).or_insert(id);
    }
    all
}

fn reference(line: &str) -> Option<(String, String)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    Some((text("reply")?, text("message").or_else(|| text("session"))?))
}

/// The table.
pub(super) fn text(rows: &[Row], references: &HashMap<String, String>, paint: Paint) -> String {
    let mut out = String::new();
    let title = format!("  {:<28} {:<10} {:<14} {}", "sample", "reference", "became", "reply");
    let _ = writeln!(out, "{}", paint.ink(Ink::Title, title.trim_end()));
    for row in rows {
        let title = row.sample.title;
        let reply = match &row.result {
            Ok(reply) => reply.to_log(),
            Err(error) => {
                let _ = writeln!(out, "{} {title:<28} {}", paint.ink(Ink::Bad, "!"), error);
                continue;
            }
        };
        let (words, own) = split(&reply);
        let reference = own.or_else(|| references.get(&reply).map(String::as_str)).unwrap_or("-");
        let became = match (words.rsplit_once("kept as "), own) {
            (Some((_, file)), _) => format!("mail/{file}"),
            (None, Some(_)) => "refused here".to_owned(),
            (None, None) => "refused behind".to_owned(),
        };
        let mark = if row.as_expected() { " ".to_owned() } else { paint.ink(Ink::Bad, "!") };
        let ink = if words.starts_with('2') { Ink::Good } else { Ink::Warn };
        let became = paint.ink(ink, &format!("{became:<14}"));
        let _ = writeln!(out, "{mark} {title:<28} {reference:<10} {became} {words}");
    }
    let odd = rows.iter().filter(|row| !row.as_expected()).count();
    let (ink, words) = if odd == 0 {
        (Ink::Good, format!("all {} went as they should", rows.len()))
    } else {
        (Ink::Bad, format!("{odd} of {} did not go as they should (marked !)", rows.len()))
    };
    let _ = writeln!(out, "  {}", paint.ink(ink, &words));
    out
}

/// The reply without its reference, and the reference.
fn split(reply: &str) -> (&str, Option<&str>) {
    match reply.rsplit_once(" [ref ") {
        Some((words, reference)) => (words, reference.strip_suffix(']')),
        None => (reply, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_from_the_reply_or_the_audit_log() {
        assert_eq!(split("550 5.7.1 no [ref 7F3K9QAB]"), ("550 5.7.1 no", Some("7F3K9QAB")));
        assert_eq!(split("250 2.0.0 Ok"), ("250 2.0.0 Ok", None));
        let line = r#"{"kind":"message","message":"7F3K9QAB","reply":"250 2.0.0 Ok"}"#;
        assert_eq!(reference(line), Some(("250 2.0.0 Ok".into(), "7F3K9QAB".into())));
        let line = r#"{"kind":"connection","session":"7F3K9QAC","reply":"550 no"}"#;
        assert_eq!(reference(line), Some(("550 no".into(), "7F3K9QAC".into())));
        assert_eq!(reference("{"), None);
    }
}
