//! Asks the rules, in file order.

use super::collector::Collector;
use crate::config::model::{Asked, MessageFacts, Method, Place, Score, ScoreRule, Term, TextCondition, Word};
use crate::content::circles::Circles;
use crate::mail::{Mailbox, Path};
use crate::rules::{Candidates, Matcher, Mode, Subject, fold};
use crate::verdict::{AuthResult, Authentication, Envelope, Finding, Source, Stage, Verdict};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Characters of an expression that a reason shows.
const SHOWN_CHARS: usize = 60;

/// What is known besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The envelope.
    pub envelope: &'a Envelope,
    /// What the sender could prove.
    pub authentication: &'a Authentication,
    /// What checks, scanners and engines found so far.
    pub findings: &'a [Finding],
    /// Names of what is odd in the structure.
    pub odd: &'a [&'a str],
    /// Seconds since 1970: entries of lists end.
    pub now: i64,
}

/// What the rules make of a message.
#[derive(Debug, Default)]
pub struct Scored {
    /// Its symbols, in file order.
    pub findings: Vec<Finding>,
    /// Ids of all rules that hold, also of those that are only there for others.
    pub held: Vec<Arc<str>>,
    /// The sum of the symbols that count, in thousandths.
    pub score_milli: i32,
}

impl Scored {
    fn add(&mut self, finding: Finding) {
        if finding.enforced {
            self.score_milli = self.score_milli.saturating_add(finding.score_milli);
        }
        self.findings.push(finding);
    }
}

impl Collector<'_> {
    /// Asks the rules, for each circle of recipients by itself.
    #[must_use]
    pub fn finish(mut self, inputs: &Inputs<'_>, circles: &Circles) -> (MessageFacts, Vec<Scored>) {
        if self.rules.mode == Mode::Off {
            return (self.facts, Vec::new());
        }
        self.sum_up();
        let asker = Asker::new(&self, inputs);
        let recipients = &inputs.envelope.recipients;
        let one = |circle| asker.ask(&circles.members(circle, recipients).collect::<Vec<_>>());
        let scored = (0..circles.count()).map(one).collect();
        (self.facts, scored)
    }
}

fn finding(rule: &ScoreRule, rules: &Score, shown: Option<&str>) -> Finding {
    let source = Source { file: Arc::clone(&rule.file), line: rule.line };
    let mut reason = rule.note.to_string();
    if let Some(shown) = shown {
        let cut: String = shown.chars().take(SHOWN_CHARS).collect();
        let gap = if reason.is_empty() { "" } else { ": " };
        reason = format!("{reason}{gap}{cut}");
    }
    let mut finding = Finding::new(&rule.id, Stage::Message, Verdict::Continue, source, reason);
    finding.id = Arc::clone(&rule.id);
    finding.score_milli = rule.score_milli;
    finding.tags.clone_from(&rule.tags);
    finding.enforced = rule.mode == Mode::On && rules.mode == Mode::On;
    finding
}

/// One text in which expressions are looked for, and where it comes from.
struct Piece<'c> {
    field: &'c str,
    text: Cow<'c, str>,
    folded: String,
}

impl<'c> Piece<'c> {
    fn new(field: &'c str, text: impl Into<Cow<'c, str>>) -> Self {
        let text = text.into();
        let folded = fold(&text);
        Self { field, text, folded }
    }
}

