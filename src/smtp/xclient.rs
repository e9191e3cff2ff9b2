//! XCLIENT and XFORWARD (Postfix, XCLIENT_README and XFORWARD_README): who the client is, told by a proxy
//! to the next server. Values are xtext (RFC 3461 section 4).
//!
//! Purpose: read XCLIENT of a listed peer, and write XCLIENT or XFORWARD for a downstream. State: none. A
//! line that does not parse is an error as a whole: half of a client's identity is worse than none.

use crate::mail::{Domain, unmapped};
use std::net::{IpAddr, Ipv6Addr};

const UNAVAILABLE: &str = "[UNAVAILABLE]";
const TEMPUNAVAIL: &str = "[TEMPUNAVAIL]";
/// Longest command line that we write, in octets with CRLF (RFC 5321 section 4.5.3.1.4).
const LINE_OCTETS_MAX: usize = 512;
/// Longest value that we write, in octets of xtext; a longer one is said to be unavailable, never cut.
const VALUE_OCTETS_MAX: usize = 255;

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attr<T> {
    /// Its value.
    Known(T),
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it could not be found out now.
    TempUnavailable,
}

/// Which greeting the client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proto {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
}

/// What a listed peer said with XCLIENT; `None` for an attribute that it did not name, which then keeps
/// its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XclientIn {
    /// ADDR; IPv4-mapped addresses are unmapped.
    pub addr: Option<Attr<IpAddr>>,
    /// PORT.
    pub port: Option<Attr<u16>>,
    /// NAME: the verified reverse name.
    pub name: Option<Attr<String>>,
    /// HELO, as the client sent it; no control characters.
    pub helo: Option<Attr<Vec<u8>>>,
    /// PROTO.
    pub proto: Option<Attr<Proto>>,
    /// LOGIN: the authenticated user. Whether it is believed is the listener's `xclient_login`.
    pub login: Option<Attr<String>>,
    /// DESTADDR.
    pub destaddr: Option<Attr<IpAddr>>,
    /// DESTPORT.
    pub destport: Option<Attr<u16>>,
}

/// Reads the text after `XCLIENT`.
///
/// # Errors
/// A sentence, for: no attribute, an unknown one, one that comes twice, a value that does not parse.
pub fn parse(args: &[u8]) -> Result<XclientIn, &'static str> {
    let mut seen = XclientIn::default();
    let mut any = false;
    for word in args.split(|&b| b == b' ').filter(|word| !word.is_empty()) {
        any = true;
        let equals = word.iter().position(|&b| b == b'=').ok_or("an attribute has the form NAME=value")?;
        let (name, value) = word.split_at_checked(equals).ok_or("an attribute has the form NAME=value")?;
        let value = value.get(1..).filter(|value| !value.is_empty()).ok_or("an attribute without a value")?;
        let value = attr(value)?;
        match name.to_ascii_uppercase().as_slice() {
            b"ADDR" => once(&mut seen.addr, value, |v| address(&v)),
            b"PORT" => once(&mut seen.port, value, |v| port(&v)),
            b"NAME" => once(&mut seen.name, value, |v| host_name(&v)),
            b"HELO" => once(&mut seen.helo, value, Ok),
            b"PROTO" => once(&mut seen.proto, value, |v| proto(&v)),
            b"LOGIN" => {
                once(&mut seen.login, value, |v| String::from_utf8(v).map_err(|_| "LOGIN is not UTF-8"))
            }
            b"DESTADDR" => once(&mut seen.destaddr, value, |v| address(&v)),
            b"DESTPORT" => once(&mut seen.destport, value, |v| port(&v)),
            _ => Err("an unknown attribute"),
        }?;
    }
    if any { Ok(seen) } else { Err("no attributes") }
}

fn once<T>(
    slot: &mut Option<Attr<T>>,
    value: Attr<Vec<u8>>,
    read: impl FnOnce(Vec<u8>) -> Result<T, &'static str>,
) -> Result<(), &'static str> {
    if slot.is_some() {
        return Err("an attribute comes twice");
    }
    *slot = Some(match value {
        Attr::Known(value) => Attr::Known(read(value)?),
        Attr::Unavailable => Attr::Unavailable,
        Attr::TempUnavailable => Attr::TempUnavailable,
    });
    Ok(())
}

