//! What a key of a file is: its name, what it takes, what holds without it.

/// Largest count that makes sense anywhere.
pub const MANY: u64 = 1_000_000;

/// One file of settings.
#[derive(Debug)]
pub struct Settings {
    /// Its name in the rules directory.
    pub name: &'static str,
    /// Its tables, the top first.
    pub sections: &'static [Section],
}

/// One table of a file.
#[derive(Debug)]
pub struct Section {
    /// `listener`; empty for the keys at the top of the file.
    pub name: &'static str,
    /// Whether it is written `[[name]]`, any number of times.
    pub repeated: bool,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where it is not given.
    pub default: Fallback,
    /// One line.
    pub doc: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text in quotes.
    Text,
    /// A file or folder; a relative one is relative to the rules directory.
    Path,
    /// A size in octets (`"50M"`), at least this.
    Size(u64),
    /// A duration (`"30s"`), never zero.
    Duration,
    /// A duration that may be zero (`"0s"`): none.
    Delay,
    /// A duration, never zero, or this word for none.
    DurationOr(&'static str),
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A decimal number from the first to the second, both in thousandths.
    Decimal(i32, i32),
    /// So many in a period (`"30/1m"`), or `"off"`.
    Rate,
    /// So many octets in a period (`"1G/1h"`), or `"off"`.
    ByteRate,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts: of what, in the plural.
    List(&'static str),
    /// One text or a list of them: of what, in the plural.
    Texts(&'static str),
    /// A table from domain to a list of recipients or `"@file"`.
    Recipients,
}

/// What holds where a key is not given.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Nothing: it must be given, for example so.
    Required(&'static str),
    /// Unset, or what this text says.
    Unset(&'static str),
    /// This value, as it would stand in the file.
    Value(&'static str),
}

/// A row of a table of keys.
pub(super) const fn key(name: &'static str, kind: Kind, default: Fallback, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

impl Section {
    /// The key of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// How it is written in the file; empty for the top.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.name, self.repeated) {
            ("", _) => String::new(),
            (name, true) => format!("[[{name}]]"),
            (name, false) => format!("[{name}]"),
        }
    }

    /// Where its keys stand: `in [relay]`.
    #[must_use]
    pub fn place(&self) -> String {
        if self.name.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in {}", self.title())
        }
    }
}

impl Settings {
    /// The table of that name; the empty name is the top.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&'static Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}
