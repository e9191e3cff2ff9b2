//! What a person can read in a message: plain text where there is some, else HTML as text.

use super::clean::neutral;
use super::extract::{Extract, Take};
use super::html;
use super::part::{Part, Structure};
use super::words;
use std::fmt::Write as _;

/// Most octets of readable text.
pub const READABLE_OCTETS_MAX: usize = 64 * 1024;
/// Most decoded octets of text parts that are looked at; HTML has more markup than words.
const DECODED_OCTETS_MAX: usize = 1 << 20;
/// Most text parts that are shown.
const TEXTS_MAX: usize = 20;

/// The readable text of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    /// The text; without control characters and terminal escapes, at most [`READABLE_OCTETS_MAX`] octets.
    pub text: String,
    /// There is more.
    pub cut: bool,
}

/// Collects the readable text while the message is read a second time.
#[derive(Debug)]
pub struct Reader {
    texts: Vec<Text>,
    cut: bool,
}

#[derive(Debug)]
struct Text {
    extract: Extract,
    number: u32,
    charset: Option<String>,
    html: bool,
    /// In a message inside of the message.
    inside: bool,
    octets: Vec<u8>,
    over: bool,
}

impl Reader {
    /// For a message of that structure.
    #[must_use]
    pub fn new(structure: &Structure) -> Self {
        let mut chosen: Vec<&Part> = structure.parts.iter().filter(|p| is_shown(structure, p)).collect();
        let cut = chosen.len() > TEXTS_MAX;
        chosen.truncate(TEXTS_MAX);
        let text = |part: &Part| {
            let extract = Extract::new(structure, part.number, Take::Body)?;
            Some(Text {
                extract,
                number: part.number,
                charset: part.charset.clone(),
                html: part.kind == "text/html" || part.kind == "text/xhtml",
                inside: is_inside(structure, part),
                octets: Vec::new(),
                over: false,
            })
        };
        Self { texts: chosen.into_iter().filter_map(text).collect(), cut }
    }

    /// The whole of a message that is in memory.
    #[must_use]
    pub fn read(structure: &Structure, message: &[u8]) -> Readable {
        let mut reader = Self::new(structure);
        reader.push(message);
        reader.finish()
    }

    /// The next octets of the message. False: nothing more is wanted.
    pub fn push(&mut self, octets: &[u8]) -> bool {
        let mut more = false;
        let mut room = DECODED_OCTETS_MAX;
        for text in &mut self.texts {
            // Pieces are small; a whole message at once is cut behind the fact.
            more |= !text.over && text.extract.push(octets, &mut text.octets);
            if text.octets.len() > room {
                text.octets.truncate(room);
                text.over = true;
            }
            room = room.saturating_sub(text.octets.len());
        }
        more
    }

    /// The end of the message.
    #[must_use]
    pub fn finish(self) -> Readable {
        let mut readable = Readable { text: String::new(), cut: self.cut };
        let several = self.texts.len() > 1;
        for mut text in self.texts {
            let mut octets = std::mem::take(&mut text.octets);
            if !text.over {
                text.extract.finish(&mut octets);
            }
            readable.cut |= text.over;
            let decoded = words::text(&octets, text.charset.as_deref().map(str::as_bytes));
            let shown = if text.html { html::to_text(&decoded) } else { decoded };
            let shown = neutral(&shown);
            let shown = shown.trim_end();
            if shown.trim().is_empty() {
                continue;
            }
            if several {
                let gap = if readable.text.is_empty() { "" } else { "\n\n" };
                let inside = if text.inside { ", of a message inside" } else { "" };
                let _ = writeln!(readable.text, "{gap}--- part {}{inside} ---", text.number);
            }
            readable.text.push_str(shown);
            if readable.text.len() > READABLE_OCTETS_MAX {
                break;
            }
        }
        readable.bound();
        readable
    }
}

impl Readable {
    fn bound(&mut self) {
        if self.text.len() > READABLE_OCTETS_MAX {
            let end = (0..=READABLE_OCTETS_MAX).rev().find(|&at| self.text.is_char_boundary(at));
            self.text.truncate(end.unwrap_or_default());
            self.cut = true;
        }
    }
}

/// Text that is no attachment, and no HTML beside plain text that says the same.
fn is_shown(structure: &Structure, part: &Part) -> bool {
    if !part.is_text() || part.attachment || part.octets == 0 {
        return false;
    }
    if part.kind != "text/html" {
        return true;
    }
    let Some(alternative) = ancestor(structure, part, |kind| kind == "multipart/alternative") else {
        return true;
    };
    let plain = |p: &&Part| p.kind == "text/plain" && !p.attachment && p.octets > 2;
    !structure.parts.iter().filter(plain).any(|p| {
        ancestor(structure, p, |kind| kind == "multipart/alternative")
            .is_some_and(|a| a.number == alternative.number)
    })
}

fn is_inside(structure: &Structure, part: &Part) -> bool {
    ancestor(structure, part, |kind| kind.starts_with("message/")).is_some()
}

/// The nearest part around it of a kind.
fn ancestor<'a>(structure: &'a Structure, part: &Part, is: impl Fn(&str) -> bool) -> Option<&'a Part> {
    let mut parent = part.parent.and_then(|n| structure.part(n));
    while let Some(at) = parent {
        if is(&at.kind) {
            return Some(at);
        }
        parent = at.parent.filter(|n| *n < at.number).and_then(|n| structure.part(n));
    }
    None
}
