//! One message, walked once: files, signatures, score. Pure; the caller bounds how many do so at a time.
//!
//! State: that of one walk; the octets of one reading of one part are in memory at a time, and those that scanners look at a
//! second time. Failure: none; what is over a bound is odd, and what is odd is for the rules of attachments.

use super::attachments::{Carried, Outcome, judge};
use super::score;
use crate::config::model::{MessageFacts, Policy};
use crate::message::content::{Limits, Odd, Overview, PartInfo, Reading, Visitor, visit};
use crate::message::edit::{Replace, note};
use crate::message::files::{Budget, File, Type, extension, open, readings};
use crate::message::large::buffer;
use crate::rules::Mode;
use crate::verdict::{Authentication, Envelope, Finding};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

/// Octets of parts that are scanned a second time; beyond them the message counts as over a bound.
const AGAIN_OCTETS_MAX: usize = 64 << 20;
/// Octets of messages in archives that are walked, and how deep these may lie, archives and messages counted.
const INSIDE_OCTETS_MAX: usize = 16 << 20;
const INSIDE_DEPTH_MAX: u32 = 12;
/// Parts of which the place is remembered.
const PLACES_MAX: usize = 20_000;

/// What is known besides the message.
pub struct Ask<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// The envelope.
    pub envelope: &'a Envelope,
    /// What the sender could prove.
    pub authentication: &'a Authentication,
    /// What engines found.
    pub findings: &'a [Finding],
    /// Seconds since 1970.
    pub now: i64,
    /// Time since the walk began.
    pub elapsed: &'a dyn Fn() -> Duration,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Analysis {
    /// By signatures of our own.
    pub malware: Vec<Finding>,
    /// Symbols.
    pub symbols: Vec<Finding>,
    /// Numbers that rules of content ask about.
    pub facts: MessageFacts,
    /// What it carries: judged for each group of recipients.
    pub carried: Carried,
    /// What is odd in its structure, by name.
    pub odd: Vec<&'static str>,
    /// Octets that mail programs may read and that scanners do not see in the message as a whole; none where nothing scans.
    pub again: Vec<Vec<u8>>,
    places: HashMap<u32, (Range<usize>, Range<usize>)>,
}

/// Walks the message.
#[must_use]
pub fn analyse(message: &[u8], ask: &Ask<'_>) -> Analysis {
    let policy = ask.policy;
    let rules = &policy.attachments;
    let scores = policy.content.score.mode != Mode::Off && !policy.content.score.rules.is_empty();
    let mut looker = Looker {
        carried: Carried::default(),
        places: HashMap::new(),
        budget: Budget::new(rules.limits),
        signatures: super::signatures::Collector::new(&policy.signatures, &rules.signatures, ask.elapsed),
        score: scores.then(|| score::Collector::new(&policy.content.score, message, ask.envelope)),
        opens: !rules.rules.is_empty() || !policy.signatures.is_empty(),
        inside: Vec::new(),
        room: INSIDE_OCTETS_MAX,
        passed_over: false,
    };
    let limits = Limits::default();
    let overview = visit(message, &limits, &mut looker);
    let scanned = policy.scanning.scanners.iter().any(|s| s.mode != Mode::Off && s.finds_malware());
    let (again, all) = if scanned { again(message, &limits, &overview) } else { (Vec::new(), true) };
    let mut odd = BTreeSet::new();
    name_all(&overview, &mut odd);
    while let Some(message) = looker.inside.pop() {
        let Within { part, octets, depth } = message;
        let overview = visit(&octets, &limits, &mut Inside { looker: &mut looker, part: &part, depth });
        name_all(&overview, &mut odd);
    }
    if !all || looker.passed_over {
        odd.extend([Odd::TooMuch.name(), "over-bound"]);
    }
    let Looker { carried, places, signatures, score, .. } = looker;
    let odd: Vec<&'static str> = odd.into_iter().collect();
    let malware = signatures.finish();
    let inputs = score::Inputs {
        envelope: ask.envelope,
        authentication: ask.authentication,
        findings: ask.findings,
        odd: &odd,
        now: ask.now,
    };
    let scored = score.map(|score| score.finish(&inputs)).unwrap_or_default();
    Analysis { malware, symbols: scored.findings, facts: scored.facts, carried, odd, again, places }
}

/// What is odd, by the names by which rules ask for it: each, and all of a weight.
fn name_all(overview: &Overview, odd: &mut BTreeSet<&'static str>) {
    odd.extend(overview.odd.iter().map(|(_, odd)| odd.name()));
    if overview.is_malformed() {
        odd.insert("malformed");
    }
    if overview.is_over() {
        odd.insert("over-bound");
    }
}

