//! How text is kept so that it is found: lower case, domains apart, numbers for what is only compared.

use ring::digest::{SHA256, digest};
use std::net::IpAddr;

/// Longest text that is kept for comparing, in characters.
const COMPARED_CHARS: usize = 400;
/// Characters of a subject that it is sorted by.
const SORTED_CHARS: usize = 32;
/// Digits of a digest that are kept as a number.
const DIGEST_DIGITS: usize = 15;

/// A text as it is compared.
pub fn folded(text: &str) -> String {
    text.chars().take(COMPARED_CHARS).flat_map(char::to_lowercase).collect()
}

/// What a subject is sorted by.
pub fn sorted(text: &str) -> String {
    text.trim_start().chars().take(SORTED_CHARS).flat_map(char::to_lowercase).collect()
}

/// The domain of an address: behind the last `@`, or all of it.
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// Read from the end, so that what ends alike stands together.
pub fn backward(text: &str) -> String {
    text.chars().rev().collect()
}

/// A Message-ID without its brackets, as it is compared.
pub fn message_id(text: &str) -> String {
    let text = text.trim();
    folded(text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text))
}

/// The mailboxes of a `From:` as the header keeps them, as they are compared.
pub fn header_addresses(from: Option<&str>) -> Vec<String> {
    let one = |text: &str| folded(text.trim());
    from.into_iter().flat_map(|from| from.split(", ")).map(one).filter(|text| !text.is_empty()).collect()
}

/// A number that texts share with nobody, for practical purposes; whoever has to be sure compares the text too.
pub fn number(parts: &[&str]) -> i64 {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    let digest = digest(&SHA256, &all);
    let first = digest.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(first)
}

/// The first and last number of digests that begin so.
pub fn digest_range(prefix: &str) -> Option<(i64, i64)> {
    let head: String = prefix.chars().take(DIGEST_DIGITS).collect();
    let low = i64::from_str_radix(&format!("{head:0<DIGEST_DIGITS$}"), 16).ok()?;
    let high = i64::from_str_radix(&format!("{head:f<DIGEST_DIGITS$}"), 16).ok()?;
    Some((low, high))
}

/// An address as its octets.
pub fn octets(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The first and last bits of references that begin so.
pub fn id_range(prefix: &str) -> Option<(i64, i64)> {
    let padded = |fill: &str| format!("{prefix}{}", fill.repeat(8_usize.saturating_sub(prefix.len())));
    let bits =
        |text: String| text.parse::<crate::mail::Id>().ok().and_then(|id| i64::try_from(id.bits()).ok());
    Some((bits(padded("0"))?, bits(padded("Z"))?))
}
