//! The recipients that exist, per domain.

use crate::mail::{Domain, Host, Mailbox};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Per domain the only accepted recipients. A domain without an entry is not answered for: its recipients
/// are the downstream's to judge. Local parts are compared as they are written, ASCII case aside: nothing
/// is unquoted and no `+tag` is cut off, for only the downstream knows what those mean there.
#[derive(Default, Clone)]
pub struct RecipientTable {
    domains: HashMap<Domain, HashSet<Box<[u8]>>>,
}

/// Why a text is no entry of a domain's recipients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// Neither a local part nor an address.
    #[error("expected a local part such as \"info\" or an address such as \"info@{0}\"")]
    Syntax(Domain),
    /// An address in another domain.
    #[error("an address in {found} among the recipients of {expected}")]
    OtherDomain {
        /// The domain of the entry.
        found: String,
        /// The domain that the list belongs to.
        expected: Domain,
    },
}

impl RecipientTable {
    /// Makes the table answer for a domain, at first with no recipient. False when it does already.
    pub fn add_domain(&mut self, domain: Domain) -> bool {
        let mut new = false;
        self.domains.entry(domain).or_insert_with(|| {
            new = true;
            HashSet::new()
        });
        new
    }

    /// Adds a recipient, a local part or a whole address, to a domain and makes the table answer for it.
    /// False when it was there before.
    ///
    /// # Errors
    /// See [`RecipientError`]; the table is then unchanged.
    pub fn insert(&mut self, domain: &Domain, entry: &str) -> Result<bool, RecipientError> {
        let mailbox = Mailbox::parse(entry.as_bytes()).map_err(|_| RecipientError::Syntax(domain.clone()))?;
        let found = match mailbox.host() {
            Host::Unqualified => None,
            Host::Name(found) if found == domain => None,
            Host::Name(found) => Some(found.to_string()),
            Host::Literal(text) => Some(crate::mail::escape(text)),
        };
        if let Some(found) = found {
            return Err(RecipientError::OtherDomain { found, expected: domain.clone() });
        }
        let local = mailbox.local().to_ascii_lowercase().into_boxed_slice();
        Ok(self.domains.entry(domain.clone()).or_default().insert(local))
    }

    /// Whether the table knows all recipients of this domain.
    #[must_use]
    pub fn answers(&self, domain: &Domain) -> bool {
        self.domains.contains_key(domain)
    }

    /// Whether this recipient is listed. False for one whose domain the table does not answer for, and for
    /// literals and unqualified names.
    #[must_use]
    pub fn has(&self, mailbox: &Mailbox) -> bool {
        let Some(locals) = mailbox.domain().and_then(|domain| self.domains.get(domain)) else {
            return false;
        };
        locals.contains(mailbox.local().to_ascii_lowercase().as_slice())
    }

    /// Number of recipients listed for a domain.
    #[must_use]
    pub fn count(&self, domain: &Domain) -> usize {
        self.domains.get(domain).map_or(0, HashSet::len)
    }

    /// Whether it answers for no domain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }
}

impl fmt::Debug for RecipientTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recipients: usize = self.domains.values().map(HashSet::len).sum();
        write!(f, "RecipientTable({} domains, {recipients} recipients)", self.domains.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn only_listed_recipients_of_listed_domains_exist() {
        let (net, org) = (domain("example.net"), domain("example.org"));
        let mut table = RecipientTable::default();
        assert!(table.is_empty());
        assert_eq!(table.insert(&net, "Info"), Ok(true));
        assert_eq!(table.insert(&net, "info@EXAMPLE.net"), Ok(false));
        assert_eq!(table.insert(&net, "\"a b\"@example.net"), Ok(true));
        assert!(table.add_domain(org.clone()));
        assert!(!table.add_domain(net.clone()));
        for (address, want) in [
            ("info@example.net", true),
            ("INFO@Example.Net", true),
            ("\"a b\"@example.net", true),
            ("\"info\"@example.net", false),
            ("info+x@example.net", false),
            ("info@mx.example.net", false),
            ("info@example.org", false),
            ("info@[192.0.2.1]", false),
            ("info", false),
        ] {
            assert_eq!(table.has(&Mailbox::parse(address.as_bytes()).unwrap()), want, "{address}");
        }
        assert!(table.answers(&net) && table.answers(&org) && !table.answers(&domain("mx.example.net")));
        assert_eq!((table.count(&net), table.count(&org)), (2, 0));
        assert_eq!(format!("{table:?}"), "RecipientTable(2 domains, 2 recipients)");
    }

    #[test]
    fn a_wrong_entry_changes_nothing() {
        let net = domain("example.net");
        let mut table = RecipientTable::default();
        for (entry, want) in [
            ("", "expected a local part such as \"info\" or an address such as \"info@example.net\""),
            ("a b", "expected a local part"),
            ("a@b@c", "expected a local part"),
            ("@example.net", "expected a local part"),
            ("a@example.org", "an address in example.org among the recipients of example.net"),
            ("a@[192.0.2.1]", "an address in [192.0.2.1] among the recipients of example.net"),
        ] {
            let error = table.insert(&net, entry).unwrap_err().to_string();
            assert!(error.contains(want), "{entry}: {error}");
        }
        assert!(table.is_empty());
    }
}
