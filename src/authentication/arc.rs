//! The chain of ARC sets of a message (RFC 8617 section 5.2). State: what was already verified. A chain has a result as
//! a whole: one set that is missing, twice there or wrong, and the chain fails.

use super::ask::{Known, Missing};
use super::canonical::{self, Form};
use super::fields::{Field, Header};
use super::key::{Claim, Graded};
use super::signature::{Digests, Signed, Wrong, algorithm, signer};
use super::tags::{Tags, without_signature};
use crate::verdict::AuthResult;

/// Most sets of a chain (RFC 8617 section 4.2.1).
const SETS_MAX: usize = 50;
/// Most canonical octets of all sets.
const OCTETS_MAX: usize = 512 * 1024;

/// A chain that was read, before its newest message signature was compared.
#[derive(Debug)]
pub enum Read<'a> {
    /// There is none.
    None,
    Good(Box<Parts<'a>>),
    Bad(Wrong),
}

/// The parts of a chain.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The newest message signature.
    pub newest: Signed<'a>,
    seals: Vec<Seal>,
    fields: Vec<u8>,
}

#[derive(Debug)]
struct Seal {
    claim: Claim,
    /// How many octets of the chain's fields it is over, in front of its own.
    before: usize,
    vouches: bool,
}

/// A chain, with everything but its keys.
#[derive(Debug)]
pub struct Chain {
    message: Option<Claim>,
    seals: Vec<Seal>,
    /// The canonical fields of all sets.
    fields: Vec<u8>,
    result: Option<Graded>,
}

type Three<'a> = [Option<(usize, Field<'a>)>; 3];

/// Reads the fields of a chain.
pub fn read<'a>(header: &Header<'a>) -> Read<'a> {
    let names = ["arc-authentication-results", "arc-message-signature", "arc-seal"];
    if names.iter().all(|name| header.named(name).next().is_none()) {
        return Read::None;
    }
    if header.cut {
        return Read::Bad("the header has too many fields");
    }
    match sets(header, names).and_then(parts) {
        Ok(parts) => Read::Good(Box::new(parts)),
        Err(wrong) => Read::Bad(wrong),
    }
}

/// The three fields of each set, from the first set.
fn sets<'a>(header: &Header<'a>, names: [&str; 3]) -> Result<Vec<[(usize, Field<'a>); 3]>, Wrong> {
    let mut sets: Vec<Three<'a>> = Vec::new();
    for (kind, name) in names.into_iter().enumerate() {
        for (place, field) in header.named(name) {
            let number = if kind == 0 { results_instance(field.value) } else { tags_instance(field.value) };
            let number = number.ok_or("an instance that is none")?;
            while sets.len() < number {
                sets.push([None; 3]);
            }
            let slot = sets.get_mut(number - 1).and_then(|set| set.get_mut(kind));
            if slot.and_then(|slot| slot.replace((place, field))).is_some() {
                return Err("an instance twice");
            }
        }
    }
    let whole = |set: Three<'a>| match set {
        [Some(results), Some(message), Some(seal)] => Ok([results, message, seal]),
        _ => Err("a set that is not whole"),
    };
    sets.into_iter().map(whole).collect()
}

fn instance(text: &str) -> Option<usize> {
    let good = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten().filter(|number| (1..=SETS_MAX).contains(number))
}

fn tags_instance(value: &[u8]) -> Option<usize> {
    instance(Tags::parse(value).ok()?.get("i")?)
}

/// Of authentication results, which begin with it.
fn results_instance(value: &[u8]) -> Option<usize> {
    let end = value.iter().position(|b| *b == b';')?;
    let first = std::str::from_utf8(value.get(..end)?).ok()?;
    let (name, number) = first.split_once('=')?;
    (name.trim_ascii() == "i").then(|| instance(number.trim_ascii())).flatten()
}

