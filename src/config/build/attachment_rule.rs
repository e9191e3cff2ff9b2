//! `[[rule]]` of `attachments.toml`.

use super::common::{self, Others};
use super::{condition, folder};
use crate::config::file::{Got, Table};
use crate::config::model::{
    AttachmentAction, AttachmentRule, FileConditions, MessageConditions, QuarantineFolder,
};
use crate::config::value::quoted;
use crate::message::files::{Mark, Marks, Type};
use crate::rules::{Kind, Matcher, TextMatcher, nearest};
use crate::verdict::{Direction, Folder};

/// Octets of a text: with code, enhanced code and reference it fits the 512 octets of a reply line
/// (RFC 5321 section 4.5.3.1.5).
const TEXT_OCTETS_MAX: usize = 400;
/// Longest tag, in octets.
const TAG_OCTETS_MAX: usize = 50;
/// Longest extension or fact, in octets.
const WORD_OCTETS_MAX: usize = 64;

/// Builds one rule.
pub fn build(table: &Table<'_>, others: &Others<'_>) -> Option<AttachmentRule> {
    // Whether the id is a good one was told where ids are compared.
    let id = table.raw("id").and_then(|found| found.get_ref().as_str().map(str::to_owned));
    let action = table.word("action").map(|word| Got {
        value: match word.value {
            "reject" => AttachmentAction::Reject,
            "quarantine" => AttachmentAction::Quarantine,
            "strip" => AttachmentAction::Strip,
            "score" => AttachmentAction::Score,
            "accept" => AttachmentAction::Accept,
            _ => AttachmentAction::Log,
        },
        span: word.span,
        given: word.given,
    });
    let known = action.as_ref().map_or(AttachmentAction::Log, |got| got.value);
    let rule = AttachmentRule {
        id: id.clone().unwrap_or_default().into(),
        file: table.sink.file().into(),
        line: table.sink.line(&table.span),
        mode: table.mode("mode"),
        action: known,
        folder: folder_of(table, others, known),
        text: text(table, known),
        score_milli: score(table, action.as_ref()),
        tags: words(table, "tag", TAG_OCTETS_MAX),
        file_is: file_conditions(table),
        odd: words(table, "odd", WORD_OCTETS_MAX),
        when: message_conditions(table, others),
    };
    table.finish();
    if rule.file_is.is_empty() && rule.odd.is_empty() && !table.sink.has_errors() {
        table.sink.warning(
            &table.span,
            "this [[rule]] has no condition over a file, so it is for every part of every message",
        );
    }
    (id.is_some() && action.is_some()).then_some(rule)
}

fn folder_of(table: &Table<'_>, others: &Others<'_>, action: AttachmentAction) -> Option<Folder> {
    let got = folder::known(table, "folder", others);
    if action == AttachmentAction::Quarantine {
        return Some(got.map_or_else(|| Folder(QuarantineFolder::POLICY.into()), |got| got.value));
    }
    if let Some(got) = got {
        table.sink.error(&got.span, "`folder` is for rules with action = \"quarantine\"");
    }
    None
}

fn text(table: &Table<'_>, action: AttachmentAction) -> Option<Box<str>> {
    let got = table.filled("text")?;
    if !matches!(action, AttachmentAction::Reject | AttachmentAction::Strip) {
        table.sink.error(&got.span, "`text` is for rules with action = \"reject\" or \"strip\"");
    } else if let Some(bad) = got.value.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ')) {
        let found = quoted(&bad.to_string());
        table.sink.error(&got.span, format!("`text`: only printable ASCII can stand here, found {found}"));
    } else if got.value.len() > TEXT_OCTETS_MAX {
        let octets = got.value.len();
        table.sink.error(&got.span, format!("`text`: {octets} characters, at most {TEXT_OCTETS_MAX} fit"));
    }
    Some(got.value.into())
}

fn score(table: &Table<'_>, action: Option<&Got<AttachmentAction>>) -> i32 {
    let got = table.decimal("score");
    match (action, &got) {
        (Some(Got { value: AttachmentAction::Score, span, .. }), None) if !table.has("score") => {
            table.sink.error(span, "action = \"score\" also needs `score`, for example score = 2.0");
        }
        (Some(Got { value: AttachmentAction::Log | AttachmentAction::Accept, .. }), Some(got)) => {
            table.sink.error(
                &got.span,
                "`score`: a rule with this action changes nothing; write action = \"score\"",
            );
        }
        _ => {}
    }
    got.map_or(0, |got| got.value)
}

