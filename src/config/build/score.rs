//! `[score]` and `[[rule]]` of `content.toml`.

use super::common::{self, Others};
use super::{condition, score_expect, score_word};
use crate::config::file::{Document, Got, Table};
use crate::config::model::{Asked, MessageFact, Place, Score, ScoreRule, TextCondition};
use crate::config::value::quoted;
use crate::rules::{Expression, Expressions, Kind, Mode};
use std::sync::Arc;

/// Longest note of a rule, in characters: it stands in lines of the log.
const NOTE_CHARS_MAX: usize = 150;
/// Tags of one rule.
const TAGS_MAX: usize = 10;

/// The matchers of a rule: key, what they are asked about, and of which kind their items are.
const MATCHERS: [(&str, Asked, Kind); 8] = [
    ("domain", Asked::Domain, Kind::ReverseName),
    ("client", Asked::Client, Kind::Address),
    ("reverse_name", Asked::ReverseName, Kind::ReverseName),
    ("hello", Asked::Hello, Kind::Hello),
    ("sender", Asked::Sender, Kind::Sender),
    ("recipient", Asked::Recipient, Kind::Recipient),
    ("header_from", Asked::HeaderFrom, Kind::HeaderFrom),
    ("reply_to", Asked::ReplyTo, Kind::HeaderFrom),
];

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Score> {
    let table = document.table("score")?;
    let mut score = Score {
        mode: table.mode("mode"),
        max_text: usize::try_from(table.size("max_text").value).unwrap_or(usize::MAX),
        max_urls: common::count_usize(&table, "max_urls"),
        ..Score::default()
    };
    table.finish();
    let tables = document.tables("rule");
    let ids: Vec<_> = tables.iter().filter_map(|table| common::named(table, "id")).collect();
    for id in ids.iter().filter(|id| MessageFact::of(&id.value).is_some()) {
        let message = format!("`id`: {} is the name of a fact: take another name", quoted(&id.value));
        table.sink.error(&id.span, message);
    }
    let mut draft = Draft::default();
    for table in &tables {
        let rule = draft.rule(table, others, &score.rules);
        score.rules.push(rule);
    }
    if let Some(table) = tables.first() {
        common::twice("rule", "id", table.sink, &ids.iter().collect::<Vec<_>>());
        for (place, items) in score.places.iter_mut().zip(draft.places) {
            match Expressions::new(items) {
                Ok(set) => *place = set,
                Err(error) => table.sink.error(&table.span, format!("the rules are too many: {error}")),
            }
        }
    }
    score.expects = score_expect::build(&document.tables("expect"), &score.rules);
    Some(score)
}

/// What the rules so far asked for.
#[derive(Default)]
struct Draft {
    places: [Vec<Expression>; Place::EACH.len()],
}

impl Draft {
    fn rule(&mut self, table: &Table<'_>, others: &Others<'_>, before: &[ScoreRule]) -> ScoreRule {
        // Whether the id is a good one was told where ids are compared.
        let id = table.raw("id").and_then(|found| found.get_ref().as_str()).unwrap_or_default();
        let all = score_word::words(table, "all", before, id);
        let any = score_word::words(table, "any", before, id);
        let rule = ScoreRule {
            id: id.into(),
            file: table.sink.file().into(),
            line: table.sink.line(&table.span),
            mode: table.mode("mode"),
            score_milli: table.decimal("score").map_or(0, |got| got.value),
            tags: tags(table),
            note: note(table),
            texts: self.texts(table),
            matchers: MATCHERS
                .into_iter()
                .filter_map(|(key, asked, kind)| {
                    Some((asked, common::matcher(table, key, kind, others.shelf)?))
                })
                .collect(),
            listeners: listeners(table, others),
            at_least: at_least(table, any.len()),
            all,
            any,
        };
        if rule.mode != Mode::Off && is_bare(table) {
            table.sink.error(&table.span, "this [[rule]] has no condition, so it is for every message");
        }
        table.finish();
        rule
    }

    fn texts(&mut self, table: &Table<'_>) -> Vec<TextCondition> {
        let fields = fields(table);
        let mut out = Vec::new();
        for (place, items) in Place::EACH.into_iter().zip(&mut self.places) {
            let expressions = expressions(table, place.key(), items);
            if !expressions.is_empty() {
                let fields = if place == Place::Header { fields.clone() } else { Vec::new() };
                out.push(TextCondition { place, fields, expressions });
            }
        }
        out
    }
}

