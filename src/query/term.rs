//! What a query is once it is read.

/// A query: all of its terms hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Query {
    /// The terms.
    pub terms: Vec<Term>,
}

impl Query {
    /// Whether the trash is asked for (`state:trash`, not turned round): lists leave it out otherwise.
    #[must_use]
    pub fn asks_for_trash(&self) -> bool {
        self.terms.iter().any(|term| !term.not && term.what == What::State(State::Trash))
    }

    /// The same, in the trash.
    #[must_use]
    pub fn in_trash(mut self) -> Self {
        if !self.asks_for_trash() {
            self.terms.push(Term { not: false, what: What::State(State::Trash) });
        }
        self
    }
}

/// One condition; `not` turns it round.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Term {
    /// Turned round.
    #[serde(default)]
    pub not: bool,
    /// What is asked.
    pub what: What,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// `id:7F3K` or a bare reference behind `id:`; the beginning of one, 4 to 8 characters, in shown form.
    Id(String),
    /// `ref:7F3K`: message or session.
    Reference(String),
    /// `folder:virus`.
    Folder(String),
    /// `state:held`.
    State(State),
    /// `from:`: envelope sender.
    From(Text),
    /// `header-from:`.
    HeaderFrom(Text),
    /// `rcpt:` (also `to:`): any recipient.
    Rcpt(Text),
    /// `subject:`: words, or a phrase in quotes.
    Subject(String),
    /// `client:192.0.2.0/24`.
    Client(ipnet::IpNet),
    /// `helo:`.
    Helo(Text),
    /// `user:`.
    User(Text),
    /// `rule:a20`.
    Rule(Text),
    /// `listener:`.
    Listener(String),
    /// `direction:in`.
    Direction(crate::verdict::Direction),
    /// `message-id:`.
    MessageId(Text),
    /// `digest:`: beginning of the SHA-256.
    Digest(String),
    /// `tag:`.
    Tag(String),
    /// `like:7F3K9QAB`: near-identical to that message.
    Like(crate::mail::Id),
    /// `size:>1M`: octets.
    Size(Comparison, u64),
    /// `age:<2d`: milliseconds.
    Age(Comparison, i64),
    /// `received:2026-11-21`, `received:>=2026-11-21T10:00`: from, until (exclusive), milliseconds since 1970 (local time zone of the reader).
    Received {
        /// First moment.
        from_ms: i64,
        /// First moment after it.
        until_ms: i64,
    },
    /// `score:>5`: thousandths.
    Score(Comparison, i64),
    /// A bare word or "phrase": subject, addresses.
    Words(String),
}

/// How a text is compared, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// The whole.
    Exact(String),
    /// With `*` for any characters, also none.
    Glob(String),
    /// A bare domain or `@domain`: every mailbox of it.
    Domain(String),
    /// `.domain`: every mailbox of names below it.
    Below(String),
    /// `<>`, or empty.
    Empty,
}

/// `<`, `<=`, `>`, `>=`, `=` (also nothing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Less.
    Less,
    /// At most.
    AtMost,
    /// Equal.
    Equal,
    /// At least.
    AtLeast,
    /// More.
    More,
}

/// `state:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Kept: in a folder, nothing asked of it.
    Kept,
    /// To be scanned again.
    Held,
    /// Deliveries wait.
    Spooled,
    /// Released and delivered to all.
    Released,
    /// Given up for some recipient.
    Failed,
    /// In the trash.
    Trash,
    /// A copy only.
    Copy,
}
