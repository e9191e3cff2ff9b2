//! `gateway.toml`, and the policy as a whole.

use super::{Attachments, Content, Expect, Limits, Policies, Protocol, Quarantine, RuleTable, Scanning};
use crate::rules::{DomainSet, List, Lists, NetSet, Problem, RecipientTable, Signatures};
use crate::verdict::Direction;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One generation of the whole configuration.
#[derive(Debug)]
pub struct Policy {
    /// The rules directory.
    pub rules_dir: PathBuf,
    /// Our own name in greeting, EHLO and `Received:`.
    pub hostname: Arc<str>,
    /// Where lock, control socket, audit log and temporary files live.
    pub state_dir: PathBuf,
    /// Largest message in octets.
    pub max_message_octets: u64,
    /// Most client connections at once, all listeners together.
    pub max_connections: usize,
    /// User to become once the listeners are bound; `None` = stay.
    pub user: Option<String>,
    /// Octets of message bodies held in memory, all sessions together.
    pub memory_octets: u64,
    /// Octets of message bodies held in temporary files, all sessions together.
    pub disk_octets: u64,
    /// How long a stop waits for transactions in progress.
    pub drain: Duration,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Listeners, in file order; at least one.
    pub listeners: Vec<Arc<Listener>>,
    /// Downstreams, in file order; at least one.
    pub downstreams: Vec<Arc<Downstream>>,
    /// Who may send where.
    pub relay: Relay,
    /// Clients free of limits.
    pub trusted: NetSet,
    /// Where the audit log goes.
    pub audit: AuditTarget,
    /// Operational log.
    pub log: Log,
    /// Whether a change in the rules directory is a reload.
    pub watch: bool,
    /// How names are looked up.
    pub dns: Dns,
    /// How much is remembered of sessions and messages.
    pub records: Records,
    /// `limits.toml`.
    pub limits: Limits,
    /// `quarantine.toml`.
    pub quarantine: Quarantine,
    /// `scanners.toml`.
    pub scanning: Scanning,
    /// `attachments.toml`.
    pub attachments: Attachments,
    /// What lies in `signatures/`, compiled.
    pub signatures: Signatures,
    /// `content.toml`.
    pub content: Content,
    /// `policies.toml`.
    pub policies: Policies,
    /// `protocol.toml`.
    pub protocol: Protocol,
    /// Its rules, in file order.
    pub rules: RuleTable,
    /// Its tests.
    pub expects: Vec<Expect>,
    /// Every list in `lists/`, by name.
    pub lists: Lists,
    /// The same with the digests of their texts: what a reload need not read again.
    pub loaded: LoadedLists,
}

/// A list and the text that it was made of.
#[derive(Debug, Clone)]
pub struct LoadedList {
    /// SHA-256 of its text.
    pub digest: [u8; 32],
    /// The list.
    pub list: Arc<List>,
    /// What was said of it.
    pub problems: Vec<Problem>,
}

/// Lists by name.
pub type LoadedLists = HashMap<Arc<str>, LoadedList>;

impl Policy {
    /// The downstream of that name; the loader has checked that a listener's exists.
    #[must_use]
    pub fn downstream(&self, name: &str) -> Option<&Arc<Downstream>> {
        self.downstreams.iter().find(|d| *d.name == *name)
    }
}

/// Deadlines. Those of RFC 5321 section 4.5.3.2 are its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake with a client, and the PROXY header.
    pub greeting_tls: Duration,
    /// One command line of a client, from our reply to its CRLF.
    pub command: Duration,
    /// Between two pieces of message data.
    pub data: Duration,
    /// Octets a second of message data after the first minute.
    pub min_rate: u64,
    /// From the client's end of data to ours downstream: DNS, queueing, scanners, retries.
    pub after_data: Duration,
    /// TCP connect, and TLS handshake, with a downstream.
    pub downstream_connect: Duration,
    /// Reply of a downstream to one command.
    pub downstream_command: Duration,
    /// Reply of a downstream to the end of data (RFC 5321 says 10 minutes; less makes duplicates, RFC 1047).
    pub downstream_data_reply: Duration,
    /// Waiting for a free downstream connection.
    pub downstream_wait: Duration,
}

/// TLS of the client leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerTls {
    /// None.
    Off,
    /// STARTTLS offered.
    Starttls(CertificateFiles),
    /// TLS from the first octet (port 465).
    Implicit(CertificateFiles),
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Whether AUTH is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Never.
    Off,
    /// Over TLS.
    Tls,
    /// Also without TLS.
    Plaintext,
}

/// What a bare CR or LF in message data leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareNewline {
    /// 550.
    Reject,
    /// Becomes CRLF before scanning.
    Normalize,
}

