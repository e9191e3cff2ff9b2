//! Public keys in DNS (RFC 6376 section 3.6.1, RFC 8301, RFC 8463). Keys and signatures are read and verified by
//! `mail-auth`; which keys are good enough is said here. Pure.

use super::ask::{Answer, Kind, Known, Missing};
use crate::verdict::AuthResult;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;

/// Longest key record in octets: an RSA key of 8,192 bits has less than half.
const RECORD_OCTETS_MAX: usize = 4096;
/// Most records of one name that are tried.
const RECORDS_MAX: usize = 4;
/// Longest RSA key that is verified with, in bits: more is work for nothing.
const BITS_MAX: usize = 4096;

/// What a signature says of its key, and what it is over.
#[derive(Debug)]
pub struct Claim {
    /// `d=`: A-labels, lower case.
    pub domain: Box<str>,
    /// `s=`.
    pub selector: Box<str>,
    /// `a=`.
    pub algorithm: Algorithm,
    /// `b=`.
    pub signature: Vec<u8>,
    /// The canonical octets that it is over.
    pub input: Vec<u8>,
    /// Whether `i=` is of a domain below `d=`, which the key may forbid.
    pub below: bool,
}

/// A result and why.
pub type Graded = (AuthResult, &'static str);

impl Claim {
    /// Where the key is.
    fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// Whether the key was not yet looked up; if so, it is asked for.
    pub fn is_missing(&self, known: &Known) -> bool {
        known.ask(&self.name(), Kind::Txt).is_err()
    }

    /// Looks for the key and verifies. `before`: octets that the signature is over too, in front of its own.
    /// `min_bits`: of RSA keys; shorter ones are `policy`.
    ///
    /// # Errors
    /// The answer is missing.
    pub fn verify(&self, known: &Known, before: &[u8], min_bits: usize) -> Result<Graded, Missing> {
        let answer = known.ask(&self.name(), Kind::Txt)?;
        if matches!(answer, Answer::Trouble) {
            return Ok((AuthResult::TempError, "the key could not be looked up"));
        }
        let input = [before, &self.input].concat();
        let mut said = (AuthResult::PermError, "there is no key");
        for record in answer.texts().take(RECORDS_MAX) {
            match self.try_key(record, &input, min_bits) {
                good @ (AuthResult::Pass, _) => return Ok(good),
                // What one key says about the signature counts more than that another is none.
                other if said.0 == AuthResult::PermError => said = other,
                _ => {}
            }
        }
        Ok(said)
    }

    fn try_key(&self, record: &[u8], input: &[u8], min_bits: usize) -> Graded {
        let tag = |name: &str| tag(record, name);
        if record.len() > RECORD_OCTETS_MAX {
            return (AuthResult::PermError, "the key record is too long");
        }
        if tag("p").is_some_and(|p| p.is_empty()) {
            return (AuthResult::PermError, "the key was revoked");
        }
        if tag("h").is_some_and(|list| !lists(&list, &["sha256"])) {
            return (AuthResult::PermError, "the key is for another digest");
        }
        if tag("s").is_some_and(|list| !lists(&list, &["*", "email"])) {
            return (AuthResult::PermError, "the key is not for mail");
        }
        let Ok(key) = DomainKey::parse(record) else {
            return (AuthResult::PermError, "the key record makes no sense");
        };
        if self.below && tag("t").is_some_and(|list| lists(&list, &["s"])) {
            return (AuthResult::PermError, "the key is not for domains below its own");
        }
        let bits = key.p.public_key_bits();
        if self.algorithm != Algorithm::Ed25519Sha256 {
            // Ed25519 keys have no number of bits.
            if bits < min_bits {
                return (AuthResult::Policy, "the key is too short");
            }
            if bits > BITS_MAX && bits != usize::MAX {
                return (AuthResult::Policy, "the key is too long");
            }
        }
        match key.p.verify_bytes(input, &self.signature, self.algorithm) {
            Ok(()) => (AuthResult::Pass, ""),
            Err(_) => (AuthResult::Fail, "the signature does not match"),
        }
    }
}

/// A tag of a key record, without blanks; records are read more kindly than signatures.
fn tag(record: &[u8], name: &str) -> Option<String> {
    let mut specs = record.split(|b| *b == b';').filter_map(|spec| {
        let at = spec.iter().position(|b| *b == b'=')?;
        Some((spec.get(..at)?.trim_ascii(), spec.get(at + 1..)?))
    });
    let (_, value) = specs.find(|(known, _)| *known == name.as_bytes())?;
    let octets = value.iter().filter(|b| !b.is_ascii_whitespace());
    Some(octets.map(|b| char::from(*b)).collect())
}

fn lists(list: &str, words: &[&str]) -> bool {
    list.split(':').any(|item| words.iter().any(|word| item.eq_ignore_ascii_case(word)))
}
