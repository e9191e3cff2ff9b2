//! What stands behind the `;` of an entry: `until=2026-12-31; note="two words"`.

use super::nearest::nearest;
use super::pattern::Mistake;
use crate::verdict::Direction;
use jiff::Timestamp;
use jiff::civil::Date;
use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

/// The mode of an entry or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As if it were not there.
    Off,
    /// Told in the audit line, changes nothing.
    Log,
    /// In force.
    #[default]
    On,
}

/// What an entry of a block list does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockAction {
    /// 554 5.7.1 at connect, 550 5.7.1 later.
    #[default]
    Reject,
    /// 450 4.7.1.
    Tempfail,
    /// Closed without a word (addresses), else as Reject and the session ends.
    Drop,
    /// Taken and kept in the folder `policy`.
    Quarantine,
}

/// What is done, as long as an entry of a block list stands, with what its source has in quarantine and spool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// Into the trash.
    Delete,
    /// Into this folder.
    Move(Box<str>),
}

impl Sweep {
    /// `delete`, `move:FOLDER` or `move=FOLDER`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let folder = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        match text.split_once([':', '=']) {
            None if text == "delete" => Ok(Self::Delete),
            Some(("move", name)) if !name.is_empty() && name.bytes().all(folder) => {
                Ok(Self::Move(name.into()))
            }
            _ => Err("expected delete, or move=FOLDER".to_owned()),
        }
    }
}

/// As a list has it.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete => f.write_str("delete"),
            Self::Move(folder) => write!(f, "move:{folder}"),
        }
    }
}

/// What stands behind the `;` of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Seconds since 1970; from then on it does not match.
    pub until: Option<i64>,
    /// Seconds since 1970.
    pub created: Option<i64>,
    /// Words of the admin.
    pub note: Option<Box<str>>,
    /// Who or what added it.
    pub by: Option<Box<str>>,
    /// Only for this direction; none is both.
    pub dir: Option<Direction>,
    /// Its mode.
    pub mode: Mode,
    /// In a block list.
    pub action: BlockAction,
    /// The reply's text in a block list.
    pub text: Option<Box<str>>,
    /// In an allow list: counts for a sender that nothing has proved (`auth = "any"`).
    pub auth_any: bool,
    /// In a block list: what becomes of the source's messages that are here already, as long as the entry stands.
    pub sweep: Option<Sweep>,
}

/// Longest note in characters.
const NOTE_CHARS_MAX: usize = 500;
/// Longest name in `by`, in characters.
const BY_CHARS_MAX: usize = 100;
/// Longest text of a reply in octets: with its codes it fits a reply line (RFC 5321 section 4.5.3.1.5).
const TEXT_OCTETS_MAX: usize = 400;

const NAMES: [&str; 10] =
    ["until", "created", "note", "by", "dir", "mode", "action", "text", "auth", "sweep"];

impl Attributes {
    /// Reads what follows the first `;`, up to a comment. Each mistake comes with its offset in `text`; what was read
    /// without one is set.
    pub(super) fn parse(text: &str) -> (Self, Vec<(usize, Mistake)>) {
        let mut attributes = Self::default();
        let mut mistakes = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut words = Words { text, chars: text.char_indices().peekable(), comment: None };
        while let Some((at, word)) = words.next_word() {
            match word {
                Err(mistake) => mistakes.push((at, mistake)),
                Ok((name, value)) => {
                    if seen.contains(&name) {
                        mistakes.push((at, Mistake::new("twice", format!("`{name}` is given twice"))));
                    } else if let Err(mistake) = attributes.set(&name, &value) {
                        mistakes.push((at, mistake));
                    }
                    seen.push(name);
                }
            }
        }
        (attributes, mistakes)
    }