/// One listener.
#[derive(Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Inbound or outbound.
    pub direction: Direction,
    /// Name of its downstream.
    pub downstream: Arc<str>,
    /// TLS mode.
    pub tls: ListenerTls,
    /// AUTH mode.
    pub auth: AuthMode,
    /// NTLM may be offered.
    pub auth_ntlm: bool,
    /// Bare CR or LF in data.
    pub bare_newline: BareNewline,
    /// Peers whose bare newlines are repaired whatever `bare_newline` says.
    pub normalize_from: NetSet,
    /// Peers that must begin with a PROXY header.
    pub proxy_protocol: NetSet,
    /// Peers that may use XCLIENT.
    pub xclient: NetSet,
    /// XCLIENT LOGIN is honoured.
    pub xclient_login: bool,
    /// EHLO keywords never offered; `AUTH=NAME` hides one mechanism. Upper case.
    pub hide: Vec<String>,
    /// Most recipients of one transaction.
    pub max_recipients: usize,
    /// Errors before 421.
    pub max_errors: u32,
    /// Commands without a delivered message before 421.
    pub max_commands: u32,
    /// 452 after the first recipient (for downstreams that refuse a whole message for one).
    pub one_recipient_per_transaction: bool,
    /// Text behind `220 hostname`.
    pub greeting: Arc<str>,
    /// Most connections at once on this listener.
    pub max_connections: usize,
}

/// TLS towards a downstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownstreamTls {
    /// Never.
    Off,
    /// Where it offers STARTTLS, whatever its certificate.
    Opportunistic,
    /// Always; verified where `ca` is set.
    Required,
    /// Always, and the key of its certificate is one of these: SHA-256 of the SubjectPublicKeyInfo.
    Pinned(Vec<[u8; 32]>),
}

/// How a downstream learns who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// XCLIENT where offered, else XFORWARD where offered, else only `Received:`.
    Auto,
    /// XCLIENT or nothing.
    Xclient,
    /// XFORWARD or nothing.
    Xforward,
    /// PROXY v2 header; no session is shared by two clients.
    Proxy,
    /// `Received:` only.
    None,
}

/// One address of a downstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub socket: SocketAddr,
    /// Lower is tried first.
    pub priority: u16,
    /// Share among addresses of one priority.
    pub weight: u16,
}

/// One downstream.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that an admin sets by itself")]
pub struct Downstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its addresses, at least one.
    pub addresses: Vec<Address>,
    /// TLS mode.
    pub tls: DownstreamTls,
    /// Certificates to verify against.
    pub ca: Option<PathBuf>,
    /// Name in SNI and in the certificate.
    pub server_name: Option<String>,
    /// Source identity.
    pub identity: Identity,
    /// Most connections at once.
    pub max_connections: usize,
    /// Its own idle limit; we keep a session idle for half of it.
    pub idle_timeout: Duration,
    /// Messages over one connection.
    pub max_messages_per_connection: u32,
    /// Whether sessions are used for more than one message.
    pub reuse: bool,
    /// Whether BDAT is used where offered.
    pub chunking: bool,
    /// Replace the text of its refusals.
    pub hide_text: bool,
    /// Our EHLO name towards it.
    pub ehlo_name: Arc<str>,
    /// Whether fewer connections are used while it answers 4yz or slowly.
    pub backpressure: bool,
    /// What becomes of mail while no address can be reached.
    pub on_outage: OnOutage,
}

/// What becomes of mail while no address of a downstream can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOutage {
    /// 451 4.4.1 at MAIL.
    #[default]
    Tempfail,
    /// Taken for recipients that are known to exist, and delivered later.
    Queue,
}

/// Relay control.
#[derive(Debug)]
pub struct Relay {
    /// Recipient domains that anybody may send to.
    pub domains: DomainSet,
    /// Clients that may send anywhere. Empty by default.
    pub from: NetSet,
    /// Per domain the only recipients that exist.
    pub recipients: RecipientTable,
}

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output.
    Stdout,
    /// A file, reopened on SIGHUP.
    File(PathBuf),
}

/// Operational log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Filter in tracing's form: `info`, `portcullis=debug`.
    pub level: String,
    /// JSON lines instead of text.
    pub json: bool,
}

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Name servers; empty is those of the system.
    pub servers: Vec<SocketAddr>,
    /// For one question, retries included.
    pub timeout: Duration,
    /// Answers remembered.
    pub cache: usize,
    /// Whether the reverse name of every client that is no loopback address is looked up for `Received:` and the audit
    /// line, also where no check needs it.
    pub reverse_names: bool,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(3), cache: 10_000, reverse_names: true }
    }
}

/// How much is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Sessions and messages.
    pub entries: usize,
    /// Transcripts of refused sessions.
    pub transcripts: usize,
}

impl Default for Records {
    fn default() -> Self {
        Self { entries: 200_000, transcripts: 2_000 }
    }
}