fn attr(value: &[u8]) -> Result<Attr<Vec<u8>>, &'static str> {
    if value.eq_ignore_ascii_case(UNAVAILABLE.as_bytes()) {
        return Ok(Attr::Unavailable);
    }
    if value.eq_ignore_ascii_case(TEMPUNAVAIL.as_bytes()) {
        return Ok(Attr::TempUnavailable);
    }
    let decoded = from_xtext(value).ok_or("a value is not xtext")?;
    if decoded.iter().any(u8::is_ascii_control) {
        return Err("a value has control characters");
    }
    Ok(Attr::Known(decoded))
}

fn address(value: &[u8]) -> Result<IpAddr, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "a bad address")?;
    let prefixed = text.split_at_checked(5).filter(|(prefix, _)| prefix.eq_ignore_ascii_case("IPV6:"));
    let ip = match prefixed {
        Some((_, rest)) => rest.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => text.parse(),
    };
    ip.map(unmapped).map_err(|_| "a bad address")
}

fn port(value: &[u8]) -> Result<u16, &'static str> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or("a bad port")
}

fn host_name(value: &[u8]) -> Result<String, &'static str> {
    Domain::parse(value).map(|domain| domain.as_str().to_owned()).map_err(|_| "a bad host name")
}

fn proto(value: &[u8]) -> Result<Proto, &'static str> {
    match value.to_ascii_uppercase().as_slice() {
        b"SMTP" => Ok(Proto::Smtp),
        b"ESMTP" => Ok(Proto::Esmtp),
        _ => Err("PROTO is SMTP or ESMTP"),
    }
}

/// `None` for a plus sign without two hexadecimal digits; either case of them is taken.
fn from_xtext(value: &[u8]) -> Option<Vec<u8>> {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut octets = value.iter();
    while let Some(&octet) = octets.next() {
        out.push(match octet {
            b'+' => hex(*octets.next()?)? << 4 | hex(*octets.next()?)?,
            other => other,
        });
    }
    Some(out)
}

fn to_xtext(value: &[u8]) -> String {
    // What a client says must not read as our own "unavailable".
    let disguise = value.first() == Some(&b'[')
        && [UNAVAILABLE, TEMPUNAVAIL].iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    let mut out = String::with_capacity(value.len());
    for (at, &octet) in value.iter().enumerate() {
        if octet.is_ascii_graphic() && !matches!(octet, b'+' | b'=') && !(disguise && at == 0) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("+{octet:02X}"));
        }
    }
    out
}

/// The client as a downstream shall see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerFacts<'a> {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its forward-confirmed reverse name.
    pub name: Option<&'a str>,
    /// What it said to HELO or EHLO.
    pub helo: Option<&'a [u8]>,
    /// Whether it said EHLO.
    pub esmtp: bool,
    /// The authenticated user.
    pub login: Option<&'a str>,
    /// Our reference of the message.
    pub ident: &'a str,
}

impl PeerFacts<'_> {
    /// `NAME=value` for an attribute that is ours to give. What we do not know is unavailable.
    fn write(&self, attribute: &str) -> String {
        let value = match attribute {
            "NAME" => self.name.map(|name| to_xtext(name.as_bytes())),
            "ADDR" => Some(match unmapped(self.ip) {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("IPV6:{ip}"),
            }),
            "PORT" => Some(self.port.to_string()),
            "PROTO" => Some(if self.esmtp { "ESMTP" } else { "SMTP" }.to_owned()),
            "HELO" => self.helo.map(to_xtext),
            "LOGIN" => self.login.map(|login| to_xtext(login.as_bytes())),
            "IDENT" => Some(to_xtext(self.ident.as_bytes())),
            "SOURCE" => Some("REMOTE".to_owned()),
            _ => None,
        };
        let value = value.filter(|v| (1..=VALUE_OCTETS_MAX).contains(&v.len()));
        format!("{attribute}={}", value.as_deref().unwrap_or(UNAVAILABLE))
    }
}

/// Which of `ours` the keyword's attribute list offers, in our order.
fn offered_of<'a>(ours: &[&'a str], offered: &str) -> Vec<&'a str> {
    let has = |name: &&&str| offered.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name));
    ours.iter().filter(has).copied().collect()
}

