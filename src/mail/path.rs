//! Reverse-paths and forward-paths (RFC 5321 section 4.1.2), read without changing an octet.
//!
//! A path is looked at twice: by us, to decide, and by the downstream, which gets the client's own octets.
//! Whatever the two could read differently must therefore be visible here: source routes, quoted local
//! parts with routing characters, literals. Nothing is normalised but the domain that rules compare.

use super::domain::Domain;
use std::borrow::Cow;
use std::fmt;

/// Longest path in octets with its angle brackets (RFC 5321 section 4.5.3.1.3).
const PATH_OCTETS_MAX: usize = 256;
/// Longest local part in octets (RFC 5321 section 4.5.3.1.1 says 64; real bounce addresses of mailing lists
/// are longer, and the downstream judges them).
const LOCAL_OCTETS_MAX: usize = 128;

/// What stands right of the last `@` of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A domain name.
    Name(Domain),
    /// An address literal with its brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
    Literal(Box<[u8]>),
    /// No `@` at all: `postmaster`.
    Unqualified,
}

/// One mailbox: the octets of the local part as they were sent, quotes included, and the host.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    local: Box<[u8]>,
    host: Host,
}

impl Mailbox {
    /// A mailbox from its parts, as they were found in a header field: nothing is judged.
    #[must_use]
    pub fn of(local: &[u8], host: Host) -> Self {
        Self { local: local.into(), host }
    }

    /// The local part as it was sent, with its quotes.
    #[must_use]
    pub fn local(&self) -> &[u8] {
        &self.local
    }

    /// What stands right of the `@`.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The domain, where the host is one.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        match &self.host {
            Host::Name(domain) => Some(domain),
            Host::Literal(_) | Host::Unqualified => None,
        }
    }

    /// Whether this is `postmaster` without a domain, in any case (RFC 5321 section 4.1.1.3).
    #[must_use]
    pub fn is_bare_postmaster(&self) -> bool {
        self.host == Host::Unqualified && self.local.eq_ignore_ascii_case(b"postmaster")
    }

    /// Whether the local part has what some mailer reads as a further hop: `%`, `!`, `@` or `:`, in quotes too,
    /// or an SMTP address in Exchange's encapsulation (`IMCEASMTP-user+40ext`, MS99-027).
    #[must_use]
    pub fn has_routing_characters(&self) -> bool {
        let local = self.local.strip_prefix(b"\"").unwrap_or(&self.local);
        let encapsulated = local.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"IMCEASMTP-"));
        let routes = self.local.iter().any(|b| matches!(b, b'%' | b'!' | b'@' | b':'));
        encapsulated || routes || self.folds_to_routing()
    }

    /// Whether some mailer may fold a letter of it to a routing character (NFKC, as in UTS 46), or it is no
    /// text at all.
    fn folds_to_routing(&self) -> bool {
        let folds = |c: char| {
            matches!(
                c,
                '\u{ff20}'
                    | '\u{fe6b}'
                    | '\u{ff05}'
                    | '\u{fe6a}'
                    | '\u{ff01}'
                    | '\u{fe57}'
                    | '\u{ff1a}'
                    | '\u{fe55}'
            )
        };
        !self.local.is_ascii()
            && std::str::from_utf8(&self.local).map_or(true, |text| text.chars().any(folds))
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::escaped(&self.local))?;
        let host = match &self.host {
            Host::Name(domain) => Cow::Borrowed(domain.as_str()),
            Host::Literal(text) => super::escaped(text),
            Host::Unqualified => return Ok(()),
        };
        f.write_str("@")?;
        f.write_str(&host)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path: null (`<>`), or a mailbox with or without a source route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// `<>`, the sender of notifications.
    Null,
    /// `<mailbox>`, or `<@hop,@hop:mailbox>` when `routed`.
    Mailbox {
        /// The mailbox.
        mailbox: Mailbox,
        /// Whether a source route stood before it (RFC 5321 appendix C).
        routed: bool,
    },
}

/// Why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No `<` at its start, or no `>` that ends it.
    #[error("a path stands in angle brackets")]
    Brackets,
    /// Over 256 octets, or a local part of over 128.
    #[error("a path has at most 256 octets")]
    TooLong,
    /// An empty local part, or a character that needs quotes.
    #[error("not a valid local part")]
    Local,
    /// Not a domain name and not a literal.
    #[error("not a valid domain")]
    Host,
    /// A source route that does not parse.
    #[error("not a valid source route")]
    Route,
}

impl Path {
    /// Reads one path at the start of `text` and says how many octets it took. What follows it (parameters)
    /// is the caller's.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &[u8]) -> Result<(Self, usize), PathError> {
        if text.first() != Some(&b'<') {
            return Err(PathError::Brackets);
        }
        let end = closing_bracket(text)?;
        let inner = text.get(1..end).ok_or(PathError::Brackets)?;
        if inner.is_empty() {
            return Ok((Self::Null, end + 1));
        }
        let (inner, routed) = skip_route(inner)?;
        Ok((Self::Mailbox { mailbox: Mailbox::parse(inner)?, routed }, end + 1))
    }

    /// The mailbox, where the path is not null.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox { mailbox, .. } => Some(mailbox),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Mailbox { mailbox, .. } => fmt::Display::fmt(mailbox, f),
        }
    }
}

/// Position of the `>` that ends the path: one inside a quoted string does not.
fn closing_bracket(text: &[u8]) -> Result<usize, PathError> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate().skip(1) {
        if at >= PATH_OCTETS_MAX {
            return Err(PathError::TooLong);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Ok(at),
            b'<' if !quoted => return Err(PathError::Brackets),
            _ => {}
        }
    }
    Err(PathError::Brackets)
}

