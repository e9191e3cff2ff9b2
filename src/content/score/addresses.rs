//! Names and addresses of the fields that have them, and the domains that they belong to.

use super::fields::Field;
use mail_parser::{Address, MessageParser};

/// Addresses of one field that are looked at.
const ADDRESSES_MAX: usize = 200;
/// Octets of all these fields together.
const OCTETS_MAX: usize = 32 << 10;

/// A name and an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The name that is shown.
    pub name: String,
    /// The address, lower case.
    pub address: String,
}

/// The people in a header; of each field the first one.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// From.
    pub from: Vec<Person>,
    /// To.
    pub to: Vec<Person>,
    /// Cc.
    pub cc: Vec<Person>,
    /// Reply-To.
    pub reply_to: Vec<Person>,
    /// Sender.
    pub sender: Vec<Person>,
}

impl People {
    /// Reads them.
    #[must_use]
    pub fn read(fields: &[Field]) -> Self {
        let mut block = Vec::new();
        for name in ["From", "To", "Cc", "Reply-To", "Sender"] {
            let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            if let Some(field) = found.filter(|field| block.len() + field.raw.len() < OCTETS_MAX) {
                block.extend_from_slice(name.as_bytes());
                block.push(b':');
                block.extend(field.raw.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
                block.extend_from_slice(b"\r\n");
            }
        }
        block.extend_from_slice(b"\r\n");
        // Never `parse`: on hostile mail it recurses without bound. `parse_headers` is linear.
        let Some(message) = MessageParser::default().parse_headers(&block) else { return Self::default() };
        Self {
            from: people(message.from()),
            to: people(message.to()),
            cc: people(message.cc()),
            reply_to: people(message.reply_to()),
            sender: people(message.sender()),
        }
    }

    /// Those of a field.
    #[must_use]
    pub fn of(&self, field: &str) -> &[Person] {
        match field {
            "from" => &self.from,
            "to" => &self.to,
            "cc" => &self.cc,
            "reply-to" => &self.reply_to,
            "sender" => &self.sender,
            _ => &[],
        }
    }
}

fn people(address: Option<&Address<'_>>) -> Vec<Person> {
    let Some(address) = address else { return Vec::new() };
    let person = |one: &mail_parser::Addr<'_>| Person {
        name: one.name.as_deref().unwrap_or_default().to_owned(),
        address: one.address.as_deref().unwrap_or_default().trim().to_lowercase(),
    };
    address.iter().take(ADDRESSES_MAX).map(person).collect()
}

/// What stands behind the last `@`.
#[must_use]
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches(['>', '.', ' ']))
}

/// The registered domain that a host is of (`a.b.example.co.uk`: `example.co.uk`); the host itself where there is none.
#[must_use]
pub fn registered(host: &str) -> &str {
    psl::domain_str(host).unwrap_or(host)
}

/// The same of an address.
#[must_use]
pub fn registered_of(address: &str) -> &str {
    registered(domain_of(address))
}

/// Whether a word looks like a host of the Internet: labels, and a suffix that is one.
#[must_use]
pub fn is_host(word: &str) -> bool {
    let labels = word.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || !b.is_ascii())
    });
    labels
        && word.contains('.')
        && word.len() < 254
        && psl::suffix(word.as_bytes())
            .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < word.len())
}

#[cfg(test)]
mod tests {
    use super::super::fields::read;
    use super::*;

    #[test]
    fn people_are_found() {
        let fields = read(
            b"From: \"A, B\" <A@B.example>\r\nTo: x@y.example,\r\n z@y.example\r\nFrom: c@d.example\r\n",
        );
        let people = People::read(&fields);
        assert_eq!(people.from, [Person { name: "A, B".into(), address: "a@b.example".into() }]);
        assert_eq!((people.of("to").len(), people.of("x").len()), (2, 0));
        assert_eq!(registered_of("a@mail.shop.co.uk"), "shop.co.uk");
        assert_eq!((domain_of("nobody"), registered("localhost")), ("", "localhost"));
        assert!(is_host("www.shop.com") && !is_host("com") && !is_host("a..com") && !is_host("main.rs2x"));
    }
}