impl Analysis {
    /// What the rules of attachments say for one envelope, and what they take out.
    #[must_use]
    pub fn attachments(
        &self,
        policy: &Policy,
        envelope: &Envelope,
        now: i64,
    ) -> (Vec<Finding>, Vec<Replace>) {
        let Outcome { findings, strips } =
            judge(&self.carried, &self.odd, &policy.attachments, envelope, now);
        let reference = envelope.id.to_string();
        let replace = strips.iter().filter_map(|strip| {
            let (range, body) = self.places.get(&strip.part)?.clone();
            let note = note(strip.name.as_deref(), &strip.rule, &reference, strip.text.as_deref());
            Some(Replace { range, body, note })
        });
        (findings, replace.collect())
    }
}

/// Whatever wants to see the parts.
struct Looker<'p> {
    carried: Carried,
    places: HashMap<u32, (Range<usize>, Range<usize>)>,
    budget: Budget,
    signatures: super::signatures::Collector<'p>,
    /// `None` where no rule asks.
    score: Option<score::Collector<'p>>,
    opens: bool,
    /// Messages in archives, which are walked when the message itself was.
    inside: Vec<Within>,
    /// Octets that these may still have.
    room: usize,
    /// There was one that is not walked.
    passed_over: bool,
}

/// A message that is a file in an archive or a document.
struct Within {
    /// The part that the archive is.
    part: PartInfo,
    octets: Vec<u8>,
    /// In so many archives and messages.
    depth: u32,
}

impl Looker<'_> {
    /// The files in some octets of a part, which lie at a depth.
    fn open(&mut self, part: &PartInfo, names: &[Box<str>], octets: &[u8], depth: u32) {
        let Self { carried, signatures, inside, room, passed_over, budget, .. } = self;
        open(names, octets, budget, &mut |file, octets| {
            let deeper = (depth > 0).then(|| File { depth: file.depth + depth, ..file.clone() });
            let file = deeper.as_ref().unwrap_or(file);
            carried.file(part, file);
            let Some(octets) = octets else { return };
            signatures.octets(part.number, file.names.first().map(|name| &**name), octets);
            if file.depth == 0 || !is_mail(file) {
                return;
            }
            match room.checked_sub(octets.len()) {
                Some(left) if file.depth < INSIDE_DEPTH_MAX => {
                    *room = left;
                    let mut taken = buffer(octets.len());
                    taken.extend_from_slice(octets);
                    inside.push(Within { part: part.clone(), octets: taken, depth: file.depth });
                }
                Some(_) | None => *passed_over = true,
            }
        });
    }
}

/// By its content or its name.
fn is_mail(file: &File) -> bool {
    let named = |name: &str| {
        readings(name).iter().any(|name| extension(name).and_then(Type::of_extension) == Some(Type::Eml))
    };
    file.kind == Type::Eml || file.names.iter().any(|name| named(name))
}

/// A walk through a message in an archive: its files are files of the archive.
struct Inside<'l, 'p> {
    looker: &'l mut Looker<'p>,
    part: &'l PartInfo,
    depth: u32,
}

impl Visitor for Inside<'_, '_> {
    fn part(&mut self, _: &PartInfo) {}

    fn octets(&mut self, part: &PartInfo, _: Reading, octets: &[u8]) {
        self.looker.open(self.part, &part.names, octets, self.depth + 1);
    }
}

impl Visitor for Looker<'_> {
    fn part(&mut self, part: &PartInfo) {
        self.carried.part(part);
        if let Some(score) = &mut self.score {
            score.part(part);
        }
        if let (Some(range), Some(body)) = (&part.range, &part.body)
            && self.places.len() < PLACES_MAX
        {
            self.places.insert(part.number, (range.clone(), body.clone()));
        }
    }

    fn octets(&mut self, part: &PartInfo, reading: Reading, octets: &[u8]) {
        if let Some(score) = self.score.as_mut().filter(|_| reading == Reading::Main) {
            score.octets(part, reading, octets);
        }
        if self.opens {
            self.open(part, &part.names, octets, 0);
        }
    }
}

/// The octets of the parts that are to be scanned once more, and whether these are all.
fn again(message: &[u8], limits: &Limits, overview: &Overview) -> (Vec<Vec<u8>>, bool) {
    if overview.again.is_empty() {
        return (Vec::new(), true);
    }
    let mut taker = Taker { wanted: &overview.again, taken: Vec::new(), room: AGAIN_OCTETS_MAX, all: true };
    let _ = visit(message, limits, &mut taker);
    (taker.taken, taker.all)
}

struct Taker<'o> {
    wanted: &'o BTreeSet<u32>,
    taken: Vec<Vec<u8>>,
    room: usize,
    all: bool,
}

impl Visitor for Taker<'_> {
    fn part(&mut self, _: &PartInfo) {}

    fn octets(&mut self, part: &PartInfo, _: Reading, octets: &[u8]) {
        if octets.is_empty() || !self.wanted.contains(&part.number) {
            return;
        }
        match self.room.checked_sub(octets.len()) {
            Some(left) => {
                self.room = left;
                if self.taken.last().is_none_or(|last| last != octets) {
                    let mut taken = buffer(octets.len());
                    taken.extend_from_slice(octets);
                    self.taken.push(taken);
                }
            }
            None => self.all = false,
        }
    }
}