/// One XCLIENT line with CRLF, of at most 512 octets: every attribute that `offered` (the parameters of the
/// EHLO keyword) names, so that nothing of an earlier client is left. `None` if it names none that we know.
///
/// Should the line be too long, HELO is said to be unavailable, then LOGIN, then NAME.
#[must_use]
pub fn xclient_command(f: &PeerFacts, offered: &str) -> Option<Vec<u8>> {
    let ours = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];
    let names = offered_of(&ours, offered);
    if names.is_empty() {
        return None;
    }
    let mut facts = *f;
    for shorten in [None, Some("HELO"), Some("LOGIN"), Some("NAME")] {
        match shorten {
            Some("HELO") => facts.helo = None,
            Some("LOGIN") => facts.login = None,
            Some(_) => facts.name = None,
            None => {}
        }
        let line = line("XCLIENT", &names.iter().map(|name| facts.write(name)).collect::<Vec<_>>());
        if line.len() <= LINE_OCTETS_MAX {
            return Some(line);
        }
    }
    None
}

/// XFORWARD lines with CRLF, each of at most 512 octets, that together name every attribute of `offered`
/// (the parameters of the EHLO keyword). None if it names none that we know.
#[must_use]
pub fn xforward_commands(f: &PeerFacts, offered: &str) -> Vec<Vec<u8>> {
    let names = offered_of(&["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"], offered);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for name in names {
        words.push(f.write(name));
        if line("XFORWARD", &words).len() > LINE_OCTETS_MAX
            && let Some(last) = words.pop()
        {
            lines.push(line("XFORWARD", &words));
            words = vec![last];
        }
    }
    if !words.is_empty() {
        lines.push(line("XFORWARD", &words));
    }
    lines
}

