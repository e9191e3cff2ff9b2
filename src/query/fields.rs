//! The fields of the language.

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `id`.
    Id,
    /// `ref`.
    Reference,
    /// `folder`.
    Folder,
    /// `state`.
    State,
    /// `from`.
    From,
    /// `header-from`.
    HeaderFrom,
    /// `rcpt`.
    Rcpt,
    /// `subject`.
    Subject,
    /// `client`.
    Client,
    /// `helo`.
    Helo,
    /// `user`.
    User,
    /// `rule`.
    Rule,
    /// `listener`.
    Listener,
    /// `direction`.
    Direction,
    /// `message-id`.
    MessageId,
    /// `digest`.
    Digest,
    /// `tag`.
    Tag,
    /// `like`.
    Like,
    /// `size`.
    Size,
    /// `age`.
    Age,
    /// `received`.
    Received,
    /// `score`.
    Score,
}

/// Name, field, and what its value looks like. The first name of a field is the one that is shown.
const FIELDS: [(&str, Field, &str); 24] = [
    ("id", Field::Id, "the beginning of a reference, 4 to 8 characters, such as id:7F3K"),
    ("ref", Field::Reference, "a reference of message or session, such as ref:7F3K9QAB"),
    ("folder", Field::Folder, "the name of a folder, such as folder:virus"),
    ("state", Field::State, "one of kept, held, spooled, released, failed, trash, copy"),
    ("from", Field::From, "an address, @domain, .domain or <>, such as from:*@example.com"),
    ("header-from", Field::HeaderFrom, "an address, @domain or .domain, such as header-from:@example.com"),
    ("rcpt", Field::Rcpt, "an address, @domain or .domain, such as rcpt:bob@example.com"),
    ("to", Field::Rcpt, "an address, @domain or .domain, such as to:bob@example.com"),
    ("subject", Field::Subject, "a word or a phrase in quotes, such as subject:\"your invoice\""),
    ("client", Field::Client, "an address or network, such as client:192.0.2.0/24"),
    ("ip", Field::Client, "an address or network, such as ip:192.0.2.0/24"),
    ("helo", Field::Helo, "a name, such as helo:mail.example.com or helo:.example.com"),
    ("user", Field::User, "a user, such as user:bob"),
    ("rule", Field::Rule, "a check, rule or scanner, such as rule:dns-list"),
    ("listener", Field::Listener, "a listener, such as listener:in"),
    ("direction", Field::Direction, "in or out"),
    ("message-id", Field::MessageId, "a Message-ID, such as message-id:1@example.com"),
    ("digest", Field::Digest, "the beginning of a SHA-256, 4 to 64 hexadecimal digits"),
    ("tag", Field::Tag, "a tag, such as tag:bulk"),
    ("like", Field::Like, "the reference of a message, such as like:7F3K9QAB"),
    ("size", Field::Size, "a comparison with a size, such as size:>1M"),
    ("age", Field::Age, "younger or older than a duration, such as age:<2d or age:>\"2d 4h\""),
    ("received", Field::Received, "a date, such as received:2026-11-21 or received:>=2026-11-21T10:00"),
    ("score", Field::Score, "a comparison with a number, such as score:>=2.5"),
];

/// Words that other programs use.
const SYNONYMS: [(&str, &str); 24] = [
    ("sender", "from"),
    ("mail-from", "from"),
    ("mailfrom", "from"),
    ("envelope-from", "from"),
    ("recipient", "rcpt"),
    ("cc", "rcpt"),
    ("date", "received"),
    ("before", "received"),
    ("after", "received"),
    ("since", "received"),
    ("until", "received"),
    ("larger", "size"),
    ("smaller", "size"),
    ("host", "client"),
    ("address", "client"),
    ("addr", "client"),
    ("in", "folder"),
    ("is", "state"),
    ("status", "state"),
    ("reference", "ref"),
    ("sha256", "digest"),
    ("ehlo", "helo"),
    ("msgid", "message-id"),
    ("login", "user"),
];

/// Names of the fields, for completions and "did you mean".
pub fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(name, _, _)| *name)
}

/// The field that a word of other programs stands for.
pub fn synonym(name: &str) -> Option<&'static str> {
    SYNONYMS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, field)| *field)
}

/// The field of that name; case aside, `_` is `-`.
pub fn field(name: &str) -> Option<Field> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    FIELDS.iter().find(|(known, _, _)| *known == name).map(|(_, field, _)| *field)
}

impl Field {
    fn row(self) -> Option<&'static (&'static str, Self, &'static str)> {
        FIELDS.iter().find(|(_, field, _)| *field == self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(name, _, _)| name)
    }

    /// What its value looks like.
    pub fn expected(self) -> &'static str {
        self.row().map_or("", |(_, _, expected)| expected)
    }

    /// Whether `<`, `<=`, `>`, `>=` may stand before its value.
    pub fn compares(self) -> bool {
        matches!(self, Self::Size | Self::Age | Self::Received | Self::Score)
    }
}
