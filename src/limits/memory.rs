//! What entries cost, as the table in the head of the module says.
//!
//! What is measured is the resident memory of a process in which nothing else runs, when the files are written: while
//! a file is written anew, a copy of its table comes and goes in another thread, at a moment that the load of the
//! machine decides.

use super::*;
use crate::config::model::{
    BanPoints, Bans as BanPolicy, ConnectionLimits, Greylist, Limits as Policy, Rate, Rates, Throttle,
    ThrottleBy,
};
use crate::mail::Path;
use crate::rules::Mode;
use crate::verdict::{Direction, Event};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const N: u32 = 100_000;

fn resident_octets() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Octets and nanoseconds of each of N addresses, each in a /24 of its own; octets are in the process when `limits`
/// has nothing left to write.
fn each(limits: &Limits, what: &str, most: usize, mut act: impl FnMut(u32, IpAddr)) {
    let (before, began) = (resident_octets(), Instant::now());
    (0..N).for_each(|n| act(n, IpAddr::V4(Ipv4Addr::from(0x0100_0000 + (n << 8)))));
    let ns = began.elapsed().as_nanos() / u128::from(N);
    limits.save();
    let octets = resident_octets().saturating_sub(before) / N as usize;
    println!("{what:<24} {octets:>5} octets {ns:>6} ns");
    assert!(octets <= most, "{what}: {octets}");
}

fn policy() -> Policy {
    let hour = Duration::from_hours(1);
    let rate = Some(Rate { count: 30, period: hour });
    let points = BanPoints { early_talk: 40, auth_failure: 60, ..BanPoints::default() };
    let bans = BanPolicy {
        mode: Mode::On,
        limit: 100,
        window: hour,
        time: hour,
        grow_percent: 200,
        most: hour,
        points,
    };
    let greylist = Greylist {
        mode: Mode::On,
        delay: Duration::from_mins(15),
        window: hour,
        lifetime: 24 * hour,
        proven_after: 5,
        entries: 500_000,
        ..Greylist::default()
    };
    let rates = Rates { mode: Mode::On, connections: rate, prefix_factor: 3, ..Rates::default() };
    let throttle = Throttle {
        name: "per-client".into(),
        mode: Mode::On,
        by: ThrottleBy::Client,
        direction: None,
        null_sender: false,
        messages: rate,
        recipients: None,
        octets: None,
        bounces: None,
        except: None,
        line: 1,
    };
    Policy { rates, bans, greylist, throttles: vec![Arc::new(throttle)], ..Policy::default() }
}

/// In a process of its own: nobody else takes memory meanwhile.
#[test]
fn entries_cost_what_the_table_says() {
    let program = std::env::current_exe().unwrap();
    let name = "limits::memory::an_attack_by_a_hundred_thousand_addresses";
    let run = std::process::Command::new(program)
        .args([name, "--exact", "--ignored", "--nocapture"])
        // The allocator of glibc otherwise keeps what a thread gave back, or not, as it has learnt.
        .envs([
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_MMAP_THRESHOLD_", "1048576"),
            ("MALLOC_TRIM_THRESHOLD_", "1048576"),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    println!("{text}");
    assert!(run.status.success() && text.contains("1 passed"), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
#[ignore = "run by the test above"]
fn an_attack_by_a_hundred_thousand_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::open(dir.path(), 0).unwrap();
    let policy = policy();
    let (listener, many) = ("in".into(), ConnectionLimits::default());
    let sender = Path::parse(b"<someone@example.org>").unwrap().0;
    let mut permits = Vec::with_capacity(N as usize);
    each(&limits, "connections (2 counts)", 500, |_, ip| {
        permits.push(limits.connections.enter(ip, &listener, usize::MAX, &many, false).unwrap());
    });
    each(&limits, "rates (2 limiters)", 200, |_, ip| {
        assert_eq!(limits.rates.count(Kind::Connections, ip, 1, &policy), None);
    });
    each(&limits, "ban points", 400, |_, ip| {
        assert_eq!(limits.bans.offend(ip, Offence::Event(Event::EarlyTalk), &policy, 1), None);
    });
    each(&limits, "bans", 400, |_, ip| {
        assert!(limits.bans.offend(ip, Offence::Event(Event::AuthFailure), &policy, 1).is_some());
    });
    each(&limits, "throttles", 500, |_, client| {
        let traffic =
            Traffic { direction: Direction::Inbound, client, user: None, sender: &sender, octets: 1 };
        limits.throttles.count(&traffic, &[&sender], &policy.throttles, 1);
    });
    each(&limits, "greylist", 250, |_, ip| {
        limits.greylist.ask(ip, &sender, &sender, &policy, 1);
    });
    each(&limits, "ask for a ban", 10, |_, ip| assert!(limits.bans.ban_of(ip, 1).is_some()));
    let began = Instant::now();
    limits.sweep(2);
    println!("sweep: {} ms", began.elapsed().as_millis());
    let began = Instant::now();
    limits.save();
    println!("save: {} ms", began.elapsed().as_millis());
    drop(limits);
    let began = Instant::now();
    let again = Limits::open(dir.path(), 1).unwrap();
    println!("open again: {} ms", began.elapsed().as_millis());
    assert_eq!((again.bans.list(1, 0).1, again.greylist.counts().0), (N as usize, N as usize));
}
