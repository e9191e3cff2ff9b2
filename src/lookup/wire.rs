//! Name servers over UDP, and over TCP where an answer is cut: the one place that knows the resolver's crate.
//!
//! State: its open connections and what it knows of how fast each server is. Its own cache and its handling of special
//! names are not used: that one answers every reverse look-up of 127.0.0.0/8 by itself. Failure: see
//! [`read`], which turns whatever the crate says into an [`Answer`].

use super::answer::{Answer, Data, Kind, Question};
use crate::mail::Domain;
use crate::verdict::Cause;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig, system_conf};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Port of name servers.
const PORT: u16 = 53;
/// Most addresses and most names kept of one answer.
const ADDRESSES_MAX: usize = 64;
const NAMES_MAX: usize = 16;
/// Longest chain of aliases that is followed.
const ALIASES_MAX: usize = 8;
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
    pool: RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>,
    options: DnsRequestOptions,
}

impl Wire {
    /// `timeout`: for one question with all its tries. Opens nothing yet.
    pub(super) fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, NetError> {
        let mut options = ResolverOpts::default();
        // Two servers are asked at once. Beyond them there must be time for others.
        options.timeout = if servers.len() > options.num_concurrent_reqs { timeout / 2 } else { timeout };
        let configs = servers.iter().map(|server| {
            let at = |protocol| {
                let mut connection = ConnectionConfig::new(protocol);
                connection.port = server.port();
                connection
            };
            NameServerConfig::new(server.ip(), true, vec![at(ProtocolConfig::Udp), at(ProtocolConfig::Tcp)])
        });
        let context = Arc::new(PoolContext::new(options, TlsConfig::new()?));
        let pool = NameServerPool::from_config(configs, context, TokioRuntimeProvider::default());
        // One more try: statistics of the first put other servers in front.
        Ok(Self { pool: RetryDnsHandle::new(pool, 1), options: DnsRequestOptions::default() })
    }

    /// Asks, and says how long the answer may be remembered. Without a deadline of its own.
    pub(super) async fn ask(&self, question: &Question) -> (Answer, Duration) {
        // With its final dot: nothing is ever appended to it.
        let Ok(name) = Name::from_ascii(format!("{}.", question.name)) else {
            return (Answer::NoName, NEGATIVE_TTL_MAX);
        };
        let kind = match question.kind {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Mx => RecordType::MX,
            Kind::Ptr => RecordType::PTR,
        };
        let query = Query::query(name.clone(), kind);
        read(&name, kind, self.pool.lookup(query, self.options).first_answer().await)
    }
}

/// What the crate said, in our words.
fn read(name: &Name, kind: RecordType, said: Result<DnsResponse, NetError>) -> (Answer, Duration) {
    match said {
        Ok(response) => records(name, kind, &response),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => nothing(&none),
        Err(NetError::Timeout) => (Answer::Unknown(Cause::Timeout), FAILURE_TTL),
        Err(_) => (Answer::Unknown(Cause::Failure), FAILURE_TTL),
    }
}

fn nothing(none: &NoRecords) -> (Answer, Duration) {
    let told = none.negative_ttl.map(|s| Duration::from_secs(s.into()));
    let ttl = told.map_or(NEGATIVE_TTL_WITHOUT_SOA, |ttl| ttl.clamp(TTL_MIN, NEGATIVE_TTL_MAX));
    match none.response_code {
        ResponseCode::NXDomain => (Answer::NoName, ttl),
        // A referral is no answer: this server does not look things up for us.
        ResponseCode::NoError if none.ns.is_some() && none.soa.is_none() => {
            (Answer::Unknown(Cause::Failure), FAILURE_TTL)
        }
        ResponseCode::NoError => (Answer::NoRecords, ttl),
        _ => (Answer::Unknown(Cause::Failure), FAILURE_TTL),
    }
}

/// The records of the name, or of what it is an alias of.
fn records(name: &Name, kind: RecordType, response: &DnsResponse) -> (Answer, Duration) {
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
    let max = if matches!(kind, RecordType::A | RecordType::AAAA) { ADDRESSES_MAX } else { NAMES_MAX };
    let data: Arc<[Data]> = found.clone().filter_map(data).take(max).collect();
    let shortest = found.map(|record| Duration::from_secs(record.ttl.into())).min();
    if let Some(shortest) = shortest {
        let ttl = shortest.min(ttl).clamp(TTL_MIN, TTL_MAX);
        // Pointers that point to no host name are as good as none.
        return (if data.is_empty() { Answer::NoRecords } else { Answer::Records(data) }, ttl);
    }
    let told = response.negative_ttl().map(|s| Duration::from_secs(s.into()));
    match (response.response_code, told) {
        (ResponseCode::NXDomain, told) => {
            (Answer::NoName, told.unwrap_or(NEGATIVE_TTL_WITHOUT_SOA).clamp(TTL_MIN, NEGATIVE_TTL_MAX))
        }
        (ResponseCode::NoError, Some(told)) => {
            (Answer::NoRecords, told.min(ttl).clamp(TTL_MIN, NEGATIVE_TTL_MAX))
        }
        // An alias whose end nobody looked up, or a code that nobody knows.
        _ => (Answer::Unknown(Cause::Failure), FAILURE_TTL),
    }
}

fn data(record: &Record) -> Option<Data> {
    match &record.data {
        RData::A(ip) => Some(Data::Address(ip.0.into())),
        RData::AAAA(ip) => Some(Data::Address(ip.0.into())),
        RData::MX(mx) if mx.exchange.is_root() => Some(Data::Name("".into())),
        RData::MX(mx) => Some(Data::Name(mx.exchange.to_ascii().to_ascii_lowercase().into())),
        // A pointer to what is no host name points nowhere.
        RData::PTR(target) => {
            let name = Domain::parse(target.0.to_ascii().as_bytes()).ok()?;
            Some(Data::Name(name.as_str().into()))
        }
        _ => None,
    }
}
