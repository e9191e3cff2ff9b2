//! One address of the web: its host as a browser reads it, and what is odd in it.

use super::addresses::registered;
use crate::mail::Domain;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest address that is kept, in octets.
const OCTETS_MAX: usize = 2048;
/// An address with more characters is long.
pub const LONG: usize = 250;

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A page.
    Web(Web),
    /// A mail address, lower case.
    Mail(String),
    /// It carries its content itself: `data:`.
    Data,
    /// It runs: `javascript:`.
    Script,
    /// Something else, or a place in the same message.
    Other,
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
pub struct Web {
    /// The address, without blanks and control characters.
    pub text: String,
    /// Its host, lower case, A-labels.
    pub host: String,
    /// The registered domain of the host.
    pub domain: String,
    /// The host is an address.
    pub ip: bool,
    /// And written in an odd form.
    pub numeric: bool,
    /// A port other than 80 and 443.
    pub port: bool,
    /// A user name.
    pub user: bool,
    /// Letters beyond ASCII in the host.
    pub idn: bool,
    /// Percent signs in the host.
    pub encoded_host: bool,
    /// Another address inside of it.
    pub nested: bool,
    /// Without TLS.
    pub insecure: bool,
}

impl Target {
    /// Reads an address as it stands in an attribute or a text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // Browsers leave these out wherever they stand.
        let clean: String = text.trim().chars().filter(|c| !c.is_control()).take(OCTETS_MAX).collect();
        let lower = clean.to_ascii_lowercase();
        let Some((scheme, rest)) = lower.split_once(':') else { return without_scheme(&clean) };
        match scheme.trim() {
            "http" | "https" | "ftp" => web(clean.clone(), rest, scheme.trim() == "http"),
            "mailto" => {
                let address = rest.split('?').next().unwrap_or_default();
                Self::Mail(percent(address).trim().to_owned())
            }
            "data" => Self::Data,
            "javascript" | "vbscript" => Self::Script,
            _ => without_scheme(&clean),
        }
    }
}

/// `//host/x` and `www.host`; all else is a place in the message.
fn without_scheme(clean: &str) -> Target {
    let lower = clean.to_ascii_lowercase();
    if lower.starts_with("//") || lower.starts_with("www.") {
        return web(clean.to_owned(), &lower, false);
    }
    Target::Other
}

/// `rest`: lower case, what stands behind the scheme.
fn web(text: String, rest: &str, insecure: bool) -> Target {
    let rest = rest.trim_start_matches(['/', '\\', ' ']);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => (true, host),
        None => (false, authority),
    };
    let (host, port) = split_port(host);
    let encoded_host = host.contains('%');
    let host = if encoded_host { percent(host) } else { host.to_owned() };
    let host = host.trim_end_matches('.');
    let mut web = Web { text, user, encoded_host, insecure, ..Web::default() };
    web.port = port.is_some_and(|port| !matches!(port, "" | "80" | "443"));
    web.nested = path.contains("http:/")
        || path.contains("https:/")
        || path.contains("http%3a")
        || path.contains("https%3a");
    if let Some((ip, odd)) = address(host) {
        (web.ip, web.numeric) = (true, odd);
        web.host.clone_from(&ip);
        web.domain = ip;
        return Target::Web(web);
    }
    let Ok(name) = Domain::parse(host.as_bytes()) else { return Target::Other };
    if !name.as_str().contains('.') {
        return Target::Other;
    }
    web.idn = !host.is_ascii() || host.split('.').any(|label| label.starts_with("xn--"));
    web.domain = registered(name.as_str()).to_owned();
    web.host = name.as_str().to_owned();
    Target::Web(web)
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    if host.starts_with('[') {
        return match host.split_once(']') {
            Some((inside, behind)) => (inside.trim_start_matches('['), behind.strip_prefix(':')),
            None => (host, None),
        };
    }
    match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    }
}

