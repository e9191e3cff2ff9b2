//! Name servers over UDP, and over TCP where an answer is cut: the one place that knows the resolver's crate.
//!
//! State: open connections, and which server answered last. Of the crate only the wire is used. Its cache answers
//! every reverse look-up of 127.0.0.0/8 by itself; its choice of servers takes the first error of a broken one for the
//! answer, and after a cut answer and a lost packet it asks everything over one TCP connection. Failure: a server that
//! fails, refuses or is silent is followed by the next; then see [`read`], which turns what was said into an [`Answer`].

use super::answer::{Answer, Data, Kind, Question};
use crate::mail::Domain;
use crate::verdict::Cause;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, system_conf};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Port of name servers.
const PORT: u16 = 53;
/// Most addresses and most names kept of one answer.
const ADDRESSES_MAX: usize = 64;
const NAMES_MAX: usize = 16;
/// Most texts; one answer is 64 KiB at most, whatever it has.
const TEXTS_MAX: usize = 64;
/// Longest chain of aliases that is followed within an answer, and how often the rest of one is asked for.
const ALIASES_MAX: usize = 8;
const FOLLOWED_MAX: usize = 3;
/// Most servers that one question is put to.
const TRIES_MAX: usize = 3;
/// Answers are remembered no longer than this, and no shorter (a session asks more than once).
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);
const TTL_MIN: Duration = Duration::from_secs(5);
/// "There is none" is remembered no longer than this (RFC 2308 section 5), and so long where no SOA says how long.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(3600);
const NEGATIVE_TTL_WITHOUT_SOA: Duration = Duration::from_secs(10);
/// A server that fails is not asked the same again for this long (RFC 9520 section 3.2).
pub(super) const FAILURE_TTL: Duration = Duration::from_secs(5);

/// The system names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system's resolv.conf names no server that can be used: {0}")]
pub struct ServersError(String);

/// The servers that are asked: those of the configuration, else those of the system.
///
/// # Errors
/// There is no `servers` in `[dns]`, and the system's `resolv.conf` is missing or has none.
pub fn name_servers(configured: &[SocketAddr]) -> Result<Vec<SocketAddr>, ServersError> {
    if !configured.is_empty() {
        return Ok(configured.to_vec());
    }
    let (config, _options) = system_conf::read_system_conf().map_err(|e| ServersError(e.to_string()))?;
    Ok(config.name_servers.iter().map(|server| SocketAddr::new(server.ip, PORT)).collect())
}

/// Name servers.
pub(super) struct Wire {
    servers: Vec<Server>,
    /// The one that answered last is asked first.
    first: AtomicUsize,
    /// For one question to one server.
    patience: Duration,
    options: DnsRequestOptions,
}

struct Server {
    udp: NameServerPool<TokioRuntimeProvider>,
    tcp: NameServerPool<TokioRuntimeProvider>,
}

/// What one question came to.
enum Read {
    /// This, and how long it may be remembered.
    Done(Answer, Duration),
    /// The name is an alias of one that nothing was said of.
    Alias(Name, Duration),
}

const UNKNOWN: Read = Read::Done(Answer::Unknown(Cause::Failure), FAILURE_TTL);

impl Wire {
    /// `timeout`: for one question with all its tries. `most`: questions at once. Opens nothing yet.
    pub(super) fn new(servers: &[SocketAddr], timeout: Duration, most: usize) -> Result<Self, NetError> {
        let tries = u32::try_from(servers.len().clamp(1, TRIES_MAX)).unwrap_or(1);
        let patience = timeout / tries;
        let mut options = ResolverOpts::default();
        options.timeout = patience;
        options.max_active_requests = most;
        let context = Arc::new(PoolContext::new(options, TlsConfig::new()?));
        let pool = |server: &SocketAddr, protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = server.port();
            let config = NameServerConfig::new(server.ip(), true, vec![connection]);
            NameServerPool::from_config([config], Arc::clone(&context), TokioRuntimeProvider::default())
        };
        let servers = servers.iter().map(|server| Server {
            udp: pool(server, ProtocolConfig::Udp),
            tcp: pool(server, ProtocolConfig::Tcp),
        });
        let (servers, first) = (servers.collect(), AtomicUsize::new(0));
        Ok(Self { servers, first, patience, options: DnsRequestOptions::default() })
    }

    /// Asks, and says how long the answer may be remembered. Without a deadline for all of it.
    pub(super) async fn ask(&self, question: &Question) -> (Answer, Duration) {
        // With its final dot: nothing is ever appended to it.
        let Ok(mut name) = Name::from_ascii(format!("{}.", question.name)) else {
            return (Answer::NoName, NEGATIVE_TTL_MAX);
        };
        let kind = match question.kind {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Mx => RecordType::MX,
            Kind::Ptr => RecordType::PTR,
            Kind::Txt => RecordType::TXT,
        };
        let mut least = TTL_MAX;
        for _ in 0..FOLLOWED_MAX {
            match self.ask_all(&name, kind).await {
                Read::Done(answer, ttl) => return (answer, ttl.min(least)),
                Read::Alias(target, _) if target == name => break,
                Read::Alias(target, ttl) => {
                    least = least.min(ttl).max(TTL_MIN);
                    name = target;
                }
            }
        }
        (Answer::Unknown(Cause::Failure), FAILURE_TTL)
    }

    /// One server after the other, until one knows.
    async fn ask_all(&self, name: &Name, kind: RecordType) -> Read {
        let first = self.first.load(Relaxed);
        let mut said = UNKNOWN;
        for turn in (first..).take(self.servers.len().min(TRIES_MAX)) {
            let at = turn % self.servers.len();
            let Some(server) = self.servers.get(at) else { break };
            let asked = tokio::time::timeout(self.patience, server.ask(name, kind, self.options)).await;
            said = read(name, kind, asked.unwrap_or(Err(NetError::Timeout)));
            if !matches!(said, Read::Done(Answer::Unknown(_), _)) {
                if turn != first {
                    self.first.store(at, Relaxed);
                }
                break;
            }
        }
        said
    }
}

