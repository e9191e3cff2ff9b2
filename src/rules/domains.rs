//! A set of domains: exact names and `.example.net` for everything below a name.

use crate::mail::{Domain, DomainError};
use std::collections::HashSet;
use std::fmt;

/// Domains that an admin listed. `example.net` is that name alone, `.example.net` is every name below it and
/// not itself. Names are compared as A-labels. A look-up costs one hash per label, whatever the set's size.
#[derive(Default, Clone)]
pub struct DomainSet {
    exact: HashSet<Box<str>>,
    below: HashSet<Box<str>>,
}

/// Why a text is no entry of a domain set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainEntryError {
    /// `*.example.net`, `.*.example.net`.
    #[error("no wildcards here: write \"{0}\" for every name below it, \"{1}\" for the name itself")]
    Wildcard(String, String),
    /// `user@example.net`, `@example.net`.
    #[error("expected a domain, found a mail address: write \"{0}\"")]
    Mailbox(String),
    /// `*`, `.`: everything.
    #[error("expected a domain such as \"example.net\", or \".example.net\" for every name below it")]
    Everything,
    /// Not a domain name.
    #[error(
        "not a domain name ({0}); expected one such as \"example.net\", or \".example.net\" for every name below it"
    )]
    Domain(DomainError),
}

impl DomainSet {
    /// Adds an entry as it stands in a file. False when it was there before.
    ///
    /// # Errors
    /// See [`DomainEntryError`]; the set is then unchanged.
    pub fn insert(&mut self, entry: &str) -> Result<bool, DomainEntryError> {
        let (set, name) = match entry.strip_prefix('.') {
            Some(name) => (&mut self.below, name),
            None => (&mut self.exact, entry),
        };
        let domain = Domain::parse(name.as_bytes()).map_err(|error| explain(entry, error))?;
        Ok(set.insert(domain.as_str().into()))
    }

    /// Whether the set has this domain.
    #[must_use]
    pub fn contains(&self, domain: &Domain) -> bool {
        let name = domain.as_str();
        if self.exact.contains(name) {
            return true;
        }
        !self.below.is_empty() && parents(name).any(|parent| self.below.contains(parent))
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.below.len()
    }

    /// The entries that name one domain (not those with a dot), in no order.
    pub fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(|name| &**name)
    }

    /// The domains of the entries with a dot in front, without it, in no order.
    pub fn below(&self) -> impl Iterator<Item = &str> {
        self.below.iter().map(|name| &**name)
    }
}

/// `a.b.c` gives `b.c` and `c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.')).map(|(_, parent)| parent)
}

fn explain(entry: &str, error: DomainError) -> DomainEntryError {
    let name = entry.trim_start_matches(['*', '.']);
    if name.is_empty() {
        return DomainEntryError::Everything;
    }
    if let Some((_, domain)) = entry.rsplit_once('@') {
        return match Domain::parse(domain.as_bytes()) {
            Ok(domain) => DomainEntryError::Mailbox(domain.to_string()),
            Err(error) => DomainEntryError::Domain(error),
        };
    }
    if entry.contains('*') && Domain::parse(name.as_bytes()).is_ok() {
        return DomainEntryError::Wildcard(format!(".{name}"), name.to_owned());
    }
    DomainEntryError::Domain(error)
}

impl fmt::Debug for DomainSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainSet({} exact, {} with subdomains)", self.exact.len(), self.below.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(entries: &[&str]) -> DomainSet {
        let mut set = DomainSet::default();
        for entry in entries {
            set.insert(entry).unwrap();
        }
        set
    }

    fn has(set: &DomainSet, name: &str) -> bool {
        set.contains(&Domain::parse(name.as_bytes()).unwrap())
    }

    #[test]
    fn a_name_is_itself_and_a_dot_means_below() {
        let set = set(&["Example.NET.", ".sub.example", "bücher.example"]);
        for (name, want) in [
            ("example.net", true),
            ("EXAMPLE.net.", true),
            ("mx.example.net", false),
            ("sub.example", false),
            ("a.sub.example", true),
            ("a.b.c.sub.example", true),
            ("xsub.example", false),
            ("example", false),
            ("net", false),
            ("xn--bcher-kva.example", true),
        ] {
            assert_eq!(has(&set, name), want, "{name}");
        }
        assert_eq!(set.len(), 3);
        assert!(!set.is_empty());
        assert_eq!(set.exact().count(), 2);
    }

    #[test]
    fn the_empty_set_has_nothing() {
        let set = DomainSet::default();
        assert!(set.is_empty() && !has(&set, "example.net") && set.exact().next().is_none());
    }

    #[test]
    fn an_entry_twice_is_said() {
        let mut set = set(&["example.net"]);
        assert_eq!(set.insert("EXAMPLE.net"), Ok(false));
        assert_eq!(set.insert(".example.net"), Ok(true));
    }

    #[test]
    fn what_is_no_entry_says_what_to_write() {
        let mut set = DomainSet::default();
        for (entry, want) in [
            ("*.example.net", "write \".example.net\""),
            (".*.example.net", "write \".example.net\""),
            ("user@example.net", "write \"example.net\""),
            ("@example.net", "write \"example.net\""),
            ("*", "expected a domain"),
            (".", "expected a domain"),
            ("", "expected a domain"),
            ("exa mple.net", "not a domain name (a character"),
            ("..example.net", "not a domain name (an empty label)"),
            ("a@b@c..d", "not a domain name (an empty label)"),
        ] {
            let error = set.insert(entry).unwrap_err().to_string();
            assert!(error.contains(want), "{entry}: {error}");
        }
        assert!(set.is_empty());
    }
}
