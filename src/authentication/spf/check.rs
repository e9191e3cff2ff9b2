//! `check_host()` (RFC 7208 section 4) over what is known of DNS. State: one evaluation, with its counts of questions.
//! Recursion (`include`, `redirect`) is as deep as the ten mechanisms that may ask, and no deeper.

use super::macros::{self, Values, Wrong};
use super::record::{self, Lengths, Mechanism, Qualifier, Record};
use crate::authentication::ask::{Answer, Kind, Known, Missing, askable};
use crate::verdict::AuthResult;
use std::net::IpAddr;

/// Most mechanisms and modifiers that ask (RFC 7208 section 4.6.4).
const LOOKUPS_MAX: u32 = 10;
/// Most answers without a record.
const VOID_MAX: u32 = 2;
/// Most exchangers of one `mx`, and names of the client that are looked at.
const NAMES_MAX: usize = 10;

/// Whom it is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The client.
    pub ip: IpAddr,
    /// Its HELO name.
    pub hello: &'a str,
    /// Local part of the sender; empty is `postmaster`.
    pub local: &'a str,
    /// The domain that is asked about.
    pub domain: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result.
    pub result: AuthResult,
    /// Why, for people: what is wrong with the record. Nothing of it is of the peer.
    pub reason: &'static str,
}

enum Stop {
    Missing,
    Temp,
    Perm(Wrong),
}

impl From<Missing> for Stop {
    fn from(_: Missing) -> Self {
        Self::Missing
    }
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Perm(wrong)
    }
}

struct Check<'a> {
    known: &'a Known,
    subject: Subject<'a>,
    lookups: u32,
    voids: u32,
}

/// Evaluates.
///
/// # Errors
/// An answer is missing.
pub fn check(known: &Known, subject: Subject<'_>) -> Result<Outcome, Missing> {
    let told = |result, reason| Ok(Outcome { result, reason });
    let ip = subject.ip.to_canonical();
    let domain = subject.domain.strip_suffix('.').unwrap_or(subject.domain);
    if askable(domain).is_none() || !domain.contains('.') || domain.contains(' ') {
        return told(AuthResult::None, "not a domain");
    }
    let local = if subject.local.is_empty() { "postmaster" } else { subject.local };
    let subject = Subject { ip, local, domain, ..subject };
    let mut check = Check { known, subject, lookups: 0, voids: 0 };
    match check.host(domain) {
        Ok(result) => told(result, ""),
        Err(Stop::Missing) => Err(Missing),
        Err(Stop::Temp) => told(AuthResult::TempError, "a name could not be looked up"),
        Err(Stop::Perm(wrong)) => told(AuthResult::PermError, wrong),
    }
}

