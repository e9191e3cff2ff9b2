//! Editing the text of a list as a careful admin would: one line is added, replaced or taken out, and everything
//! else stays as it is: comments, order, line ends, whether the last line has one.
//!
//! Pure: texts in, texts out. Reading and writing the file is the caller's.

use super::attributes::{Attributes, comment_at};
use super::entry::{Line, read_entry};
use super::kind::Kind;
use super::pattern::Pattern;
use ipnet::IpNet;
use std::fmt;

/// What commands say of a sender that is to be allowed.
const CLAIMED: &str = "anybody can write this sender, so the entry counts only for clients that logged in, and where SPF or DKIM prove the sender; --auth-any lets it count for everybody";

/// An entry as somebody typed it: `192.0.2.0/24`, `spammer@x.example`, `ehlo:localhost`, `!10.1.2.3`.
#[derive(Debug, Clone)]
pub struct Typed {
    exception: bool,
    kind: Kind,
    pattern: Pattern,
    written: String,
    warning: Option<String>,
}

/// An edited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The whole text.
    pub text: String,
    /// What is different.
    pub change: Change,
}

/// What an edit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new last line.
    Added {
        /// Its number, from 1.
        line: u32,
    },
    /// The same entry stood there with other attributes.
    Replaced {
        /// Its number, from 1.
        line: u32,
        /// The line as it was, without its line end.
        before: String,
    },
    /// Lines that had the entry are gone.
    Removed {
        /// Their numbers in the text before, and what they were, without line ends.
        lines: Vec<(u32, String)>,
    },
    /// It said that already, or had no such entry.
    Nothing,
}

/// One entry of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<'t> {
    /// Its line, from 1.
    pub line: u32,
    /// Whether it is an exception.
    pub exception: bool,
    /// What it is about; [`Kind::Sender`] for one without a prefix that is no network.
    pub kind: Kind,
    /// The pattern as it is written, without its prefix.
    pub pattern: &'t str,
    /// What stands behind it.
    pub attributes: Attributes,
}

impl Written<'_> {
    /// Whether its time is over.
    #[must_use]
    pub fn expired(&self, now: i64) -> bool {
        self.attributes.until.is_some_and(|until| until <= now)
    }
}

impl Typed {
    /// Reads what somebody typed. One without a prefix is a client address where it looks like one, else a sender.
    ///
    /// # Errors
    /// What was expected, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(line) = Line::cut(text) else {
            return Err(
                "expected an entry such as 192.0.2.0/24, spammer@x.example or ehlo:localhost".to_owned()
            );
        };
        if !line.rest.trim().is_empty() {
            return Err(format!(
                "expected one entry, found \"{}\" behind it; attributes are options here (--until, --note, …)",
                line.rest.trim_start_matches([';', ' '])
            ));
        }
        let (kind, pattern, warning) = read_entry(line.entry).map_err(|mistake| mistake.message)?;
        let written = match &pattern {
            Pattern::Net(_) => pattern.to_string(),
            Pattern::Key(_) | Pattern::Glob(_) | Pattern::Regex(_) => line.entry.to_owned(),
        };
        let typed = Self {
            exception: line.exception,
            kind: kind.unwrap_or(Kind::Sender),
            pattern,
            written,
            warning: warning.map(|mistake| mistake.message),
        };
        // An open quote would end in one of the attributes that are put behind it.
        if Line::cut(&format!("{typed}; note=\"\"")).is_none_or(|cut| cut.entry != typed.written) {
            return Err("expected an entry, found a quote that is not closed".to_owned());
        }
        Ok(typed)
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is an exception.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        self.exception
    }

    /// The network, where it is about client addresses.
    #[must_use]
    pub fn net(&self) -> Option<IpNet> {
        match &self.pattern {
            Pattern::Net(net) => Some(*net),
            Pattern::Key(_) | Pattern::Glob(_) | Pattern::Regex(_) => None,
        }
    }

    /// The one mailbox or name that it is, in its comparable form; none for everything wider.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.pattern {
            Pattern::Key(key) if !key.starts_with('.') => Some(key),
            Pattern::Net(_) | Pattern::Key(_) | Pattern::Glob(_) | Pattern::Regex(_) => None,
        }
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(&self.pattern, Pattern::Glob(glob) if matches!(glob.as_str(), "*" | "*@*"))
    }

    /// What is probably not meant.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The line of a list.
    #[must_use]
    pub fn line(&self, attributes: &Attributes) -> String {
        match attributes.to_string() {
            none if none.is_empty() => self.to_string(),
            some => format!("{self}; {some}"),
        }
    }

    /// What an allow entry says that is only a claim: a sender, where nothing has to prove it.
    #[must_use]
    pub fn claimed(&self, attributes: &Attributes) -> Option<&'static str> {
        let about = matches!(self.kind, Kind::Sender | Kind::HeaderFrom) && !self.exception;
        (about && !attributes.auth_any).then_some(CLAIMED)
    }

    /// Whether both are the same entry.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.exception == other.exception && self.kind == other.kind && self.pattern.same(&other.pattern)
    }

    /// Whether a line has the same entry, whatever its attributes.
    fn is_in(&self, line: &Line<'_>) -> bool {
        line.exception == self.exception
            && read_entry(line.entry).is_ok_and(|(kind, pattern, _)| {
                kind.unwrap_or(Kind::Sender) == self.kind && pattern.same(&self.pattern)
            })
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.exception { "!" } else { "" }, self.written)
    }
}