/// Whether no key of a condition is in the file.
fn is_bare(table: &Table<'_>) -> bool {
    let text = Place::EACH.iter().any(|place| table.has(place.key()));
    let matcher = MATCHERS.iter().any(|(key, ..)| table.has(key));
    !text && !matcher && !["listener", "all", "any"].iter().any(|key| table.has(key))
}

fn expressions(table: &Table<'_>, key: &str, items: &mut Vec<Expression>) -> Vec<u32> {
    let got = table.texts(key);
    if got.given && got.value.is_empty() && table.raw(key).is_some_and(|found| found.get_ref().is_array()) {
        table.sink.error(&got.span, format!("`{key}`: an empty list matches nothing: take the line out"));
    }
    let mut numbers = Vec::with_capacity(got.value.len());
    for Got { value, span, .. } in got.value {
        match (Expression::parse(&value), u32::try_from(items.len())) {
            (Ok(expression), Ok(number)) => {
                numbers.push(number);
                items.push(expression);
            }
            (Err(error), _) => {
                table.sink.error(&span, format!("`{key}`: {error}, found {}", quoted(&value)));
            }
            (Ok(_), Err(_)) => {}
        }
    }
    numbers
}

/// Names of fields, lower case; only together with `matches`.
fn fields(table: &Table<'_>) -> Vec<Box<str>> {
    const PSEUDO: [&str; 5] = ["from", "to", "cc", "reply-to", "sender"];
    let (header, matches) = (table.texts("header"), table.has("matches"));
    if header.given && !matches {
        let message = "`header` names the fields in which `matches` looks: give that too, or write all = [\"field:NAME\"] for any value";
        table.sink.error(&header.span, message);
    }
    if matches && !header.given {
        let span = table.raw("matches").map_or_else(|| table.span.clone(), toml::Spanned::span);
        table.sink.error(&span, "`matches` needs `header`, for example header = \"X-Mailer\"");
    }
    let mut out = Vec::with_capacity(header.value.len());
    for Got { value, span, .. } in header.value {
        let name = value.to_ascii_lowercase();
        let good = match name.split_once(':') {
            Some((field, part)) => PSEUDO.contains(&field) && matches!(part, "name" | "address"),
            None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()),
        };
        if !good {
            let found = quoted(&value);
            let message = format!(
                "`header`: expected the name of a field such as \"X-Mailer\", or \"from:name\" and \"from:address\", found {found}"
            );
            table.sink.error(&span, message);
        }
        out.push(name.into());
    }
    out
}

fn tags(table: &Table<'_>) -> Vec<Box<str>> {
    let got = table.list("tags");
    if got.value.len() > TAGS_MAX {
        table.sink.error(&got.span, format!("`tags`: at most {TAGS_MAX}, found {}", got.value.len()));
    }
    let mut out = Vec::with_capacity(got.value.len());
    for Got { value, span, .. } in got.value {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if value.is_empty() || value.len() > 40 || !value.bytes().all(good) {
            let message = format!(
                "`tags`: expected up to 40 letters, digits, `-`, `_` and `.`, found {}",
                quoted(&value)
            );
            table.sink.error(&span, message);
        }
        out.push(value.into());
    }
    out
}

fn note(table: &Table<'_>) -> Box<str> {
    let Some(got) = table.text("note") else { return "".into() };
    if got.value.chars().count() > NOTE_CHARS_MAX || got.value.chars().any(char::is_control) {
        let message = format!("`note`: expected one line of at most {NOTE_CHARS_MAX} characters");
        table.sink.error(&got.span, message);
    }
    got.value.into()
}

fn listeners(table: &Table<'_>, others: &Others<'_>) -> Vec<Arc<str>> {
    let got = table.texts("listener");
    got.value.iter().filter_map(|item| condition::listener(table, others, item)).collect()
}

fn at_least(table: &Table<'_>, of: usize) -> u32 {
    let got = table.number("at_least");
    if got.given && usize::try_from(got.value).is_ok_and(|least| least > of) {
        let message = format!("`at_least`: {} of {of} words in `any` can never hold", got.value);
        table.sink.error(&got.span, message);
    }
    u32::try_from(got.value).unwrap_or(1)
}
