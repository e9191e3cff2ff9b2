//! `[[rule]]`.

use super::common::{self, Others};
use super::condition;
use super::folder;
use super::keywords;
use super::stages::{stage, word};
use crate::config::file::{Got, Table};
use crate::config::model::{OnUnknown, Protocol, Rule, RuleAction};
use crate::config::value::quoted;
use crate::verdict::{Folder, Stage};
use std::time::Duration;

/// Octets of a reply's text: with code, enhanced code and reference it fits the 512 octets of a reply line
/// (RFC 5321 section 4.5.3.1.5).
const TEXT_OCTETS_MAX: usize = 400;
/// Longest delay of an answer: clients wait five minutes, and each one that waits holds a connection.
const DELAY_MAX: Duration = Duration::from_mins(1);
/// The reply that announces the end of the session.
const CLOSING: u16 = 421;

/// Builds one rule.
pub fn build(table: &Table<'_>, others: &Others<'_>, protocol: &Protocol) -> Option<Rule> {
    // Whether the id is a good one was told where ids are compared.
    let id = table.raw("id").and_then(|found| found.get_ref().as_str().map(str::to_owned));
    let action = action(table);
    let (when, needs) = condition::build(table, others, protocol, action.as_ref().map(|got| got.value));
    let known = action.as_ref().map_or(RuleAction::Continue, |got| got.value);
    if needs.is_empty() && known != RuleAction::Continue && known != RuleAction::Hide && action.is_some() {
        table.sink.warning(&table.span, "this [[rule]] has no condition, so it is for everybody");
    }
    let copy = copy(table, others, action.as_ref());
    let rule = Rule {
        id: id.clone().unwrap_or_default().into(),
        file: table.sink.file().into(),
        line: table.sink.line(&table.span),
        mode: table.mode("mode"),
        action: known,
        answer_at: answer_at(table, known, protocol, &needs, copy.as_ref()),
        folder: folder(table, others, action.as_ref()),
        copy: copy.map(|got| got.value),
        text: text(table, action.as_ref()),
        code: code(table, action.as_ref()),
        when,
        on_unknown: match table.word("on_unknown").map(|word| word.value) {
            Some("pass") => OnUnknown::Pass,
            _ => OnUnknown::Tempfail,
        },
        points: common::count(table, "points"),
        delay_ms: delay(table),
        hide: hide(table, action.as_ref()),
    };
    table.finish();
    (id.is_some() && action.is_some()).then_some(rule)
}

fn action(table: &Table<'_>) -> Option<Got<RuleAction>> {
    let word = table.word("action")?;
    let value = match word.value {
        "accept" => RuleAction::Accept,
        "reject" => RuleAction::Reject,
        "tempfail" => RuleAction::Tempfail,
        "drop" => RuleAction::Drop,
        "quarantine" => RuleAction::Quarantine,
        "discard" => RuleAction::Discard,
        "hide" => RuleAction::Hide,
        _ => RuleAction::Continue,
    };
    Some(Got { value, span: word.span, given: word.given })
}

/// The folder of `quarantine`.
fn folder(table: &Table<'_>, others: &Others<'_>, action: Option<&Got<RuleAction>>) -> Option<Folder> {
    let raw = table.raw("folder");
    match action {
        Some(Got { value: RuleAction::Quarantine, .. }) if raw.is_some() => {
            folder::known(table, "folder", others).map(|got| got.value)
        }
        Some(Got { value: RuleAction::Quarantine, span, .. }) => {
            table
                .sink
                .error(span, "action = \"quarantine\" also needs `folder`, for example folder = \"policy\"");
            None
        }
        Some(Got { value: RuleAction::Discard, .. }) if raw.is_some() => {
            let span = raw.map_or_else(|| table.span.clone(), toml::Spanned::span);
            table.sink.error(&span, "`folder`: what is discarded is kept in `discarded` for a while: take the line out, or write action = \"quarantine\"");
            None
        }
        Some(_) => {
            if let Some(found) = raw {
                table.sink.error(
                    &found.span(),
                    "`folder` is for rules with action = \"quarantine\"; `copy` keeps a copy",
                );
            }
            None
        }
        None => None,
    }
}