    /// Whether an entry that says this is in force: for this direction, not off, and `now` (seconds since 1970) before
    /// its `until`.
    #[must_use]
    pub fn in_force(&self, dir: Direction, now: i64) -> bool {
        self.mode != Mode::Off
            && self.dir.is_none_or(|own| own == dir)
            && self.until.is_none_or(|until| now < until)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Mistake> {
        match name {
            "until" => self.until = Some(date(name, value, true)?),
            "created" => self.created = Some(date(name, value, false)?),
            "note" => self.note = Some(words_of(name, value, NOTE_CHARS_MAX)?),
            "by" => self.by = Some(words_of(name, value, BY_CHARS_MAX)?),
            "text" => self.text = Some(reply_text(value)?),
            "dir" => {
                self.dir = match one_of(name, value, &["in", "out", "both"])? {
                    0 => Some(Direction::Inbound),
                    1 => Some(Direction::Outbound),
                    _ => None,
                }
            }
            "mode" => {
                self.mode = match one_of(name, value, &["off", "log", "on"])? {
                    0 => Mode::Off,
                    1 => Mode::Log,
                    _ => Mode::On,
                }
            }
            "action" => {
                self.action = match one_of(name, value, &["reject", "tempfail", "drop", "quarantine"])? {
                    0 => BlockAction::Reject,
                    1 => BlockAction::Tempfail,
                    3 => BlockAction::Quarantine,
                    _ => BlockAction::Drop,
                }
            }
            "auth" => self.auth_any = one_of(name, value, &["any", "proved"])? == 0,
            "sweep" => {
                let wrong =
                    |text| Mistake::new("attribute value", format!("`sweep`: {text}, found \"{value}\""));
                self.sweep = Some(Sweep::parse(value).map_err(wrong)?);
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Mistake {
    let message = match nearest(name, NAMES) {
        Some(near) => format!("unknown attribute `{name}`; did you mean `{near}`?"),
        None => format!("unknown attribute `{name}`; there are {}", NAMES.join(", ")),
    };
    Mistake::new("unknown attribute", message)
}

fn one_of(name: &str, value: &str, words: &[&str]) -> Result<usize, Mistake> {
    if let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case(value)) {
        return Ok(at);
    }
    let hint = nearest(value, words.iter().copied()).map(|word| format!("; did you mean {word}?"));
    let message =
        format!("`{name}`: expected {}, found \"{value}\"{}", words.join(", "), hint.unwrap_or_default());
    Err(Mistake::new("attribute value", message))
}

fn words_of(name: &str, value: &str, most: usize) -> Result<Box<str>, Mistake> {
    if value.chars().count() > most {
        return Err(Mistake::new("attribute value", format!("`{name}`: longer than {most} characters")));
    }
    Ok(value.into())
}

fn reply_text(value: &str) -> Result<Box<str>, Mistake> {
    if value.len() > TEXT_OCTETS_MAX {
        return Err(Mistake::new("attribute value", format!("`text`: longer than {TEXT_OCTETS_MAX} octets")));
    }
    if value.is_empty() || !value.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return Err(Mistake::new("attribute value", "`text`: a reply has printable ASCII characters only"));
    }
    Ok(value.into())
}

/// A moment: `2026-12-31T18:00Z`, or a date, of which `until` takes the end and `created` the beginning (UTC).
fn date(name: &str, value: &str, end: bool) -> Result<i64, Mistake> {
    let wrong = || {
        let at = "2026-12-31 (UTC) or 2026-12-31T18:00Z";
        let period = match super::units::parse_duration(value) {
            Ok(_) => format!("; so long from now is `--for {value}` of the command line"),
            Err(_) => String::new(),
        };
        Mistake::new("date", format!("`{name}`: expected a date such as {at}, found \"{value}\"{period}"))
    };
    if value.contains(['T', 't', ' ']) {
        return value.parse::<Timestamp>().map(Timestamp::as_second).map_err(|_| wrong());
    }
    let date: Date = value.parse().map_err(|_| wrong())?;
    let date = if end { date.tomorrow().map_err(|_| wrong())? } else { date };
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_second())
}

/// Moments as we write them: `2026-12-31T18:00Z`, with seconds where there are some.
pub(super) fn written_date(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    let form = if seconds.rem_euclid(60) == 0 { "%Y-%m-%dT%H:%MZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    time.strftime(form).to_string()
}

/// A moment as `until` takes it: a date is up to its end, in UTC.
///
/// # Errors
/// What was expected.
pub fn parse_until(text: &str) -> Result<i64, String> {
    date("until", text, true).map_err(|mistake| mistake.message)
}

/// Where the comment behind attributes begins.
pub(super) fn comment_at(text: &str) -> Option<usize> {
    let mut words = Words { text, chars: text.char_indices().peekable(), comment: None };
    while words.next_word().is_some() {}
    words.comment
}

/// Names and values, from left to right.
struct Words<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    /// Where the comment begins that ends them.
    comment: Option<usize>,
}

/// Name (lower case) and value.
type Word = Result<(String, String), Mistake>;

impl<'t> Words<'t> {
    fn next_word(&mut self) -> Option<(usize, Word)> {
        while self.chars.next_if(|&(_, c)| c == ';' || c.is_whitespace()).is_some() {}
        let &(at, first) = self.chars.peek()?;
        if first == '#' {
            self.comment = Some(at);
            self.chars = "".char_indices().peekable();
            return None;
        }
        let name = self.until(|c| c == '=' || ends_word(c));
        if self.chars.next_if(|&(_, c)| c == '=').is_none() {
            let message = format!("expected name=value, such as until=2026-12-31, found \"{name}\"");
            return Some((at, Err(Mistake::new("no value", message))));
        }
        let value = if self.chars.next_if(|&(_, c)| c == '"').is_some() {
            match self.quoted() {
                Ok(value) => value,
                Err(mistake) => return Some((at, Err(mistake))),
            }
        } else {
            self.until(ends_word).to_owned()
        };
        if value.is_empty() {
            let message = format!("`{name}`: the value is missing; several words stand in quotes");
            return Some((at, Err(Mistake::new("no value", message))));
        }
        Some((at, Ok((name.to_ascii_lowercase(), value))))
    }

    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'t str {
        let from = self.chars.peek().map_or(self.text.len(), |&(at, _)| at);
        while self.chars.next_if(|&(_, c)| !ends(c)).is_some() {}
        let to = self.chars.peek().map_or(self.text.len(), |&(at, _)| at);
        self.text.get(from..to).unwrap_or_default()
    }

    /// Up to the closing quote; `\"` and `\\` are escapes.
    fn quoted(&mut self) -> Result<String, Mistake> {
        let mut value = String::new();
        let unclosed = || Mistake::new("quote", "the closing \" is missing");
        loop {
            match self.chars.next().ok_or_else(unclosed)?.1 {
                '"' => break,
                '\\' => value.push(self.chars.next().ok_or_else(unclosed)?.1),
                c => value.push(c),
            }
        }
        if self.chars.peek().is_some_and(|&(_, c)| !ends_word(c)) {
            return Err(Mistake::new("quote", "a blank or ; is missing behind the closing \""));
        }
        Ok(value)
    }
}

fn ends_word(c: char) -> bool {
    c == ';' || c.is_whitespace()
}

/// As they stand in a list, without the leading `;`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.until.map(|at| format!("until={}", written_date(at))));
        match self.mode {
            Mode::Off => parts.push("mode=off".to_owned()),
            Mode::Log => parts.push("mode=log".to_owned()),
            Mode::On => {}
        }
        match self.action {
            BlockAction::Reject => {}
            BlockAction::Tempfail => parts.push("action=tempfail".to_owned()),
            BlockAction::Drop => parts.push("action=drop".to_owned()),
            BlockAction::Quarantine => parts.push("action=quarantine".to_owned()),
        }
        parts.extend(self.sweep.as_ref().map(|sweep| format!("sweep={sweep}")));
        match self.dir {
            None => {}
            Some(Direction::Inbound) => parts.push("dir=in".to_owned()),
            Some(Direction::Outbound) => parts.push("dir=out".to_owned()),
        }
        parts.extend(self.auth_any.then(|| "auth=any".to_owned()));
        parts.extend(self.text.as_deref().map(|text| format!("text={}", quoted(text))));
        parts.extend(self.note.as_deref().map(|note| format!("note={}", quoted(note))));
        parts.extend(self.by.as_deref().map(|by| format!("by={}", plain_or_quoted(by))));
        parts.extend(self.created.map(|at| format!("created={}", written_date(at))));
        f.write_str(&parts.join("; "))
    }
}