fn parts(sets: Vec<[(usize, Field<'_>); 3]>) -> Result<Parts<'_>, Wrong> {
    let last = sets.len();
    let (mut fields, mut seals, mut newest) = (Vec::new(), Vec::with_capacity(last), None);
    for (number, [results, message, seal]) in (1..).zip(&sets) {
        let tags = Tags::parse(seal.1.value)?;
        chain_value(&tags, number, number == last)?;
        if tags.get("h").is_some() {
            return Err("a seal with a list of fields");
        }
        tags.number("t")?;
        let (domain, selector) = signer(&tags)?;
        canonical::push_field(&mut fields, results.1, Form::Relaxed);
        canonical::push_field(&mut fields, message.1, Form::Relaxed);
        if fields.len() > OCTETS_MAX {
            return Err("a chain of too many octets");
        }
        let (before, mut input) = (fields.len(), Vec::new());
        let (head, tail) = without_signature(seal.1.value);
        canonical::push_pieces(&mut input, seal.1, &[head, tail], Form::Relaxed);
        canonical::push_field(&mut fields, seal.1, Form::Relaxed);
        let claim = Claim {
            domain: domain.as_str().into(),
            selector: selector.as_str().into(),
            algorithm: algorithm(tags.need("a")?)?,
            signature: tags.octets("b")?,
            input,
            below: false,
        };
        seals.push(Seal { claim, before, vouches: vouches(results.1.value) });
        // RFC 8617 does not say what holds without `c=`; the public suite and what signs in the wild do.
        let signed = Signed::read(message.0, message.1, "relaxed/relaxed")?;
        if signed.signs("arc-seal") {
            return Err("a message signature over seals");
        }
        newest = Some(signed);
    }
    newest.map(|newest| Parts { newest, seals, fields }).ok_or("no set")
}

/// What a seal says of the chain before it.
fn chain_value(tags: &Tags<'_>, number: usize, newest: bool) -> Result<(), Wrong> {
    match (tags.need("cv")?, number) {
        ("none", 1) => Ok(()),
        ("pass", 2..) => Ok(()),
        ("fail", _) if newest => Err("the chain had failed before"),
        _ => Err("a chain value that makes no sense"),
    }
}

/// Whether a sealer says that DMARC passed when the message came to it.
fn vouches(results: &[u8]) -> bool {
    results.split(|b| *b == b';').any(|method| {
        let words: Vec<u8> = method.iter().filter(|b| !b.is_ascii_whitespace()).copied().collect();
        let rest = words.strip_prefix(b"dmarc=pass");
        rest.is_some_and(|rest| rest.first().is_none_or(|b| !matches!(b, b'-' | b'_')))
    })
}

impl Chain {
    /// A chain without a set that could be verified.
    pub fn bad(reason: Wrong) -> Self {
        Self {
            message: None,
            seals: Vec::new(),
            fields: Vec::new(),
            result: Some((AuthResult::Fail, reason)),
        }
    }

    /// Compares the newest message signature and prepares the rest.
    pub fn of(parts: Parts<'_>, header: &Header<'_>, digests: &Digests, now: u64) -> Self {
        let Parts { newest, seals, fields } = parts;
        if newest.is_over(now) {
            return Self::bad("the newest message signature's time is over");
        }
        match newest.claim(header, digests, false) {
            Ok((_, true)) => Self::bad("a part of the body is not signed"),
            Ok((claim, false)) => Self { message: Some(claim), seals, fields, result: None },
            Err((_, reason)) => Self::bad(reason),
        }
    }

    /// Verifies, once. All keys are asked for together.
    pub fn verify(&mut self, known: &Known, min_bits: usize) -> Result<(), Missing> {
        if self.result.is_some() {
            return Ok(());
        }
        let message = self.message.iter().map(|claim| (claim, 0));
        let seals = self.seals.iter().rev().map(|seal| (&seal.claim, seal.before));
        let claims: Vec<(&Claim, usize)> = message.chain(seals).collect();
        // All of them are looked at, so that all keys are asked for.
        if claims.iter().filter(|(claim, _)| claim.is_missing(known)).count() > 0 {
            return Err(Missing);
        }
        for (claim, before) in claims {
            let before = self.fields.get(..before).unwrap_or_default();
            let result = match claim.verify(known, before, min_bits)? {
                (AuthResult::Pass, _) => continue,
                (AuthResult::TempError, reason) => (AuthResult::TempError, reason),
                (_, reason) => (AuthResult::Fail, reason),
            };
            self.result = Some(result);
            return Ok(());
        }
        self.result = Some((AuthResult::Pass, ""));
        Ok(())
    }

    /// The result and why.
    pub fn told(&self) -> Graded {
        self.result.unwrap_or((AuthResult::TempError, "not verified in time"))
    }

    /// Domains of the sealers, the newest first.
    pub fn sealers(&self) -> Vec<Box<str>> {
        self.seals.iter().rev().map(|seal| seal.claim.domain.clone()).collect()
    }

    /// Whether trusted sealers without a gap, from the newest, lead to one that says that DMARC passed.
    pub fn vouched(&self, trusted: impl Fn(&str) -> bool) -> bool {
        let mut reach = self.seals.iter().rev().take_while(|seal| trusted(&seal.claim.domain));
        self.told().0 == AuthResult::Pass && reach.any(|seal| seal.vouches)
    }
}
