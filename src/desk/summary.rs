//! The words of a summary for a recipient. Pure.

use crate::mail::rfc3339;
use crate::message::mime::neutral;
use crate::vault::Row;

/// Characters of a subject or sender that are shown.
const SHOWN: usize = 120;

/// As plain text.
pub(super) fn plain(host: &str, rcpt: &str, items: u64, rows: &[Row]) -> String {
    let mut out = format!(
        "{host} keeps {items} messages for {} in quarantine.\n\
         To get one of them, give its reference to your administrator.\n",
        line(rcpt)
    );
    for row in rows {
        let from = if row.from.is_empty() { "<>" } else { &row.from };
        out.push_str(&format!(
            "\n{}  {}  {}\n  From:    {}\n  Subject: {}\n  Why:     {}\n",
            row.id,
            minute(row.received_ms),
            line(&row.folder),
            line(from),
            line(&row.subject),
            line(&row.reason)
        ));
    }
    out.push_str(&more(items, rows));
    out
}

/// As HTML: a table, no links, nothing to fetch.
pub(super) fn html(host: &str, rcpt: &str, items: u64, rows: &[Row]) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">");
    out.push_str("<title>Quarantine</title></head>\n<body>\n");
    out.push_str(&format!(
        "<p>{} keeps {items} messages for {} in quarantine.<br>\n\
         To get one of them, give its reference to your administrator.</p>\n",
        markup(host),
        markup(rcpt)
    ));
    out.push_str("<table>\n<tr><th>Reference</th><th>Received</th><th>Folder</th><th>From</th>");
    out.push_str("<th>Subject</th><th>Why</th></tr>\n");
    for row in rows {
        let from = if row.from.is_empty() { "<>" } else { &row.from };
        out.push_str("<tr>");
        let id = row.id.to_string();
        let at = minute(row.received_ms);
        for cell in [&id, &at, &row.folder, from, &row.subject, &row.reason] {
            out.push_str(&format!("<td>{}</td>", markup(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
    let more = more(items, rows);
    if !more.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", markup(&more)));
    }
    out.push_str("</body></html>\n");
    out
}

fn more(items: u64, rows: &[Row]) -> String {
    let more = items.saturating_sub(rows.len() as u64);
    if more > 0 { format!("\nand {more} older ones.\n") } else { String::new() }
}

fn minute(ms: i64) -> String {
    let text = rfc3339(ms).replace('T', " ");
    format!("{} UTC", text.chars().take(16).collect::<String>())
}

/// One line that drives no terminal.
fn line(text: &str) -> String {
    let text = neutral(text).replace(['\n', '\t'], " ");
    let mut out: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// Text inside HTML. A dot or colon in what looks like an address of the web is taken apart by an invisible mark, so
/// that no mail program makes a link of it.
fn markup(text: &str) -> String {
    let text = escape_links(&line(text));
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn escape_links(text: &str) -> String {
    text.replace("://", ":\u{200b}//").replace("www.", "www\u{200b}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Scramble;
    use crate::query::State;

    fn row(subject: &str, from: &str) -> Row {
        Row {
            id: Scramble::new(1).id(1),
            folder: "spam".into(),
            state: State::Kept,
            from: from.into(),
            to: Vec::new(),
            recipients: 1,
            subject: subject.into(),
            size: 1,
            received_ms: 0,
            reason: "<b>why</b>".into(),
            rule: "r".into(),
            reference: "x".into(),
            spool: None,
        }
    }

    #[test]
    fn nothing_of_a_stranger_is_markup_or_a_link() {
        let evil = "\"><img src=http://x.example/a.png onerror='y()'><script>z</script>&amp;";
        let text = html("gw.example.net", evil, 2, &[row(evil, evil)]);
        for bad in ["<img", "<script", "onerror='", "http://", "<b>why", "\"><img"] {
            assert!(!text.contains(bad), "{bad} in {text}");
        }
        let tags: Vec<&str> = text.split('<').skip(1).filter_map(|t| t.split(['>', ' ']).next()).collect();
        let known =
            ["!DOCTYPE", "html", "head", "meta", "title", "body", "p", "br", "table", "tr", "th", "td"];
        assert!(tags.iter().all(|t| known.contains(&t.trim_start_matches('/'))), "{tags:?}");
    }

    #[test]
    fn nothing_of_a_stranger_drives_a_terminal_or_makes_a_line() {
        let evil = "a\u{1b}[2J\r\nFrom: boss\u{202e}\u{7}";
        let text = plain("gw.example.net", "bob@example.org", 1, &[row(evil, evil)]);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}') && !text.contains("\nFrom: boss"));
        assert!(plain("h", "r", 500, &[row("s", "")]).contains("and 499 older ones"));
    }
}