struct Asker<'c, 'p> {
    collector: &'c Collector<'p>,
    inputs: &'c Inputs<'c>,
    pieces: [Vec<Piece<'c>>; Place::EACH.len()],
    candidates: [Candidates; Place::EACH.len()],
    /// Each host and domain of a link once.
    hosts: Vec<&'c str>,
    reply_to: Vec<Mailbox>,
    /// What was looked for in texts, by the place of the condition in memory: it is the same for all circles.
    found: RefCell<HashMap<usize, Option<&'c str>>>,
}

impl<'c, 'p> Asker<'c, 'p> {
    fn new(collector: &'c Collector<'p>, inputs: &'c Inputs<'c>) -> Self {
        let pieces = Place::EACH.map(|place| match collector.rules.places.get(place as usize) {
            Some(set) if !set.is_empty() => pieces(collector, place),
            _ => Vec::new(),
        });
        let candidates = Place::EACH.map(|place| {
            let set = collector.rules.places.get(place as usize);
            let texts = pieces.get(place as usize).into_iter().flatten();
            set.map(|set| set.candidates(texts.map(|piece| &*piece.text))).unwrap_or_default()
        });
        let mut hosts: Vec<&str> = collector.links.all.iter().map(|web| web.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let people = &collector.header.people.reply_to;
        let reply_to = people.iter().filter_map(|p| Mailbox::parse(p.address.as_bytes()).ok()).collect();
        Self { collector, inputs, pieces, candidates, hosts, reply_to, found: RefCell::default() }
    }

    /// Asks the rules, in file order.
    fn ask(&self, recipients: &[&Path]) -> Scored {
        let rules: &'c Score = self.collector.rules;
        let mut held: Vec<bool> = Vec::with_capacity(rules.rules.len());
        let mut out = Scored::default();
        for rule in &rules.rules {
            let hit = if rule.mode == Mode::Off { None } else { self.holds(rule, &held, recipients) };
            held.push(hit.is_some());
            out.held.extend(hit.map(|_| Arc::clone(&rule.id)));
            if let Some(shown) = hit.filter(|_| rule.score_milli != 0 || !rule.tags.is_empty()) {
                out.add(finding(rule, rules, shown));
            }
        }
        out
    }

    /// Whether a rule holds; if so, the first expression that did, as it was written.
    fn holds(&self, rule: &'c ScoreRule, held: &[bool], recipients: &[&Path]) -> Option<Option<&'c str>>
    where
        'p: 'c,
    {
        // What costs least first.
        let word = |word: &&Word| self.word(word, held);
        if !rule.all.iter().all(|w| word(&w)) {
            return None;
        }
        if !rule.any.is_empty() {
            let least = usize::try_from(rule.at_least).unwrap_or(usize::MAX);
            if rule.any.iter().filter(word).take(least).count() < least {
                return None;
            }
        }
        let listener = &self.inputs.envelope.listener;
        if !rule.listeners.is_empty() && !rule.listeners.contains(listener) {
            return None;
        }
        if !rule.texts.iter().all(|text| self.may_hold(text)) {
            return None;
        }
        if !rule.matchers.iter().all(|(asked, matcher)| self.matches(*asked, matcher, recipients)) {
            return None;
        }
        let mut shown = None;
        for text in &rule.texts {
            shown = shown.or(Some(self.text(text)?));
        }
        Some(shown)
    }

    fn word(&self, word: &Word, held: &[bool]) -> bool {
        let yes = match &word.term {
            Term::Rule(at) => held.get(*at).copied().unwrap_or_default(),
            Term::Fact(fact, least, most) => (*least..=*most).contains(&self.collector.facts.get(*fact)),
            Term::Method(method, result) => self.method(*method) == *result,
            Term::Aligned => self.inputs.authentication.is_aligned(),
            Term::Field(name) => self.collector.header.field(name).is_some(),
            Term::Finding(id) => self.inputs.findings.iter().any(|finding| is_like(&finding.id, id)),
            Term::Odd(name) => self.inputs.odd.iter().any(|odd| is_like(odd, name)),
        };
        yes != word.negated
    }

    fn method(&self, method: Method) -> AuthResult {
        let found = self.inputs.authentication;
        match method {
            Method::Spf => found.spf,
            Method::SpfHello => found.spf_hello,
            Method::Dkim => found.dkim_result(),
            Method::Dmarc => found.dmarc,
            Method::Arc => found.arc,
        }
    }

    fn may_hold(&self, text: &TextCondition) -> bool {
        let candidates = self.candidates.get(text.place as usize);
        candidates.is_some_and(|found| text.expressions.iter().any(|number| found.has(*number)))
    }

    /// The first expression that is found, as it was written.
    fn text(&self, condition: &TextCondition) -> Option<&'c str>
    where
        'p: 'c,
    {
        let name = std::ptr::from_ref(condition).addr();
        if let Some(known) = self.found.borrow().get(&name) {
            return *known;
        }
        let found = self.look_for(condition);
        self.found.borrow_mut().insert(name, found);
        found
    }

    fn look_for(&self, condition: &TextCondition) -> Option<&'c str>
    where
        'p: 'c,
    {
        let place = condition.place as usize;
        let (set, candidates) = (self.collector.rules.places.get(place)?, self.candidates.get(place)?);
        let pieces = self.pieces.get(place)?;
        let tried = condition.expressions.iter().filter(|number| candidates.has(**number));
        let found = tried.filter_map(|number| set.get(*number)).find(|expression| {
            pieces
                .iter()
                .filter(|piece| {
                    condition.fields.is_empty() || condition.fields.iter().any(|f| **f == *piece.field)
                })
                .any(|piece| expression.is_in(&piece.text, &piece.folded))
        })?;
        Some(found.written())
    }

    fn matches(&self, asked: Asked, matcher: &Matcher, recipients: &[&Path]) -> bool {
        let envelope = self.inputs.envelope;
        let ask = |subject: Subject<'_>| matcher.matches(subject, envelope.direction, self.inputs.now);
        let name =
            |text: &Option<Box<str>>| text.as_deref().is_some_and(|text| ask(Subject::Name(text.as_bytes())));
        let path = |path: &Path| ask(path.mailbox().map_or(Subject::Null, Subject::Mailbox));
        match asked {
            Asked::Domain => self.hosts.iter().any(|host| ask(Subject::Name(host.as_bytes()))),
            Asked::Client => ask(Subject::Address(envelope.client)),
            Asked::ReverseName => name(&envelope.client_name),
            Asked::Hello => name(&envelope.hello),
            Asked::Sender => path(&envelope.sender),
            Asked::Recipient => recipients.iter().any(|to| path(to)),
            Asked::HeaderFrom => self.collector.header.authors.iter().any(|m| ask(Subject::Mailbox(m))),
            Asked::ReplyTo => self.reply_to.iter().any(|m| ask(Subject::Mailbox(m))),
        }
    }
}

/// An id, or the beginning of one and `*`.
fn is_like(id: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(id == pattern, |start| id.starts_with(start))
}

fn pieces<'c>(collector: &'c Collector<'_>, place: Place) -> Vec<Piece<'c>> {
    let header = &collector.header;
    match place {
        Place::Text => {
            let text = format!("{} {} {}", header.subject, collector.plain.text, collector.page.text);
            vec![Piece::new("", text)]
        }
        Place::Subject => vec![Piece::new("", header.subject.as_str())],
        Place::Header => {
            let fields = header.fields.iter().map(|field| Piece::new(&field.name, field.value.as_str()));
            fields.chain(people(collector)).collect()
        }
        Place::Html => vec![Piece::new("", collector.html.as_str())],
        Place::Raw => vec![Piece::new("", collector.raw.as_str())],
        Place::Url => collector.links.all.iter().map(|web| Piece::new("", web.text.as_str())).collect(),
        Place::Name => collector.names.iter().map(|name| Piece::new("", name.as_str())).collect(),
    }
}

/// Fields that are none: `from:name`, `from:address`.
fn people<'c>(collector: &'c Collector<'_>) -> impl Iterator<Item = Piece<'c>> {
    const FIELDS: [(&str, &str, &str); 5] = [
        ("from", "from:name", "from:address"),
        ("to", "to:name", "to:address"),
        ("cc", "cc:name", "cc:address"),
        ("reply-to", "reply-to:name", "reply-to:address"),
        ("sender", "sender:name", "sender:address"),
    ];
    FIELDS.into_iter().flat_map(|(field, name, address)| {
        let people = collector.header.people.of(field).iter();
        people.flat_map(move |p| [Piece::new(name, p.name.as_str()), Piece::new(address, p.address.as_str())])
    })
}
