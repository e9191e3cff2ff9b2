//! How long a million entries take to read and to look up, and what they occupy. Run in release:
//! `cargo test --release --lib rules::million -- --ignored --nocapture`.

use super::*;
use crate::mail::Mailbox;
use crate::verdict::Direction;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

const ENTRIES: u32 = 1_000_000;
const LOOK_UPS: u32 = 1_000_000;

/// Resident octets of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Spreads numbers without order.
fn mixed(i: u32) -> u32 {
    i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(0x9e37_79b9)
}

fn v6(i: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(mixed(i)) << 64 | u128::from(mixed(!i)))
}

/// Reads a text and looks up; gives seconds, nanoseconds for one look-up, octets.
fn measure(what: &str, text: &str, look_up: impl Fn(&List, u32) -> bool) -> (f64, f64, u64) {
    let before = resident();
    let start = Instant::now();
    let (list, problems) = List::parse("big", "lists/big.list", text, 0);
    let seconds = start.elapsed().as_secs_f64();
    let octets = resident().saturating_sub(before);
    assert!(problems.iter().all(|p| !p.is_error()), "{:?}", problems.first());
    let start = Instant::now();
    let hits = (0..LOOK_UPS).filter(|&i| look_up(&list, i)).count();
    let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS);
    println!(
        "{what}: {} entries read in {seconds:.2} s, {ns:.0} ns a look-up ({hits} of {LOOK_UPS} hit), {} MB resident",
        list.len(),
        octets >> 20
    );
    (seconds, ns, octets)
}

fn text(mut line: impl FnMut(u32, &mut String)) -> String {
    let mut text = String::new();
    for i in 0..ENTRIES {
        line(i, &mut text);
        text.push('\n');
    }
    text
}

fn address(list: &List, ip: IpAddr) -> bool {
    list.find(Kind::Address, Subject::Address(ip), Direction::Inbound, 0).is_some()
}

#[test]
#[ignore = "measures; in release only"]
fn million() {
    // Names are longer than prefixes, and one look-up asks for up to a dozen keys.
    let bounds = |(most_ns, most_mb): (f64, u64), (seconds, ns, octets): (f64, f64, u64)| {
        assert!(seconds < 2.0 && ns < most_ns && octets >> 20 < most_mb, "{seconds} s, {ns} ns, {octets}");
    };
    let (prefixes, texts) = ((1000.0, 64), (2000.0, 128));
    let odd = |i: u32| if i.is_multiple_of(2) { i } else { i + ENTRIES };
    let nets = text(|i, out| {
        let bits = Ipv4Addr::from_bits(mixed(i));
        let _ = match i % 4 {
            0 => write!(out, "{}/24", Ipv4Addr::from_bits(bits.to_bits() & !255)),
            _ => write!(out, "{bits}"),
        };
    });
    let got = measure("IPv4 addresses and /24", &nets, |list, i| {
        address(list, Ipv4Addr::from_bits(mixed(odd(i))).into())
    });
    bounds(prefixes, got);
    drop(nets);
    let nets = text(|i, out| {
        let _ = write!(out, "{}/{}", Ipv6Addr::from_bits(v6(i).to_bits() >> 64 << 64), 64);
    });
    let got = measure("IPv6 /64", &nets, |list, i| address(list, v6(odd(i)).into()));
    bounds(prefixes, got);
    drop(nets);
    let names = text(|i, out| {
        let _ = match i % 2 {
            0 => write!(out, "user{i}@host{}.example", mixed(i) % 100_000),
            _ => write!(out, "host{i}.example"),
        };
    });
    let mailboxes: Vec<Mailbox> = (0..LOOK_UPS)
        .map(|i| match i % 4 {
            0 => format!("user{i}@host{}.example", mixed(i) % 100_000),
            1 => format!("anybody@host{i}.example"),
            _ => format!("user{i}@mail.host{i}.other.example"),
        })
        .map(|text| Mailbox::parse(text.as_bytes()).unwrap())
        .collect();
    let got = measure("mailboxes and domains", &names, |list, i| {
        let subject = Subject::Mailbox(&mailboxes[i as usize]);
        list.find(Kind::Sender, subject, Direction::Inbound, 0).is_some()
    });
    bounds(texts, got);
}
