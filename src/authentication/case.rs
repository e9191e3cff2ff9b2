//! One message before us: what it claims, evaluated as far as answers are known. The message is read once and let go;
//! what is left is bounded by the signatures that are looked at. [`Case::step`] says which answers are missing; whoever
//! drives it looks them up and calls again. State: what was verified already. When the time is over
//! [`Case::give_up`] makes what is missing trouble, and trouble never makes anything a failure.

use super::arc::{self, Chain};
use super::ask::{Answer, Known, Missing, Question};
use super::canonical::Form;
use super::dkim::{self, Dkim};
use super::dmarc;
use super::fields::Header;
use super::judge;
use super::signature::Digests;
use super::spf::{self, Outcome, Subject};
use crate::config::model;
use crate::mail::Domain;
use crate::message::from::Authors;
use crate::rules::Mode;
use crate::verdict::{Authentication, Author, Envelope};
use std::net::IpAddr;

/// Most answers that are looked up for one message.
pub const ANSWERS_MAX: usize = 400;
/// Most octets of all `From:` fields that are read.
const FROM_OCTETS_MAX: usize = 64 * 1024;

/// A message whose sender is to be authenticated.
#[derive(Debug)]
pub struct Case {
    policy: model::Authentication,
    client: Client,
    author: Author,
    /// The author's domain.
    domain: Box<str>,
    dkim: Vec<Dkim>,
    chain: Option<Chain>,
    known: Known,
}

/// What SPF is asked about.
#[derive(Debug)]
struct Client {
    ip: IpAddr,
    hello: Box<str>,
    local: Box<str>,
    /// The domain of the reverse-path; the HELO name where that is null.
    domain: Box<str>,
}

/// How far it is.
#[derive(Debug)]
pub enum Step {
    /// These have to be looked up.
    Ask(Vec<Question>),
    /// That is all.
    Done(Box<Authentication>),
}

impl Case {
    /// Reads a message. `now`: seconds since 1970.
    #[must_use]
    pub fn of(message: &[u8], envelope: &Envelope, policy: &model::Authentication, now: u64) -> Self {
        let header = Header::of(message);
        let (author, domain) = author(&header);
        let mut signed = Vec::new();
        let mut bad = Vec::new();
        if policy.dkim {
            for (place, field) in header.named("dkim-signature") {
                match dkim::read(place, field) {
                    dkim::Read::Good(good) => signed.push(*good),
                    dkim::Read::Bad(wrong) => bad.push(wrong),
                }
            }
        }
        // The author's own first: many hands may have signed after it.
        signed.sort_by_key(|signature| !related(signature.domain.as_str(), &domain));
        signed.truncate(policy.signatures);
        bad.truncate(policy.signatures.saturating_sub(signed.len()));
        let chain = if policy.arc { arc::read(&header) } else { arc::Read::None };
        let mut wanted: Vec<(Form, Option<u64>)> = signed.iter().map(|s| (s.body_form, s.length)).collect();
        if let arc::Read::Good(parts) = &chain {
            wanted.push((parts.newest.body_form, parts.newest.length));
        }
        let digests = Digests::of_body(header.body, &wanted);
        let mut dkim: Vec<Dkim> =
            signed.into_iter().map(|signed| Dkim::of(signed, &header, &digests, now)).collect();
        dkim.append(&mut bad);
        let chain = match chain {
            arc::Read::None => None,
            arc::Read::Bad(reason) => Some(Chain::bad(reason)),
            arc::Read::Good(parts) => Some(Chain::of(*parts, &header, &digests, now)),
        };
        let (policy, client) = (policy.clone(), Client::of(envelope));
        Self { policy, client, author, domain, dkim, chain, known: Known::default() }
    }

    /// Adds an answer to a question of [`Step::Ask`].
    pub fn add(&mut self, question: Question, answer: Answer) {
        self.known.add(question, answer);
    }

    /// From now on what is missing is trouble: the next step is the last.
    pub fn give_up(&mut self) {
        self.known.close();
    }

