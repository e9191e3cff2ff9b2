//! Tables of the index. Made for these questions: newest page of anything, exact counts, and search among a million.
//!
//! - `item` is narrow, for it is what is walked; its row number is the item's `order`, so that the newest come last in
//!   every index. What is only shown lies in `shown`, read for the rows of a page.
//! - Text that many items share (folders, rules, users, listeners, tags; domains; recipients) is kept once.
//! - `words` is full text without its text (contentless), by the same row numbers.
//! - `tally` has counts and octets by folder and state, rule, day, and folder and hour, kept with every change, so that
//!   counting a folder costs nothing.
//! - Indexes over what has no order in time are made when filling ends ([`INDEXES`]): made at once they are sorted.

use crate::query::State;
use crate::store::sqlite::Shape;

/// Raised with every change of the tables: an index of another version is filled anew.
const VERSION: i32 = 1;
/// `PCIX`.
const APPLICATION: i32 = 0x5043_4958;

/// The empty index.
pub const SHAPE: Shape = Shape { application: APPLICATION, version: VERSION, schema: SCHEMA };

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE domain (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, backward TEXT NOT NULL);
CREATE INDEX domain_backward ON domain (backward);
CREATE TABLE addr (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, domain INTEGER NOT NULL);
CREATE INDEX addr_domain ON addr (domain);
CREATE TABLE item (
  ord INTEGER PRIMARY KEY, id INTEGER NOT NULL, version INTEGER NOT NULL, folder INTEGER NOT NULL,
  state INTEGER NOT NULL, size INTEGER NOT NULL, received INTEGER NOT NULL, score INTEGER NOT NULL,
  rule INTEGER NOT NULL, listener INTEGER NOT NULL, direction INTEGER NOT NULL, user INTEGER NOT NULL,
  client BLOB, session INTEGER, sender TEXT NOT NULL, sdomain INTEGER NOT NULL, digest INTEGER NOT NULL,
  mid INTEGER, l0 INTEGER NOT NULL, l1 INTEGER NOT NULL, l2 INTEGER NOT NULL, text INTEGER NOT NULL,
  prio INTEGER, spool_next INTEGER, hold_next INTEGER, trash_at INTEGER);
CREATE TABLE shown (
  ord INTEGER PRIMARY KEY, sender TEXT, rcpts INTEGER NOT NULL, rcpt TEXT NOT NULL, subject TEXT NOT NULL,
  skey TEXT NOT NULL, reason TEXT NOT NULL, helo TEXT NOT NULL, header TEXT NOT NULL, mid TEXT NOT NULL,
  digest TEXT NOT NULL, session TEXT, spool TEXT);
CREATE TABLE rcpt (addr INTEGER NOT NULL, ord INTEGER NOT NULL, PRIMARY KEY (addr, ord)) WITHOUT ROWID;
CREATE INDEX rcpt_item ON rcpt (ord);
CREATE TABLE reach (domain INTEGER NOT NULL, ord INTEGER NOT NULL, PRIMARY KEY (domain, ord)) WITHOUT ROWID;
CREATE TABLE tag (tag INTEGER NOT NULL, ord INTEGER NOT NULL, PRIMARY KEY (tag, ord)) WITHOUT ROWID;
CREATE INDEX tag_item ON tag (ord);
CREATE TABLE tally (
  kind INTEGER NOT NULL, one TEXT NOT NULL, two INTEGER NOT NULL, items INTEGER NOT NULL, octets INTEGER NOT NULL,
  PRIMARY KEY (kind, one, two)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
  subject, sender, header, rcpt, content='', contentless_delete=1, tokenize=\"unicode61 remove_diacritics 2\");
CREATE INDEX item_id ON item (id);
CREATE INDEX item_folder ON item (folder);
CREATE INDEX item_state ON item (state);
CREATE INDEX item_spool ON item (prio, spool_next) WHERE spool_next IS NOT NULL;
CREATE INDEX item_hold ON item (hold_next) WHERE hold_next IS NOT NULL;
CREATE INDEX item_trash ON item (trash_at) WHERE trash_at IS NOT NULL;
INSERT INTO meta (key, value) VALUES ('filling', 1), ('sequence', 0), ('skew', 0);
";

/// Indexes without an order in time.
pub const INDEXES: [(&str, &str); 13] = [
    ("item_size", "item (size)"),
    ("item_rule", "item (rule)"),
    ("item_user", "item (user)"),
    ("item_client", "item (client) WHERE client IS NOT NULL"),
    ("item_session", "item (session) WHERE session IS NOT NULL"),
    ("item_sender", "item (sender)"),
    ("item_sdomain", "item (sdomain)"),
    ("item_digest", "item (digest)"),
    ("item_mid", "item (mid) WHERE mid IS NOT NULL"),
    ("item_like", "item (l0, l1, l2)"),
    ("item_like_two", "item (l1, l2)"),
    ("item_next", "item (coalesce(spool_next, hold_next, 9223372036854775807))"),
    ("shown_subject", "shown (skey)"),
];

/// What the names of `name` are names of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Folder.
    Folder,
    /// Check, rule or scanner.
    Rule,
    /// Listener.
    Listener,
    /// User of AUTH.
    User,
    /// Tag.
    Tag,
}

impl Kind {
    /// Its number in the table.
    pub fn number(self) -> i64 {
        match self {
            Self::Folder => 0,
            Self::Rule => 1,
            Self::Listener => 2,
            Self::User => 3,
            Self::Tag => 4,
        }
    }
}

/// What `tally` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tally {
    /// By folder and state.
    State,
    /// By rule.
    Rule,
    /// By day (since 1970, UTC).
    Day,
    /// By folder and hour (since 1970).
    Hour,
}

impl Tally {
    /// Its number in the table.
    pub fn number(self) -> i64 {
        match self {
            Self::State => 0,
            Self::Rule => 1,
            Self::Day => 2,
            Self::Hour => 3,
        }
    }
}

/// The number of a state in the table.
pub fn state_number(state: State) -> i64 {
    State::ALL.iter().position(|s| *s == state).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
}

/// The state of a number in the table.
pub fn state_of_number(number: i64) -> State {
    usize::try_from(number).ok().and_then(|at| State::ALL.get(at).copied()).unwrap_or(State::Kept)
}