/// Lines with their ends; a byte order mark is no part of the first.
fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(without_mark(text).split_inclusive('\n'))
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Puts an entry in: in the place of the last one that is the same, else at the end.
#[must_use]
pub fn add(text: &str, entry: &Typed, attributes: &Attributes) -> Edit {
    let new = entry.line(attributes);
    let same = |line: &str| Line::cut(line).is_some_and(|cut| entry.is_in(&cut));
    let mut at = text.len() - without_mark(text).len();
    let mut found = None;
    for (number, line) in lines(text) {
        if same(without_end(line)) {
            found = Some((number, at, without_end(line)));
        }
        at += line.len();
    }
    match found {
        Some((number, at, before)) => replace(text, number, at, before, &new),
        None => append(text, &new),
    }
}

fn replace(text: &str, number: u32, start: usize, before: &str, new: &str) -> Edit {
    let mut new = new.to_owned();
    if let Some(comment) = comment(before) {
        new.push_str("  ");
        new.push_str(comment);
    }
    if before == new {
        return Edit { text: text.to_owned(), change: Change::Nothing };
    }
    let mut out = text.to_owned();
    out.replace_range(start..start + before.len(), &new);
    Edit { text: out, change: Change::Replaced { line: number, before: before.to_owned() } }
}

/// The comment behind an entry.
fn comment(line: &str) -> Option<&str> {
    let rest = Line::cut(line)?.rest.trim_start();
    match rest.strip_prefix(';') {
        Some(attributes) => attributes.get(comment_at(attributes)?..),
        None => Some(rest).filter(|rest| rest.starts_with('#')),
    }
}

/// A text whose last line has no end gets a last line without one.
fn append(text: &str, new: &str) -> Edit {
    let end = match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    };
    let line = u32::try_from(lines(text).count()).unwrap_or(u32::MAX).saturating_add(1);
    let open = !without_mark(text).is_empty() && !text.ends_with('\n');
    let text = if open { format!("{text}{end}{new}") } else { format!("{text}{new}{end}") };
    Edit { text, change: Change::Added { line } }
}

/// Takes every line of the entry out.
#[must_use]
pub fn remove(text: &str, entry: &Typed) -> Edit {
    let mut out = String::with_capacity(text.len());
    if text.starts_with('\u{feff}') {
        out.push('\u{feff}');
    }
    let mut removed = Vec::new();
    for (number, line) in lines(text) {
        let plain = without_end(line);
        if Line::cut(plain).is_some_and(|cut| entry.is_in(&cut)) {
            removed.push((number, plain.to_owned()));
            if plain.len() == line.len() {
                // It was the last one and had no end; now the one before it has none.
                out.truncate(without_end(&out).len());
            }
        } else {
            out.push_str(line);
        }
    }
    if removed.is_empty() {
        return Edit { text: text.to_owned(), change: Change::Nothing };
    }
    Edit { text: out, change: Change::Removed { lines: removed } }
}

/// The entries of a text that can be read; what cannot is told by [`super::List::parse`].
pub fn entries(text: &str) -> impl Iterator<Item = Written<'_>> {
    lines(text).filter_map(|(line, whole)| {
        let cut = Line::cut(without_end(whole))?;
        let (entry, told) = cut.read();
        let entry = entry.filter(|_| told.errors.is_empty())?;
        let pattern = match cut.entry.split_once(':') {
            Some((word, pattern)) if Kind::of_prefix(word).is_some() => pattern,
            Some(_) | None => cut.entry,
        };
        let kind = entry.kind.unwrap_or(Kind::Sender);
        Some(Written { line, exception: cut.exception, kind, pattern, attributes: entry.attributes })
    })
}