/// An address, and whether it is written oddly: fewer than four numbers, octal, hexadecimal.
fn address(host: &str) -> Option<(String, bool)> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Some((ip.to_string(), false));
    }
    if let Ok(ip) = host.parse::<Ipv6Addr>() {
        return Some((ip.to_string(), false));
    }
    let parts: Vec<&str> = host.split('.').take(5).collect();
    let (last, first) = parts.split_last()?;
    if parts.len() > 4 {
        return None;
    }
    let mut value: u32 = 0;
    for part in first {
        value = value.checked_mul(256)?.checked_add(number(part).filter(|n| *n < 256)?)?;
    }
    let shift = 8 * u32::try_from(4 - first.len()).ok()?;
    let last = number(last)?;
    let high = if shift >= 32 { 0 } else { value.checked_shl(shift)? };
    Some((Ipv4Addr::from(high.checked_add(last)?).to_string(), true))
}

fn number(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok();
    }
    let octal = text.len() > 1 && text.starts_with('0');
    u32::from_str_radix(text, if octal { 8 } else { 10 }).ok()
}

/// Percent signs decoded.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let decoded = (*first == b'%').then(|| behind.get(..2)).flatten().and_then(|digits| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        });
        out.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a label looks made up by chance: many digits among letters, or hardly a vowel.
#[must_use]
pub fn is_random(host: &str, domain: &str) -> bool {
    let own = host.strip_suffix(domain).unwrap_or_default();
    let first = domain.split('.').next().unwrap_or_default();
    own.split('.').chain([first]).filter(|label| label.len() >= 9 && !label.starts_with("xn--")).any(
        |label| {
            let digits = label.bytes().filter(u8::is_ascii_digit).count();
            let letters = label.bytes().filter(u8::is_ascii_alphabetic).count();
            let vowels = label.bytes().filter(|b| b"aeiouy".contains(b)).count();
            let changes = label.as_bytes().windows(2).filter(|two| match two {
                [a, b] => a.is_ascii_digit() != b.is_ascii_digit(),
                _ => false,
            });
            (digits >= 3 && letters >= 3 && changes.count() >= 4) || (letters >= 9 && vowels * 6 < letters)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web_of(text: &str) -> Web {
        match Target::parse(text) {
            Target::Web(web) => web,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn hosts_are_as_browsers_read_them() {
        for (text, host, domain) in [
            ("http://WWW.Shop.co.uk/x", "www.shop.co.uk", "shop.co.uk"),
            ("https:\\\\evil.example/x", "evil.example", "evil.example"),
            ("ht\ntp://a.exam\tple", "a.example", "a.example"),
            ("http://paypal.com@evil.example:8080/", "evil.example", "evil.example"),
            ("//x.example?y", "x.example", "x.example"),
            ("www.example.com/a", "www.example.com", "example.com"),
            ("http://%65vil.example./", "evil.example", "evil.example"),
            ("http://bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("http://192.0.2.7/", "192.0.2.7", "192.0.2.7"),
            ("http://3221225991/", "192.0.2.7", "192.0.2.7"),
            ("http://0xc0.0.02.7/", "192.0.2.7", "192.0.2.7"),
            ("http://[2001:db8::1]:8/", "2001:db8::1", "2001:db8::1"),
        ] {
            let web = web_of(text);
            assert_eq!((web.host.as_str(), web.domain.as_str()), (host, domain), "{text}");
        }
    }

    #[test]
    fn what_is_odd_is_said() {
        let web = web_of("http://u@3221225991:81/?x=https%3A//b.example");
        assert!(web.user && web.numeric && web.ip && web.port && web.nested && web.insecure);
        let web = web_of("https://xn--bcher-kva.%65xample/");
        assert!(web.idn && web.encoded_host && !web.insecure && !web.nested && !web.port);
        assert_eq!(Target::parse("MAILTO:A%40b.example?subject=x"), Target::Mail("a@b.example".into()));
        for (text, want) in [
            ("data:text/html,x", Target::Data),
            ("java\tscript:x()", Target::Script),
            ("#top", Target::Other),
            ("cid:1", Target::Other),
            ("http://", Target::Other),
            ("http://localhost/", Target::Other),
            ("", Target::Other),
        ] {
            assert_eq!(Target::parse(text), want, "{text}");
        }
        assert!(
            is_random("x7k2m9q4z1.web.app", "web.app") && is_random("qwrtplkjhgf.com", "qwrtplkjhgf.com")
        );
        assert!(!is_random("www.newsletters.example.com", "example.com"));
    }
}
