//! An item as the index keeps it: everything is made ready here, also to wait in a scratch file while filling.

use super::schema::state_number;
use super::state::{count, hold_next, spool_next, spool_row, state_of};
use super::text::{digest_range, folded, header_addresses, message_id, number, octets, sorted};
use crate::mail::Id;
use crate::vault::item::{Item, Priority};
use crate::verdict::Direction;
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Serialize};

/// Recipients that a list shows.
const SHOWN_RCPTS: usize = 8;
/// Characters of texts that are only shown, and of what is searched.
const SHOWN_CHARS: usize = 500;

/// A struct that is written as a list of its values, without their names: a million of them lie in a file for a moment.
macro_rules! listed {
    ($(#[$about:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        pub struct $name { $(pub $field: $type),* }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let length = [$(stringify!($field)),*].len();
                let mut list = serializer.serialize_tuple(length)?;
                $(list.serialize_element(&self.$field)?;)*
                list.end()
            }
        }
    };
}

listed! {
    /// What the index keeps of an item.
    Record {
        id: i64,
        version: i64,
        ord: i64,
        counted: Counted,
        score: i64,
        listener: String,
        direction: i64,
        user: String,
        client: Option<Vec<u8>>,
        session: Option<i64>,
        odd_session: Option<String>,
        sender: String,
        sender_shown: Option<String>,
        digest: String,
        digest_number: i64,
        mid: String,
        likeness: [i64; 3],
        text: i64,
        prio: Option<i64>,
        spool_next: Option<i64>,
        hold_next: Option<i64>,
        trash_at: Option<i64>,
        rcpts: Vec<String>,
        rcpt_count: u32,
        rcpt_shown: String,
        tags: Vec<String>,
        header: Vec<String>,
        subject: String,
        subject_key: String,
        reason: String,
        helo: String,
        spool: Option<String>,
    }
}

listed! {
    /// What of it is in the tallies.
    Counted { folder: String, state: i64, rule: String, size: i64, received: i64 }
}

/// A number as it is kept.
pub fn kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The bits of a reference as they are kept.
pub fn bits(id: Id) -> i64 {
    kept(id.bits())
}

/// The number of a direction; 0 is none.
pub fn direction(direction: Option<Direction>) -> i64 {
    match direction {
        None => 0,
        Some(Direction::Inbound) => 1,
        Some(Direction::Outbound) => 2,
    }
}

fn priority(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = texts.collect();
    all.sort();
    all.dedup();
    all
}

impl Counted {
    fn of(item: &Item) -> Self {
        Self {
            folder: item.folder.clone(),
            state: state_number(state_of(item)),
            rule: folded(&item.rule),
            size: kept(item.size),
            received: item.received_ms,
        }
    }
}

impl Record {
    /// Of an item.
    pub fn of(item: &Item) -> Self {
        let client = &item.client;
        let or_empty = |text: &Option<String>| folded(text.as_deref().unwrap_or_default());
        let sender = folded(&item.envelope.from);
        let subject = cut(item.header.subject.as_deref().unwrap_or_default());
        let shown: Vec<&str> = item.recipients.iter().take(SHOWN_RCPTS).map(|r| r.rcpt.as_str()).collect();
        // A session that reads back as it is shown is kept as its number.
        let session = client.session.parse::<Id>().ok();
        let odd = session.is_none_or(|id| id.to_string() != client.session);
        let digest = digest_range(&item.digest).filter(|_| item.digest.len() == 64);
        let record = Self {
            id: bits(item.id),
            version: kept(item.version),
            ord: item.order,
            counted: Counted::of(item),
            score: item.score_milli.into(),
            listener: folded(&client.listener),
            direction: direction(client.direction),
            user: or_empty(&client.user),
            client: client.ip.map(octets),
            session: session.map(bits),
            odd_session: odd.then(|| client.session.clone()),
            sender_shown: (item.envelope.from != sender).then(|| item.envelope.from.clone()),
            sender,
            digest: item.digest.clone(),
            digest_number: digest.map_or(0, |(low, _)| low),
            mid: item.header.message_id.as_deref().map(message_id).unwrap_or_default(),
            likeness: item.likeness,
            text: 0,
            prio: item.spool.as_ref().map(|spool| priority(spool.priority)),
            spool_next: spool_next(item),
            hold_next: hold_next(item),
            trash_at: item.trash.as_ref().map(|trash| trash.at_ms),
            rcpts: distinct(item.recipients.iter().map(|r| folded(&r.rcpt))),
            rcpt_count: count(item.recipients.len()),
            rcpt_shown: shown.join("\n"),
            tags: distinct(item.tags.iter().map(|tag| folded(tag))),
            header: header_addresses(item.header.from.as_deref()),
            subject_key: sorted(&subject),
            subject,
            reason: cut(&item.reason),
            helo: or_empty(&client.helo),
            spool: spool_row(item).and_then(|row| serde_json::to_string(&row).ok()),
        };
        Self { text: record.lasting(), ..record }
    }

    /// Something is to be done with it at some time.
    pub fn is_due(&self) -> bool {
        self.spool_next.is_some() || self.hold_next.is_some()
    }

    /// A number of all that does not change as an item is released, held or moved: while it stays, so do its rows for
    /// searching.
    fn lasting(&self) -> i64 {
        let figures = format!(
            "{} {} {} {:?} {:?} {:?} {}",
            self.counted.size,
            self.counted.received,
            self.score,
            self.likeness,
            self.client,
            self.session,
            self.direction
        );
        number(&[
            &figures,
            &self.counted.rule,
            &self.listener,
            &self.user,
            self.odd_session.as_deref().unwrap_or_default(),
            self.sender_shown.as_deref().unwrap_or(&self.sender),
            &self.digest,
            &self.mid,
            &self.rcpts.join("\n"),
            &self.rcpt_shown,
            &self.tags.join("\n"),
            &self.header.join("\n"),
            &self.subject,
            &self.helo,
        ])
    }
}
