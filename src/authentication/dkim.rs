//! DKIM signatures (RFC 6376 section 6.1) of one message, each with everything but its key. State: what was already
//! verified. `mail-auth` verifies all signatures there are, takes what it cannot read for nothing, and goes through all
//! fields for each signed name; here their number is bounded, and each has a result.

use super::ask::{Known, Missing};
use super::fields::{Field, Header};
use super::key::{Claim, Graded};
use super::signature::{Digests, Signed, Wrong};
use crate::mail::Domain;
use crate::verdict::{AuthResult, Signature};

/// One signature.
#[derive(Debug)]
pub struct Dkim {
    domain: Box<str>,
    selector: Box<str>,
    claim: Option<Claim>,
    /// Something of the body is not covered.
    partial: bool,
    result: Option<Graded>,
}

/// A signature that was read, or what is wrong with it.
#[derive(Debug)]
pub enum Read<'a> {
    Good(Box<Signed<'a>>),
    Bad(Dkim),
}

/// Reads a field.
pub fn read<'a>(place: usize, field: Field<'a>) -> Read<'a> {
    match Signed::read(place, field, "simple/simple").and_then(complete) {
        Ok(signed) => Read::Good(Box::new(signed)),
        Err(wrong) => {
            let tag = |name: &str| loose(field.value, name);
            let result = match wrong {
                "it is over SHA-1" => AuthResult::Policy,
                _ => AuthResult::PermError,
            };
            Read::Bad(Dkim::done(tag("d"), tag("s"), (result, wrong)))
        }
    }
}

fn complete(signed: Signed<'_>) -> Result<Signed<'_>, Wrong> {
    if signed.tag("v") != Some("1") {
        return Err("a version that there is not");
    }
    if !signed.signs("from") {
        return Err("the author is not signed");
    }
    let queries = signed.tag("q").unwrap_or("dns/txt");
    if !queries.split(':').any(|query| query.trim_ascii().eq_ignore_ascii_case("dns/txt")) {
        return Err("its key is not in DNS");
    }
    identity(&signed)?;
    Ok(signed)
}

/// Whether `i=` is below `d=`; an error where it is neither that nor the same.
fn identity(signed: &Signed<'_>) -> Result<bool, Wrong> {
    let Some(identity) = signed.tag("i") else { return Ok(false) };
    let wrong = "an identity of another domain";
    let (_, domain) = identity.rsplit_once('@').ok_or(wrong)?;
    let domain = Domain::parse(domain.as_bytes()).map_err(|_| wrong)?;
    match domain.is_below(&signed.domain) {
        true => Ok(true),
        false if domain == signed.domain => Ok(false),
        false => Err(wrong),
    }
}

impl Dkim {
    fn done(domain: Box<str>, selector: Box<str>, result: Graded) -> Self {
        Self { domain, selector, claim: None, partial: false, result: Some(result) }
    }

    /// Compares and prepares what was read.
    pub fn of(signed: Signed<'_>, header: &Header<'_>, digests: &Digests, now: u64) -> Self {
        let (domain, selector) =
            (Box::from(signed.domain.as_str()), Box::from(signed.tag("s").unwrap_or_default()));
        if header.cut {
            return Self::done(domain, selector, (AuthResult::Policy, "the header has too many fields"));
        }
        if signed.is_over(now) {
            return Self::done(domain, selector, (AuthResult::Fail, "its time is over"));
        }
        let below = identity(&signed).unwrap_or(false);
        match signed.claim(header, digests, below) {
            Ok((claim, partial)) => Self { domain, selector, claim: Some(claim), partial, result: None },
            Err(graded) => Self::done(domain, selector, graded),
        }
    }

    /// Verifies, once; nothing more than that the answer is missing can be wrong.
    pub fn verify(&mut self, known: &Known, min_bits: usize, partial_too: bool) -> Result<(), Missing> {
        let (None, Some(claim)) = (self.result, &self.claim) else { return Ok(()) };
        let graded = claim.verify(known, &[], min_bits)?;
        self.result = Some(match graded {
            (AuthResult::Pass, _) if self.partial && !partial_too => {
                (AuthResult::Policy, "a part of the body is not signed")
            }
            graded => graded,
        });
        self.claim = None;
        Ok(())
    }

    /// What came of it; nothing where it was not verified.
    pub fn told(&self) -> Signature {
        let (result, reason) = self.result.unwrap_or((AuthResult::TempError, "not verified in time"));
        Signature {
            result,
            domain: self.domain.clone(),
            selector: self.selector.clone(),
            reason: reason.into(),
            aligned: false,
        }
    }
}

/// A tag of a field that makes no sense, if it can be a name: for people and reports.
fn loose(value: &[u8], name: &str) -> Box<str> {
    let found = value.split(|b| *b == b';').find_map(|spec| {
        let at = spec.iter().position(|b| *b == b'=')?;
        (spec.get(..at)?.trim_ascii() == name.as_bytes()).then_some(spec.get(at + 1..)?.trim_ascii())
    });
    let domain = found.and_then(|text| Domain::parse(text).ok());
    domain.map(|domain| domain.as_str().into()).unwrap_or_default()
}