fn plain_or_quoted(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        // An entry is one line, whatever somebody's note is.
        out.push(if c.is_control() { ' ' } else { c });
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Attributes {
        let (attributes, mistakes) = Attributes::parse(text);
        assert_eq!(mistakes, [], "{text}");
        attributes
    }

    #[test]
    fn attributes_are_read() {
        let all = read(
            " until=2026-12-31T18:00Z; created=2026-01-02 note=\"a \\\"b\\\" # \\\\;c\";by=top dir=IN;mode=log \
             action=drop sweep=move:spam text=\"Go away\" AUTH=any # until=never",
        );
        let want = Attributes {
            until: Some(1_798_740_000),
            created: Some(1_767_312_000),
            note: Some("a \"b\" # \\;c".into()),
            by: Some("top".into()),
            dir: Some(Direction::Inbound),
            mode: Mode::Log,
            action: BlockAction::Drop,
            text: Some("Go away".into()),
            auth_any: true,
            sweep: Some(Sweep::Move("spam".into())),
        };
        assert_eq!(all, want);
        assert_eq!(read(&all.to_string()), want);
        assert_eq!(read(""), Attributes::default());
        assert_eq!(read("dir=both; mode=on; action=reject; auth=proved"), Attributes::default());
    }

    #[test]
    fn dates() {
        for (text, want) in [
            ("until=1970-01-01", 86400),
            ("until=1970-01-01T00:00Z", 0),
            ("until=1970-01-01T02:00:01+02:00", 1),
            ("until=\"1970-01-01 01:00Z\"", 3600),
        ] {
            assert_eq!(read(text).until, Some(want), "{text}");
        }
        assert_eq!(written_date(0), "1970-01-01T00:00Z");
        assert_eq!(written_date(61), "1970-01-01T00:01:01Z");
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (text, at, want) in [
            (" untl=2026-12-31", 1, "unknown attribute `untl`; did you mean `until`?"),
            ("xyz=1", 0, "there are until, created, note"),
            ("until=tomorrow", 0, "expected a date such as 2026-12-31 (UTC)"),
            ("until=30d", 0, "found \"30d\"; so long from now is `--for 30d` of the command line"),
            ("until=2026-02-30", 0, "expected a date"),
            ("until=2026-12-31T18:00", 0, "expected a date"),
            ("dir=inn", 0, "expected in, out, both, found \"inn\"; did you mean in?"),
            ("mode=score", 0, "expected off, log, on, found \"score\""),
            ("action=rejct", 0, "did you mean reject?"),
            ("auth=all", 0, "expected any, proved"),
            ("sweep=drop", 0, "`sweep`: expected delete, or move=FOLDER, found \"drop\""),
            ("sweep=move:", 0, "expected delete, or move=FOLDER"),
            ("sweep=move:a/b", 0, "expected delete, or move=FOLDER"),
            ("by=a; by=b", 6, "`by` is given twice"),
            ("note=", 0, "the value is missing"),
            ("note", 0, "expected name=value"),
            ("note=a b", 7, "expected name=value, such as until=2026-12-31, found \"b\""),
            ("note=\"a", 0, "the closing \" is missing"),
            ("note=\"a\"b", 0, "a blank or ; is missing"),
            ("text=\"größe\"", 0, "printable ASCII"),
        ] {
            let (_, mistakes) = Attributes::parse(text);
            let (offset, mistake) = mistakes.first().unwrap();
            assert!(*offset == at && mistake.message.contains(want), "{text}: {offset} {}", mistake.message);
        }
        let long = format!("note=\"{}\"", "a".repeat(501));
        assert!(Attributes::parse(&long).1[0].1.message.contains("longer than 500"));
    }
}
