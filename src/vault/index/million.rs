//! What the index does with a million items. Run in release (ITEMS, TMPDIR to taste):
//! `cargo test --release --lib vault::index::million -- --ignored --nocapture`.

use super::samples::{DAY, id, item, rcpt, spool};
use super::service::{Entry, Found, Index};
use crate::mail::Scramble;
use crate::query::{Query, parse};
use crate::vault::item::{Item, Priority, Progress};
use crate::vault::view::{PageRequest, Scope, Sort};
use jiff::tz::TimeZone;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const BATCH: u64 = 10_000;
/// How often each question is asked; the slowest but one counts.
const ROUNDS: usize = 7;

/// Milliseconds of a processor that this thread has used: on a machine that others use too, the truer figure.
fn processor() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let used = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let ms = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1000.0 + time.tv_usec() as f64 / 1000.0;
    ms(used.user_time()) + ms(used.system_time())
}

fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn mixed(i: u64, salt: u64) -> u64 {
    let x = (i ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 32
}

fn word(n: u64) -> String {
    let letters = b"etaoinshrdlucmfw";
    let mut word: String = (0..3).map(|at| char::from(letters[(n >> (4 * at) & 15) as usize])).collect();
    word.push_str(&n.to_string());
    word
}

/// Item `n` of `all`, which came over half a year until now.
fn generated(n: u64, all: u64, now: i64) -> Item {
    let r = |salt, of| mixed(n, salt) % of;
    let mut one = item(n);
    one.id = Scramble::new(99).id(n);
    one.received_ms = now - 180 * DAY + (180 * DAY as i128 * i128::from(n) / i128::from(all)) as i64;
    one.order = one.received_ms * 1024 + (n % 1024) as i64;
    // A tenth of all words in a long tail.
    let seldom = if n % (all / 10).max(1) == 3 { " zebra" } else { "" };
    let often = if r(1, 10) < 4 { " payment" } else { "" };
    one.header.subject = Some(format!(
        "Your {} about {} {}{often}{seldom}",
        word(r(2, 3000)),
        word(r(3, 200)),
        word(r(4, 100_000))
    ));
    let domain = if r(5, 10) < 3 { r(6, 20) } else { r(7, 80_000) };
    one.envelope.from = format!("{}@d{domain}.example.com", word(r(8, 400_000)));
    one.header.from = Some(format!("{}@d{}.example.org", word(r(9, 10_000)), r(10, 5000)));
    one.header.message_id = Some(format!("{:x}.{n}@d{domain}.example.com", mixed(n, 11)));
    one.recipients = (0..1 + r(12, 3))
        .map(|k| rcpt(&format!("user{}@site{}.example.net", r(13 + k, 20_000), r(20, 5))))
        .collect();
    one.client.ip = Some(std::net::Ipv4Addr::from_bits(mixed(n, 21) as u32 & 0x3fff_ffff).into());
    one.client.helo = Some(format!("mx{}.d{domain}.example.com", r(22, 10)));
    one.client.session = Scramble::new(98).id(n / 2).to_string();
    one.digest = format!("{:016x}{:016x}{:032x}", mixed(n - r(23, 2).min(n), 24), mixed(n, 25), 7);
    one.folder = ["spam", "spam", "spam", "spam", "spam", "policy", "policy", "unscanned", "virus", "own"]
        [r(26, 10) as usize]
        .into();
    if n % 100 == 1 {
        one.folder = "ten-thousand".into();
    }
    one.rule = format!("a{}", r(27, 40));
    one.size = 2000 + r(28, 1 << 20);
    one.score_milli = r(29, 20_000) as i32;
    // Campaigns of about fifty, each message with one number of its own.
    let campaign = (mixed(n / 2000, 30) % 1_000_000 + r(31, 40)) as i64 + 1;
    one.likeness = [campaign, campaign + 7, campaign + 13];
    one.likeness[r(32, 3) as usize] = mixed(n, 33) as i64;
    if n % 200 == 7 {
        let high = if n % 400 == 7 { Priority::High } else { Priority::Normal };
        one.spool = Some(spool(Progress::Waiting, high, now - 3_600_000 + (r(34, 7_200_000)) as i64));
    }
    one
}

fn query(text: &str) -> Query {
    parse(text, 0, &TimeZone::UTC).unwrap_or_else(|error| panic!("{error}"))
}

fn slowest<T>(mut ask: impl FnMut() -> T) -> (T, f64, f64) {
    let (mut times, mut used) = (Vec::new(), Vec::new());
    let mut answer = None;
    for _ in 0..ROUNDS {
        let (start, before) = (Instant::now(), processor());
        answer = Some(ask());
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        used.push(processor() - before);
    }
    times.sort_by(f64::total_cmp);
    used.sort_by(f64::total_cmp);
    (answer.unwrap(), times[ROUNDS - 2], used[ROUNDS - 2])
}

fn ask<T>(what: &str, question: impl FnMut() -> T, show: impl FnOnce(T) -> String) {
    if std::env::var("ONLY").is_ok_and(|only| !what.contains(&only)) {
        return;
    }
    let (answer, ms, used) = slowest(question);
    println!("{what:<64} {ms:>8.1} ms {used:>8.1} ms cpu   {}", show(answer));
}

fn fill(index: &Index, all: u64, now: i64) {
    // Files are read in the order of their names: that of references, which is none in time.
    let mut order: Vec<u64> = (0..all).collect();
    order.sort_by_key(|n| Scramble::new(99).id(*n));
    let (mut entering, mut made, mut used) = (0.0, Instant::now(), 0.0);
    for chunk in order.chunks(BATCH as usize) {
        let batch: Vec<Entry> = chunk.iter().map(|n| Entry::Put(Box::new(generated(*n, all, now)))).collect();
        let (start, before) = (Instant::now(), processor());
        index.enter(&batch, 1).unwrap();
        entering += start.elapsed().as_secs_f64();
        used += processor() - before;
        if made.elapsed().as_secs() >= 10 {
            println!(
                "  … {:.0}/s, {} MB resident",
                (chunk.len() as f64) / start.elapsed().as_secs_f64(),
                status("VmRSS")
            );
            made = Instant::now();
        }
    }
    let (start, before) = (Instant::now(), processor());
    index.settle().unwrap();
    let (settling, more) = (start.elapsed().as_secs_f64(), processor() - before);
    println!(
        "filled: {all} items noted in {entering:.1} s ({:.1} s cpu), taken in {settling:.1} s ({:.1} s cpu)",
        used / 1e3,
        more / 1e3
    );
    println!(
        "that is {:.0}/s, {:.0}/s cpu; {} MB peak",
        all as f64 / (entering + settling),
        all as f64 * 1e3 / (used + more),
        status("VmHWM")
    );
}

#[test]
#[ignore = "minutes; in release"]
fn a_million_items() {
    let all: u64 = std::env::var("ITEMS").map_or(1_000_000, |text| text.parse().unwrap());
    let kept = std::env::var("KEEP").map(std::path::PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    let path = kept.unwrap_or_else(|_| dir.path().to_owned()).join("vault.db");
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (index, found) = Index::open(&path).unwrap();
    if found == Found::Empty {
        fill(&index, all, now);
    }
    println!("file: {} MB", std::fs::metadata(&path).unwrap().len() >> 20);
    drop(index);
    let start = Instant::now();
    let (index, found) = Index::open(&path).unwrap();
    println!("open: {:.1} ms, {found:?}", start.elapsed().as_secs_f64() * 1000.0);
    questions(&index, all, now);
    steady(&index, all, now);
    println!("resident: {} MB, peak {} MB", status("VmRSS"), status("VmHWM"));
    drop(index);
    let start = Instant::now();
    drop(Index::open(&path).unwrap());
    println!("open and close again: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
}

#[allow(clippy::too_many_lines, reason = "a table of questions")]
fn questions(index: &Index, all: u64, now: i64) {
    let page = |text: &str, sort, ascending| PageRequest {
        query: query(text),
        sort,
        ascending,
        rows: 50,
        ..PageRequest::default()
    };
    let sample = generated(all / 3, all, now);
    let domain = sample.envelope.from.split('@').nth(1).unwrap().to_owned();
    let asked = [
        String::new(),
        "folder:spam".into(),
        "folder:spam state:kept".into(),
        "state:spooled".into(),
        format!("from:{}", sample.envelope.from),
        format!("from:@{domain}"),
        "from:@d3.example.com".into(),
        "from:*@*.example.com".into(),
        format!("from:*.{domain}"),
        "subject:zebra".into(),
        "subject:payment".into(),
        "payment your".into(),
        "pay*".into(),
        format!("rcpt:{}", sample.recipients[0].rcpt),
        "rcpt:@site3.example.net".into(),
        "rcpt:user77@*".into(),
        format!("header-from:{}", sample.header.from.clone().unwrap()),
        "client:10.0.0.0/24".into(),
        "client:10.0.0.0/8".into(),
        "age:<1d".into(),
        "age:>150d folder:virus".into(),
        "size:>1M".into(),
        "size:>500K".into(),
        "rule:a20 folder:own".into(),
        "score:>19.9".into(),
        "-from:@d3.example.com -payment".into(),
        "from:@d3.example.com rcpt:@site3.example.net subject:payment".into(),
        format!("like:{}", sample.id),
        format!("ref:{}", sample.client.session),
        format!("message-id:{}", sample.header.message_id.clone().unwrap()),
        format!("digest:{}", sample.digest.chars().take(20).collect::<String>()),
    ];
    for text in &asked {
        ask(
            &format!("list {text}"),
            || index.page(&page(text, Sort::Received, false)).unwrap(),
            |p| format!("{} rows", p.rows.len()),
        );
        ask(
            &format!("count {text}"),
            || index.count(&query(text), Scope::Quarantine).unwrap(),
            |c| format!("{c:?}"),
        );
    }
    for sort in [Sort::Size, Sort::From, Sort::Subject, Sort::Next] {
        for text in ["", "folder:spam", "folder:ten-thousand", "subject:payment"] {
            ask(
                &format!("list {text} by {sort:?}"),
                || index.page(&page(text, sort, false)).unwrap(),
                |p| format!("{} rows", p.rows.len()),
            );
        }
    }
    let deep = index.ids(&Query::default(), Scope::Quarantine, i64::MIN, 10).unwrap();
    let after = crate::vault::view::Cursor { key: String::new(), order: deep[9].1 };
    let last = PageRequest { after: Some(after), ..page("", Sort::Received, false) };
    ask("last page", || index.page(&last).unwrap(), |p| format!("{} rows", p.rows.len()));
    let prefix: String = sample.id.to_string().chars().take(4).collect();
    ask(
        "find by beginning, and its row",
        || index.rows(&index.find(&prefix, 10).unwrap()).unwrap(),
        |r| format!("{} rows", r.len()),
    );
    ask("uses_body", || index.uses_body(&sample.digest).unwrap(), |b| b.to_string());
    ask(
        "ids, 10,000",
        || index.ids(&query("folder:spam"), Scope::Quarantine, 0, 10_000).unwrap(),
        |i| i.len().to_string(),
    );
    ask(
        "groups of a folder of 10,000",
        || index.groups(&query("folder:ten-thousand"), Scope::Quarantine, 50).unwrap(),
        |g| format!("{} groups of {}", g.0.len(), g.1),
    );
    ask(
        "groups of everything",
        || index.groups(&Query::default(), Scope::Quarantine, 50).unwrap(),
        |g| format!("{} groups of {}", g.0.len(), g.1),
    );
    ask("due", || index.due(false, now, 100).unwrap(), |d| d.0.len().to_string());
    ask("older", || index.older(Some("spam"), now - 170 * DAY, 1000).unwrap(), |o| o.len().to_string());
    ask("older, none", || index.older(Some("spam"), now - 200 * DAY, 1000).unwrap(), |o| o.len().to_string());
    ask(
        "recipients of a folder of 10,000",
        || index.recipients(&query("folder:ten-thousand"), "", 1000).unwrap(),
        |r| r.len().to_string(),
    );
    ask(
        "recipients of a day",
        || index.recipients(&query("age:<1d"), "", 1000).unwrap(),
        |r| r.len().to_string(),
    );
    ask("folders", || index.folders().unwrap(), |f| f.len().to_string());
    ask("stats", || index.stats().unwrap(), |s| format!("{} bodies", s.bodies));
}

/// What comes while all indexes stand.
fn steady(index: &Index, all: u64, now: i64) {
    for size in [1, 100, 1000_u64] {
        let rounds = (5000 / size).min(500);
        let first = all + 1_000_000 * size;
        let batches: Vec<Vec<Entry>> = (0..rounds)
            .map(|round| {
                let item = |k| {
                    let mut one = generated(first + round * size + k, all, now);
                    one.received_ms = now + (round * size + k) as i64;
                    one.order = one.received_ms * 1024 + size as i64;
                    Entry::Put(Box::new(one))
                };
                (0..size).map(item).collect()
            })
            .collect();
        let (start, before) = (Instant::now(), processor());
        for batch in &batches {
            index.enter(batch, 2).unwrap();
        }
        let (seconds, used) = (start.elapsed().as_secs_f64(), processor() - before);
        let items = (rounds * size) as f64;
        println!(
            "new items in batches of {size}: {:.0}/s ({:.0}/s cpu)",
            items / seconds,
            items * 1e3 / used
        );
        let start = Instant::now();
        for batch in &batches {
            let gone: Vec<Entry> = batch
                .iter()
                .map(|e| if let Entry::Put(i) = e { Entry::Removed(i.id) } else { Entry::Removed(id(0)) })
                .collect();
            index.enter(&gone, 2).unwrap();
        }
        println!(
            "removed in batches of {size}: {:.0}/s",
            (rounds * size) as f64 / start.elapsed().as_secs_f64()
        );
    }
    let start = Instant::now();
    index.settle().unwrap();
    println!("settle: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
}
