//! Lists of `tag=value` (RFC 6376 section 3.2), as strict as the RFC: a tag twice, an empty one, or a name that is
//! none makes the whole list invalid. Pure; linear.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Most tags of one list.
const TAGS_MAX: usize = 64;
/// Padding or none: signers do both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A list.
#[derive(Debug)]
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Reads a list; what is wrong with it.
    pub fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "octets that are no text")?;
        let text = trim(text);
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut tags: Vec<(&str, &str)> = Vec::new();
        for spec in text.split(';') {
            let (name, value) = spec.split_once('=').ok_or("a tag without a value")?;
            let (name, value) = (trim(name), trim(value));
            let letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
            if !letter || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err("a tag name that is none");
            }
            if tags.iter().any(|(known, _)| *known == name) {
                return Err("a tag twice");
            }
            if tags.len() == TAGS_MAX {
                return Err("too many tags");
            }
            tags.push((name, value));
        }
        Ok(Self(tags))
    }

    /// The value of a tag, without blanks around it.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A value that must be there.
    pub fn need(&self, name: &'static str) -> Result<&'a str, &'static str> {
        self.get(name).filter(|value| !value.is_empty()).ok_or("a tag that must be there is missing or empty")
    }

    /// A number of at most 12 digits, where it is there.
    pub fn number(&self, name: &str) -> Result<Option<u64>, &'static str> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let good = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = good.then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or("a number that is none")
    }

    /// Octets in base64, blanks anywhere.
    pub fn octets(&self, name: &'static str) -> Result<Vec<u8>, &'static str> {
        let text: Vec<u8> = self.need(name)?.bytes().filter(|b| !is_blank(*b)).collect();
        let octets = BASE64.decode(text).map_err(|_| "base64 that is none")?;
        if octets.is_empty() { Err("base64 of nothing") } else { Ok(octets) }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// The octets of a field's value without the value of its tag `b`, in two pieces: what the signature is over.
pub fn without_signature(value: &[u8]) -> (&[u8], &[u8]) {
    let mut from = 0;
    for spec in value.split(|b| *b == b';') {
        let end = from + spec.len();
        if let Some(equals) = spec.iter().position(|b| *b == b'=') {
            let name = spec.get(..equals).unwrap_or_default().trim_ascii();
            if name == b"b" {
                let head = value.get(..from + equals + 1).unwrap_or_default();
                return (head, value.get(end..).unwrap_or_default());
            }
        }
        from = end + 1;
    }
    (value, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_strict() {
        let tags = Tags::parse(b" a = 1 ;\r\n b= x y\t; unknown=;").unwrap();
        assert_eq!((tags.get("a"), tags.get("b"), tags.get("unknown")), (Some("1"), Some("x y"), Some("")));
        assert_eq!(tags.get("A"), None);
        for wrong in ["a=1; a=2", "a=1;;b=2", "a", "=1", "1a=2", "a=1; b", ""] {
            assert!(Tags::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Tags::parse(b"t=").unwrap().number("t").is_err());
        assert!(Tags::parse(b"t=12x").unwrap().number("t").is_err());
        assert_eq!(Tags::parse(b"t=12").unwrap().number("t"), Ok(Some(12)));
        assert_eq!(Tags::parse(b"b=aGV\r\n sbG8").unwrap().octets("b").unwrap(), b"hello");
    }

    #[test]
    fn only_the_signature_itself_is_left_out() {
        let (head, tail) = without_signature(b" bh=abc=; b = x\r\n y=; c=1");
        assert_eq!((head, tail), (&b" bh=abc=; b ="[..], &b"; c=1"[..]));
        assert_eq!(without_signature(b"bh=1"), (&b"bh=1"[..], &b""[..]));
    }
}
