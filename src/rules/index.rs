//! Entries by what they match, so that a look-up in a million of them takes less than a microsecond.
//!
//! An entry is its line, the number of its attributes, and the entry to look at next if this one is not in force
//! (expired, another direction): the next less specific network, or an earlier line with the same text.

use super::attributes::Attributes;
use super::canon::Canon;
use super::glob::Glob;
use super::kind::{Kind, Subject};
use super::names::Names;
use super::pattern::Pattern;
use super::ranges::{Ranges, Span};
use crate::mail::{Domain, unmapped};
use ipnet::IpNet;
use regex::Regex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Most globs of one index: each is tried at every look-up that nothing more specific decides.
pub(super) const GLOBS_MAX: usize = 10_000;
/// Most expressions of one index.
pub(super) const REGEXES_MAX: usize = 500;
/// So many entries that are not in force are passed over for one subject; what lies behind them does not match.
const NEXT_MAX: usize = 1000;
/// No entry.
const NOBODY: u32 = u32::MAX;

/// Where an entry stands, and what else there is for its pattern.
#[derive(Debug, Clone, Copy)]
struct Entry {
    line: u32,
    terms: u32,
    next: u32,
}

/// What entries say beside their pattern; equal ones are kept once, and number 0 is "nothing".
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    pub exception: bool,
    pub attributes: Attributes,
}

/// An entry that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'i> {
    pub line: u32,
    pub terms: &'i Terms,
}

/// Everything that is no network, of one kind (or of the kind that asks).
#[derive(Debug, Default)]
struct Texts {
    names: Names,
    /// By the number of the name, the last entry that has it.
    heads: Vec<u32>,
    globs: Vec<(Glob, u32)>,
    regexes: Vec<(Regex, u32)>,
}

/// The entries.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    terms: Vec<Terms>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    texts: BTreeMap<Option<Kind>, Texts>,
}

/// Whose look-up it is: the kind that is asked for, whether entries without a kind are used for it, and which entries
/// are in force.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub kind: Kind,
    pub bare: bool,
    pub in_force: &'a dyn Fn(&Terms) -> bool,
}

/// An index in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    index: Index,
    numbers: HashMap<Terms, u32>,
    v4: Vec<Span<u32>>,
    v6: Vec<Span<u128>>,
}

/// Why an entry was not put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// [`GLOBS_MAX`].
    Globs,
    /// [`REGEXES_MAX`].
    Regexes,
    /// 4 GB of names, or as many entries.
    Names,
}

impl Builder {
    /// Puts an entry in. `kind` says nothing for a network. Entries come in the order of their lines. Where another
    /// entry has the same text for the same direction, its line is given back.
    pub fn add(
        &mut self,
        kind: Option<Kind>,
        pattern: Pattern,
        terms: Terms,
        line: u32,
    ) -> Result<Option<u32>, Full> {
        let index = &mut self.index;
        let number = u32::try_from(index.entries.len()).ok().filter(|&n| n != NOBODY).ok_or(Full::Names)?;
        let mut next = NOBODY;
        match pattern {
            Pattern::Net(IpNet::V4(net)) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                self.v4.push(Span { first, last, entry: number });
            }
            Pattern::Net(IpNet::V6(net)) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                self.v6.push(Span { first, last, entry: number });
            }
            Pattern::Key(key) => {
                let texts = index.texts.entry(kind).or_default();
                let id = texts.names.insert(&key).ok_or(Full::Names)? as usize;
                match texts.heads.get_mut(id) {
                    Some(head) => next = std::mem::replace(head, number),
                    None => texts.heads.push(number),
                }
            }
            Pattern::Glob(glob) => {
                push(&mut index.texts.entry(kind).or_default().globs, GLOBS_MAX, (glob, number))
                    .ok_or(Full::Globs)?;
            }
            Pattern::Regex(regex) => {
                push(&mut index.texts.entry(kind).or_default().regexes, REGEXES_MAX, (*regex, number))
                    .ok_or(Full::Regexes)?;
            }
        }
        let terms = self.number(terms);
        let index = &mut self.index;
        index.entries.push(Entry { line, terms, next });
        Ok(index.again(number, next))
    }

    fn number(&mut self, terms: Terms) -> u32 {
        if terms == Terms::default() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(&terms) {
            return number;
        }
        if self.index.terms.is_empty() {
            self.index.terms.push(Terms::default());
        }
        // There are never more of them than entries.
        let number = u32::try_from(self.index.terms.len()).unwrap_or(0);
        self.index.terms.push(terms.clone());
        self.numbers.insert(terms, number);
        number
    }

    /// The index. `again(line, before)` is told of networks that stand twice for the same direction.
    pub fn build(self, again: &mut dyn FnMut(u32, u32)) -> Index {
        let Self { mut index, numbers, v4, v6 } = self;
        drop(numbers);
        let mut inside = |number: u32, around: u32, same: bool| {
            if let Some(entry) = index.entries.get_mut(number as usize) {
                entry.next = around;
                let line = entry.line;
                if same && let Some(before) = index.again(number, around) {
                    again(line, before);
                }
            }
        };
        let v4 = Ranges::new(v4, &mut inside);
        let v6 = Ranges::new(v6, &mut inside);
        (index.v4, index.v6) = (v4, v6);
        if index.terms.is_empty() {
            index.terms.push(Terms::default());
        }
        for texts in index.texts.values_mut() {
            texts.names.shrink();
            texts.heads.shrink_to_fit();
        }
        index.entries.shrink_to_fit();
        index
    }
}