    /// Evaluates as far as it goes.
    pub fn step(&mut self) -> Step {
        if self.known.count() >= ANSWERS_MAX {
            self.give_up();
        }
        match self.evaluate() {
            Ok(done) => Step::Done(Box::new(done)),
            Err(Missing) => {
                let mut wanted = self.known.take_wanted();
                wanted.truncate(ANSWERS_MAX - self.known.count().min(ANSWERS_MAX));
                Step::Ask(wanted)
            }
        }
    }

    /// Everything that is missing is asked for together, so nothing here ends early.
    fn evaluate(&mut self) -> Result<Authentication, Missing> {
        let Self { policy, client, author, domain, dkim, chain, known } = self;
        let walk = match (&**domain, policy.dmarc) {
            ("", _) => Ok(None),
            (domain, Mode::Off) => Ok(Some(dmarc::Walk::unasked(domain))),
            (domain, Mode::Log | Mode::On) => dmarc::walk(known, domain).map(Some),
        };
        let verified: Vec<Result<(), Missing>> =
            dkim.iter_mut().map(|one| one.verify(known, policy.min_key_bits, policy.partial)).collect();
        let chained = chain.as_mut().map_or(Ok(()), |chain| chain.verify(known, policy.min_key_bits));
        let spf = if policy.spf { client.spf(known) } else { Ok(None) };
        let (walk, spf) = (walk?, spf?);
        verified.into_iter().collect::<Result<(), Missing>>()?;
        chained?;
        let mut told = Authentication { author: *author, dmarc_domain: domain.clone(), ..Default::default() };
        if let Some((hello, sender)) = spf {
            told.spf_hello = hello.result;
            told.spf = sender.result;
            told.spf_reason = sender.reason.into();
            told.spf_domain = client.domain.clone();
        }
        told.dkim = dkim.iter().map(Dkim::told).collect();
        if let Some(chain) = chain {
            let (result, reason) = chain.told();
            (told.arc, told.arc_reason) = (result, reason.into());
            told.arc_sealers = chain.sealers();
            told.arc_vouched = chain.vouched(|sealer| policy.trusts(sealer));
        }
        match walk {
            Some(walk) => judge::judge(known, &walk, &mut told)?,
            None => judge::nobody(&mut told),
        }
        Ok(told)
    }
}

impl Client {
    fn of(envelope: &Envelope) -> Self {
        let hello: Box<str> = envelope.hello.clone().unwrap_or_default();
        let (local, domain) = match envelope.sender.mailbox() {
            None => (String::new(), hello.clone()),
            Some(mailbox) => {
                let domain = mailbox.domain().map_or("", Domain::as_str);
                (String::from_utf8_lossy(mailbox.local()).into_owned(), domain.into())
            }
        };
        Self { ip: envelope.client, hello, local: local.into(), domain }
    }

    /// Of the HELO name and of the sender.
    fn spf(&self, known: &Known) -> Result<Option<(Outcome, Outcome)>, Missing> {
        let (ip, hello) = (self.ip, &*self.hello);
        let of_hello = spf::check(known, Subject { ip, hello, local: "", domain: hello });
        let of_sender = spf::check(known, Subject { ip, hello, local: &self.local, domain: &self.domain });
        Ok(Some((of_hello?, of_sender?)))
    }
}

/// Who is named, and the one domain.
fn author(header: &Header<'_>) -> (Author, Box<str>) {
    let mut authors = Authors::default();
    let mut octets = 0;
    for (_, field) in header.named("from") {
        octets += field.value.len();
        if octets > FROM_OCTETS_MAX {
            return (Author::Many, "".into());
        }
        authors.add_field(field.value);
    }
    let mut domains: Vec<&Domain> = authors.mailboxes.iter().filter_map(|m| m.domain()).collect();
    domains.sort_unstable();
    domains.dedup();
    match domains.as_slice() {
        [] => (Author::Missing, "".into()),
        [domain] if !authors.cut => (Author::One, domain.as_str().into()),
        _ => (Author::Many, "".into()),
    }
}

/// Whether one name is the other, or above or below it.
fn related(one: &str, other: &str) -> bool {
    let under = |name: &str, above: &str| {
        name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !one.is_empty() && !other.is_empty() && (under(one, other) || under(other, one))
}
