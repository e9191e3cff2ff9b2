//! Collects what the rules look at while a message is walked.

use super::header::{Header, capitals};
use super::html;
use super::links::Links;
use super::normal::{Normal, Odd};
use crate::config::model::{MessageFact, MessageFacts, Score};
use crate::message::content::{PartInfo, Reading, Visitor};
use crate::message::mime::charset_text;
use crate::verdict::Envelope;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// File names that are looked at, and the octets of one.
const NAMES_MAX: usize = 200;
const NAME_OCTETS_MAX: usize = 500;
/// Words that plain text and HTML are compared by.
const WORDS_COMPARED_MAX: usize = 4000;

/// What is known of one message while it is read.
#[derive(Debug)]
pub struct Collector<'p> {
    pub(super) rules: &'p Score,
    pub(super) header: Header,
    /// What a reader sees of the plain text, and of the HTML.
    pub(super) plain: Normal,
    pub(super) page: Normal,
    /// The HTML itself.
    pub(super) html: String,
    /// The message as it came.
    pub(super) raw: String,
    pub(super) links: Links,
    pub(super) names: Vec<String>,
    pub(super) facts: MessageFacts,
    /// Octets of text that may still be decoded.
    room: usize,
}

impl<'p> Collector<'p> {
    /// Reads the header of a message.
    #[must_use]
    pub fn new(rules: &'p Score, message: &[u8], envelope: &Envelope) -> Self {
        let mut facts = MessageFacts::default();
        let header = Header::read(message, envelope, &mut facts);
        facts.add(MessageFact::Octets, message.len());
        let raw = message.get(..rules.max_text).unwrap_or(message);
        let wants_raw =
            rules.places.get(crate::config::model::Place::Raw as usize).is_some_and(|set| !set.is_empty());
        Self {
            rules,
            header,
            plain: Normal::new(rules.max_text),
            page: Normal::new(rules.max_text),
            html: String::new(),
            raw: if wants_raw { String::from_utf8_lossy(raw).into_owned() } else { String::new() },
            links: Links::new(rules.max_urls),
            names: Vec::new(),
            facts,
            // Once for the plain text, once for the HTML, which has more markup than words.
            room: rules.max_text.saturating_mul(3),
        }
    }

    fn text(&mut self, text: &str, is_html: bool) {
        if is_html {
            let page = html::read(text, self.rules.max_urls, &mut self.facts);
            self.page.push(&page.text);
            self.links.add_references(&page.references, &self.header.from, &mut self.facts);
            let room = self.rules.max_text.saturating_sub(self.html.len());
            let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            self.html.push_str(text.get(..end.unwrap_or_default()).unwrap_or_default());
        } else {
            self.plain.push(text);
        }
    }

    /// Counts what can only be counted when all was read.
    pub(super) fn sum_up(&mut self) {
        self.links.add_text(&self.plain.text);
        self.links.add_text(&self.page.text);
        self.links.tell(&self.header.from, &self.header.recipients, &mut self.facts);
        let facts = &mut self.facts;
        let seen = if self.page.text.trim().is_empty() { &self.plain } else { &self.page };
        let letters = seen.text.chars().filter(|c| c.is_alphabetic()).count();
        facts.add(MessageFact::Words, seen.text.split(' ').filter(|word| !word.is_empty()).count());
        facts.add(MessageFact::Letters, letters);
        facts.set(MessageFact::Capitals, capitals(&seen.text, 100));
        facts.add(MessageFact::Exclamations, seen.text.bytes().filter(|b| *b == b'!').count());
        let odd: [Odd; 2] = [self.plain.odd, self.page.odd];
        facts.add(MessageFact::Invisible, odd.iter().map(|odd| odd.invisible).max().unwrap_or_default());
        facts.add(MessageFact::StyledLetters, odd.iter().map(|odd| odd.styled).max().unwrap_or_default());
        facts.add(MessageFact::MixedScripts, odd.iter().map(|odd| odd.mixed).max().unwrap_or_default());
        let lower = seen.text.to_lowercase();
        let shown = self.header.recipients.iter().any(|address| lower.contains(address.as_str()));
        facts.flag(MessageFact::TextRecipient, shown);
        let only = facts.get(MessageFact::Html) > 0 && facts.get(MessageFact::Plain) == 0;
        facts.flag(MessageFact::HtmlOnly, only);
        facts.set(MessageFact::PlainDiffers, differs(&self.plain.text, &self.page.text));
    }
}

impl Visitor for Collector<'_> {
    fn part(&mut self, part: &PartInfo) {
        let kind = part.kinds.first().map_or("", |kind| &**kind);
        if kind.starts_with("multipart/") || kind.starts_with("message/") {
            return;
        }
        self.facts.add(MessageFact::Parts, 1);
        let is_html = is_html(kind);
        if is_attachment(part, kind) {
            self.facts.add(MessageFact::Attachments, 1);
            let named = part.names.iter().any(|name| is_html_name(name));
            self.facts
                .add(MessageFact::HtmlAttachments, usize::from(is_html || named || kind == "image/svg+xml"));
        } else if is_html {
            self.facts.flag(MessageFact::Html, true);
        } else if kind == "text/plain" {
            self.facts.flag(MessageFact::Plain, true);
        }
        for name in part.names.iter().take(NAMES_MAX.saturating_sub(self.names.len())) {
            self.names.push(name.chars().take(NAME_OCTETS_MAX).collect());
        }
    }

    fn octets(&mut self, part: &PartInfo, reading: Reading, octets: &[u8]) {
        if reading != Reading::Main {
            return;
        }
        let kind = part.kinds.first().map_or("", |kind| &**kind);
        let html_file = is_html(kind) || part.names.iter().any(|name| is_html_name(name));
        if !html_file && (!kind.starts_with("text/") || is_attachment(part, kind)) {
            return;
        }
        let taken = octets.get(..self.room).unwrap_or(octets);
        self.room -= taken.len();
        if taken.is_empty() {
            return;
        }
        let text = charset_text(taken, part.charset.as_deref().map(str::as_bytes));
        self.text(&text, html_file);
    }
}

fn is_html(kind: &str) -> bool {
    matches!(kind, "text/html" | "application/xhtml+xml" | "text/xhtml")
}

fn is_html_name(name: &str) -> bool {
    let name = name.trim_end().to_ascii_lowercase();
    [".htm", ".html", ".shtml", ".xhtml", ".svg"].iter().any(|end| name.ends_with(end))
}

/// By its own word, or because it has a name and is no text that programs show.
fn is_attachment(part: &PartInfo, kind: &str) -> bool {
    part.attachment || (!kind.starts_with("text/") && !part.names.is_empty() && !kind.starts_with("image/"))
}

/// Percent of the words of the first that the second has not; 0 where there is not enough to compare.
fn differs(plain: &str, page: &str) -> u32 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let words = |text: &str| -> HashSet<u64> {
        let long = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3);
        long.take(WORDS_COMPARED_MAX).map(|word| hasher.hash_one(word.to_lowercase())).collect()
    };
    let (plain, page) = (words(plain), words(page));
    if plain.len() < 10 || page.len() < 10 {
        return 0;
    }
    let missing = plain.iter().filter(|word| !page.contains(word)).count();
    u32::try_from(missing * 100 / plain.len()).unwrap_or_default()
}