impl Check<'_> {
    /// The record of a domain, evaluated.
    fn host(&mut self, domain: &str) -> Result<AuthResult, Stop> {
        let answer = self.known.ask(domain, Kind::Txt)?;
        if matches!(answer, Answer::Trouble) {
            return Err(Stop::Temp);
        }
        let mut records = answer.texts().filter(|text| record::is_record(text));
        let Some(text) = records.next() else { return Ok(AuthResult::None) };
        if records.next().is_some() {
            return Err(Stop::Perm("more than one record"));
        }
        let record = record::parse(text)?;
        self.evaluate(domain, &record)
    }

    fn evaluate(&mut self, domain: &str, record: &Record<'_>) -> Result<AuthResult, Stop> {
        for (qualifier, mechanism) in &record.mechanisms {
            if self.matches(domain, mechanism)? {
                return Ok(match qualifier {
                    Qualifier::Pass => AuthResult::Pass,
                    Qualifier::Fail => AuthResult::Fail,
                    Qualifier::SoftFail => AuthResult::SoftFail,
                    Qualifier::Neutral => AuthResult::Neutral,
                });
            }
        }
        let Some(target) = record.redirect else { return Ok(AuthResult::Neutral) };
        self.count()?;
        let target = self.expand(target, domain)?;
        match self.host(&target)? {
            AuthResult::None => Err(Stop::Perm("a redirect to a domain without a record")),
            result => Ok(result),
        }
    }

    fn matches(&mut self, domain: &str, mechanism: &Mechanism<'_>) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip(ip, length) => Ok(record::same_network(self.subject.ip, *ip, *length)),
            Mechanism::Include(target) => {
                self.count()?;
                let target = self.expand(target, domain)?;
                match self.host(&target)? {
                    AuthResult::Pass => Ok(true),
                    AuthResult::None => Err(Stop::Perm("an include of a domain without a record")),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target, lengths) => {
                self.count()?;
                let target = self.target(*target, domain)?;
                self.address_of(&target, *lengths)
            }
            Mechanism::Mx(target, lengths) => {
                self.count()?;
                let target = self.target(*target, domain)?;
                self.exchanger_of(&target, *lengths)
            }
            Mechanism::Ptr(target) => {
                self.count()?;
                let target = self.target(*target, domain)?;
                let names = self.validated(&target)?;
                Ok(names.iter().any(|name| is_or_below(name, &target)))
            }
            Mechanism::Exists(target) => {
                self.count()?;
                let target = self.expand(target, domain)?;
                let answer = self.ask(&target, Kind::A)?;
                Ok(answer.addresses().next().is_some())
            }
        }
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX { Err(Stop::Perm("more than ten look-ups")) } else { Ok(()) }
    }

    /// Asks for a mechanism: trouble ends the evaluation, and "nothing there" is counted.
    fn ask(&mut self, name: &str, kind: Kind) -> Result<Answer, Stop> {
        let answer = self.known.ask(name, kind)?;
        match answer {
            Answer::Trouble => return Err(Stop::Temp),
            Answer::Records(_) => {}
            Answer::NoRecords | Answer::NoName => {
                self.voids += 1;
                if self.voids > VOID_MAX {
                    return Err(Stop::Perm("more than two look-ups that found nothing"));
                }
            }
        }
        Ok(answer.clone())
    }

    fn kind(&self) -> Kind {
        if self.subject.ip.is_ipv4() { Kind::A } else { Kind::Aaaa }
    }

    fn address_of(&mut self, name: &str, lengths: Lengths) -> Result<bool, Stop> {
        let answer = self.ask(name, self.kind())?;
        Ok(answer.addresses().any(|ip| lengths.match_up(self.subject.ip, ip)))
    }

    fn exchanger_of(&mut self, name: &str, lengths: Lengths) -> Result<bool, Stop> {
        let answer = self.ask(name, Kind::Mx)?;
        let exchangers: Vec<&str> = answer.names().filter(|name| !name.is_empty()).collect();
        if exchangers.len() > NAMES_MAX {
            return Err(Stop::Perm("more than ten exchangers"));
        }
        // All of them are asked for at once.
        let asked: Vec<_> = exchangers.iter().map(|name| self.known.ask(name, self.kind())).collect();
        for answer in asked {
            let answer = answer?;
            if matches!(answer, Answer::Trouble) {
                return Err(Stop::Temp);
            }
            if answer.addresses().any(|ip| lengths.match_up(self.subject.ip, ip)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names of the client that lead back to it (RFC 7208 section 5.5), the one that is wanted first; DNS trouble
    /// means that there are fewer.
    fn validated(&self, wanted: &str) -> Result<Vec<Box<str>>, Stop> {
        let answer = self.known.ask(&arpa(self.subject.ip), Kind::Ptr)?;
        let names: Vec<&str> = answer.names().take(NAMES_MAX).collect();
        let asked: Vec<_> = names.iter().map(|name| (*name, self.known.ask(name, self.kind()))).collect();
        let mut found: Vec<Box<str>> = Vec::new();
        for (name, answer) in asked {
            if answer?.addresses().any(|ip| ip == self.subject.ip) {
                found.push(Box::from(name));
            }
        }
        found.sort_by_key(|name| match &**name {
            name if name.eq_ignore_ascii_case(wanted) => 0,
            name if is_or_below(name, wanted) => 1,
            _ => 2,
        });
        Ok(found)
    }

    fn target(&self, target: Option<&str>, domain: &str) -> Result<String, Stop> {
        match target {
            Some(target) => self.expand(target, domain),
            None => Ok(domain.to_owned()),
        }
    }

    fn expand(&self, text: &str, domain: &str) -> Result<String, Stop> {
        let validated = match macros::wants_validated(text) {
            true => self.validated(domain)?.into_iter().next(),
            false => None,
        };
        let values = Values {
            local: self.subject.local,
            sender_domain: self.subject.domain,
            domain,
            ip: self.subject.ip,
            hello: self.subject.hello,
            validated: validated.as_deref().unwrap_or("unknown"),
        };
        Ok(macros::expand(text, &values)?)
    }
}

fn is_or_below(name: &str, parent: &str) -> bool {
    let (name, parent) = (name.to_ascii_lowercase(), parent.to_ascii_lowercase());
    name.strip_suffix(&parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The name that pointers of an address are at.
fn arpa(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", ip.to_bits());
            let nibbles: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}
