//! Reads the tables of a file by hand over the spanned tree that `toml` parses, so that every mistake in
//! it is told at once, each at its own line and column. What a table may hold comes from `keys`.

use super::keys::{Fallback, Key, Kind, Section, Settings};
use super::model::Rate;
use super::sink::Sink;
use super::unknown::{unknown, wrong_table};
use super::value;
use crate::rules::Mode;
use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stood.
#[derive(Debug, Clone)]
pub struct Got<T> {
    /// The value: from the file, or the default.
    pub value: T,
    /// Where it stands in the file; where its table begins, for a default.
    pub span: Range<usize>,
    /// Whether it stood in the file.
    pub given: bool,
}

/// A file that parsed.
#[derive(Debug)]
pub struct Document<'a> {
    sink: &'a Sink<'a>,
    file: &'static Settings,
    root: Option<&'a DeTable<'a>>,
}

/// One table of it, or the defaults of one that is not there.
#[derive(Debug)]
pub struct Table<'a> {
    /// Where its problems go.
    pub sink: &'a Sink<'a>,
    /// Where its header stands; the start of the file for the top and for a table that is not there.
    pub span: Range<usize>,
    file: &'static Settings,
    section: &'static Section,
    entries: Option<&'a DeTable<'a>>,
    used: RefCell<Vec<&'static str>>,
    /// Keys whose mistake was told: several builders may read one.
    told: RefCell<Vec<&'static str>>,
}

impl<'a> Document<'a> {
    /// A document over a parsed tree; without one everything has its default.
    #[must_use]
    pub fn new(sink: &'a Sink<'a>, file: &'static Settings, root: Option<&'a DeTable<'a>>) -> Self {
        Self { sink, file, root }
    }

    /// The keys at the top of the file.
    #[must_use]
    pub fn top(&self) -> Option<Table<'a>> {
        self.file.section("").map(|section| self.open(section, self.root, 0..0))
    }

    /// The table `[name]`. One that is not there, or is no table, has all defaults.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<Table<'a>> {
        let section = self.file.section(name)?;
        let Some(found) = self.root.and_then(|root| root.get(name)) else {
            return Some(self.open(section, None, 0..0));
        };
        let entries = found.get_ref().as_table();
        if entries.is_none() {
            self.sink.error(&found.span(), wrong_table(section, found.get_ref()));
        }
        // `[[relay]]` for `[relay]` is read as if it had been written right, so that no consequences are told.
        let first = || found.get_ref().as_array()?.first()?.get_ref().as_table();
        Some(self.open(section, entries.or_else(first), found.span()))
    }

    /// The tables `[[name]]` in file order. That there is at least one is for the caller to check.
    #[must_use]
    pub fn tables(&self, name: &str) -> Vec<Table<'a>> {
        let (Some(section), Some(found)) =
            (self.file.section(name), self.root.and_then(|root| root.get(name)))
        else {
            return Vec::new();
        };
        let Some(items) = found.get_ref().as_array() else {
            self.sink.error(&found.span(), wrong_table(section, found.get_ref()));
            let entries = found.get_ref().as_table();
            return entries
                .map(|entries| self.open(section, Some(entries), found.span()))
                .into_iter()
                .collect();
        };
        let open = |item: &'a Spanned<DeValue<'a>>| {
            let entries = item.get_ref().as_table();
            if entries.is_none() {
                self.sink.error(&item.span(), wrong_table(section, item.get_ref()));
            }
            entries.map(|entries| self.open(section, Some(entries), item.span()))
        };
        items.iter().filter_map(open).collect()
    }

    /// Whether there is a table of that name, or something wrong in its place (then told).
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.root
            .and_then(|root| root.get(name))
            .is_some_and(|found| found.get_ref().as_array().is_none_or(|items| !items.is_empty()))
    }

    fn open(
        &self,
        section: &'static Section,
        entries: Option<&'a DeTable<'a>>,
        span: Range<usize>,
    ) -> Table<'a> {
        Table {
            sink: self.sink,
            span,
            file: self.file,
            section,
            entries,
            used: RefCell::default(),
            told: RefCell::default(),
        }
    }
}

impl<'a> Table<'a> {
    /// A text, `None` where it is missing or wrong (then told).
    pub fn text(&self, name: &str) -> Option<Got<String>> {
        self.read(name, value::text)
    }

    /// A text that is not empty.
    pub fn filled(&self, name: &str) -> Option<Got<String>> {
        self.read(name, value::filled)
    }

    /// A size in octets.
    pub fn size(&self, name: &str) -> Got<u64> {
        self.or_default(name, value::size)
    }

    /// A duration, not zero.
    pub fn duration(&self, name: &str) -> Got<Duration> {
        self.or_default(name, value::duration)
    }

    /// A duration that may be zero.
    pub fn delay(&self, name: &str) -> Got<Duration> {
        self.or_default(name, value::delay)
    }

    /// A duration, not zero; the value is `None` for the word that its kind has.
    pub fn duration_or(&self, name: &str) -> Got<Option<Duration>> {
        self.or_default(name, value::duration_or)
    }

    /// So many in a period; `None` is no limit, also where the value is wrong (then told).
    pub fn rate(&self, name: &str) -> Option<Got<Rate>> {
        let got = self.read(name, value::rate)?;
        Some(Got { value: got.value?, span: got.span, given: got.given })
    }

    /// A decimal number in thousandths, `None` where it is unset or wrong (then told).
    pub fn decimal(&self, name: &str) -> Option<Got<i32>> {
        self.read(name, value::decimal)
    }

