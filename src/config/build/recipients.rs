//! `relay.recipients`: per domain a list in place, or `"@file"` with one recipient a line.

use super::common::Surroundings;
use crate::config::file::Table;
use crate::config::keys::Kind;
use crate::config::sink::Sink;
use crate::config::value::{self, quoted};
use crate::mail::Domain;
use crate::rules::{Position, Problem, RecipientTable};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Mistakes of one list file that are told; the rest are counted.
const LIST_PROBLEMS_MAX: usize = 20;

/// Builds the table. `relayed` says whether a domain is in `relay.domains`.
pub fn build(
    table: &Table<'_>,
    around: &Surroundings<'_>,
    relayed: &dyn Fn(&Domain) -> bool,
) -> RecipientTable {
    let mut recipients = RecipientTable::default();
    let Some(found) = table.raw("recipients") else {
        return recipients;
    };
    let Some(domains) = found.get_ref().as_table() else {
        let message = value::mismatch(Kind::Recipients, found.get_ref());
        table.sink.error(
            &found.span(),
            format!("`recipients`: {message}; for example: recipients = {{ \"example.net\" = [\"info\"] }}"),
        );
        return recipients;
    };
    for (key, list) in domains {
        let Some(domain) = domain(table.sink, &key.span(), key.get_ref()) else { continue };
        if !relayed(&domain) {
            let message = format!(
                "`recipients`: {domain} is not in relay.domains, so its recipients are refused all the same"
            );
            table.sink.warning(&key.span(), message);
        }
        if !recipients.add_domain(domain.clone()) {
            table.sink.error(&key.span(), format!("`recipients`: {domain} is listed twice"));
        }
        let errors = fill(&mut recipients, table.sink, around, &domain, list);
        if errors == 0 && recipients.count(&domain) == 0 {
            table.sink.warning(
                &list.span(),
                format!("`recipients`: the list is empty, so all mail for {domain} is refused"),
            );
        }
    }
    recipients
}

fn domain(sink: &Sink<'_>, span: &Range<usize>, text: &str) -> Option<Domain> {
    match Domain::parse(text.as_bytes()) {
        Ok(domain) => Some(domain),
        Err(_) if text.starts_with('.') => {
            sink.error(
                span,
                format!("`recipients`: each domain is listed by its own name, found {}", quoted(text)),
            );
            None
        }
        Err(error) => {
            sink.error(span, format!("`recipients`: not a domain name ({error}), found {}", quoted(text)));
            None
        }
    }
}

/// Returns the number of mistakes.
fn fill(
    recipients: &mut RecipientTable,
    sink: &Sink<'_>,
    around: &Surroundings<'_>,
    domain: &Domain,
    list: &Spanned<DeValue<'_>>,
) -> usize {
    let mut errors = 0;
    match list.get_ref() {
        DeValue::Array(items) => {
            for item in items.iter() {
                let result = match item.get_ref().as_str() {
                    Some(entry) => recipients
                        .insert(domain, entry)
                        .map_err(|error| format!("{error}, found {}", quoted(entry))),
                    None => Err(format!("expected a text in quotes, found {}", value::found(item.get_ref()))),
                };
                if let Err(message) = result {
                    errors += 1;
                    sink.error(&item.span(), format!("`recipients`: {message}"));
                }
            }
        }
        DeValue::String(text) if text.starts_with('@') => {
            errors += from_file(recipients, sink, around, domain, &list.span(), text);
        }
        other => {
            errors += 1;
            let found = value::found(other);
            sink.error(
                &list.span(),
                format!("`recipients`: expected a list of recipients or \"@lists/file.list\", found {found}"),
            );
        }
    }
    errors
}

fn from_file(
    recipients: &mut RecipientTable,
    sink: &Sink<'_>,
    around: &Surroundings<'_>,
    domain: &Domain,
    span: &Range<usize>,
    reference: &str,
) -> usize {
    let name = reference.trim_start_matches('@');
    let name = name.strip_prefix("file:").unwrap_or(name);
    if name.is_empty() {
        sink.error(
            span,
            "`recipients`: expected the name of a file behind the @, for example \"@lists/example.net.list\"",
        );
        return 1;
    }
    let text = match (around.read)(name) {
        Ok(text) => text,
        Err(error) => {
            sink.error(span, format!("`recipients`: the list {} cannot be read: {error}", quoted(name)));
            return 1;
        }
    };
    let mut errors = 0;
    for (number, line) in text.lines().enumerate() {
        let entry = without_comment(line);
        if entry.is_empty() {
            continue;
        }
        if let Err(error) = recipients.insert(domain, entry) {
            errors += 1;
            if errors <= LIST_PROBLEMS_MAX {
                let column = Position::of(line, line.find(entry).unwrap_or(0)).column;
                let at = Position { line: u32::try_from(number + 1).unwrap_or(u32::MAX), column };
                sink.other(Problem::error(name, at, format!("{error}, found {}", quoted(entry))));
            }
        }
    }
    if errors > LIST_PROBLEMS_MAX {
        sink.error(span, format!("`recipients`: {} more mistakes in {name}", errors - LIST_PROBLEMS_MAX));
    }
    errors
}

/// A `#` begins a comment at the start of a line or behind a blank; within a word it belongs to a local part.
fn without_comment(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}').trim();
    let comment = line
        .bytes()
        .zip(std::iter::once(b' ').chain(line.bytes()))
        .position(|(byte, before)| byte == b'#' && before.is_ascii_whitespace());
    comment.and_then(|at| line.get(..at)).unwrap_or(line).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_an_entry() {
        for (line, want) in [
            ("info", "info"),
            ("  info  ", "info"),
            ("info # reception", "info"),
            ("info\t#reception", "info"),
            ("a#b@example.net", "a#b@example.net"),
            ("# all", ""),
            ("   # all", ""),
            ("#", ""),
            ("", ""),
            ("\u{feff}info", "info"),
        ] {
            assert_eq!(without_comment(line), want, "{line:?}");
        }
    }
}
