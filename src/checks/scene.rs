//! A whole session as one value: what the client was, what it said, what was found out about it. Tests in rule files,
//! `portcullis test session` and `explain` are judged from it as the gateway would, without a network.

use crate::config::model::Policy;
use crate::mail::{Mailbox, Path};
use crate::verdict::{Cause, Client, Conduct, Direction, Fact, Gathered, Listings, MessageFacts, Tls};
use std::net::IpAddr;

/// A session with one transaction.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Scene {
    /// Address of the client.
    pub client: IpAddr,
    /// Its forward-confirmed reverse name.
    pub reverse_name: Fact<Box<str>>,
    /// The load balancer itself.
    #[serde(default)]
    pub balancer: bool,
    /// Name of the listener.
    pub listener: Box<str>,
    /// Its direction, where the policy knows no listener of this name.
    pub direction: Direction,
    /// HELO or EHLO name.
    #[serde(default)]
    pub hello: Option<Box<str>>,
    /// Over TLS.
    #[serde(default)]
    pub tls: bool,
    /// Authenticated as.
    #[serde(default)]
    pub user: Option<Box<str>>,
    /// Authenticated, perhaps as somebody whose name we do not know.
    #[serde(default)]
    pub authenticated: bool,
    /// The path in MAIL, with its brackets.
    #[serde(default)]
    pub sender: Option<Box<str>>,
    /// The paths in RCPT, with their brackets.
    #[serde(default)]
    pub recipients: Vec<Box<str>>,
    /// SIZE in MAIL.
    #[serde(default)]
    pub declared_octets: Option<u64>,
    /// Octets of the message; as declared where it was not sent.
    #[serde(default)]
    pub octets: Option<u64>,
    /// Mailboxes of `From:`.
    #[serde(default)]
    pub header_from: Vec<Box<str>>,
    /// What was looked up.
    #[serde(default)]
    pub gathered: Gathered,
    /// What the client did, and what the limits said.
    #[serde(default)]
    pub conduct: Conduct,
    /// When, in seconds since 1970.
    pub now: i64,
}

impl Scene {
    /// A client without a reverse name, listed nowhere, from nowhere; all names that it may give resolve.
    #[must_use]
    pub fn of(client: IpAddr, listener: &str, now: i64) -> Self {
        let gathered = Gathered {
            pointer: Fact::Absent,
            country: Fact::Absent,
            hello_resolves: Fact::Known(true),
            sender_domain: Fact::Known(true),
            listings: Fact::Known(Listings::default()),
            grey: Fact::Absent,
        };
        Self {
            client: crate::mail::unmapped(client),
            reverse_name: Fact::Absent,
            balancer: false,
            listener: listener.into(),
            direction: Direction::Inbound,
            hello: None,
            tls: false,
            user: None,
            authenticated: false,
            sender: None,
            recipients: Vec::new(),
            declared_octets: None,
            octets: None,
            header_from: Vec::new(),
            gathered,
            conduct: Conduct::UNKNOWN,
            now,
        }
    }

    /// The same with a country that was found out.
    #[must_use]
    pub fn in_country(mut self, code: &str) -> Self {
        self.gathered.country = Fact::Known(code.into());
        self
    }

    /// The same with a sum of weights of DNS lists, in thousandths.
    #[must_use]
    pub fn listed(mut self, weight_milli: i32) -> Self {
        let listed = crate::verdict::Listed {
            zone: "a DNS list".into(),
            answer: std::net::Ipv4Addr::new(127, 0, 0, 2),
            subject: self.client.to_string().into(),
            weight_milli,
        };
        self.gathered.listings = Fact::Known(Listings { listed: vec![listed], unknown: Vec::new() });
        self
    }

    /// The client, under a policy.
    pub(super) fn peer(&self, policy: &Policy) -> Client {
        let name = match &self.reverse_name {
            Fact::Unknown(Cause::NotAsked) => Fact::Absent,
            asked => asked.clone(),
        };
        Client {
            ip: self.client,
            port: 0,
            name,
            trusted: policy.trusted.contains(self.client),
            may_relay: policy.relay.from.contains(self.client),
            balancer: self.balancer,
        }
    }

    pub(super) fn direction(&self, policy: &Policy) -> Direction {
        let listener = policy.listeners.iter().find(|l| *l.name == *self.listener);
        listener.map_or(self.direction, |l| l.direction)
    }

    pub(super) fn tls(&self) -> Option<Tls> {
        self.tls.then(|| Tls { version: "TLSv1.3", cipher: Box::from("") })
    }

    pub(super) fn message(&self) -> MessageFacts {
        let from = self.header_from.iter().filter_map(|text| Mailbox::parse(text.as_bytes()).ok());
        MessageFacts {
            octets: self.octets.or(self.declared_octets).unwrap_or_default(),
            header_from: from.collect(),
            ..MessageFacts::default()
        }
    }
}

/// The whole text is one path.
pub(super) fn path(text: &str) -> Option<Path> {
    Path::parse(text.as_bytes()).ok().filter(|(_, used)| *used == text.len()).map(|(path, _)| path)
}
