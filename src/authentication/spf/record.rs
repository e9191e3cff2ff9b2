//! The text of an SPF record: all of it is read, and in order, before any of it is evaluated (RFC 7208 section 4.6).
//! Pure; a mistake anywhere makes the whole record invalid.

use super::macros::{self, Wrong};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest record in octets. Larger ones do not fit into the answers that name servers give.
const RECORD_OCTETS_MAX: usize = 8192;
/// Most terms of a record.
const TERMS_MAX: usize = 500;

/// What a mechanism that matches says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// A network of `ip4:` or `ip6:`, or the two lengths of `a` and `mx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    pub v4: u8,
    pub v6: u8,
}

/// A mechanism. Targets are macro strings as they stand there; `None` is the current domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism<'a> {
    All,
    Include(&'a str),
    A(Option<&'a str>, Lengths),
    Mx(Option<&'a str>, Lengths),
    Ptr(Option<&'a str>),
    Ip(IpAddr, u8),
    Exists(&'a str),
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub mechanisms: Vec<(Qualifier, Mechanism<'a>)>,
    pub redirect: Option<&'a str>,
}

/// Whether a text is an SPF record, good or bad (RFC 7208 section 4.5).
pub fn is_record(text: &[u8]) -> bool {
    let Some((version, rest)) = text.split_at_checked(6) else { return false };
    version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest.first(), None | Some(b' '))
}

/// Reads a record that [`is_record`].
pub fn parse(text: &[u8]) -> Result<Record<'_>, Wrong> {
    if text.len() > RECORD_OCTETS_MAX {
        return Err("the record is too long");
    }
    let text = std::str::from_utf8(text).ok().filter(|t| t.is_ascii()).ok_or("an octet that is not ASCII")?;
    let mut record = Record { mechanisms: Vec::new(), redirect: None };
    let mut explained = false;
    let mut terms = 0;
    for term in text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
        terms += 1;
        if terms > TERMS_MAX {
            return Err("too many terms");
        }
        match modifier(term) {
            Some(("redirect", value)) => {
                macros::domain_spec(value)?;
                if record.redirect.replace(value).is_some() {
                    return Err("two redirects");
                }
            }
            Some(("exp", value)) => {
                macros::domain_spec(value)?;
                if std::mem::replace(&mut explained, true) {
                    return Err("two explanations");
                }
            }
            Some((_, value)) => macros::macro_string(value)?,
            None => record.mechanisms.push(mechanism(term)?),
        }
    }
    Ok(record)
}

/// Name, in lower case where we know it, and value of a modifier.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !begins || !name.bytes().all(good) {
        return None;
    }
    let known = ["redirect", "exp"].into_iter().find(|known| name.eq_ignore_ascii_case(known));
    Some((known.unwrap_or(name), value))
}

fn mechanism(term: &str) -> Result<(Qualifier, Mechanism<'_>), Wrong> {
    let (qualifier, rest) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        Some(_) | None => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let target = argument.strip_prefix(':');
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(spec(target)?),
        "exists" => Mechanism::Exists(spec(target)?),
        "ptr" if argument.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(spec(target)?)),
        "a" => {
            let (target, lengths) = target_and_lengths(argument)?;
            Mechanism::A(target, lengths)
        }
        "mx" => {
            let (target, lengths) = target_and_lengths(argument)?;
            Mechanism::Mx(target, lengths)
        }
        "ip4" => network(target, 32, |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?,
        "ip6" => network(target, 128, |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?,
        _ => return Err("a mechanism that does not exist"),
    };
    Ok((qualifier, mechanism))
}

fn spec(target: Option<&str>) -> Result<&str, Wrong> {
    let target = target.ok_or("a mechanism without its domain")?;
    macros::domain_spec(target)?;
    Ok(target)
}

fn network(
    target: Option<&str>,
    most: u8,
    parse: fn(&str) -> Option<IpAddr>,
) -> Result<Mechanism<'_>, Wrong> {
    let target = target.ok_or("a network without its address")?;
    let (address, length) = match target.split_once('/') {
        Some((address, length)) => (address, prefix_length(length, most)?),
        None => (target, most),
    };
    parse(address).map(|ip| Mechanism::Ip(ip, length)).ok_or("not an address")
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`. A slash may stand inside a macro (`%{d/}`).
fn target_and_lengths(argument: &str) -> Result<(Option<&str>, Lengths), Wrong> {
    let (rest, v6) = match cut_length(argument, "//") {
        Some((rest, length)) => (rest, prefix_length(length, 128)?),
        None => (argument, 128),
    };
    let (rest, v4) = match cut_length(rest, "/") {
        Some((rest, length)) => (rest, prefix_length(length, 32)?),
        None => (rest, 32),
    };
    let target = match rest.strip_prefix(':') {
        Some(target) => Some(spec(Some(target))?),
        None if rest.is_empty() => None,
        None => return Err("a length that makes no sense"),
    };
    Ok((target, Lengths { v4, v6 }))
}

/// What is behind the last `mark`, if that is outside of macros and there is something like a number.
fn cut_length<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (rest, length) = text.rsplit_once(mark)?;
    let number = length.bytes().all(|b| b.is_ascii_digit());
    (number && !rest.ends_with('/')).then_some((rest, length))
}

fn prefix_length(text: &str, most: u8) -> Result<u8, Wrong> {
    let wrong = "a prefix length that makes no sense";
    if text.is_empty() || text.len() > 3 || (text.len() > 1 && text.starts_with('0')) {
        return Err(wrong);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let length = digits.then(|| text.parse::<u8>().ok()).flatten();
    length.filter(|length| *length <= most).ok_or(wrong)
}

impl Lengths {
    /// Whether two addresses are of one network of that length. Those of different families never are.
    pub fn match_up(self, ip: IpAddr, other: IpAddr) -> bool {
        let length = if ip.is_ipv4() { self.v4 } else { self.v6 };
        same_network(ip, other, length)
    }
}

/// Whether two addresses of one family begin with the same bits.
pub fn same_network(ip: IpAddr, other: IpAddr, length: u8) -> bool {
    match (ip, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let bits = a.to_bits() ^ b.to_bits();
            length == 0 || bits >> 32_u8.saturating_sub(length).min(31) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let bits = a.to_bits() ^ b.to_bits();
            length == 0 || bits >> 128_u8.saturating_sub(length).min(127) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
