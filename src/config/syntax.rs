//! Mistakes in TOML itself, in an admin's words: what to write, rather than what the grammar expected.

use super::keys::{Fallback, Settings};
use super::sink::Sink;
use super::value::{quoted, shown};
use toml::de::Error;

/// What stands in the parser's message when something was left open: what it finds behind it is a consequence.
const LEFT_OPEN: &[&str] = &["unclosed", "missing comma", "in array", "inline table", "multi-line"];

/// Tells syntax errors, one a line, up to the first that leaves a bracket open.
pub fn tell(sink: &Sink<'_>, file: &Settings, errors: &[Error]) {
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    errors.sort_by_key(|(span, _)| span.start);
    let mut told = 0;
    for (span, message) in errors {
        let line = sink.line(&span);
        if line == told {
            continue;
        }
        told = line;
        sink.error(&span, explain(file, message, sink.text_at(&span)));
        if LEFT_OPEN.iter().any(|words| message.contains(words)) {
            return;
        }
    }
}

/// The messages are those of the `toml` crate; one that is not known here is shown as it is.
fn explain(file: &Settings, message: &str, found: &str) -> String {
    let message = message.strip_suffix(", expected nothing").unwrap_or(message);
    match message.split(',').next().unwrap_or_default() {
        "string values must be quoted" | "invalid boolean" => bare_value(found),
        "duplicate key" => twice(file, found),
        "invalid basic string" => "the text is not closed: a \" is missing at its end".to_owned(),
        "invalid literal string" => "the text is not closed: a ' is missing at its end".to_owned(),
        "missing escaped value" => {
            "a backslash in \"…\" begins an escape: write \\\\ for a backslash, or put the text in '…'"
                .to_owned()
        }
        "key with no value" => "expected `=` and a value behind this key".to_owned(),
        "invalid unquoted key" => {
            format!("expected a key, `=` and a value, as in: {}; found {}", example(file), quoted(found))
        }
        "unexpected key or value" => "expected the end of the line here: one key a line".to_owned(),
        "missing comma between array elements" => {
            "a comma between two items is missing, or the closing ] of the list".to_owned()
        }
        "missing comma between key-value pairs" => {
            "a comma between two keys is missing, or the closing } of the table".to_owned()
        }
        "unclosed table" => "the closing ] of the table's name is missing".to_owned(),
        "unclosed array table" => "the closing ]] of the table's name is missing".to_owned(),
        "unclosed array" => "the closing ] of the list is missing".to_owned(),
        "unclosed inline table" => "the closing } of the table is missing".to_owned(),
        _ if found.is_empty() => format!("not valid TOML: {message}"),
        _ => format!("not valid TOML: {message}, found {}", quoted(found)),
    }
}

fn bare_value(found: &str) -> String {
    let found = found.trim();
    if found.is_empty() {
        return "the value behind the = is missing".to_owned();
    }
    if let Some(word) = ["true", "false"].into_iter().find(|word| word.eq_ignore_ascii_case(found)) {
        return format!("write {word} in small letters");
    }
    match found {
        "yes" | "on" | "Yes" | "On" => {
            return format!("expected a value, found {found}: write true, or \"{found}\" for a word");
        }
        "no" | "No" | "Off" => {
            return format!("expected a value, found {found}: write false, or \"{found}\" for a word");
        }
        _ => {}
    }
    if found.contains(['“', '”', '„', '‘', '’']) {
        return "these are typographic quotes: write plain ones, \"…\"".to_owned();
    }
    format!("texts, sizes and durations stand in quotes: {}", quoted(found))
}

fn twice(file: &Settings, found: &str) -> String {
    match file.section(found).filter(|section| section.repeated) {
        Some(section) => format!("`{found}` is written in two ways: begin each one with {}", section.title()),
        None => format!("`{}` is given twice", shown(found)),
    }
}

/// The first key of the file with a value.
fn example(file: &Settings) -> String {
    let first = file.sections.iter().flat_map(|section| section.keys).next();
    first.map_or_else(String::new, |key| match key.default {
        Fallback::Required(value) | Fallback::Value(value) => format!("{} = {value}", key.name),
        Fallback::Unset(_) => key.name.to_owned(),
    })
}