/// Words of letters, digits, `-`, `_` and `.`, in lower case.
pub(super) fn words(table: &Table<'_>, key: &str, most: usize) -> Vec<Box<str>> {
    let mut out = Vec::new();
    for Got { value, span, .. } in table.texts(key).value {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if value.is_empty() || value.len() > most || !value.bytes().all(good) {
            let found = quoted(&value);
            let message =
                format!("`{key}`: expected up to {most} letters, digits, `-`, `_` and `.`, found {found}");
            table.sink.error(&span, message);
        } else {
            out.push(value.to_ascii_lowercase().into());
        }
    }
    out
}

fn file_conditions(table: &Table<'_>) -> FileConditions {
    FileConditions {
        name: matcher(table, "name"),
        extensions: extensions(table),
        types: types(table),
        declared: matcher(table, "declared"),
        marks: marks(table, "mark"),
        without: marks(table, "without"),
        attachment: table.has("attachment").then(|| table.boolean("attachment").value),
        member: table.has("member").then(|| table.boolean("member").value),
        depth_over: table.has("depth_over").then(|| common::count(table, "depth_over")),
        size_over: table.has("size_over").then(|| table.size("size_over").value),
    }
}

fn matcher(table: &Table<'_>, key: &str) -> Option<TextMatcher> {
    let got = table.texts(key);
    let texts: Vec<String> = got.value.iter().map(|item| item.value.clone()).collect();
    if texts.is_empty() {
        return None;
    }
    match TextMatcher::parse(&texts) {
        Ok(matcher) => Some(matcher),
        Err((at, message)) => {
            let span = got.value.get(at).map_or(&got.span, |item| &item.span);
            table.sink.error(span, format!("`{key}`: {message}"));
            None
        }
    }
}

fn extensions(table: &Table<'_>) -> Vec<Box<str>> {
    let mut out = Vec::new();
    for Got { value, span, .. } in table.texts("extension").value {
        let bare = value.trim_start_matches("*.").trim_start_matches('.').to_lowercase();
        if bare.is_empty() || bare.len() > WORD_OCTETS_MAX || bare.contains(['*', '?', '/', '\\', ' ', '.']) {
            let found = quoted(&value);
            let message = format!(
                "`extension`: expected an extension such as \"exe\", found {found}; patterns are for `name`"
            );
            table.sink.error(&span, message);
        } else {
            out.push(bare.into());
        }
    }
    out
}

fn types(table: &Table<'_>) -> Vec<Box<str>> {
    let mut out = Vec::new();
    for got in table.texts("type").value {
        let value = got.value.to_ascii_lowercase();
        if known_type(table, "type", &Got { value: value.clone(), ..got }) {
            out.push(value.into());
        }
    }
    out
}

/// Whether a word names a type; told where it does not.
pub(super) fn known_type(table: &Table<'_>, key: &str, got: &Got<String>) -> bool {
    let known = Type::words().any(|word| word == got.value);
    if !known {
        let hint = match nearest(&got.value, Type::words()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are {}", Type::words().collect::<Vec<_>>().join(", ")),
        };
        table.sink.error(&got.span, format!("`{key}`: no type is named {}; {hint}", quoted(&got.value)));
    }
    known
}

/// A set of marks.
pub(super) fn marks(table: &Table<'_>, key: &str) -> Marks {
    let mut marks = Marks::NONE;
    for Got { value, span, .. } in table.texts(key).value {
        let Some(mark) = Mark::of_name(&value) else {
            let names = || Mark::EACH.into_iter().map(Mark::name);
            let hint = match nearest(&value, names()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            table.sink.error(&span, format!("`{key}`: no mark is named {}; {hint}", quoted(&value)));
            continue;
        };
        marks.add(mark);
    }
    marks
}

fn message_conditions(table: &Table<'_>, others: &Others<'_>) -> MessageConditions {
    let matcher = |key, kind| -> Option<Matcher> { common::matcher(table, key, kind, others.shelf) };
    MessageConditions {
        client: matcher("client", Kind::Address),
        sender: matcher("sender", Kind::Sender),
        recipient: matcher("recipient", Kind::Recipient),
        user: matcher("user", Kind::User),
        listener: table
            .texts("listener")
            .value
            .iter()
            .filter_map(|item| condition::listener(table, others, item))
            .collect(),
        direction: table.word("direction").map(|word| match word.value {
            "outbound" => Direction::Outbound,
            _ => Direction::Inbound,
        }),
        authenticated: table.has("authenticated").then(|| table.boolean("authenticated").value),
    }
}
