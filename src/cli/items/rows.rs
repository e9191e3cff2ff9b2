//! Lists: pages of rows, as a table for people or as lines of JSON for scripts.

use super::ask::Asker;
use super::terminal::{plain, width};
use super::when::{ago, short, shorter};
use crate::cli::exit::{NOTHING, REFUSED};
use crate::cli::out::{self, Ink, Paint, octets};
use crate::desk::{Answer, Request};
use crate::mail::rfc3339;
use crate::query::{Query, State};
use crate::vault::{Cursor, PageRequest, Row, Scope, Sort};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Below so many columns times are shorter.
const NARROW: u16 = 120;
/// Rows of one request at most.
const ROWS_MAX: usize = 1000;

/// Which rows of a list are shown, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Paging {
    /// Rows at most
    #[arg(short = 'n', long, default_value_t = 50, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Go on behind a page: what "more" named
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// What is sorted by; the newest and the largest come first
    #[arg(long, value_name = "FIELD", value_parser = ["received", "size", "from", "subject", "next"])]
    sort: Option<String>,
    /// The oldest and the smallest first
    #[arg(long)]
    reverse: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// A row for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct JsonRow<'a> {
    id: String,
    folder: &'a str,
    state: State,
    from: &'a str,
    to: &'a [String],
    recipients: u32,
    subject: &'a str,
    size: u64,
    received: String,
    reason: &'a str,
    rule: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<JsonSpool<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonSpool<'a> {
    delivered: u32,
    total: u32,
    attempts: u32,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    priority: crate::vault::Priority,
    status: &'a str,
    last: &'a str,
}

/// A row for scripts.
pub(crate) fn json_row(row: &Row) -> JsonRow<'_> {
    let spool = row.spool.as_ref().map(|s| JsonSpool {
        delivered: s.delivered,
        total: s.total,
        attempts: s.attempts,
        since: rfc3339(s.since_ms),
        next: s.next_ms.map(rfc3339),
        priority: s.priority,
        status: &s.status,
        last: &s.last,
    });
    JsonRow {
        id: row.id.to_string(),
        folder: &row.folder,
        state: row.state,
        from: &row.from,
        to: &row.to,
        recipients: row.recipients,
        subject: &row.subject,
        size: row.size,
        received: rfc3339(row.received_ms),
        reason: &row.reason,
        rule: &row.rule,
        reference: &row.reference,
        spool,
    }
}

/// A page as a table. `scope` says which columns are of interest.
pub(crate) fn table(rows: &[Row], scope: Scope, paint: Paint, width: Option<u16>, now_ms: i64) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(titles(scope));
    let narrow = width.is_some_and(|width| width < NARROW);
    for row in rows {
        let mut cells = comfy_table::Row::from(cells(row, scope, now_ms, narrow));
        cells.max_height(1);
        table.add_row(cells);
    }
    // Names and figures whole; texts give way.
    for title in ["id", "received", "size", "done", "tries", "scans", "priority"] {
        let at = titles(scope).iter().position(|t| *t == title);
        if let Some(column) = at.and_then(|at| table.column_mut(at)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let text = table.to_string();
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let ink = match at.checked_sub(1).and_then(|at| rows.get(at)) {
            None => Some(Ink::Faint),
            Some(row) => ink(row.state),
        };
        out.push_str(&ink.map_or_else(|| line.to_owned(), |ink| paint.ink(ink, line)));
        out.push('\n');
    }
    out
}

fn ink(state: State) -> Option<Ink> {
    match state {
        State::Failed => Some(Ink::Bad),
        State::Held | State::Spooled => Some(Ink::Warn),
        State::Trash | State::Released => Some(Ink::Faint),
        State::Kept | State::Copy => None,
    }
}