/// Appends below a bound.
fn push<T>(to: &mut Vec<T>, most: usize, item: T) -> Option<()> {
    (to.len() < most).then(|| to.push(item))
}

impl Index {
    /// Entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether some entry could match a subject of this kind; with `bare` also one without a kind.
    pub fn is_about(&self, kind: Kind, bare: bool) -> bool {
        match kind {
            Kind::Address => !(self.v4.is_empty() && self.v6.is_empty()),
            _ => (bare && self.texts.contains_key(&None)) || self.texts.contains_key(&Some(kind)),
        }
    }

    /// The most specific entry in force that matches; exceptions are entries too.
    pub fn find(&self, ask: Ask<'_>, subject: Subject<'_>) -> Option<Found<'_>> {
        if ask.kind == Kind::Address {
            let Subject::Address(ip) = subject else { return None };
            let first = match unmapped(ip) {
                IpAddr::V4(ip) => self.v4.find(ip.to_bits()),
                IpAddr::V6(ip) => self.v6.find(ip.to_bits()),
            };
            return self.in_force(first?, ask);
        }
        if self.texts.is_empty() {
            return None;
        }
        let canon = Canon::of(ask.kind, subject)?;
        self.find_key(ask, &canon)
            .or_else(|| self.find_glob(ask, &canon))
            .or_else(|| self.find_regex(ask, &canon))
    }

    fn find_key(&self, ask: Ask<'_>, canon: &Canon) -> Option<Found<'_>> {
        canon.keys().find_map(|key| self.key(ask, key))
    }

    /// The entry in force that has this key; the later one of two.
    fn key(&self, ask: Ask<'_>, key: &str) -> Option<Found<'_>> {
        let heads = self.asked(ask).filter_map(|texts| texts.heads.get(texts.names.get(key)? as usize));
        heads.filter_map(|&head| self.in_force(head, ask)).max_by_key(|found| found.line)
    }

    fn find_glob(&self, ask: Ask<'_>, canon: &Canon) -> Option<Found<'_>> {
        let last = |texts: &Texts| {
            let fits = |glob: &Glob| glob.matches(canon.for_glob(ask.kind, glob.as_str()));
            let mut all = texts.globs.iter().rev().filter(|(glob, _)| fits(glob));
            all.find_map(|(_, entry)| self.in_force(*entry, ask))
        };
        self.asked(ask).filter_map(last).max_by_key(|found| found.line)
    }

    fn find_regex(&self, ask: Ask<'_>, canon: &Canon) -> Option<Found<'_>> {
        let last = |texts: &Texts| {
            let mut all = texts.regexes.iter().rev().filter(|(regex, _)| regex.is_match(canon.text()));
            all.find_map(|(_, entry)| self.in_force(*entry, ask))
        };
        self.asked(ask).filter_map(last).max_by_key(|found| found.line)
    }

    fn asked(&self, ask: Ask<'_>) -> impl Iterator<Item = &Texts> {
        let bare = ask.bare.then(|| self.texts.get(&None)).flatten();
        self.texts.get(&Some(ask.kind)).into_iter().chain(bare)
    }

    /// The entry, or the next one behind it that is in force.
    fn in_force(&self, first: u32, ask: Ask<'_>) -> Option<Found<'_>> {
        let chain =
            std::iter::successors(self.entries.get(first as usize), |e| self.entries.get(e.next as usize));
        let found = chain.take(NEXT_MAX).filter_map(|entry| self.found(entry));
        found.into_iter().find(|found| (ask.in_force)(found.terms))
    }

    fn found(&self, entry: &Entry) -> Option<Found<'_>> {
        Some(Found { line: entry.line, terms: self.terms.get(entry.terms as usize)? })
    }

    /// The lines of all entries of texts that are in force, in no order.
    pub fn lines(&self, ask: Ask<'_>) -> impl Iterator<Item = u32> {
        let chain = |&head: &u32| {
            std::iter::successors(self.entries.get(head as usize), |e| self.entries.get(e.next as usize))
        };
        let keys = self.asked(ask).flat_map(|texts| &texts.heads).flat_map(chain);
        let globs = self.asked(ask).flat_map(|texts| &texts.globs).map(|(_, entry)| entry);
        let regexes = self.asked(ask).flat_map(|texts| &texts.regexes).map(|(_, entry)| entry);
        let patterns = globs.chain(regexes).filter_map(|&entry| self.entries.get(entry as usize));
        let found = keys.chain(patterns).filter_map(|entry| self.found(entry));
        found.filter(move |found| (ask.in_force)(found.terms)).map(|found| found.line)
    }

    /// The line of the entry before, where it is for the same direction.
    fn again(&self, number: u32, before: u32) -> Option<u32> {
        let dir = |number: u32| {
            let entry = self.entries.get(number as usize)?;
            let dir = self.terms.get(entry.terms as usize).and_then(|terms| terms.attributes.dir);
            Some((entry.line, dir))
        };
        let ((_, own), (line, other)) = (dir(number)?, dir(before)?);
        (own == other).then_some(line)
    }

    /// An entry that lets some sender of this domain match, as far as can be said without trying all senders: the
    /// domain itself, a parent, a mailbox, a glob, an expression that takes `postmaster@` it.
    pub fn covers_sender_domain(&self, ask: Ask<'_>, domain: &Domain) -> Option<u32> {
        let positive = |found: &Found<'_>| !found.terms.exception;
        let canon = Canon::name(Kind::Sender, domain.as_str().as_bytes());
        let whole = self.find_key(ask, &canon);
        if let Some(found) = whole.filter(positive) {
            return Some(found.line);
        }
        let ending = format!("@{domain}");
        let mailboxes = self.asked(ask).flat_map(|texts| {
            texts.names.ending(&ending).filter_map(|id| texts.heads.get(id as usize).copied())
        });
        if let Some(found) = mailboxes.filter_map(|head| self.in_force(head, ask)).find(positive) {
            return Some(found.line);
        }
        if whole.is_some() {
            return None;
        }
        let host_of = |glob: &Glob| match glob.as_str().rsplit_once('@') {
            Some((_, host)) => Glob::new(host).matches(domain.as_str()),
            None => glob.matches(domain.as_str()),
        };
        let globs = self.asked(ask).flat_map(|texts| &texts.globs).filter(|(glob, _)| host_of(glob));
        let sample = format!("postmaster{ending}");
        let regexes =
            self.asked(ask).flat_map(|texts| &texts.regexes).filter(|(regex, _)| regex.is_match(&sample));
        let patterns = globs.map(|(_, entry)| *entry).chain(regexes.map(|(_, entry)| *entry));
        patterns.filter_map(|entry| self.in_force(entry, ask)).find(positive).map(|found| found.line)
    }
}
