//! What DKIM signatures and ARC message signatures have in common: tags are read, the body's digest compared, and the
//! canonical header is made, so that only the key is missing. Pure; the message is not needed afterwards.

use super::canonical::{self, BodyDigest, Form};
use super::fields::{Field, Header};
use super::key::{Claim, Graded};
use super::tags::{Tags, without_signature};
use crate::mail::Domain;
use crate::verdict::AuthResult;
use mail_auth::common::crypto::Algorithm;

/// Most names in `h=`.
const NAMES_MAX: usize = 1000;
/// Most canonical octets that one signature is over, beside the body.
const INPUT_OCTETS_MAX: usize = 256 * 1024;

/// Digests of the body, in the forms that are wanted.
#[derive(Debug, Default)]
pub struct Digests {
    simple: Option<BodyDigest>,
    relaxed: Option<BodyDigest>,
}

/// A signature as its field says it.
#[derive(Debug)]
pub struct Signed<'a> {
    /// Place of the field.
    pub place: usize,
    field: Field<'a>,
    tags: Tags<'a>,
    algorithm: Algorithm,
    header_form: Form,
    /// Form of the body.
    pub body_form: Form,
    digest: Vec<u8>,
    /// `l=`.
    pub length: Option<u64>,
    names: Vec<&'a str>,
    /// `d=`.
    pub domain: Domain,
    selector: Domain,
}

/// What is wrong: nothing of it is of the peer.
pub type Wrong = &'static str;

impl<'a> Signed<'a> {
    /// Reads the tags that both kinds have. `default`: what holds without `c=`.
    pub fn read(place: usize, field: Field<'a>, default: &str) -> Result<Self, Wrong> {
        let tags = Tags::parse(field.value)?;
        let algorithm = algorithm(tags.need("a")?)?;
        let (header_form, body_form) =
            canonical::forms(tags.get("c").unwrap_or(default)).ok_or("a canonical form that there is not")?;
        let list = tags.get("h").ok_or("no list of signed fields")?;
        let names: Vec<&str> = list.split(':').map(str::trim_ascii).collect();
        if names.len() > NAMES_MAX {
            return Err("a list of signed fields that is too long");
        }
        let (domain, selector) = signer(&tags)?;
        tags.octets("b")?;
        let (digest, length) = (tags.octets("bh")?, tags.number("l")?);
        let signed = Self {
            place,
            field,
            algorithm,
            header_form,
            body_form,
            digest,
            length,
            names,
            domain,
            selector,
            tags,
        };
        signed.times()?;
        Ok(signed)
    }

    fn times(&self) -> Result<(), Wrong> {
        let (made, ends) = (self.tags.number("t")?, self.tags.number("x")?);
        match (made, ends) {
            (Some(made), Some(ends)) if ends <= made => Err("it ends before it begins"),
            _ => Ok(()),
        }
    }

    /// A tag.
    pub fn tag(&self, name: &str) -> Option<&'a str> {
        self.tags.get(name)
    }

    /// Whether a field of that name is signed.
    pub fn signs(&self, name: &str) -> bool {
        self.names.iter().any(|signed| signed.eq_ignore_ascii_case(name))
    }

    /// Whether its time is over; `now` in seconds since 1970.
    pub fn is_over(&self, now: u64) -> bool {
        self.tags.number("x").ok().flatten().is_some_and(|ends| ends < now)
    }

    /// Compares the body and makes the octets to verify. `below`: see [`Claim`].
    pub fn claim(self, header: &Header<'_>, digests: &Digests, below: bool) -> Result<(Claim, bool), Graded> {
        let broken = |reason| (AuthResult::PermError, reason);
        let digest = digests.of(self.body_form).ok_or(broken("no digest of the body"))?;
        let partial =
            digest.matches(&self.digest, self.length).ok_or((AuthResult::Fail, "the body was changed"))?;
        let mut input = Vec::new();
        for field in header.pick(&self.names, self.place) {
            canonical::push_field(&mut input, field, self.header_form);
            if input.len() > INPUT_OCTETS_MAX {
                return Err((AuthResult::Policy, "it is over too many octets of the header"));
            }
        }
        let (before, behind) = without_signature(self.field.value);
        canonical::push_pieces(&mut input, self.field, &[before, behind], self.header_form);
        let signature = self.tags.octets("b").map_err(broken)?;
        let claim = Claim {
            domain: self.domain.as_str().into(),
            selector: self.selector.as_str().into(),
            algorithm: self.algorithm,
            signature,
            input,
            below,
        };
        Ok((claim, partial))
    }
}

/// `a=`. SHA-1 is no longer a digest (RFC 8301 section 3.1).
pub fn algorithm(text: &str) -> Result<Algorithm, Wrong> {
    match text {
        "rsa-sha256" => Ok(Algorithm::RsaSha256),
        "ed25519-sha256" => Ok(Algorithm::Ed25519Sha256),
        "rsa-sha1" => Err("it is over SHA-1"),
        _ => Err("an algorithm that there is not"),
    }
}

/// `d=` and `s=`.
pub fn signer(tags: &Tags<'_>) -> Result<(Domain, Domain), Wrong> {
    let domain = Domain::parse(tags.need("d")?.as_bytes()).map_err(|_| "a domain that is none")?;
    let selector = Domain::parse(tags.need("s")?.as_bytes()).map_err(|_| "a selector that is none")?;
    if domain.as_str().contains('.') { Ok((domain, selector)) } else { Err("a domain of one label") }
}

impl Digests {
    /// Goes through the body once for each form that a signature wants.
    pub fn of_body(body: &[u8], wanted: &[(Form, Option<u64>)]) -> Self {
        let digest = |form: Form| {
            let of_form = || wanted.iter().filter(|(wanted, _)| *wanted == form);
            of_form().next()?;
            let lengths: Vec<u64> = of_form().filter_map(|(_, length)| *length).collect();
            Some(BodyDigest::of(body, form, &lengths))
        };
        Self { simple: digest(Form::Simple), relaxed: digest(Form::Relaxed) }
    }

    fn of(&self, form: Form) -> Option<&BodyDigest> {
        match form {
            Form::Simple => self.simple.as_ref(),
            Form::Relaxed => self.relaxed.as_ref(),
        }
    }
}