fn line(verb: &str, words: &[String]) -> Vec<u8> {
    format!("{verb} {}\r\n", words.join(" ")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: &str = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";
    const FORWARD: &str = "NAME ADDR PROTO HELO PORT SOURCE IDENT";

    fn facts() -> PeerFacts<'static> {
        PeerFacts {
            ip: "192.0.2.1".parse().unwrap(),
            port: 4711,
            name: Some("mx.example"),
            helo: Some(b"mx.example"),
            esmtp: true,
            login: None,
            ident: "7F3K9QAB",
        }
    }

    #[test]
    fn xclient_is_read() {
        let seen =
            parse(b"NAME=MX.example ADDR=192.0.2.1  port=25 PROTO=esmtp HELO=a+20b LOGIN=me+40x").unwrap();
        assert_eq!(seen.name, Some(Attr::Known("mx.example".into())));
        assert_eq!(seen.addr, Some(Attr::Known("192.0.2.1".parse().unwrap())));
        assert_eq!((seen.port, seen.proto), (Some(Attr::Known(25)), Some(Attr::Known(Proto::Esmtp))));
        assert_eq!(seen.helo, Some(Attr::Known(b"a b".to_vec())));
        assert_eq!(seen.login, Some(Attr::Known("me@x".into())));
        assert_eq!((seen.destaddr, seen.destport), (None, None));
        let seen = parse(b"NAME=[tempunavail] LOGIN=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]").unwrap();
        assert_eq!((seen.name, seen.login), (Some(Attr::TempUnavailable), Some(Attr::Unavailable)));
        assert_eq!(seen.destport, Some(Attr::Unavailable));
        for (text, want) in [
            ("ADDR=IPV6:2001:db8::1", "2001:db8::1"),
            ("ADDR=ipv6:::ffff:192.0.2.1", "192.0.2.1"),
            ("ADDR=2001:db8::1", "2001:db8::1"),
        ] {
            let seen = parse(text.as_bytes()).unwrap();
            assert_eq!(seen.addr, Some(Attr::Known(want.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn a_line_with_one_mistake_is_refused() {
        for text in [
            "",
            "  ",
            "NAME",
            "NAME=",
            "=x",
            "FOO=x",
            "ADDR=x",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=192.0.2.1x",
            "PORT=65536",
            "PORT=+31",
            "PORT=-1",
            "PORT=+2B1",
            "PROTO=LMTP",
            "HELO=a+0D",
            "HELO=a+0d+0a",
            "HELO=+",
            "HELO=+4",
            "HELO=+zz",
            "NAME=a b",
            "NAME=a..b",
            "NAME=x NAME=x",
            "ADDR=192.0.2.1 ADDR=[UNAVAILABLE]",
            "LOGIN=+FF",
            "NAME=\tx",
        ] {
            // PORT=+31 is xtext for "1": the only good one here.
            assert_eq!(parse(text.as_bytes()).is_ok(), text == "PORT=+31", "{text:?}");
        }
    }

    #[test]
    fn xclient_names_everything_that_is_offered() {
        let f = facts();
        assert_eq!(
            String::from_utf8(xclient_command(&f, ALL).unwrap()).unwrap(),
            "XCLIENT NAME=mx.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=mx.example \
             LOGIN=[UNAVAILABLE] DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]\r\n"
        );
        let f = PeerFacts {
            ip: "2001:db8::1".parse().unwrap(),
            name: None,
            helo: Some(b"[UNAVAILABLE]"),
            esmtp: false,
            login: Some("a b+c=d"),
            ..f
        };
        assert_eq!(
            String::from_utf8(xclient_command(&f, "helo addr login proto name").unwrap()).unwrap(),
            "XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PROTO=SMTP HELO=+5BUNAVAILABLE] LOGIN=a+20b+2Bc+3Dd\r\n"
        );
        assert_eq!(xclient_command(&f, "FOO BAR"), None);
        assert_eq!(xclient_command(&f, ""), None);
        let (long, longer) = ("a".repeat(200), "b".repeat(255));
        let f = PeerFacts { name: Some(&long), helo: Some(longer.as_bytes()), login: Some(&long), ..f };
        let line = String::from_utf8(xclient_command(&f, ALL).unwrap()).unwrap();
        assert!(line.len() <= 512 && line.contains("HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]"), "{line}");
        assert!(line.contains(&format!("NAME={long} ")), "{line}");
    }

    #[test]
    fn xforward_is_split_into_lines() {
        let lines = xforward_commands(&facts(), FORWARD);
        assert_eq!(
            lines,
            [b"XFORWARD NAME=mx.example ADDR=192.0.2.1 PORT=4711 PROTO=ESMTP HELO=mx.example IDENT=7F3K9QAB SOURCE=REMOTE\r\n"]
        );
        let (name, helo) = ("a".repeat(255), "b".repeat(255));
        let f = PeerFacts { name: Some(&name), helo: Some(helo.as_bytes()), ..facts() };
        let lines = xforward_commands(&f, FORWARD);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| l.len() <= 512 && l.starts_with(b"XFORWARD ") && l.ends_with(b"\r\n")));
        assert!(xforward_commands(&f, "").is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(helo in proptest::collection::vec(any::<u8>(), 1..300), login in "\\PC{0,100}", name in "[a-z]{1,20}") {
            let f = PeerFacts { helo: Some(&helo), login: Some(&login), name: Some(&name), ..facts() };
            let line = xclient_command(&f, ALL).unwrap();
            prop_assert!(line.len() <= 512);
            prop_assert_eq!(line.iter().filter(|b| **b < 32).count(), 2);
            let args = line.strip_prefix(b"XCLIENT ").unwrap().strip_suffix(b"\r\n").unwrap();
            prop_assert_eq!(from_xtext(to_xtext(&helo).as_bytes()), Some(helo.clone()));
            if helo.iter().any(u8::is_ascii_control) {
                return Ok(());
            }
            let seen = parse(args).unwrap();
            prop_assert_eq!(seen.addr, Some(Attr::Known(f.ip)));
            prop_assert!(matches!(seen.helo, Some(Attr::Unavailable)) || seen.helo == Some(Attr::Known(helo.clone())));
            prop_assert!(matches!(seen.login, Some(Attr::Unavailable)) || seen.login == Some(Attr::Known(login.clone())));
            prop_assert_eq!(xforward_commands(&f, FORWARD).iter().filter(|l| l.len() > 512).count(), 0);
        }

        #[test]
        fn no_input_panics(args in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&args);
        }
    }
}
