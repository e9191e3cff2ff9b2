//! `policies.toml`.

use super::common::{self, Others};
use super::condition;
use super::folder;
use crate::config::file::{Document, Table};
use crate::config::model::{Lane, MailPolicy, Mixed, Policies, PolicyRow};
use crate::config::value::quoted;
use crate::rules::Kind;
use crate::verdict::Direction;
use std::sync::Arc;

/// From this on a threshold is off, in thousandths: no message has so many points.
const OFF_MILLI: i32 = 1_000_000;
/// Longest tag in characters.
const TAG_CHARS_MAX: usize = 40;

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Policies> {
    let top = document.top()?;
    let mixed = match top.word("mixed").map(|word| word.value) {
        Some("defer") => Mixed::Defer,
        Some(_) | None => Mixed::Split,
    };
    top.finish();
    let table = document.table("default")?;
    let default = treatment(&table, others, &MailPolicy::default());
    table.finish();
    let rows: Vec<_> = document.tables("policy").iter().map(|table| row(table, others, &default)).collect();
    let names: Vec<_> = rows.iter().filter_map(|(name, _)| name.as_ref()).collect();
    if let Some(table) = document.tables("policy").first() {
        common::twice("policy", "name", table.sink, &names);
    }
    let table = rows.into_iter().map(|(_, row)| row).collect();
    Some(Policies { mixed, default: Arc::new(default), table })
}

type Row = (Option<crate::config::file::Got<String>>, PolicyRow);

fn row(table: &Table<'_>, others: &Others<'_>, default: &MailPolicy) -> Row {
    let matcher = |key, kind| common::matcher(table, key, kind, others.shelf).map(Arc::new);
    let name = common::name(table);
    let line = table.sink.line(&table.span);
    let treatment = treatment(table, others, default);
    let row = PolicyRow {
        line,
        recipient: matcher("recipient", Kind::Recipient),
        sender: matcher("sender", Kind::Sender),
        client: matcher("client", Kind::Address),
        listener: condition::listeners(table, others),
        direction: table.word("direction").map(|word| match word.value {
            "outbound" => Direction::Outbound,
            _ => Direction::Inbound,
        }),
        authenticated: table.has("authenticated").then(|| table.boolean("authenticated").value),
        policy: Arc::new(MailPolicy {
            name: name.as_ref().map_or_else(|| "".into(), |name| name.value.as_str().into()),
            line,
            ..treatment
        }),
    };
    table.finish();
    (name, row)
}

/// What holds; a key that is not given is as in `base`.
fn treatment(table: &Table<'_>, others: &Others<'_>, base: &MailPolicy) -> MailPolicy {
    let score = |key, base| table.decimal(key).filter(|got| got.given).map_or(base, |got| got.value);
    let flag = |key, base| if table.has(key) { table.boolean(key).value } else { base };
    let policy = MailPolicy {
        name: Arc::clone(&base.name),
        line: base.line,
        tag_milli: score("tag", base.tag_milli),
        quarantine_milli: score("quarantine", base.quarantine_milli),
        reject_milli: score("reject", base.reject_milli),
        folder: if table.has("folder") {
            folder::known(table, "folder", others).map_or_else(|| base.folder.clone(), |got| got.value)
        } else {
            base.folder.clone()
        },
        malware: flag("malware", base.malware),
        on_error: if table.has("on_error") { lane(table) } else { base.on_error },
        attachments: flag("attachments", base.attachments),
        score: flag("score", base.score),
        dmarc: flag("dmarc", base.dmarc),
        subject_tag: subject_tag(table, base),
        headers: flag("headers", base.headers),
    };
    thresholds(table, &policy);
    if table.has("malware") && !policy.malware {
        let span = table.boolean("malware").span;
        table.sink.warning(&span, "`malware`: infected mail is delivered to these recipients");
    }
    policy
}

/// A threshold that is never reached, because what would reach it meets a stronger one before. One that is out of the
/// reach of all messages is off, and meant so.
fn thresholds(table: &Table<'_>, policy: &MailPolicy) {
    let (tag, quarantine) = (("tag", policy.tag_milli), ("quarantine", policy.quarantine_milli));
    let reject = ("reject", policy.reject_milli);
    let stronger = if reject.1 < quarantine.1 { reject } else { quarantine };
    for (low, high, so) in [
        (reject, quarantine, "what would be kept for its score is refused"),
        (stronger, tag, "no message that goes on is marked as spam"),
    ] {
        // What a policy has of [default] was told there.
        let given = [low.0, high.0].into_iter().find(|key| table.has(key));
        let span = given.and_then(|key| table.decimal(key)).map(|got| got.span);
        if let Some(span) = span.filter(|_| low.1 < high.1 && high.1 < OFF_MILLI) {
            let message = format!("`{}` is below `{}`, which is then never reached: {so}", low.0, high.0);
            table.sink.warning(&span, message);
        }
    }
}

/// The lane that is given; `None` is that of each scanner.
fn lane(table: &Table<'_>) -> Option<Lane> {
    let word = table.word("on_error").map(|word| word.value);
    word.filter(|word| *word != "scanner").map(Lane::of)
}

fn subject_tag(table: &Table<'_>, base: &MailPolicy) -> Option<Box<str>> {
    let Some(got) = table.text("subject_tag").filter(|_| table.has("subject_tag")) else {
        return base.subject_tag.clone();
    };
    let good =
        got.value.chars().count() <= TAG_CHARS_MAX && got.value.bytes().all(|b| (b' '..0x7f).contains(&b));
    if !good {
        let found = quoted(&got.value);
        let message = format!(
            "`subject_tag`: expected at most {TAG_CHARS_MAX} printable ASCII characters, found {found}"
        );
        table.sink.error(&got.span, message);
    }
    Some(got.value.trim()).filter(|tag| good && !tag.is_empty()).map(Into::into)
}
