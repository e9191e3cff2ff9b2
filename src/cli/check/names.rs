//! What names need: name servers that answer, DNS lists that list their own test entry, the country database.
//!
//! Asked only where a check of the policy depends on it. Read and asked as the user that the gateway will be, for a
//! reload reads the database again.

use super::report::Report;
use crate::checks;
use crate::config::model::{Dns, Policy, Zone, ZoneOf};
use crate::lookup::{Countries, Lookup, Subjects, name_servers};
use crate::mail::Domain;
use crate::verdict::{Cause, Fact, Listings, Needs, Stage};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// For one question: nobody waits for minutes before a prompt.
const QUESTION_LIMIT: Duration = Duration::from_secs(3);
/// Every list of addresses has it (RFC 5782 section 5).
const TEST_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

pub(super) fn check(report: &mut Report, policy: &Policy) {
    report.section("names");
    database(report, policy);
    let needs = Stage::EACH.iter().fold(Needs::NONE, |all, stage| all.and(checks::needs(*stage, policy)));
    let of_dns = [Needs::REVERSE_NAME, Needs::HELLO_RESOLVES, Needs::SENDER_DOMAIN, Needs::LISTINGS];
    let needed = of_dns.iter().any(|need| needs.has(*need));
    match name_servers(&policy.dns.servers) {
        Err(error) if needed => {
            report.warning(format!("{error}: every fact that needs DNS is unknown; set `servers` in [dns]"))
        }
        Err(error) => report.note(format!("{error}; no check needs one")),
        Ok(servers) if !needed => {
            let list: Vec<String> = servers.iter().map(ToString::to_string).collect();
            report.note(format!("name servers {}: not asked, no check needs them", list.join(", ")));
        }
        Ok(servers) => ask(report, policy, &servers, needs),
    }
}

fn database(report: &mut Report, policy: &Policy) {
    let Some(path) = &policy.protocol.country_database else { return };
    match Countries::open(path) {
        Ok(_) => report.ok(format!("country database {}", path.display())),
        Err(error) => report.error(error.to_string()),
    }
}

fn ask(report: &mut Report, policy: &Policy, servers: &[SocketAddr], needs: Needs) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.warning(format!("the name servers cannot be asked: {error}"));
            return;
        }
    };
    let mut answers = false;
    for server in servers {
        let Some(lookup) = service(policy, &[*server]) else { continue };
        answers |= runtime.block_on(Box::pin(probe(report, *server, &lookup, policy)));
    }
    if answers
        && needs.has(Needs::LISTINGS)
        && let Some(lookup) = service(policy, servers)
    {
        runtime.block_on(Box::pin(lists(report, &lookup, policy)));
    }
}

fn service(policy: &Policy, servers: &[SocketAddr]) -> Option<Lookup> {
    let dns = Dns {
        servers: servers.to_vec(),
        timeout: policy.dns.timeout.min(QUESTION_LIMIT),
        ..policy.dns.clone()
    };
    Lookup::build(&dns, None, None).ok()
}

/// Whether a server answers at all: our own name is as good a question as any.
async fn probe(report: &mut Report, server: SocketAddr, lookup: &Lookup, policy: &Policy) -> bool {
    let Ok(name) = Domain::parse(policy.hostname.as_bytes()) else { return true };
    let began = Instant::now();
    let trouble = match lookup.host_exists(&name).await {
        Fact::Known(_) | Fact::Absent => {
            report.ok(format!("name server {server} answers ({} ms)", began.elapsed().as_millis()));
            return true;
        }
        Fact::Unknown(Cause::Timeout) => "does not answer",
        Fact::Unknown(Cause::Failure | Cause::NotAsked) => "fails or refuses to look up our own name",
    };
    report.warning(format!("name server {server} {trouble}: what depends on it alone is unknown"));
    false
}

/// Whether each list of addresses has its test entry, and each other list answers.
async fn lists(report: &mut Report, lookup: &Lookup, policy: &Policy) {
    let reputation = &policy.protocol.reputation;
    let Ok(test) = Domain::parse(b"test") else { return };
    let subjects = Subjects {
        client: Some(TEST_ADDRESS),
        sender_domain: Some(&test),
        hello: Some(&test),
        reverse_name: Some(&test),
    };
    for zone in &reputation.zones {
        // Whatever it answers there, whether or not it counts for mail.
        let zone = Zone { answers: Vec::new(), ..zone.clone() };
        let said = lookup.listings(std::slice::from_ref(&zone), &subjects, reputation.deadline).await;
        tell(report, &zone, &said);
    }
}

fn tell(report: &mut Report, zone: &Zone, said: &Listings) {
    let name = &zone.zone;
    if !said.unknown.is_empty() {
        report.warning(format!(
            "DNS list {name}: no usable answer about its test entry; it may be slow, gone, or refuse this name server \
             (many lists refuse public ones); it counts as not listed"
        ));
    } else if said.listed.is_empty() && zone.of == ZoneOf::Client && zone.weight_milli >= 0 {
        report.warning(format!(
            "DNS list {name} does not list {TEST_ADDRESS}, which every list of addresses does (RFC 5782 section 5): \
             is its name right?"
        ));
    } else {
        report.ok(format!("DNS list {name} answers"));
    }
}
