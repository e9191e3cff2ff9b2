//! Domain names, compared as A-labels in lower case (RFC 5890), so that `Größe.example`,
//! `xn--gre-6ka8i.example` and `XN--GRE-6KA8I.EXAMPLE.` are one domain to every rule.

use std::fmt;

/// Longest domain name in octets without a final dot (RFC 1035 section 2.3.4).
const DOMAIN_OCTETS_MAX: usize = 253;
/// Longest label in octets (RFC 1035 section 2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// A domain name in its one comparable form: A-labels, lower case, no final dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

/// Why a text is no domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing, or an empty label (`a..b`).
    #[error("an empty label")]
    EmptyLabel,
    /// Over 253 octets, or a label of over 63.
    #[error("a name of over 253 octets or a label of over 63")]
    TooLong,
    /// An octet that no host name has.
    #[error("a character that is not a letter, digit, hyphen or underscore")]
    BadCharacter,
    /// Not ASCII and not a valid internationalised name (UTS 46).
    #[error("not a valid internationalised name")]
    BadIdn,
}

impl Domain {
    /// Parses a name as it stands in a path, an EHLO line or a rule file. Underscores are taken:
    /// they occur in real mail and forging one gains nothing.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn parse(text: &[u8]) -> Result<Self, DomainError> {
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.is_ascii() {
            return Self::from_ascii(text);
        }
        let text = std::str::from_utf8(text).map_err(|_| DomainError::BadIdn)?;
        let ascii = idna::domain_to_ascii(text).map_err(|_| DomainError::BadIdn)?;
        Self::from_ascii(ascii.as_bytes())
    }

    fn from_ascii(text: &[u8]) -> Result<Self, DomainError> {
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(DomainError::TooLong);
        }
        for label in text.split(|&b| b == b'.') {
            if label.is_empty() {
                return Err(DomainError::EmptyLabel);
            }
            if label.len() > LABEL_OCTETS_MAX {
                return Err(DomainError::TooLong);
            }
            if !label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
                return Err(DomainError::BadCharacter);
            }
        }
        let text = std::str::from_utf8(text).map_err(|_| DomainError::BadCharacter)?;
        let mut lower = Box::<str>::from(text);
        lower.make_ascii_lowercase();
        Ok(Self(lower))
    }

    /// The name: A-labels, lower case, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name lies below `parent` (`a.b.example` below `b.example`; no name lies below itself).
    #[must_use]
    pub fn is_below(&self, parent: &Self) -> bool {
        self.0.strip_suffix(&*parent.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_domain_has_one_form() {
        for text in ["Bücher.Example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE."] {
            assert_eq!(Domain::parse(text.as_bytes()).unwrap().as_str(), "xn--bcher-kva.example", "{text}");
        }
    }

    #[test]
    fn what_is_no_domain_says_why() {
        let long = "a.".repeat(127) + "b";
        for (text, want) in [
            ("", DomainError::EmptyLabel),
            ("a..b", DomainError::EmptyLabel),
            (".a", DomainError::EmptyLabel),
            ("a b", DomainError::BadCharacter),
            ("a,b", DomainError::BadCharacter),
            ("[192.0.2.1]", DomainError::BadCharacter),
            (long.as_str(), DomainError::TooLong),
        ] {
            assert_eq!(Domain::parse(text.as_bytes()).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn below_means_a_whole_label() {
        let d = |s: &str| Domain::parse(s.as_bytes()).unwrap();
        assert!(d("mx.example.net").is_below(&d("example.net")));
        assert!(!d("example.net").is_below(&d("example.net")));
        assert!(!d("badexample.net").is_below(&d("example.net")));
    }
}