/// The folder of copies.
fn copy(table: &Table<'_>, others: &Others<'_>, action: Option<&Got<RuleAction>>) -> Option<Got<Folder>> {
    let got = folder::known(table, "copy", others)?;
    match action.map(|got| got.value) {
        Some(RuleAction::Quarantine | RuleAction::Discard) => {
            table.sink.error(
                &got.span,
                "`copy`: a rule with this action keeps the message anyway: take the line out",
            );
            None
        }
        Some(RuleAction::Hide) => {
            table.sink.error(&got.span, "`copy`: when EHLO is answered there is no message to copy");
            None
        }
        Some(
            RuleAction::Accept
            | RuleAction::Reject
            | RuleAction::Tempfail
            | RuleAction::Drop
            | RuleAction::Continue,
        )
        | None => Some(got),
    }
}

fn answer_at(
    table: &Table<'_>,
    action: RuleAction,
    protocol: &Protocol,
    needs: &[condition::Need],
    copy: Option<&Got<Folder>>,
) -> Stage {
    // What is offered is said in the answer to EHLO.
    let latest = if action == RuleAction::Hide { Stage::Helo } else { Stage::Message };
    let last = needs.iter().max_by_key(|need| need.stage);
    for late in needs.iter().filter(|need| need.stage > latest) {
        table.sink.error(
            &late.span,
            format!("`{}` is not known yet when EHLO is answered, so it can hide nothing", late.key),
        );
    }
    if let Some(recipient) = needs.iter().find(|need| need.key == "recipient")
        && needs.iter().any(|need| need.key == "header_from")
    {
        table.sink.error(
            &recipient.span,
            "`recipient` and `header_from` are never known together: the message has all its recipients; write two rules",
        );
    }
    let earliest = last.map_or(Stage::Connect, |need| need.stage).min(latest);
    if let Some(copy) = copy.filter(|_| latest_for(action, needs) < Stage::Message) {
        table.sink.error(
            &copy.span,
            "`copy`: a rule about `recipient` answers at RCPT, where there is no message to copy; write action = \"quarantine\"",
        );
    }
    let Some(given) = table.word("answer_at") else {
        let usual = match action {
            RuleAction::Hide => Stage::Helo,
            _ if copy.is_some() => Stage::Message,
            // It takes effect at the end of data; looked at later it sees more.
            RuleAction::Quarantine | RuleAction::Discard => protocol.answer_at.max(Stage::Rcpt),
            RuleAction::Accept
            | RuleAction::Reject
            | RuleAction::Tempfail
            | RuleAction::Drop
            | RuleAction::Continue => protocol.answer_at,
        };
        return usual.max(earliest).min(latest_for(action, needs));
    };
    let wanted = stage(given.value);
    if copy.is_some() && wanted != Stage::Message {
        let message = format!(
            "`answer_at`: at {} there is no message to copy yet: \"message\", or take `copy` out",
            quoted(given.value)
        );
        table.sink.error(&given.span, message);
        return Stage::Message;
    }
    if action == RuleAction::Hide && wanted != Stage::Helo {
        table
            .sink
            .error(&given.span, "`answer_at`: keywords are hidden in the answer to EHLO: take the line out");
    } else if let Some(last) = last.filter(|need| need.stage > wanted) {
        let message = format!(
            "`answer_at`: `{}` is not known yet at \"{}\", the earliest is \"{}\"",
            last.key,
            given.value,
            word(last.stage)
        );
        table.sink.error(&given.span, message);
    } else if wanted > latest_for(action, needs) {
        let message = format!(
            "`answer_at`: a rule about `recipient` answers that recipient: \"rcpt\" is the latest, found {}",
            quoted(given.value)
        );
        table.sink.error(&given.span, message);
    }
    wanted.max(earliest)
}

/// Behind RCPT a transaction has all its recipients, and none is asked about any more.
fn latest_for(action: RuleAction, needs: &[condition::Need]) -> Stage {
    let last = needs.iter().map(|need| need.stage).max();
    match action {
        RuleAction::Hide => Stage::Helo,
        _ if last == Some(Stage::Rcpt) => Stage::Rcpt,
        _ => Stage::Message,
    }
}