impl Server {
    async fn ask(
        &self,
        name: &Name,
        kind: RecordType,
        options: DnsRequestOptions,
    ) -> Result<DnsResponse, NetError> {
        let query = Query::query(name.clone(), kind);
        match self.udp.lookup(query.clone(), options).first_answer().await {
            Err(NetError::Truncated) => self.tcp.lookup(query, options).first_answer().await,
            said => said,
        }
    }
}

/// What the crate said, in our words.
fn read(name: &Name, kind: RecordType, said: Result<DnsResponse, NetError>) -> Read {
    match said {
        Ok(response) => records(name, kind, &response),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => nothing(&none),
        Err(NetError::Timeout) => Read::Done(Answer::Unknown(Cause::Timeout), FAILURE_TTL),
        Err(_) => UNKNOWN,
    }
}

fn nothing(none: &NoRecords) -> Read {
    let told = none.negative_ttl.map(|s| Duration::from_secs(s.into()));
    let ttl = told.map_or(NEGATIVE_TTL_WITHOUT_SOA, |ttl| ttl.clamp(TTL_MIN, NEGATIVE_TTL_MAX));
    match none.response_code {
        ResponseCode::NXDomain => Read::Done(Answer::NoName, ttl),
        // A referral is no answer: this server does not look things up for us.
        ResponseCode::NoError if none.ns.is_some() && none.soa.is_none() => UNKNOWN,
        ResponseCode::NoError => Read::Done(Answer::NoRecords, ttl),
        _ => UNKNOWN,
    }
}

/// The records of the name, or of what it is an alias of.
fn records(name: &Name, kind: RecordType, response: &DnsResponse) -> Read {
    let mut owner = name;
    let mut ttl = TTL_MAX;
    for _ in 0..ALIASES_MAX {
        let alias = response.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *owner => Some((&target.0, record.ttl)),
            _ => None,
        });
        let Some((target, seconds)) = alias else { break };
        owner = target;
        ttl = ttl.min(Duration::from_secs(seconds.into()));
    }
    let of_owner = |record: &&Record| record.record_type() == kind && record.name == *owner;
    let found = response.answers.iter().filter(of_owner);
    let max = match kind {
        RecordType::A | RecordType::AAAA => ADDRESSES_MAX,
        RecordType::TXT => TEXTS_MAX,
        _ => NAMES_MAX,
    };
    let data: Arc<[Data]> = found.clone().filter_map(data).take(max).collect();
    let shortest = found.map(|record| Duration::from_secs(record.ttl.into())).min();
    if let Some(shortest) = shortest {
        let ttl = shortest.min(ttl).clamp(TTL_MIN, TTL_MAX);
        // Pointers that point to no host name are as good as none.
        let answer = if data.is_empty() { Answer::NoRecords } else { Answer::Records(data) };
        return Read::Done(answer, ttl);
    }
    let told = response.negative_ttl().map(|s| Duration::from_secs(s.into()));
    let negative = told.unwrap_or(NEGATIVE_TTL_WITHOUT_SOA).min(ttl).clamp(TTL_MIN, NEGATIVE_TTL_MAX);
    match response.response_code {
        ResponseCode::NXDomain => Read::Done(Answer::NoName, negative),
        ResponseCode::NoError if told.is_some() => Read::Done(Answer::NoRecords, negative),
        // Some servers give the alias only: what it leads to is another question.
        ResponseCode::NoError if owner != name => Read::Alias(owner.clone(), ttl),
        // Other records, of other names or kinds, or a code that nobody knows.
        _ => UNKNOWN,
    }
}

fn data(record: &Record) -> Option<Data> {
    match &record.data {
        RData::A(ip) => Some(Data::Address(ip.0.into())),
        RData::AAAA(ip) => Some(Data::Address(ip.0.into())),
        RData::MX(mx) if mx.exchange.is_root() => Some(Data::Name("".into())),
        RData::MX(mx) => Some(Data::Name(mx.exchange.to_ascii().to_ascii_lowercase().into())),
        RData::TXT(txt) => Some(Data::Text(txt.txt_data.concat().into())),
        // A pointer to what is no host name points nowhere.
        RData::PTR(target) => {
            let name = Domain::parse(target.0.to_ascii().as_bytes()).ok()?;
            Some(Data::Name(name.as_str().into()))
        }
        _ => None,
    }
}
