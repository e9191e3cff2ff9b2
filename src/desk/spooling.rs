//! From a message that we own to deliveries: lines, mark, times.

use crate::config::model::{Policy, SpoolRules};
use crate::mail::{Host, Mailbox, Path, rfc5322};
use crate::vault::{Delivery, Item, Line, Progress, RecipientView, Spool, SpoolCause};

/// Folder of mail that was only ever to be delivered.
pub(super) const SPOOL: &str = "spool";
/// Folder of mail that could not be delivered, and whose sender was not told.
pub(super) const DEAD: &str = "dead";
/// Folder of mail that waits for a scanner.
pub(super) const HELD: &str = "held";
/// Folder of malware.
pub(super) const VIRUS: &str = "virus";
/// Who the desk is in histories where nobody asked.
pub(super) const OURSELVES: &str = "portcullis";
/// Characters of a header line at which it is folded (RFC 5322 section 2.1.1).
const FOLD: usize = 78;

/// Milliseconds of a duration; the longest is some 290 million years.
pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The RCPT line of a mailbox.
pub(super) fn rcpt_line(mailbox: &[u8]) -> Line {
    Line([b"RCPT TO:<", mailbox, b">\r\n"].concat())
}

/// The MAIL line of a sender; empty is the null sender.
pub(super) fn mail_line(mailbox: &[u8], parameters: &[&str]) -> Line {
    let mut line = [b"MAIL FROM:<", mailbox, b">"].concat();
    for parameter in parameters {
        line.push(b' ');
        line.extend_from_slice(parameter.as_bytes());
    }
    line.extend_from_slice(b"\r\n");
    Line(line)
}

/// A recipient as somebody typed it.
pub(super) fn recipient(typed: &str) -> Result<Delivery, String> {
    let wrong = || format!("`{typed}` is no mailbox: expected one such as alice@example.org");
    let mailbox = Mailbox::parse(typed.trim().as_bytes()).map_err(|_| wrong())?;
    if matches!(mailbox.host(), Host::Unqualified) && !mailbox.is_bare_postmaster() {
        return Err(wrong());
    }
    let line = rcpt_line(typed.trim().as_bytes());
    Ok(Delivery { rcpt: mailbox.to_string(), line, ..Delivery::default() })
}

/// The path in a MAIL or RCPT line, with its brackets.
pub(super) fn path_of(line: &Line) -> Option<(&[u8], Path)> {
    let at = memchr::memchr(b'<', &line.0)?;
    let text = line.0.get(at..)?;
    let (path, length) = Path::parse(text).ok()?;
    Some((text.get(..length)?, path))
}

/// Deliveries to the recipients of the envelope.
pub(super) fn deliveries(recipients: &[RecipientView]) -> Vec<Delivery> {
    let delivery =
        |r: &RecipientView| Delivery { rcpt: r.rcpt.clone(), line: r.line.clone(), ..Delivery::default() };
    recipients.iter().map(delivery).collect()
}

/// Deliveries that begin now.
pub(super) fn spool(
    cause: SpoolCause,
    deliveries: Vec<Delivery>,
    downstream: String,
    now_ms: i64,
    rules: &SpoolRules,
) -> Spool {
    Spool {
        cause,
        since_ms: now_ms,
        downstream,
        deliveries,
        next_ms: now_ms,
        expires_ms: now_ms.saturating_add(millis(rules.expire)),
        ..Spool::default()
    }
}

/// The downstream of an item: that of its listener as long as there is one of that name, else the first.
pub(super) fn downstream_of(item: &Item, policy: &Policy) -> String {
    let own = policy.downstream(&item.client.downstream);
    own.or(policy.downstreams.first()).map_or_else(String::new, |d| d.name.to_string())
}

/// When the next attempt is due after so many that ended.
pub(super) fn next_attempt(rules: &SpoolRules, attempts: u32, now_ms: i64) -> i64 {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = rules.retry.get(at).or(rules.retry.last()).copied();
    now_ms.saturating_add(millis(pause.unwrap_or(std::time::Duration::from_secs(600))))
}

/// The header by which a released message is known: `X-Portcullis-Released: ID; folder=…; by=…; date`.
pub(super) fn mark(item: &Item, by: &str, now_ms: i64) -> Line {
    let plain = |text: &str| -> String {
        let good = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '?' };
        text.chars().take(64).map(good).collect()
    };
    let parts = [
        format!("X-Portcullis-Released: {};", item.id),
        format!("folder={};", plain(&item.folder)),
        format!("by={};", plain(by)),
        rfc5322(now_ms),
    ];
    let (mut out, mut column) = (String::new(), 0);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            let folds = column + 1 + part.len() > FOLD;
            out.push_str(if folds { "\r\n\t" } else { " " });
            column = if folds { 8 } else { column + 1 };
        }
        out.push_str(part);
        column += part.len();
    }
    out.push_str("\r\n");
    Line(out.into_bytes())
}

/// Whether some delivery is still to be done.
pub(super) fn is_waiting(item: &Item) -> bool {
    item.waiting() > 0
}

/// Recipients to which the message has not gone.
pub(super) fn undelivered(spool: &Spool) -> impl Iterator<Item = &Delivery> {
    spool.deliveries.iter().filter(|d| d.progress != Progress::Delivered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_schedule_is_followed_and_its_last_pause_repeats() {
        let minutes = |n: &[u64]| n.iter().map(|m| Duration::from_secs(m * 60)).collect();
        let rules = SpoolRules {
            retry: minutes(&[1, 5, 10]),
            expire: Duration::from_secs(86400),
            concurrency: 1,
            warn: None,
            max_octets: 0,
            max_items: 0,
        };
        let pauses: Vec<i64> = (1..6).map(|n| next_attempt(&rules, n, 1_000) - 1_000).collect();
        assert_eq!(pauses, [60_000, 300_000, 600_000, 600_000, 600_000]);
    }

    #[test]
    fn lines_are_made_of_what_was_typed_and_of_nothing_else() {
        assert_eq!(recipient("bob@example.org").unwrap().line.0, b"RCPT TO:<bob@example.org>\r\n");
        for bad in ["bob", "", "bob@example.org> NOTIFY=NEVER", "a b@example.org", "b\r\nDATA@example.org"] {
            assert!(recipient(bad).is_err(), "{bad:?}");
        }
        let line = mail_line(b"\"a>b\"@example.org", &["BODY=8BITMIME"]);
        assert_eq!(path_of(&line).unwrap().0, b"<\"a>b\"@example.org>");
        assert_eq!(path_of(&mail_line(b"", &[])).unwrap().1, Path::Null);
    }
}
