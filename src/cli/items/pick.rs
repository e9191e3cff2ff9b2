//! Messages as people name them: words of the query language, joined.

use crate::cli::exit::REFUSED;
use crate::desk::Pick;
use crate::query::{self, Query};
use crate::vault::Scope;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::process::ExitCode;

/// The words of a query.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Words {
    /// Which messages: references, or field:value terms; `portcullis quarantine --help` has the rules
    #[arg(value_name = "QUERY")]
    pub words: Vec<String>,
}

impl Words {
    /// Reads them as one query.
    ///
    /// # Errors
    /// The exit code; standard error shows where the mistake is.
    pub(crate) fn query(&self) -> Result<Query, ExitCode> {
        parse(&self.words).map_err(|words| {
            complain!("portcullis: {words}");
            REFUSED.into()
        })
    }

    /// Nothing was typed, which is every message.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| word.trim().is_empty())
    }
}

/// A query that a shell has split. A word with blanks in it was quoted for the shell, `subject:your invoice`: its value
/// is quoted for the language.
fn parse(words: &[String]) -> Result<Query, String> {
    let text: Vec<String> = words.iter().map(|word| joined(word)).collect();
    let now = Timestamp::now().as_millisecond();
    query::parse(&text.join(" "), now, &TimeZone::system()).map_err(|error| error.to_string())
}

/// Quotes a single term whose value has blanks; whatever has quotes or several terms of its own stays.
fn joined(word: &str) -> String {
    let blank = |c: char| c.is_whitespace();
    if !word.contains(blank) || word.contains('"') {
        return word.to_owned();
    }
    match word.split_once(':') {
        Some((field, value)) if !field.contains(blank) && !value.contains(':') && !value.is_empty() => {
            format!("{field}:\"{value}\"")
        }
        _ => word.to_owned(),
    }
}

/// Makes `-field:value` and `-"two words"` of a command line `not field:value` and `not "two words"`, which nobody
/// takes for options. A bare `-word` cannot be told from options: people write `not word`.
pub(crate) fn negations(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut out = Vec::new();
    for argument in arguments {
        match argument.to_str().and_then(negated) {
            Some(term) => out.extend(["not".into(), OsString::from(term)]),
            None => out.push(argument),
        }
    }
    out
}

fn negated(word: &str) -> Option<String> {
    let term = word.strip_prefix('-').filter(|term| term.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let name = term.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'-').count();
    match term.as_bytes().get(name) {
        // `-n=5` is an option; fields have more letters.
        Some(b':' | b'<' | b'>') if name > 1 => Some(term.to_owned()),
        Some(b' ') if !term.contains([':', '"', '=']) => Some(format!("\"{term}\"")),
        _ => None,
    }
}

/// Messages of a kind.
///
/// # Errors
/// The exit code; standard error shows where the mistake is.
pub(crate) fn pick(words: &Words, scope: Scope, dry_run: bool) -> Result<Pick, ExitCode> {
    Ok(Pick { query: words.query()?, scope, dry_run })
}

/// Messages that have to be named: nothing typed is not everything, where something is done with them.
///
/// # Errors
/// The exit code; standard error says why.
pub(crate) fn named(words: &Words, scope: Scope) -> Result<Pick, ExitCode> {
    if words.is_empty() {
        complain!("portcullis: name the messages: references, or a query such as folder:spam");
        return Err(REFUSED.into());
    }
    pick(words, scope, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_has_unquoted_is_quoted_again() {
        for (word, want) in [
            ("from:a@b.example", "from:a@b.example"),
            ("subject:your invoice", "subject:\"your invoice\""),
            ("subject:\"your invoice\"", "subject:\"your invoice\""),
            ("from:a rcpt:b", "from:a rcpt:b"),
            ("your invoice", "your invoice"),
        ] {
            assert_eq!(joined(word), want);
        }
    }

    #[test]
    fn a_minus_in_front_is_no_option() {
        for (word, want) in [
            ("-from:a@b.example", vec!["not", "from:a@b.example"]),
            ("-size>1M", vec!["not", "size>1M"]),
            ("-your invoice", vec!["not", "\"your invoice\""]),
            ("-n", vec!["-n"]),
            ("-n5", vec!["-n5"]),
            ("--to", vec!["--to"]),
            ("--note=a: b", vec!["--note=a: b"]),
            ("-", vec!["-"]),
            ("from:a", vec!["from:a"]),
        ] {
            assert_eq!(negations([OsString::from(word)].into_iter()), want, "{word}");
        }
    }

    #[test]
    fn a_mistake_has_its_place() {
        let words = ["folder:virus".to_owned(), "form:bob".to_owned()];
        let error = parse(&words).unwrap_err();
        let mut lines = error.lines();
        assert!(lines.next().unwrap().contains("form"), "{error}");
        let (query, caret) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(query.find("form"), caret.find('^'), "{error}");
    }
}