fn titles(scope: Scope) -> Vec<&'static str> {
    match scope {
        Scope::Quarantine | Scope::Everything => {
            vec!["id", "received", "folder", "from", "to", "subject", "size", "why"]
        }
        Scope::Spool => {
            vec!["id", "from", "to", "done", "size", "tries", "waits", "priority", "status", "next", "last"]
        }
        Scope::Held => vec!["id", "from", "to", "subject", "size", "scans", "held", "next", "last"],
    }
}

fn cells(row: &Row, scope: Scope, now_ms: i64, narrow: bool) -> Vec<String> {
    let (id, size) = (row.id.to_string(), octets(row.size));
    let (from, to) = (sender(&row.from), recipients(row));
    let spool = row.spool.as_ref();
    let last = spool.map(|s| plain(&s.last)).unwrap_or_default();
    let next = spool.and_then(|s| s.next_ms).map(|next| ago(next, now_ms)).unwrap_or_default();
    let since =
        spool.map(|s| ago(s.since_ms, now_ms).trim_end_matches(" ago").to_owned()).unwrap_or_default();
    let attempts = spool.map(|s| s.attempts.to_string()).unwrap_or_default();
    match scope {
        Scope::Quarantine | Scope::Everything => {
            let folder = plain(&row.folder);
            let folder = match row.state {
                State::Kept => folder,
                State::Held
                | State::Spooled
                | State::Released
                | State::Failed
                | State::Trash
                | State::Copy => {
                    format!("{folder} ({})", word(row.state))
                }
            };
            let why = match (row.rule.as_str(), row.reason.as_str()) {
                (rule, "") => plain(rule),
                ("", reason) => plain(reason),
                (rule, reason) => format!("{}: {}", plain(rule), plain(reason)),
            };
            let received = if narrow { shorter(row.received_ms) } else { short(row.received_ms) };
            vec![id, received, folder, from, to, plain(&row.subject), size, why]
        }
        Scope::Spool => {
            let done = spool.map(|s| format!("{}/{}", s.delivered, s.total)).unwrap_or_default();
            let priority = spool.map(|s| word(s.priority)).unwrap_or_default();
            let status = spool.map(|s| plain(&s.status)).unwrap_or_default();
            vec![id, from, to, done, size, attempts, since, priority, status, next, last]
        }
        Scope::Held => vec![id, from, to, plain(&row.subject), size, attempts, since, next, last],
    }
}

/// The word that scripts read.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn sender(from: &str) -> String {
    if from.is_empty() { "<>".into() } else { plain(from) }
}

fn recipients(row: &Row) -> String {
    let first = row.to.first().map(|to| plain(to)).unwrap_or_default();
    match row.recipients {
        0 | 1 => first,
        n => format!("{first} +{}", n - 1),
    }
}

/// Where the next page begins, as one word.
fn cursor_text(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", cursor.order, cursor.key))
}

fn cursor(text: &str) -> Option<Cursor> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (order, key) = text.split_once(' ')?;
    Some(Cursor { key: key.to_owned(), order: order.parse().ok()? })
}

impl Paging {
    fn first(&self, query: Query, scope: Scope) -> Result<PageRequest, ExitCode> {
        let after = match &self.after {
            None => None,
            Some(text) => Some(cursor(text).ok_or_else(|| {
                complain!("portcullis: --after takes what stands behind \"more\" below a list");
                ExitCode::from(REFUSED)
            })?),
        };
        let named = self.sort.as_deref().and_then(|sort| serde_json::from_value(sort.into()).ok());
        let sort = named.unwrap_or(if scope == Scope::Spool { Sort::Next } else { Sort::Received });
        // Texts and what is next come from the beginning.
        let up = matches!(sort, Sort::From | Sort::Subject | Sort::Next);
        Ok(PageRequest { query, scope, sort, ascending: up != self.reverse, after, rows: 0 })
    }
}

