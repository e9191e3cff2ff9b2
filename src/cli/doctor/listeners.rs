//! Certificates, and addresses: bound for a moment, or where the gateway runs, connected to.

use super::report::Report;
use crate::cli::check::Around;
use crate::config::model::{Listener, ListenerTls, Policy};
use crate::gateway::{ServerTls, bind};
use crate::mail::escape;
use jiff::Timestamp;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A greeting may be delayed, for early talkers.
const GREETING_LIMIT: Duration = Duration::from_secs(15);

pub(super) fn certificates(report: &mut Report, policy: &Policy) {
    for listener in &policy.listeners {
        let (ListenerTls::Starttls(files) | ListenerTls::Implicit(files)) = &listener.tls else { continue };
        let name = &listener.name;
        match ServerTls::load(&files.certificate, &files.key) {
            Err(error) => report.bad(
                "certificates",
                format!("listener \"{name}\": {error}"),
                "the gateway does not start like this: put a matching certificate and key there",
            ),
            Ok(tls) => match tls.warning(Timestamp::now()) {
                Some(warning) => report.warn(
                    "certificates",
                    format!("listener \"{name}\": {warning}"),
                    format!("renew {}, then `portcullis reload`", files.certificate.display()),
                ),
                None => report.ok(
                    "certificates",
                    format!("listener \"{name}\": {} is good for a while", files.certificate.display()),
                ),
            },
        }
    }
}

pub(super) fn addresses(report: &mut Report, policy: &Policy, around: &Around) {
    for listener in &policy.listeners {
        if around.listens_on().any(|held| held == listener.address) {
            greeted(report, listener, policy);
        } else {
            free(report, listener, around);
        }
    }
}

fn free(report: &mut Report, listener: &Listener, around: &Around) {
    let Listener { name, address, .. } = listener;
    match bind(listener).map(drop) {
        Ok(()) if around.status().is_some() => report.warn(
            "listeners",
            format!("\"{name}\": the running gateway does not listen at {address}"),
            "it has other rules than these: `portcullis reload`, and a restart for a new address below 1024",
        ),
        Ok(()) => report.ok("listeners", format!("\"{name}\": {address} can be bound")),
        Err(error) => {
            let fix = match error.kind() {
                ErrorKind::AddrInUse => format!(
                    "find the program that has it (`ss -ltnp 'sport = :{}'`) and stop it, or choose another port",
                    address.port()
                ),
                ErrorKind::PermissionDenied => {
                    "ports below 1024 need a start as root, or CAP_NET_BIND_SERVICE".into()
                }
                ErrorKind::AddrNotAvailable => {
                    "this machine does not have that address: correct `address` in gateway.toml".into()
                }
                _ => "see the error".into(),
            };
            report.bad("listeners", format!("\"{name}\": {error}"), fix);
        }
    }
}

/// Connects as a client would.
fn greeted(report: &mut Report, listener: &Listener, policy: &Policy) {
    let name = &listener.name;
    let address = reachable(listener.address);
    let stream = match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
        Ok(stream) => stream,
        Err(error) => {
            report.bad(
                "listeners",
                format!("\"{name}\": the gateway listens at {address}, and nobody can connect: {error}"),
                "a filter of this machine is in the way: look at `nft list ruleset`, and at what antivirus or endpoint protection does with that port",
            );
            return;
        }
    };
    // Behind a balancer and with implicit TLS the client speaks first.
    if !listener.proxy_protocol.is_empty() || matches!(listener.tls, ListenerTls::Implicit(_)) {
        report.ok("listeners", format!("\"{name}\": {address} takes connections"));
        return;
    }
    let greeting = greeting(stream);
    let shown = escape(greeting.trim_ascii_end());
    if greeting.starts_with(b"220") && shown.contains(&*policy.hostname) {
        report.ok("listeners", format!("\"{name}\": {address} greets: {shown}"));
    } else if greeting.starts_with(b"220") {
        report.warn(
            "listeners",
            format!("\"{name}\": {address} greets as somebody else: {shown}"),
            "something between us and that port speaks SMTP (a firewall's inspection, antivirus): switch it off for this port",
        );
    } else if greeting.is_empty() {
        report.bad(
            "listeners",
            format!("\"{name}\": {address} takes the connection and says nothing"),
            "the gateway hangs or is overloaded: see its log, and `portcullis status`",
        );
    } else {
        report.warn("listeners", format!("\"{name}\": {address} turns us away: {shown}"), "`portcullis status` and `portcullis explain` say why; this machine's own address may be limited or blocked");
    }
}

/// An address for every interface is reached through the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn greeting(stream: TcpStream) -> Vec<u8> {
    let mut line = Vec::new();
    let mut octet = [0; 1];
    if stream.set_read_timeout(Some(GREETING_LIMIT)).is_err() {
        return line;
    }
    let mut stream = stream.take(1000);
    while matches!(stream.read(&mut octet), Ok(1)) {
        line.extend_from_slice(&octet);
        if octet == [b'\n'] {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_all_interfaces_is_reached_through_the_loopback() {
        for (address, want) in
            [("0.0.0.0:25", "127.0.0.1:25"), ("[::]:25", "[::1]:25"), ("192.0.2.1:25", "192.0.2.1:25")]
        {
            assert_eq!(reachable(address.parse().unwrap()), want.parse().unwrap());
        }
    }
}
