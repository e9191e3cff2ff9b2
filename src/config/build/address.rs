//! Addresses of a downstream: `10.0.0.5`, `[2001:db8::5]:2525;priority=10;weight=2`.

use crate::config::model::Address;
use crate::config::value::quoted;
use crate::mail::unmapped;
use crate::rules::nearest;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Port of SMTP where none is written.
const SMTP_PORT: u16 = 25;
/// Addresses without one come first.
const PRIORITY_DEFAULT: u16 = 0;
const WEIGHT_DEFAULT: u16 = 1;

/// Reads one entry of `addresses`.
///
/// # Errors
/// What was expected, for people.
pub fn parse(text: &str) -> Result<Address, String> {
    let mut parts = text.split(';').map(str::trim);
    let socket = socket(parts.next().unwrap_or_default())?;
    let (mut priority, mut weight) = (PRIORITY_DEFAULT, WEIGHT_DEFAULT);
    for part in parts {
        let (name, number) = part.split_once('=').ok_or_else(|| unknown_option(part))?;
        let target = match name.trim() {
            "priority" => &mut priority,
            "weight" => &mut weight,
            name => return Err(unknown_option(name)),
        };
        *target = number
            .trim()
            .parse()
            .map_err(|_| format!("{name} goes from 0 to {}, found {}", u16::MAX, quoted(number)))?;
    }
    if weight == 0 {
        return Err(
            "a weight of 0 means that the address is never used: write 1 or more, or take it out".to_owned()
        );
    }
    Ok(Address { socket, priority, weight })
}

fn unknown_option(name: &str) -> String {
    let hint = nearest(name, ["priority", "weight"]).map(|near| format!("; did you mean {near}?"));
    format!("expected ;priority=NUMBER or ;weight=NUMBER, found {}{}", quoted(name), hint.unwrap_or_default())
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4),
    };
    let socket = match ip {
        Some(ip) => SocketAddr::new(unmapped(ip), SMTP_PORT),
        None => match text.parse::<SocketAddr>() {
            Ok(socket) => SocketAddr::new(unmapped(socket.ip()), socket.port()),
            Err(_) => return Err(explain(text)),
        },
    };
    if socket.port() == 0 {
        return Err("nothing listens on port 0".to_owned());
    }
    if socket.ip().is_unspecified() {
        return Err(format!("{} is no address that can be connected to", socket.ip()));
    }
    Ok(socket)
}

fn explain(text: &str) -> String {
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("IPv6 addresses stand in brackets: \"[{text}]\" or \"[{text}]:{SMTP_PORT}\"");
    }
    let looks_named = text.bytes().any(|b| b.is_ascii_alphabetic()) && !text.contains(['[', ' ']);
    let why = if looks_named { " (host names are not looked up)" } else { "" };
    format!(
        "expected an IP address such as \"10.0.0.5\", \"10.0.0.5:25\" or \"[2001:db8::5]:25\"{why}, found {}",
        quoted(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port_and_options() {
        for (text, socket, priority, weight) in [
            ("10.0.0.5", "10.0.0.5:25", 0, 1),
            ("10.0.0.5:2525", "10.0.0.5:2525", 0, 1),
            ("[2001:db8::5]", "[2001:db8::5]:25", 0, 1),
            ("[2001:db8::5]:2525", "[2001:db8::5]:2525", 0, 1),
            ("[::ffff:10.0.0.5]:2525", "10.0.0.5:2525", 0, 1),
            ("10.0.0.6:25;priority=10;weight=2", "10.0.0.6:25", 10, 2),
            ("10.0.0.6 ; weight = 3", "10.0.0.6:25", 0, 3),
        ] {
            let want = Address { socket: socket.parse().unwrap(), priority, weight };
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        for (text, want) in [
            ("", "expected an IP address such as"),
            ("mail.example.net:25", "(host names are not looked up), found \"mail.example.net:25\""),
            ("localhost", "(host names are not looked up)"),
            ("10.0.0.5:99999", "expected an IP address such as"),
            ("2001:db8::5", "in brackets: \"[2001:db8::5]\""),
            ("10.0.0.5:0", "nothing listens on port 0"),
            ("0.0.0.0:25", "0.0.0.0 is no address that can be connected to"),
            ("10.0.0.5;weight=0", "a weight of 0"),
            ("10.0.0.5;weight=70000", "weight goes from 0 to 65535, found \"70000\""),
            ("10.0.0.5;wieght=1", "did you mean weight?"),
            ("10.0.0.5;priority", "did you mean priority?"),
            ("10.0.0.5;", "expected ;priority=NUMBER"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
