//! Downstreams are connected to and greeted; where that fails, other ports of the same machine tell what is in the way.
//! Name servers are asked for our own name.

use super::report::Report;
use crate::checks;
use crate::config::model::{Dns, Policy};
use crate::downstream::{Dial, DownstreamError, Pool, TcpDial};
use crate::gateway::make_pool;
use crate::lookup::{Lookup, name_servers};
use crate::mail::Domain;
use crate::verdict::{Cause, Fact, Needs, Stage};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const REPLY_LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For a port that is only tried to see what is in the way.
const OTHER_LIMIT: Duration = Duration::from_secs(2);
/// Ports that machines with a mail server mostly have open, or refuse at once.
const OTHERS: [u16; 7] = [25, 587, 465, 143, 443, 80, 22];
const QUESTION_LIMIT: Duration = Duration::from_secs(3);
const STAGES: [Stage; 7] =
    [Stage::Connect, Stage::Helo, Stage::Auth, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message];

/// Loads what TLS needs, while the rights of the start are there.
pub(super) fn prepare(report: &mut Report, policy: &Policy) -> Vec<Pool> {
    let mut timeouts = policy.timeouts.clone();
    timeouts.downstream_command = timeouts.downstream_command.min(REPLY_LIMIT);
    timeouts.downstream_connect = timeouts.downstream_connect.min(CONNECT_LIMIT);
    let dial: Arc<dyn Dial> = Arc::new(TcpDial);
    let mut pools = Vec::new();
    for config in &policy.downstreams {
        match make_pool(config, &timeouts, &dial) {
            Ok(pool) => pools.push(pool),
            Err(error) => report.bad("downstreams", error.to_string(), "correct `ca` in gateway.toml"),
        }
    }
    pools
}

/// Speaks with each address.
pub(super) fn speak(report: &mut Report, pools: &[Pool]) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.bad(
                "downstreams",
                format!("cannot be asked: {error}"),
                "see the limits of processes and open files",
            );
            return;
        }
    };
    for pool in pools {
        let name = &pool.config().name;
        for address in &pool.config().addresses {
            let socket = address.socket;
            let began = Instant::now();
            match runtime.block_on(Box::pin(pool.open(socket, None))) {
                Ok(session) => {
                    let tls = if session.tls.is_some() { ", with TLS" } else { "" };
                    report.ok(
                        "downstreams",
                        format!(
                            "\"{name}\": {socket} greets and answers EHLO{tls} ({} ms)",
                            began.elapsed().as_millis()
                        ),
                    );
                    runtime.block_on(Box::pin(session.quit()));
                }
                Err(error) => {
                    let fix = fix(&error, socket, try_others);
                    report.bad("downstreams", format!("\"{name}\": {error}"), fix);
                }
            }
        }
    }
}

/// What another port of the same machine said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Open(u16),
    Refused,
    Silent,
}

fn fix(error: &DownstreamError, socket: SocketAddr, others: impl FnOnce(SocketAddr) -> Vec<Other>) -> String {
    let DownstreamError::Connect { source, .. } = error else {
        return match error {
            DownstreamError::Refused { .. } => "it has to let this machine's address in".into(),
            _ => "does an SMTP server listen there, and does nothing between us inspect that port?".into(),
        };
    };
    let port = socket.port();
    let local = "a filter of this machine refuses that connection: antivirus and endpoint protection like to block port 25 \
        against mass mailers; allow it for this program, and look at `nft list ruleset` and SELinux";
    match source.kind() {
        ErrorKind::PermissionDenied => return local.into(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            return "there is no way to that address: is it right, and is the network up (`ip route get`)?"
                .into();
        }
        _ => {}
    }
    let others = others(socket);
    let open = others.iter().find_map(|other| if let Other::Open(port) = other { Some(*port) } else { None });
    let answers = open.is_some() || others.contains(&Other::Refused);
    match (source.kind(), open) {
        (ErrorKind::TimedOut, Some(open)) => format!(
            "port {open} of that machine answers and port {port} does not: something blocks port {port}: most likely {}, or a firewall between",
            "antivirus or endpoint protection here"
        ),
        (ErrorKind::TimedOut, None) if answers => {
            format!(
                "that machine answers at other ports and swallows port {port}: a filter here or there blocks it"
            )
        }
        (ErrorKind::ConnectionRefused, Some(open)) => format!(
            "port {open} of that machine answers: either no mail server listens at {port}, or a local filter (antivirus, endpoint protection) refuses port {port}; `ss -ltn` there says which"
        ),
        (ErrorKind::ConnectionRefused, None) => {
            "start the mail server there, or correct `addresses` in gateway.toml".into()
        }
        _ => "that machine does not answer at all: is the address right, does it run?".into(),
    }
}