/// `@a,@b:local@c` gives `local@c` and true.
fn skip_route(inner: &[u8]) -> Result<(&[u8], bool), PathError> {
    if inner.first() != Some(&b'@') {
        return Ok((inner, false));
    }
    let colon = inner.iter().position(|&b| b == b':').ok_or(PathError::Route)?;
    let (route, rest) = inner.split_at_checked(colon).ok_or(PathError::Route)?;
    for hop in route.split(|&b| b == b',') {
        let name = hop.strip_prefix(b"@").ok_or(PathError::Route)?;
        Domain::parse(name).map_err(|_| PathError::Route)?;
    }
    Ok((rest.get(1..).ok_or(PathError::Route)?, true))
}

impl Mailbox {
    /// Reads a mailbox without angle brackets: `local@domain`, `"quoted"@domain`, `local@[literal]`, `local`.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &[u8]) -> Result<Self, PathError> {
        let local_end = if text.first() == Some(&b'"') { quoted_end(text)? } else { dot_string_end(text)? };
        let (local, rest) = text.split_at_checked(local_end).ok_or(PathError::Local)?;
        if local.is_empty() {
            return Err(PathError::Local);
        }
        if local.len() > LOCAL_OCTETS_MAX {
            return Err(PathError::TooLong);
        }
        let host = match rest.split_first() {
            None => Host::Unqualified,
            Some((b'@', host)) => parse_host(host)?,
            Some(_) => return Err(PathError::Local),
        };
        Ok(Self { local: local.into(), host })
    }
}

fn quoted_end(text: &[u8]) -> Result<usize, PathError> {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            0..=31 | 127 => return Err(PathError::Local),
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(PathError::Local)
}

/// Atoms and dots; a leading, trailing or double dot is taken, for such addresses exist and the
/// downstream judges them. 8-bit octets are taken here and judged by SMTPUTF8.
fn dot_string_end(text: &[u8]) -> Result<usize, PathError> {
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'@' => return Ok(at),
            0..=32 | 127 | b'"' | b'(' | b')' | b',' | b':' | b';' | b'<' | b'>' | b'[' | b'\\' | b']' => {
                return Err(PathError::Local);
            }
            _ => {}
        }
    }
    Ok(text.len())
}

fn parse_host(text: &[u8]) -> Result<Host, PathError> {
    if text.first() == Some(&b'[') {
        let inner = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).ok_or(PathError::Host)?;
        let good = !inner.is_empty()
            && inner.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b']' | b'\\'));
        return if good { Ok(Host::Literal(text.into())) } else { Err(PathError::Host) };
    }
    Domain::parse(text).map(Host::Name).map_err(|_| PathError::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        match Path::parse(text.as_bytes()) {
            Err(e) => format!("{e:?}"),
            Ok((path, used)) => {
                let rest = text.get(used..).unwrap();
                let routed = matches!(path, Path::Mailbox { routed: true, .. });
                format!("{path}{}{}", if routed { " routed" } else { "" }, rest)
            }
        }
    }

    #[test]
    fn paths_are_read_as_rfc_5321_writes_them() {
        for (text, want) in [
            ("<>", ""),
            ("<> SIZE=1", " SIZE=1"),
            ("<a@B.Example>", "a@b.example"),
            ("<Postmaster>", "Postmaster"),
            ("<@x.example,@y.example:a@b.example>", "a@b.example routed"),
            ("<\"a b\"@c.example>", "\"a b\"@c.example"),
            ("<\"a@b\"@c.example>", "\"a@b\"@c.example"),
            ("<\"a>b\"@c.example> X", "\"a>b\"@c.example X"),
            ("<\"a\\\"b\"@c.example>", "\"a\\\\\"b\"@c.example"),
            ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
            ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
            ("<.a..b.@c.example>", ".a..b.@c.example"),
            ("<a%b@c.example>", "a%b@c.example"),
            ("<größe@größe.example>", "größe@xn--gre-6ka8i.example"),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        for (text, want) in [
            ("a@b.example", "Brackets"),
            ("<a@b.example", "Brackets"),
            ("<<a@b.example>>", "Brackets"),
            ("<@b.example>", "Route"),
            ("<@:a@b>", "Route"),
            ("<a@b@c.example>", "Host"),
            ("<a b@c.example>", "Local"),
            ("<@a.example:>", "Local"),
            ("<\"a@c.example>", "Brackets"),
            ("<\"a\"b@c.example>", "Local"),
            ("<a@>", "Host"),
            ("<a@b..c>", "Host"),
            ("<a@[]>", "Host"),
            ("<a\0@b.example>", "Local"),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
        let long = format!("<{}@b.example>", "a".repeat(300));
        assert_eq!(show(&long), "TooLong");
    }

    #[test]
    fn routing_characters_are_seen_also_in_quotes() {
        for (text, want) in [
            ("<a%b@c>", true),
            ("<a!b@c>", true),
            ("<\"a@b\"@c>", true),
            ("<\"a b\"@c>", false),
            ("<a+b@c>", false),
            ("<IMCEASMTP-x+40ext+2Etest@c>", true),
            ("<\"imceasmtp-x+40ext\"@c>", true),
            ("<IMCEAEX-_O=ORG_CN=X@c>", false),
        ] {
            let (path, _) = Path::parse(text.as_bytes()).unwrap();
            assert_eq!(path.mailbox().unwrap().has_routing_characters(), want, "{text}");
        }
    }
}
