//! Subjects and exact entries in the one form in which they are compared.
//!
//! Lower case; domains as A-labels; a quoted local part without its quotes, for `"bob"@x.example` reaches the same
//! mailbox as `bob@x.example` and must not pass a list that has that one.

use super::kind::{Kind, Subject};
use crate::mail::{Domain, Host, Mailbox};
use std::borrow::Cow;

/// The null reverse-path as text.
pub(super) const NULL: &str = "<>";

/// The comparable form of a mailbox or name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Canon {
    text: String,
    /// Where the host begins; none for the null sender and mailboxes without a host.
    host_at: Option<usize>,
}

impl Canon {
    /// The form of a subject; none for an address, which is looked up as a number.
    pub fn of(kind: Kind, subject: Subject<'_>) -> Option<Self> {
        match subject {
            Subject::Address(_) => None,
            Subject::Null => Some(Self { text: NULL.to_owned(), host_at: None }),
            Subject::Mailbox(mailbox) => Some(Self::mailbox(mailbox)),
            Subject::Name(name) => Some(Self::name(kind, name)),
        }
    }

    /// The form of a mailbox.
    pub fn mailbox(mailbox: &Mailbox) -> Self {
        let local = lower(&unquoted(mailbox.local()));
        let host = match mailbox.host() {
            Host::Name(domain) => Cow::Borrowed(domain.as_str()),
            Host::Literal(text) => Cow::Owned(lower(text)),
            Host::Unqualified => return Self { text: local, host_at: None },
        };
        let host_at = local.len() + 1;
        Self { text: format!("{local}@{host}"), host_at: Some(host_at) }
    }

    /// The form of a name: a domain where it is one, else its octets in lower case. Users and domains of
    /// mailboxes may be addresses.
    pub fn name(kind: Kind, name: &[u8]) -> Self {
        let may_be_mailbox = kind == Kind::User || kind.is_mailbox();
        if may_be_mailbox
            && name.contains(&b'@')
            && let Ok(mailbox) = Mailbox::parse(name)
        {
            return Self::mailbox(&mailbox);
        }
        let text = match Domain::parse(name) {
            Ok(domain) => domain.as_str().to_owned(),
            Err(_) => lower(name),
        };
        Self { text, host_at: Some(0) }
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its host; empty where there is none.
    pub fn host(&self) -> &str {
        self.host_at.and_then(|at| self.text.get(at..)).unwrap_or_default()
    }

    /// What a glob is compared with: all of it where the glob has an `@` or the field is no mailbox, else the host.
    pub fn for_glob(&self, kind: Kind, glob: &str) -> &str {
        if glob.contains('@') || !kind.is_mailbox() || self.text == NULL { &self.text } else { self.host() }
    }

    /// The keys of exact entries that match it, most specific first: itself, its host, `.parent` from the longest
    /// to the shortest.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let host = self.host();
        let own = Some(self.text()).filter(|text| *text != host);
        let parents =
            host.match_indices('.').filter_map(move |(at, _)| host.get(at..)).filter(|p| p.len() > 1);
        // A name that begins with a dot is no entry that begins with one.
        let exact = own.into_iter().chain(Some(host)).filter(|key| !key.is_empty() && !key.starts_with('.'));
        let below = parents.filter(move |parent| parent.len() < host.len());
        exact.chain(below)
    }
}

fn lower(text: &[u8]) -> String {
    String::from_utf8_lossy(text).to_lowercase()
}

/// `"a\"b"` gives `a"b`; everything else is as it is.
fn unquoted(local: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = local.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")) else {
        return Cow::Borrowed(local);
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for &byte in inner {
        if byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> String {
        let canon = Canon::mailbox(&Mailbox::parse(text.as_bytes()).unwrap());
        canon.keys().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_mailbox_has_one_form() {
        for (text, want) in [
            ("Bob@A.Example", "bob@a.example a.example .example"),
            ("\"bob\"@a.example", "bob@a.example a.example .example"),
            ("\"b\\ob\"@a.example", "bob@a.example a.example .example"),
            ("\"a@b\"@c.example", "a@b@c.example c.example .example"),
            ("ÜBEL@Bücher.example", "übel@xn--bcher-kva.example xn--bcher-kva.example .example"),
            ("a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1] [ipv6:2001:db8::1]"),
            ("a@[192.0.2.1]", "a@[192.0.2.1] [192.0.2.1] .0.2.1] .2.1] .1]"),
            ("Postmaster", "postmaster"),
        ] {
            assert_eq!(keys(text), want, "{text}");
        }
    }

    #[test]
    fn names_are_domains_where_they_can_be() {
        for (kind, text, want) in [
            (Kind::Hello, "MX.Example.", "mx.example .example"),
            (Kind::Hello, "a_b", "a_b"),
            (Kind::Hello, "[192.0.2.1]", "[192.0.2.1] .0.2.1] .2.1] .1]"),
            (Kind::Hello, "a@b.example", "a@b.example .example"),
            (Kind::Hello, ".example", ""),
            (Kind::Hello, "a..", "a.. .."),
            (Kind::User, "Alice@b.example", "alice@b.example b.example .example"),
            (Kind::User, "CORP\\Alice", "corp\\alice"),
            (Kind::Sender, "b.example", "b.example .example"),
        ] {
            let canon = Canon::name(kind, text.as_bytes());
            assert_eq!(canon.keys().collect::<Vec<_>>().join(" "), want, "{text}");
        }
    }
}
