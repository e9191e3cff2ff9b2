//! What a query means, item by item in Rust: slow, and short enough to be believed. The index has to agree.

use super::state::state_of;
use crate::mail::Id;
use crate::query::{Comparison, Query, State, Text, What};
use crate::vault::item::Item;
use crate::vault::view::Scope;

fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((p, rest)) => text.split_first().is_some_and(|(t, after)| p == t && glob(rest, after)),
    }
}

pub fn text(text: &Text, value: &str) -> bool {
    let value = value.to_lowercase();
    match text {
        Text::Empty => value.is_empty(),
        Text::Exact(exact) => value == *exact,
        Text::Glob(pattern) => glob(&pattern.chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>()),
        Text::Domain(domain) => value == *domain || value.ends_with(&format!("@{domain}")),
        Text::Below(domain) => value.ends_with(&format!(".{domain}")),
    }
}

fn tokens(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('ü', "u").replace('é', "e");
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(Into::into).collect()
}

fn phrase(wanted: &str, text: &str) -> bool {
    let (words, all) = (tokens(wanted), tokens(text));
    let Some((last, front)) = words.split_last() else { return false };
    all.windows(words.len()).any(|window| {
        let (end, begin) = window.split_last().unwrap();
        begin == front && if wanted.ends_with('*') { end.starts_with(last.as_str()) } else { end == last }
    })
}

fn compared(how: Comparison, one: i64, other: i64) -> bool {
    match how {
        Comparison::Less => one < other,
        Comparison::AtMost => one <= other,
        Comparison::Equal => one == other,
        Comparison::AtLeast => one >= other,
        Comparison::More => one > other,
    }
}

fn header(item: &Item) -> Vec<&str> {
    item.header.from.as_deref().into_iter().flat_map(|from| from.split(", ")).collect()
}

/// All that are near-identical to a message, itself included.
fn family(id: Id, all: &[Item]) -> Vec<Id> {
    let shared = |a: &Item, b: &Item| {
        let same = |at: usize| a.likeness[at] != 0 && a.likeness[at] == b.likeness[at];
        (0..3).filter(|at| same(*at)).count() >= 2
    };
    let mut family: Vec<&Item> = all.iter().filter(|item| item.id == id).collect();
    let mut at = 0;
    while at < family.len() {
        for item in all {
            if shared(item, family[at]) && !family.iter().any(|known| known.id == item.id) {
                family.push(item);
            }
        }
        at += 1;
    }
    family.iter().map(|item| item.id).collect()
}

fn what(what: &What, item: &Item, all: &[Item], now_ms: i64) -> bool {
    let client = &item.client;
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    match what {
        What::Id(prefix) => item.id.to_string().starts_with(prefix),
        What::Reference(prefix) => {
            item.id.to_string().starts_with(prefix) || client.session.starts_with(prefix)
        }
        What::Folder(name) => item.folder == *name,
        What::State(state) => state_of(item) == *state,
        What::From(t) => text(t, &item.envelope.from),
        What::HeaderFrom(Text::Empty) => header(item).is_empty(),
        What::HeaderFrom(t) => header(item).iter().any(|from| text(t, from)),
        What::Rcpt(t) => item.recipients.iter().any(|rcpt| text(t, &rcpt.rcpt)),
        What::Subject(words) => phrase(words, &or_empty(&item.header.subject)),
        What::Client(net) => client.ip.is_some_and(|ip| net.contains(&ip)),
        What::Helo(t) => text(t, &or_empty(&client.helo)),
        What::User(t) => text(t, &or_empty(&client.user)),
        What::Rule(t) => text(t, &item.rule),
        What::Listener(name) => client.listener == *name,
        What::Direction(direction) => client.direction == Some(*direction),
        What::MessageId(t) => text(t, &or_empty(&item.header.message_id)),
        What::Digest(prefix) => item.digest.starts_with(prefix),
        What::Tag(tag) => item.tags.contains(tag),
        What::Like(id) => family(*id, all).contains(&item.id),
        What::Size(how, octets) => compared(*how, item.size as i64, *octets as i64),
        What::Age(how, ms) => compared(*how, now_ms - item.received_ms, *ms),
        What::Received { from_ms, until_ms } => item.received_ms >= *from_ms && item.received_ms < *until_ms,
        What::Score(how, score) => compared(*how, item.score_milli.into(), *score),
        What::Words(words) => {
            let rcpts: Vec<&str> = item.recipients.iter().map(|rcpt| rcpt.rcpt.as_str()).collect();
            let mut sorted: Vec<String> = rcpts.iter().map(|rcpt| rcpt.to_lowercase()).collect();
            sorted.sort();
            sorted.dedup();
            let texts = [
                or_empty(&item.header.subject),
                item.envelope.from.clone(),
                header(item).join(" "),
                sorted.join(" "),
            ];
            texts.iter().any(|text| phrase(words, text))
        }
    }
}

fn in_scope(item: &Item, scope: Scope, asks_for_trash: bool) -> bool {
    let state = state_of(item);
    match scope {
        Scope::Everything => true,
        Scope::Held => state == State::Held,
        Scope::Spool => {
            state == State::Spooled
                || state == State::Failed
                || (item.folder == "dead" && state != State::Trash)
        }
        Scope::Quarantine => match state {
            State::Trash => asks_for_trash,
            _ => item.folder != "spool",
        },
    }
}

/// Those that match.
pub fn matching<'i>(query: &Query, scope: Scope, all: &'i [Item], now_ms: i64) -> Vec<&'i Item> {
    let trash = query.asks_for_trash();
    let references: Vec<&What> =
        query.terms.iter().filter(|t| !t.not && matches!(t.what, What::Id(_))).map(|t| &t.what).collect();
    let rest = query.terms.iter().filter(|t| t.not || !matches!(t.what, What::Id(_)));
    let rest: Vec<_> = rest.collect();
    all.iter()
        .filter(|item| in_scope(item, scope, trash))
        .filter(|item| references.is_empty() || references.iter().any(|w| what(w, item, all, now_ms)))
        .filter(|item| rest.iter().all(|term| what(&term.what, item, all, now_ms) != term.not))
        .collect()
}
