//! Envelopes of messages that are tried: from options, or from a table with a line for each file.

use crate::config::model::Policy;
use crate::mail::{Id, Path as MailPath};
use crate::verdict::{Direction, Envelope};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

/// Columns of a table.
const COLUMNS: [&str; 6] = ["path", "client_ip", "helo", "rdns", "mail_from", "rcpt_to"];

/// What is said of an envelope.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    pub(super) client: Option<IpAddr>,
    pub(super) hello: Option<Box<str>>,
    pub(super) reverse_name: Option<Box<str>>,
    pub(super) sender: Option<MailPath>,
    pub(super) recipients: Vec<MailPath>,
}

impl About {
    /// As an envelope. What is not said is harmless: an address of nobody (RFC 5737), the null sender.
    pub(super) fn envelope(&self, policy: &Policy) -> Result<Envelope, String> {
        let all = || policy.listeners.iter();
        let listener = all().find(|one| one.direction == Direction::Inbound).or_else(|| all().next());
        let listener = listener.ok_or("there is no [[listener]]")?;
        Ok(Envelope {
            id: Id::from_bits(0).ok_or("there is no first id")?,
            client: self.client.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            client_name: self.reverse_name.clone(),
            hello: self.hello.clone(),
            user: None,
            authenticated: false,
            may_relay: false,
            // Of whom nobody knows the address, nobody has to prove anything.
            trusted: self.client.is_none(),
            tls: None,
            sender: self.sender.clone().unwrap_or(MailPath::Null),
            recipients: self.recipients.clone(),
            listener: Arc::clone(&listener.name),
            direction: listener.direction,
            hostname: Arc::clone(&policy.hostname),
            smtputf8: false,
        })
    }
}

/// Envelopes by the path of their file.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<String, About>);

impl Table {
    /// Reads a table.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let places = COLUMNS.map(|name| head.iter().position(|column| *column == name));
        if places.first().copied().flatten().is_none() {
            return Err(format!("the first line must name columns: {}", COLUMNS.join(", ")));
        }
        let mut out = HashMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |at: Option<&Option<usize>>| {
                at.copied().flatten().and_then(|at| cells.get(at).copied()).unwrap_or_default()
            };
            let [name, client, hello, reverse, sender, recipient] =
                [0, 1, 2, 3, 4, 5].map(|column: usize| cell(places.get(column)));
            let text = |text: &str| (!text.is_empty()).then(|| Box::from(text));
            let about = About {
                client: client.parse().ok(),
                hello: text(hello),
                reverse_name: text(reverse),
                // Old mail has senders that are none; they are told nowhere else.
                sender: path("mail_from", sender).ok(),
                recipients: path("rcpt_to", recipient)
                    .ok()
                    .into_iter()
                    .filter(|p| *p != MailPath::Null)
                    .collect(),
            };
            out.insert(name.to_owned(), about);
        }
        Ok(Self(out))
    }

    /// Of a file: the longest end of its path that the table has.
    pub(super) fn of(&self, file: &Path) -> Option<&About> {
        let mut rest = file;
        loop {
            if let Some(found) = rest.to_str().and_then(|name| self.0.get(name)) {
                return Some(found);
            }
            let mut parts = rest.components();
            parts.next()?;
            rest = parts.as_path();
        }
    }
}

/// A path, of an address with or without its brackets.
pub(super) fn path(option: &str, text: &str) -> Result<MailPath, String> {
    let whole = if text.starts_with('<') { text.to_owned() } else { format!("<{text}>") };
    match MailPath::parse(whole.as_bytes()) {
        Ok((MailPath::Null, _)) if option == "--to" => {
            Err("--to: the null path is nobody's address".to_owned())
        }
        Ok((path, used)) if used == whole.len() => Ok(path),
        Ok(_) | Err(_) => {
            Err(format!("{option}: expected an address such as \"anna@example.com\", found \"{text}\""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_an_envelope_for_each_file() {
        let table = Table::parse(
            "label\tpath\tclient_ip\tmail_from\trcpt_to\nham\tham/a.eml\t192.0.2.7\ta@b.example\tc@d.example\n\
             spam\tspam/b.eml\t\t@@\t\n",
        )
        .unwrap();
        let about = table.of(Path::new("/x/ham/a.eml")).unwrap();
        assert_eq!(about.client, Some("192.0.2.7".parse().unwrap()));
        assert_eq!((about.recipients.len(), about.sender.is_some(), about.hello.is_some()), (1, true, false));
        let about = table.of(Path::new("spam/b.eml")).unwrap();
        assert!(about.sender.is_none() && about.recipients.is_empty() && about.client.is_none());
        assert!(table.of(Path::new("a.eml")).is_none());
        assert!(Table::parse("a\tb\n").unwrap_err().contains("client_ip"));
        assert!(path("--to", "<>").is_err() && path("--from", "").is_ok() && path("--from", "a b").is_err());
    }
}
