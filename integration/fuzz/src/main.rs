//! Fuzzing of everything that reads what a peer or an admin wrote: mutation of a built-in corpus, stable
//! toolchain, no dependency. Each target checks promises, not only that nothing panics.
//!
//! `portcullis-fuzz SECONDS [TARGET…]`, `portcullis-fuzz --input HEX TARGET`; `SEED` in the environment.

mod content;
mod corpus;
mod engines;
mod gatekeeping;
mod machines;
mod mutate;
mod parsers;
mod stream;

use mutate::{Mutator, Random};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// One target: its name, and what it does with an input. It panics where a promise is broken.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("framer", stream::framer),
    ("server", machines::server),
    ("decoder", stream::decoder),
    ("body-check", stream::body_check),
    ("stuffer", stream::stuffer),
    ("client", machines::client),
    ("extension", parsers::extension),
    ("proxy", parsers::proxy),
    ("xclient", parsers::xclient),
    ("path", parsers::path),
    ("command", parsers::command),
    ("header", parsers::header),
    ("authentication", content::authentication),
    ("config", parsers::config),
    ("list", gatekeeping::list),
    ("list-edit", gatekeeping::list_edit),
    ("matcher", gatekeeping::matcher),
    ("protocol", gatekeeping::protocol),
    ("record", gatekeeping::record),
    ("mime", content::mime),
    ("engines", engines::answers),
    ("files", content::files),
    ("edit", content::edit),
    ("content", content::content),
    ("signatures", content::signatures),
];

/// Longest time for one input. The slowest honest one takes a hundredth of it.
const SLOW: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, hex, name] = &arguments[..]
        && flag == "--input"
    {
        let Some((_, target)) = TARGETS.iter().find(|(n, _)| n == name) else { return usage() };
        target(&unhex(hex));
        return ExitCode::SUCCESS;
    }
    let Some(seconds) = arguments.first().and_then(|s| s.parse::<u64>().ok()) else { return usage() };
    let wanted = &arguments[1..];
    if wanted.iter().any(|w| !TARGETS.iter().any(|(name, _)| name == w)) {
        return usage();
    }
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(clock);
    println!("seed {seed}");
    for (name, target) in TARGETS.iter().filter(|(n, _)| wanted.is_empty() || wanted.iter().any(|w| w == n)) {
        if !fuzz(name, *target, Duration::from_secs(seconds), seed) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!("portcullis-fuzz SECONDS [TARGET…] | --input HEX TARGET; targets: {}", names.join(" "));
    ExitCode::from(2)
}

fn fuzz(name: &str, target: fn(&[u8]), time: Duration, seed: u64) -> bool {
    let mut mutator = Mutator::new(Random::new(seed), corpus::of(name));
    let began = Instant::now();
    let (mut runs, mut octets) = (0u64, 0u64);
    while began.elapsed() < time {
        let input = mutator.next();
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
        let took = started.elapsed();
        if outcome.is_err() || took > SLOW {
            let why = if outcome.is_err() { "a promise is broken".into() } else { format!("took {took:?}") };
            println!(
                "{name}: {why} after {runs} runs, seed {seed}\ninput ({} octets): {}",
                input.len(),
                hex(&input)
            );
            println!("again: portcullis-fuzz --input {} {name}", hex(&input));
            return false;
        }
        runs += 1;
        octets += input.len() as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{name:12} {runs:10} runs  {:9.0} runs/s  {:7.1} MB/s",
        runs as f64 / seconds,
        octets as f64 / seconds / 1e6
    );
    true
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
