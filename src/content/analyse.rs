//! One message, walked once: files, signatures, score. Pure; the caller bounds how many do so at a time.
//!
//! State: that of one walk; the octets of one reading of one part are in memory at a time, and those that scanners look at a
//! second time. Failure: none; what is over a bound is odd, and what is odd is for the rules of attachments.

use super::attachments::{Carried, Outcome, judge};
use super::circles::Circles;
use super::score;
use crate::config::model::{MessageFacts, Policy, QuarantineFolder};
use crate::message::content::{Limits, Odd, Overview, PartInfo, Reading, Visitor, visit};
use crate::message::edit::{Replace, note};
use crate::message::files::{Budget, open};
use crate::message::large::buffer;
use crate::rules::Mode;
use crate::verdict::{Authentication, Envelope, Finding, Folder, Verdict};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

/// Octets of parts that are scanned a second time; beyond them the message counts as over a bound.
const AGAIN_OCTETS_MAX: usize = 64 << 20;
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
    /// Recipients whom rules treat alike.
    pub circles: Circles,
    /// What the rules of scores found, for each circle; see [`Self::symbols`].
    symbols: Vec<Vec<Finding>>,
    /// What the rules of attachments say, for each circle; see [`Self::attached`].
    attached: Vec<(Vec<Finding>, Vec<Replace>)>,
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
    };
    let limits = Limits::default();
    let overview = visit(message, &limits, &mut looker);
    let Looker { carried, places, signatures, score, .. } = looker;
    let scanned = policy.scanning.scanners.iter().any(|s| s.mode != Mode::Off && s.finds_malware());
    let (again, all) = if scanned { again(message, &limits, &overview) } else { (Vec::new(), true) };
    let mut odd: BTreeSet<&'static str> = overview.odd.iter().map(|(_, odd)| odd.name()).collect();
    if !all {
        odd.insert(Odd::TooMuch.name());
    }
    // Rules ask for them by name, or for all of a weight.
    if overview.is_malformed() {
        odd.insert("malformed");
    }
    if overview.is_over() || !all {
        odd.insert("over-bound");
    }
    let odd: Vec<&'static str> = odd.into_iter().collect();
    let malware = signatures.finish();
    let inputs = score::Inputs {
        envelope: ask.envelope,
        authentication: ask.authentication,
        findings: ask.findings,
        odd: &odd,
        now: ask.now,
    };
    let circles = Circles::new(policy, ask.envelope, ask.now);
    let (facts, scored) = score.map(|score| score.finish(&inputs, &circles)).unwrap_or_default();
    let symbols = scored.into_iter().map(|scored| scored.findings).collect();
    let attached = Vec::new();
    let mut done = Analysis { malware, circles, symbols, attached, facts, carried, odd, again, places };
    done.attached = (0..done.circles.count()).map(|circle| done.judged(ask, circle)).collect();
    done
}

impl Analysis {
    /// What the rules of scores say for the recipients of a circle.
    #[must_use]
    pub fn symbols(&self, circle: usize) -> &[Finding] {
        self.symbols.get(circle).map_or(&[], Vec::as_slice)
    }

    /// What the rules of attachments say for the recipients of a circle, and what they take out.
    #[must_use]
    pub fn attached(&self, circle: usize) -> (&[Finding], &[Replace]) {
        self.attached.get(circle).map_or((&[], &[]), |(findings, replace)| (findings, replace))
    }

    /// Thousands of files may be there: whoever asks for many circles would ask for long.
    fn judged(&self, ask: &Ask<'_>, circle: usize) -> (Vec<Finding>, Vec<Replace>) {
        if self.circles.count() == 1 {
            return self.attachments(ask.policy, ask.envelope, ask.now);
        }
        let recipients = self.circles.members(circle, &ask.envelope.recipients).cloned().collect();
        self.attachments(ask.policy, &Envelope { recipients, ..ask.envelope.clone() }, ask.now)
    }

    /// The same for one envelope.
    fn attachments(&self, policy: &Policy, envelope: &Envelope, now: i64) -> (Vec<Finding>, Vec<Replace>) {
        let Outcome { mut findings, strips } =
            judge(&self.carried, &self.odd, &policy.attachments, envelope, now);
        // What stands nowhere in the message as such, a file in uuencode or in an encoded message, cannot be taken out.
        for strip in strips.iter().filter(|strip| !self.places.contains_key(&strip.part)) {
            for finding in findings.iter_mut().filter(|f| f.enforced && f.id == strip.rule) {
                finding.verdict = Verdict::Quarantine(Folder(QuarantineFolder::POLICY.into()));
                finding.reason = format!("{}; it cannot be taken out where it stands", finding.reason).into();
            }
        }
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
        if let Some(score) = &mut self.score {
            score.octets(part, reading, octets);
        }
        if !self.opens {
            return;
        }
        let (carried, signatures) = (&mut self.carried, &mut self.signatures);
        open(&part.names, octets, &mut self.budget, &mut |file, inside| {
            carried.file(part, file);
            if let Some(inside) = inside {
                signatures.octets(part.number, file.names.first().map(|name| &**name), inside);
            }
        });
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
