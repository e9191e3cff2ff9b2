//! Words of `all` and `any`.

use crate::config::file::{Got, Table};
use crate::config::model::{MessageFact, Method, ScoreRule, Term, Word};
use crate::config::value::quoted;
use crate::rules::nearest;
use crate::verdict::AuthResult;

const METHODS: [(&str, Method); 5] = [
    ("spf", Method::Spf),
    ("spf-hello", Method::SpfHello),
    ("dkim", Method::Dkim),
    ("dmarc", Method::Dmarc),
    ("arc", Method::Arc),
];

const RESULTS: [AuthResult; 8] = [
    AuthResult::None,
    AuthResult::Pass,
    AuthResult::Fail,
    AuthResult::SoftFail,
    AuthResult::Neutral,
    AuthResult::Policy,
    AuthResult::TempError,
    AuthResult::PermError,
];

/// Reads the words of a key; mistakes are told and left out.
pub fn words(table: &Table<'_>, key: &str, before: &[ScoreRule], own: &str) -> Vec<Word> {
    let got = table.list(key);
    if got.given && got.value.is_empty() && table.raw(key).is_some_and(|f| f.get_ref().is_array()) {
        table.sink.error(&got.span, format!("`{key}`: an empty list asks nothing: take the line out"));
    }
    let mut out = Vec::with_capacity(got.value.len());
    for Got { value, span, .. } in got.value {
        match word(&value, before, own) {
            Ok(word) => out.push(word),
            Err(error) => table.sink.error(&span, format!("`{key}`: {error}")),
        }
    }
    out
}

fn word(text: &str, before: &[ScoreRule], own: &str) -> Result<Word, String> {
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    Ok(Word { negated, term: term(text, before, own)? })
}

fn term(text: &str, before: &[ScoreRule], own: &str) -> Result<Term, String> {
    // The last of that id: where it is given twice that was told.
    if let Some(at) = before.iter().rposition(|rule| &*rule.id == text) {
        return Ok(Term::Rule(at));
    }
    if text == own {
        return Err(format!("{} is this rule itself", quoted(text)));
    }
    if text == "aligned" {
        return Ok(Term::Aligned);
    }
    if let Some((kind, rest)) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()) {
        match kind {
            "field" => return Ok(Term::Field(rest.to_ascii_lowercase().into())),
            "finding" => return Ok(Term::Finding(rest.into())),
            "odd" => return Ok(Term::Odd(rest.into())),
            _ => {}
        }
    }
    match (fact(text), method(text)) {
        (Some(term), _) => term,
        (None, Some((method, result))) => Ok(Term::Method(method, result?)),
        (None, None) => Err(unknown(text, before)),
    }
}

/// `spf=fail`. The result is wrong where the method is known and its word is not.
pub fn method(text: &str) -> Option<(Method, Result<AuthResult, String>)> {
    let (name, word) = text.split_once('=')?;
    let (_, method) = METHODS.iter().find(|(known, _)| *known == name)?;
    let result = RESULTS.into_iter().find(|result| result.name() == word).ok_or_else(|| {
        let words: Vec<&str> = RESULTS.iter().map(|result| result.name()).collect();
        format!("expected one of {}, found {}", words.join(", "), quoted(word))
    });
    Some((*method, result))
}

/// `urls`, `urls>=3`.
fn fact(text: &str) -> Option<Result<Term, String>> {
    let at = text.find(['<', '>', '=']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(at)?;
    let fact = MessageFact::of(name.trim_end())?;
    let length = rest.bytes().take_while(|b| matches!(b, b'<' | b'>' | b'=')).count();
    let (sign, number) = rest.split_at_checked(length)?;
    if sign.is_empty() {
        return Some(Ok(Term::Fact(fact, 1, u32::MAX)));
    }
    let bounds = |number: u32| match sign {
        ">=" => Some((number, u32::MAX)),
        ">" => Some((number.saturating_add(1), u32::MAX)),
        "<=" => Some((0, number)),
        "<" => Some((0, number.checked_sub(1)?)),
        "=" => Some((number, number)),
        _ => None,
    };
    let term = number.trim().parse().ok().and_then(bounds).map(|(least, most)| Term::Fact(fact, least, most));
    Some(term.ok_or_else(|| format!("expected a comparison such as \"{name}>=3\", found {}", quoted(text))))
}

fn unknown(text: &str, before: &[ScoreRule]) -> String {
    let name = text.split(['<', '>', '=']).next().unwrap_or(text);
    let facts = MessageFact::EACH.iter().map(|fact| fact.name());
    let known = before.iter().map(|rule| &*rule.id).chain(facts).chain(METHODS.iter().map(|(name, _)| *name));
    let hint = match nearest(name, known) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => "; a rule must stand above those that ask for it".to_owned(),
    };
    format!("no fact or rule is named {}{hint}", quoted(text))
}