fn try_others(socket: SocketAddr) -> Vec<Other> {
    let ports = OTHERS.iter().filter(|port| **port != socket.port());
    let tries: Vec<_> = ports
        .map(|port| SocketAddr::new(socket.ip(), *port))
        .map(|at| thread::spawn(move || try_one(at)))
        .collect();
    tries.into_iter().map(|t| t.join().unwrap_or(Other::Silent)).collect()
}

fn try_one(at: SocketAddr) -> Other {
    match TcpStream::connect_timeout(&at, OTHER_LIMIT) {
        Ok(_) => Other::Open(at.port()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Other::Refused,
        Err(_) => Other::Silent,
    }
}

/// Name servers.
pub(super) fn names(report: &mut Report, policy: &Policy) {
    let needs = STAGES.iter().fold(Needs::NONE, |all, stage| all.and(checks::needs(*stage, policy)));
    let of_dns = [Needs::REVERSE_NAME, Needs::HELLO_RESOLVES, Needs::SENDER_DOMAIN, Needs::LISTINGS];
    let needed = of_dns.iter().any(|need| needs.has(*need));
    let servers = match name_servers(&policy.dns.servers) {
        Ok(servers) => servers,
        Err(error) if needed => {
            report.bad("names", error.to_string(), "name some in [dns] servers, or in /etc/resolv.conf");
            return;
        }
        Err(error) => {
            report.ok("names", format!("{error}; no rule needs one"));
            return;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    for server in servers {
        let dns = Dns {
            servers: vec![server],
            timeout: policy.dns.timeout.min(QUESTION_LIMIT),
            ..policy.dns.clone()
        };
        let (Ok(lookup), Ok(name)) =
            (Lookup::build(&dns, None, None), Domain::parse(policy.hostname.as_bytes()))
        else {
            continue;
        };
        let began = Instant::now();
        let fact = runtime.block_on(Box::pin(lookup.host_exists(&name)));
        let ms = began.elapsed().as_millis();
        let trouble = match fact {
            Fact::Known(_) | Fact::Absent => {
                report.ok("names", format!("name server {server} answers ({ms} ms)"));
                continue;
            }
            Fact::Unknown(Cause::Timeout) => "does not answer",
            Fact::Unknown(Cause::Failure | Cause::NotAsked) => "fails or refuses",
        };
        let text = format!("name server {server} {trouble}");
        let fix = "is port 53 (UDP and TCP) open to it, and does it look names up for this machine?";
        if needed {
            report.bad("names", text, fix)
        } else {
            report.warn("names", text + "; no rule needs it", fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_port_is_told_from_a_server_that_is_not_there() {
        let socket: SocketAddr = "192.0.2.1:25".parse().unwrap();
        let error = |kind: ErrorKind| DownstreamError::Connect { address: socket, source: kind.into() };
        for (kind, others, want) in [
            (
                ErrorKind::TimedOut,
                vec![Other::Silent, Other::Open(443)],
                "port 443 of that machine answers and port 25 does not",
            ),
            (ErrorKind::TimedOut, vec![Other::Refused], "swallows port 25"),
            (ErrorKind::TimedOut, vec![Other::Silent], "does not answer at all"),
            (ErrorKind::ConnectionRefused, vec![Other::Open(22)], "a local filter (antivirus"),
            (ErrorKind::ConnectionRefused, vec![Other::Refused], "start the mail server"),
            (ErrorKind::PermissionDenied, Vec::new(), "a filter of this machine"),
            (ErrorKind::NetworkUnreachable, Vec::new(), "no way to that address"),
        ] {
            let fix = fix(&error(kind), socket, |_| others);
            assert!(fix.contains(want), "{kind:?}: {fix}");
        }
    }

    #[test]
    fn ports_are_tried() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        assert_eq!(try_one(open), Other::Open(open.port()));
        drop(listener);
        assert_eq!(try_one(open), Other::Refused);
    }
}
