//! Macros of SPF (RFC 7208 section 7): whether a macro string is one, and what it becomes. Pure; what expands is
//! bounded by the length of the record times that of an address.

use crate::authentication::ask::NAME_OCTETS_MAX;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Most octets that one string may become before it is cut.
const EXPANDED_OCTETS_MAX: usize = 8192;

/// What is wrong with a record.
pub type Wrong = &'static str;

/// What the letters stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    pub local: &'a str,
    pub sender_domain: &'a str,
    pub domain: &'a str,
    pub ip: IpAddr,
    pub hello: &'a str,
    /// The name of the client that was proved, or `unknown`.
    pub validated: &'a str,
}

/// One piece of a macro string.
enum Piece<'a> {
    Text(&'a str),
    Expand(Expand<'a>),
}

#[derive(Clone, Copy)]
struct Expand<'a> {
    letter: u8,
    /// Right-hand parts that are kept; 0 is all.
    keep: usize,
    reverse: bool,
    delimiters: &'a str,
}

/// Whether this is a macro string; `c`, `r` and `t` are for explanations only.
pub fn macro_string(text: &str) -> Result<(), Wrong> {
    let mut rest = text;
    while !rest.is_empty() {
        (_, rest) = piece(rest)?;
    }
    Ok(())
}

/// Whether this is a domain-spec: a macro string that ends in a macro or in a dot and a top label.
pub fn domain_spec(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err("an empty domain");
    }
    let mut rest = text;
    let mut tail = String::new();
    let mut ends_in_macro = false;
    while !rest.is_empty() {
        let (piece, after) = piece(rest)?;
        match piece {
            Piece::Text(literal) => {
                tail.push_str(literal);
                ends_in_macro = false;
            }
            Piece::Expand(_) => {
                // Whatever it becomes, it is something in front of what follows.
                tail.clear();
                tail.push('x');
                ends_in_macro = true;
            }
        }
        rest = after;
    }
    if ends_in_macro {
        return Ok(());
    }
    let tail = tail.strip_suffix('.').unwrap_or(&tail);
    let label = tail.rsplit_once('.').map(|(_, label)| label).ok_or("a domain of one label")?;
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let good = !label.is_empty()
        && label.bytes().all(inside)
        && !label.bytes().all(|b| b.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-');
    if good { Ok(()) } else { Err("a domain whose last label is none") }
}

/// Whether the string has the macro `p`, which costs questions.
pub fn wants_validated(text: &str) -> bool {
    let mut rest = text;
    while let Ok((found, after)) = piece(rest) {
        if matches!(found, Piece::Expand(expand) if expand.letter.eq_ignore_ascii_case(&b'p')) {
            return true;
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    false
}

/// The name that a domain-spec becomes; of one that is too long, left labels are dropped.
pub fn expand(text: &str, values: &Values<'_>) -> Result<String, Wrong> {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (found, after) = piece(rest)?;
        match found {
            Piece::Text(text) => out.push_str(text),
            Piece::Expand(expand) => push(&mut out, expand, values),
        }
        if out.len() > EXPANDED_OCTETS_MAX {
            return Err("a name that becomes too long");
        }
        rest = after;
    }
    let mut name = out.strip_suffix('.').unwrap_or(&out);
    while name.len() > NAME_OCTETS_MAX {
        match name.split_once('.') {
            Some((_, shorter)) => name = shorter,
            None => break,
        }
    }
    Ok(name.to_owned())
}

fn piece(text: &str) -> Result<(Piece<'_>, &str), Wrong> {
    let Some(after) = text.strip_prefix('%') else {
        let end = text.find('%').unwrap_or(text.len());
        let (literal, after) = text.split_at_checked(end).unwrap_or((text, ""));
        return match literal.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok((Piece::Text(literal), after)),
            false => Err("a character that no macro string has"),
        };
    };
    let wrong = "a percent sign that begins no macro";
    let escapes = [("%", "%"), ("_", " "), ("-", "%20")];
    if let Some((after, text)) =
        escapes.iter().find_map(|(mark, text)| after.strip_prefix(mark).map(|after| (after, text)))
    {
        return Ok((Piece::Text(text), after));
    }
    let (inside, after) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')).ok_or(wrong)?;
    let mut octets = inside.bytes();
    let letter = octets.next().filter(|b| b"slodiphvSLODIPHV".contains(b)).ok_or(wrong)?;
    let transformers = inside.get(1..).ok_or(wrong)?;
    let end = transformers.find(|c: char| !c.is_ascii_digit()).unwrap_or(transformers.len());
    let (digits, transformers) = transformers.split_at_checked(end).ok_or(wrong)?;
    let keep = match digits {
        "" => 0,
        // More parts than anything has.
        digits if digits.len() > 3 && digits.bytes().any(|b| b != b'0') => 0,
        digits => digits.parse::<usize>().ok().filter(|n| *n > 0).ok_or("a macro that keeps no part")?,
    };
    let delimiters = transformers.strip_prefix(['r', 'R']).unwrap_or(transformers);
    let reverse = delimiters.len() != transformers.len();
    if !delimiters.bytes().all(|b| b".-+,/_=".contains(&b)) {
        return Err(wrong);
    }
    Ok((Piece::Expand(Expand { letter, keep, reverse, delimiters }), after))
}

fn push(out: &mut String, expand: Expand<'_>, values: &Values<'_>) {
    let value = match expand.letter.to_ascii_lowercase() {
        b's' => format!("{}@{}", values.local, values.sender_domain),
        b'l' => values.local.to_owned(),
        b'o' => values.sender_domain.to_owned(),
        b'd' => values.domain.to_owned(),
        b'i' => dotted(values.ip),
        b'p' => values.validated.to_owned(),
        b'h' => values.hello.to_owned(),
        // `v`: the others are not taken by `piece`.
        _ => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
    };
    let value = transform(&value, expand);
    if expand.letter.is_ascii_uppercase() {
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    } else {
        out.push_str(&value);
    }
}

fn transform(value: &str, expand: Expand<'_>) -> String {
    if expand.keep == 0 && !expand.reverse && expand.delimiters.is_empty() {
        return value.to_owned();
    }
    let delimiters = if expand.delimiters.is_empty() { "." } else { expand.delimiters };
    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if expand.reverse {
        parts.reverse();
    }
    let skip = if expand.keep == 0 { 0 } else { parts.len().saturating_sub(expand.keep) };
    parts.get(skip..).unwrap_or_default().join(".")
}

/// The address as macros have it: dotted octets, or dotted nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", ip.to_bits());
            let nibbles: Vec<String> = digits.chars().map(String::from).collect();
            nibbles.join(".")
        }
    }
}