/// Shows a list; with how to go on.
///
/// # Errors
/// The exit code; standard error says why.
pub(crate) fn list(rules: &Path, query: Query, scope: Scope, paging: &Paging) -> Result<u8, ExitCode> {
    let mut page = paging.first(query, scope)?;
    let asker = Asker::find(rules)?;
    let mut left = usize::try_from(paging.rows).unwrap_or(usize::MAX);
    let (mut rows, mut seen) = (Vec::new(), false);
    while left > 0 {
        page.rows = left.min(ROWS_MAX);
        let Answer::Page(got) = asker.one(Request::List { page: page.clone() })? else {
            return Err(crate::cli::asked::other_answer());
        };
        left -= got.rows.len().min(left);
        seen |= !got.rows.is_empty();
        let over = got.next.is_none() || got.rows.is_empty();
        page.after = got.next;
        if paging.json {
            got.rows.iter().for_each(|row| out::json_line(&json_row(row)));
        } else {
            rows.extend(got.rows);
        }
        if over {
            break;
        }
    }
    if !paging.json && seen {
        let now = Timestamp::now().as_millisecond();
        out::print(&table(&rows, scope, Paint::of_stdout(), width(), now));
    }
    if let Some(next) = page.after.filter(|_| seen) {
        // Not among the rows, so that scripts read rows only.
        complain!("… more: --after {}", cursor_text(&next));
    }
    if !seen {
        complain!("portcullis: no message matches");
    }
    Ok(if seen { 0 } else { NOTHING })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            id: "7F3K9QAB".parse().unwrap(),
            folder: "virus".into(),
            state: State::Kept,
            from: String::new(),
            to: vec!["bob@our.example".into()],
            recipients: 3,
            subject: "your\x1b[2J invoice\n".into(),
            size: 2048,
            received_ms: 0,
            reason: "Eicar".into(),
            rule: "clamav".into(),
            reference: "7F3K9QAC".into(),
            spool: None,
        }
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_harmless() {
        let long = Row { subject: "x".repeat(500), ..row() };
        let text = table(&[row(), long], Scope::Quarantine, Paint::none(), Some(80), 0);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\x1b') && text.contains("7F3K9QAB"), "{text}");
        let wide = table(&[row()], Scope::Quarantine, Paint::none(), None, 0);
        let line = wide.lines().nth(1).unwrap();
        for part in
            ["7F3K9QAB", "<>", "bob@our.example +2", "your\\x1b[2J invoice", "2.0 KiB", "clamav: Eicar"]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn no_cell_drives_a_terminal() {
        let spool = r#"{"delivered":0,"total":1,"attempts":1,"since_ms":0,"next_ms":0,"priority":"normal",
            "status":"waits\u001b[2J","last":"451\u009b2J\nx"}"#;
        let bad = "x\u{1b}[2J\u{9b}\u{202e}\n";
        let row = Row {
            folder: bad.into(),
            from: bad.into(),
            to: vec![bad.into()],
            reason: bad.into(),
            rule: bad.into(),
            spool: Some(serde_json::from_str(spool).unwrap()),
            ..row()
        };
        for scope in [Scope::Quarantine, Scope::Everything, Scope::Spool, Scope::Held] {
            for state in [State::Kept, State::Trash] {
                for cell in cells(&Row { state, ..row.clone() }, scope, 0, false) {
                    assert!(!cell.contains(['\x1b', '\u{9b}', '\u{202e}', '\n']), "{cell:?}");
                }
            }
        }
    }

    #[test]
    fn scripts_get_one_object_a_row() {
        let text = serde_json::to_string(&json_row(&row())).unwrap();
        for part in [r#""id":"7F3K9QAB""#, r#""received":"1970-01-01T00:00:00.000Z""#, r#""ref":"7F3K9QAC""#]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_cursor_is_one_word() {
        let at = Cursor { key: "größe x".into(), order: -7 };
        let text = cursor_text(&at);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
        assert_eq!(cursor(&text), Some(at));
        for none in ["", "!", "AAAA"] {
            assert_eq!(cursor(none), None);
        }
    }
}