/// Tells a key of a reply in a rule that gives none. True where it gives one.
fn replies(table: &Table<'_>, key: &Got<impl Sized>, name: &str, action: Option<&Got<RuleAction>>) -> bool {
    match action.map(|got| got.value) {
        Some(RuleAction::Reject | RuleAction::Tempfail | RuleAction::Drop) | None => true,
        Some(RuleAction::Quarantine | RuleAction::Discard) => {
            table.sink.error(
                &key.span,
                format!("`{name}`: the client hears 250: a rule with this action gives no reply"),
            );
            false
        }
        Some(RuleAction::Accept | RuleAction::Hide | RuleAction::Continue) => {
            table.sink.error(&key.span, format!("`{name}`: a rule with this action gives no reply"));
            false
        }
    }
}

fn text(table: &Table<'_>, action: Option<&Got<RuleAction>>) -> Option<Box<str>> {
    let got = table.filled("text")?;
    if !replies(table, &got, "text", action) {
        return None;
    }
    if let Some(bad) = got.value.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ')) {
        let found = quoted(&bad.to_string());
        table
            .sink
            .error(&got.span, format!("`text`: only printable ASCII can stand in a reply, found {found}"));
    } else if got.value.len() > TEXT_OCTETS_MAX {
        let octets = got.value.len();
        let message = format!(
            "`text`: {octets} characters, at most {TEXT_OCTETS_MAX} fit a reply line (RFC 5321 section 4.5.3.1.5)"
        );
        table.sink.error(&got.span, message);
    } else if got.value.as_bytes().first_chunk::<3>().is_some_and(|code| code.iter().all(u8::is_ascii_digit))
    {
        let message = "`text`: code and enhanced code are put before the text: write the words alone, and `code` for another code";
        table.sink.error(&got.span, message);
    }
    Some(got.value.into())
}

fn code(table: &Table<'_>, action: Option<&Got<RuleAction>>) -> Option<u16> {
    if !table.has("code") {
        return None;
    }
    let got = table.number("code");
    let code = u16::try_from(got.value).unwrap_or_default();
    if code == 0 || !replies(table, &got, "code", action) {
        return None;
    }
    let permanent = (500..600).contains(&code);
    let message = match action.map(|got| got.value) {
        Some(RuleAction::Reject) if !permanent => {
            Some("reject is a permanent refusal: a code from 500 to 599")
        }
        Some(RuleAction::Tempfail) if permanent => {
            Some("tempfail is a temporary refusal: a code from 400 to 499")
        }
        Some(RuleAction::Tempfail) if code == CLOSING => {
            Some("this code says that the connection is closed: write 450, or action = \"drop\"")
        }
        Some(RuleAction::Drop) if !permanent && code != CLOSING => {
            Some("drop ends the session: 421, or a code from 500 to 599")
        }
        _ => None,
    };
    if let Some(message) = message {
        table.sink.error(&got.span, format!("`code`: {message}, found {code}"));
    }
    Some(code)
}

fn delay(table: &Table<'_>) -> u32 {
    let got = table.delay("delay");
    if got.value > DELAY_MAX {
        table.sink.error(&got.span, "`delay`: at most \"60s\": each client that waits holds a connection");
    }
    u32::try_from(got.value.min(DELAY_MAX).as_millis()).unwrap_or(u32::MAX)
}

fn hide(table: &Table<'_>, action: Option<&Got<RuleAction>>) -> Vec<Box<str>> {
    let items = table.texts("hide");
    match action {
        Some(Got { value: RuleAction::Hide, span, .. }) if items.value.is_empty() => {
            table.sink.error(span, "action = \"hide\" also needs `hide`, for example hide = [\"CHUNKING\"]");
        }
        Some(Got { value, .. }) if *value != RuleAction::Hide && items.given => {
            table.sink.error(&items.span, "`hide` is for rules with action = \"hide\"");
        }
        _ => {}
    }
    keywords::hide(table, &items.value).into_iter().map(String::into_boxed_str).collect()
}
