//! `protocol.toml`, but for its rules.

use crate::rules::{List, Mode};
use crate::smtp::server::Tolerance;
use crate::verdict::Stage;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything of `protocol.toml` that is no table of rules.
#[derive(Debug)]
pub struct Protocol {
    /// When a refusal that is known earlier is said, unless its check or rule says otherwise.
    pub answer_at: Stage,
    /// Local parts (of our domains or bare) that a pending refusal does not hold for; lower case.
    pub exempt_recipients: Vec<Box<str>>,
    /// Violations of syntax and order.
    pub syntax: Syntax,
    /// HELO and EHLO.
    pub hello: HelloRules,
    /// MAIL.
    pub sender: SenderRules,
    /// DNS lists.
    pub reputation: Reputation,
    /// Country database.
    pub country_database: Option<PathBuf>,
    /// Block lists, in order.
    pub block: Vec<Arc<List>>,
    /// Allow lists, in order.
    pub allow: Vec<Arc<List>>,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            answer_at: Stage::Rcpt,
            exempt_recipients: vec!["postmaster".into()],
            syntax: Syntax::default(),
            hello: HelloRules::default(),
            sender: SenderRules::default(),
            reputation: Reputation::default(),
            country_database: None,
            block: Vec::new(),
            allow: Vec::new(),
        }
    }
}

/// What becomes of each violation: On refuses, Log tells and takes it, Off takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    /// `MAIL FROM:a@b` without angle brackets (501).
    pub missing_brackets: Mode,
    /// A blank between the colon and the path (501).
    pub space_after_colon: Mode,
    /// MAIL before HELO or EHLO (503).
    pub missing_hello: Mode,
    /// A sender without a domain (553 5.1.7).
    pub unqualified_sender: Mode,
    /// 8-bit message data without BODY=8BITMIME (554 5.6.1).
    pub undeclared_8bit: Mode,
    /// Commands sent ahead without PIPELINING, or where it forbids them (554 5.5.0).
    pub improper_pipelining: Mode,
    /// Commands of a stranger protocol or unknown verbs: counts as errors always.
    pub unknown_command: Mode,
}

impl Default for Syntax {
    fn default() -> Self {
        Self {
            missing_brackets: Mode::On,
            space_after_colon: Mode::Off,
            missing_hello: Mode::On,
            unqualified_sender: Mode::Log,
            undeclared_8bit: Mode::Log,
            improper_pipelining: Mode::On,
            unknown_command: Mode::On,
        }
    }
}

impl Syntax {
    /// What the server machine takes, and tells, instead of refusing it.
    #[must_use]
    pub fn tolerance(&self) -> Tolerance {
        Tolerance {
            missing_brackets: self.missing_brackets != Mode::On,
            missing_hello: self.missing_hello != Mode::On,
            space_after_colon: self.space_after_colon != Mode::On,
        }
    }
}

/// HELO and EHLO names of strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloRules {
    /// Neither a host name nor an address literal (501 5.5.2).
    pub syntax: Mode,
    /// Our own name, one of our domains, or our address, from outside (550 5.7.1).
    pub own_name: Mode,
    /// An address without brackets.
    pub bare_address: Mode,
    /// An address literal in place of a name.
    pub literal: Mode,
    /// A literal of another address than the client's.
    pub wrong_literal: Mode,
    /// A name without a dot.
    pub unqualified: Mode,
    /// No A, AAAA or MX record.
    pub unresolvable: Mode,
    /// Another name than the forward-confirmed reverse name.
    pub reverse_mismatch: Mode,
    /// The client has no forward-confirmed reverse name.
    pub no_reverse_name: Mode,
}

impl Default for HelloRules {
    fn default() -> Self {
        Self {
            syntax: Mode::On,
            own_name: Mode::On,
            bare_address: Mode::On,
            literal: Mode::Off,
            wrong_literal: Mode::On,
            unqualified: Mode::Log,
            unresolvable: Mode::Off,
            reverse_mismatch: Mode::Off,
            no_reverse_name: Mode::Off,
        }
    }
}

/// Senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderRules {
    /// The domain has neither MX nor A nor AAAA, or a null MX (550 5.1.8; 451 4.4.3 where DNS does not say).
    pub unresolvable: Mode,
    /// A message from `<>` for more recipients than `null_recipients` (550 5.7.1).
    pub null_sender: Mode,
    /// See there, at least 1.
    pub null_recipients: usize,
    /// One of our own domains as sender, from a stranger that did not authenticate (550 5.7.1).
    pub own_domain: Mode,
}

impl Default for SenderRules {
    fn default() -> Self {
        Self { unresolvable: Mode::Off, null_sender: Mode::On, null_recipients: 1, own_domain: Mode::Off }
    }
}

/// What a zone of a DNS list is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoneOf {
    /// The client's address (DNSBL).
    Client,
    /// The sender's domain (RHSBL).
    SenderDomain,
    /// The HELO name.
    Hello,
    /// The reverse name.
    ReverseName,
}

/// One `[[dnsbl]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// `zen.example.org`, without a final dot.
    pub zone: Arc<str>,
    /// What is asked about.
    pub of: ZoneOf,
    /// In thousandths; negative for lists of good senders.
    pub weight_milli: i32,
    /// Answers that count, first and last of each range; empty is all of 127.0.0.0/8 but 127.255.255.0/24.
    pub answers: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Where it stands.
    pub line: u32,
}

/// DNS lists together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reputation {
    /// Mode.
    pub mode: Mode,
    /// Sum of weights, in thousandths, from which a client is refused (550 5.7.1).
    pub reject_milli: i32,
    /// From which it is put off (450 4.7.1).
    pub tempfail_milli: Option<i32>,
    /// All zones together.
    pub deadline: Duration,
    /// Zones in file order.
    pub zones: Vec<Zone>,
}

impl Default for Reputation {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            reject_milli: 1000,
            tempfail_milli: None,
            deadline: Duration::from_secs(3),
            zones: Vec::new(),
        }
    }
}