    /// A mode; a wrong one is told and taken for the default.
    pub fn mode(&self, name: &str) -> Mode {
        let word = |kind, value: &DeValue<'_>| value::word(kind, value).map(mode);
        self.or_default(name, word).value
    }

    /// Whether the key is in the file.
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// A whole number within the bounds of its key.
    pub fn number(&self, name: &str) -> Got<u64> {
        self.or_default(name, value::number)
    }

    /// True or false.
    pub fn boolean(&self, name: &str) -> Got<bool> {
        self.or_default(name, value::boolean)
    }

    /// One of the words of its key.
    pub fn word(&self, name: &str) -> Option<Got<&'static str>> {
        self.read(name, value::word)
    }

    /// A list of texts; items that are none are told and left out.
    pub fn list(&self, name: &str) -> Got<Vec<Got<String>>> {
        let given = self.given(name);
        let items = self.read(name, |kind, value| self.items(name, kind, value, given.is_some()));
        let span = given.map_or_else(|| self.span.clone(), Spanned::span);
        Got { value: items.map(|got| got.value).unwrap_or_default(), span, given: given.is_some() }
    }

    /// One text or a list of texts; items that are none are told and left out.
    pub fn texts(&self, name: &str) -> Got<Vec<Got<String>>> {
        match self.raw(name).filter(|found| found.get_ref().is_str()) {
            Some(found) => {
                let text = found.get_ref().as_str().unwrap_or_default().to_owned();
                let one = Got { value: text, span: found.span(), given: true };
                Got { value: vec![one], span: found.span(), given: true }
            }
            None => self.list(name),
        }
    }

    /// The value as it stands in the file, for a key that no other method reads.
    pub fn raw(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.use_key(name)?;
        self.given(name)
    }

    /// Tells every key that nothing has asked for. To be called when all was read.
    pub fn finish(&self) {
        for (key, found) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            let known = self.used.borrow().contains(&name);
            let is_section = self.section.name.is_empty() && self.file.section(name).is_some();
            if !known && !is_section {
                self.sink.error(&key.span(), unknown(self.file, self.section, name, found.get_ref()));
            }
        }
    }

    /// The value of a key, or its default. `None` where it is wrong, missing (both then told) or unset.
    fn read<T>(&self, name: &str, read: impl Fn(Kind, &DeValue<'_>) -> Result<T, String>) -> Option<Got<T>> {
        let key = self.use_key(name)?;
        let Some(found) = self.given(name) else {
            return self.default(key, read);
        };
        match read(key.kind, found.get_ref()) {
            Ok(value) => Some(Got { value, span: found.span(), given: true }),
            Err(message) => {
                self.tell(key, &found.span(), format!("`{name}`: {message}"));
                None
            }
        }
    }

    /// The value of a key that always has one: a wrong one is told and then taken for the default, so that
    /// checks behind it tell no consequences.
    fn or_default<T: Default>(
        &self,
        name: &str,
        read: impl Fn(Kind, &DeValue<'_>) -> Result<T, String>,
    ) -> Got<T> {
        let fallback = || self.default(self.use_key(name)?, &read);
        let zero = || Got { value: T::default(), span: self.span.clone(), given: false };
        self.read(name, &read).or_else(fallback).unwrap_or_else(zero)
    }

    fn tell(&self, key: &Key, span: &Range<usize>, message: String) {
        if !self.told.borrow().contains(&key.name) {
            self.told.borrow_mut().push(key.name);
            self.sink.error(span, message);
        }
    }

    fn default<T>(
        &self,
        key: &Key,
        read: impl Fn(Kind, &DeValue<'_>) -> Result<T, String>,
    ) -> Option<Got<T>> {
        match key.default {
            Fallback::Value(text) => {
                let default = DeValue::parse(text).ok()?;
                let value = read(key.kind, default.get_ref()).ok()?;
                Some(Got { value, span: self.span.clone(), given: false })
            }
            Fallback::Required(example) => {
                let name = key.name;
                let message =
                    format!("`{name}` is missing {}; for example: {name} = {example}", self.section.place());
                self.tell(key, &self.span, message);
                None
            }
            Fallback::Unset(_) => None,
        }
    }

    fn items(
        &self,
        name: &str,
        kind: Kind,
        value: &DeValue<'_>,
        given: bool,
    ) -> Result<Vec<Got<String>>, String> {
        let list = value.as_array().ok_or_else(|| value::mismatch(kind, value))?;
        let mut out = Vec::with_capacity(list.len());
        for item in list.iter() {
            // The spans of a default are those of the table of keys, not of the file.
            let span = if given { item.span() } else { self.span.clone() };
            match item.get_ref().as_str() {
                Some(text) => out.push(Got { value: text.to_owned(), span, given }),
                None => {
                    let found = value::found(item.get_ref());
                    self.sink.error(&span, format!("`{name}`: expected a text in quotes, found {found}"));
                }
            }
        }
        Ok(out)
    }

    fn given(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries?.get(name)
    }

    /// A name that is not in the table of keys would be a slip of ours; a test reads every key.
    fn use_key(&self, name: &str) -> Option<&'static Key> {
        let key = self.section.key(name)?;
        self.used.borrow_mut().push(key.name);
        Some(key)
    }
}

fn mode(word: &str) -> Mode {
    match word {
        "off" => Mode::Off,
        "log" => Mode::Log,
        _ => Mode::On,
    }
}
