//! The whole service: by a table with a clock that moves by itself, and with real packets on the loopback interface.

mod packets;

use super::country::tests::{iso, mmdb};
use super::questions::{Questions, Source};
use super::*;
use crate::config::model::{Dns, Zone, ZoneOf};
use crate::mail::Domain;
use crate::verdict::{AuthResult, Cause, Fact};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_secs(3);
const FAILURE: Answer = Answer::Unknown(Cause::Failure);
const SILENCE: Answer = Answer::Unknown(Cause::Timeout);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text.as_bytes()).unwrap()
}

fn known(text: &str) -> Fact<Box<str>> {
    Fact::Known(text.into())
}

#[tokio::test(start_paused = true)]
async fn a_reverse_name_counts_where_both_sides_agree() {
    let many: Vec<String> = (1..=6).map(|n| format!("n{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let table = Table::default()
        .pointer(ip("192.0.2.1"), &["mx.example"])
        .host("mx.example", &[ip("192.0.2.9"), ip("192.0.2.1"), ip("2001:db8::1")])
        .pointer(ip("2001:db8::1"), &["mx.example"])
        .pointer(ip("192.0.2.2"), &["mx.example"])
        .pointer(ip("192.0.2.3"), &["z.example", "mx.example", "a.example"])
        .host("a.example", &[ip("192.0.2.3")])
        .host("z.example", &[ip("192.0.2.3")])
        .pointer(ip("192.0.2.4"), &["slow.example", "mx.example"])
        .with(Kind::A, "slow.example", SILENCE)
        .pointer(ip("192.0.2.5"), &["slow.example", "five.example"])
        .host("five.example", &[ip("192.0.2.5")])
        .with(Kind::Ptr, "6.2.0.192.in-addr.arpa", FAILURE)
        .with(Kind::Ptr, "7.2.0.192.in-addr.arpa", SILENCE)
        .pointer(ip("192.0.2.8"), &many)
        .host("n6.example", &[ip("192.0.2.8")])
        .pointer(ip("127.0.0.5"), &["here.example"])
        .host("here.example", &[ip("127.0.0.5")]);
    let lookup = Lookup::table(table);
    for (address, pointer, confirmed) in [
        ("192.0.2.1", known("mx.example"), known("mx.example")),
        ("::ffff:192.0.2.1", known("mx.example"), known("mx.example")),
        ("2001:db8::1", known("mx.example"), known("mx.example")),
        ("192.0.2.2", known("mx.example"), Fact::Absent),
        ("192.0.2.3", known("a.example"), known("a.example")),
        ("192.0.2.4", known("mx.example"), Fact::Unknown(Cause::Timeout)),
        ("192.0.2.5", known("five.example"), known("five.example")),
        ("192.0.2.6", Fact::Unknown(Cause::Failure), Fact::Unknown(Cause::Failure)),
        ("192.0.2.7", Fact::Unknown(Cause::Timeout), Fact::Unknown(Cause::Timeout)),
        ("192.0.2.8", known("n1.example"), Fact::Absent),
        ("127.0.0.5", known("here.example"), known("here.example")),
        ("192.0.2.200", Fact::Absent, Fact::Absent),
    ] {
        let began = Instant::now();
        assert_eq!(lookup.reverse(ip(address)).await, Reverse { pointer, confirmed }, "{address}");
        assert!(began.elapsed() <= 2 * TIMEOUT, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_takes_mail_or_does_not_or_nobody_knows() {
    let table = Table::default()
        .mx("mx.example", &["a.example", "b.example"])
        .mx("null.example", &[""])
        .mx("odd.example", &["", "a.example"])
        .host("v4.example", &[ip("192.0.2.1")])
        .host("v6.example", &[ip("2001:db8::1")])
        .host("bare.example", &[])
        .with(Kind::Mx, "broken.example", FAILURE)
        .with(Kind::A, "broken.example", Answer::Records([Data::Address(ip("192.0.2.1"))].into()))
        .with(Kind::Mx, "dead.example", SILENCE)
        .host("half.example", &[])
        .with(Kind::Aaaa, "half.example", FAILURE)
        .host("enough.example", &[ip("192.0.2.1")])
        .with(Kind::Aaaa, "enough.example", SILENCE);
    let lookup = Lookup::table(table);
    for (name, mail, host) in [
        ("mx.example", Fact::Known(true), Fact::Absent),
        ("null.example", Fact::Absent, Fact::Absent),
        ("odd.example", Fact::Known(true), Fact::Absent),
        ("v4.example", Fact::Known(true), Fact::Known(true)),
        ("v6.example", Fact::Known(true), Fact::Known(true)),
        ("bare.example", Fact::Absent, Fact::Absent),
        ("nowhere.example", Fact::Absent, Fact::Absent),
        ("broken.example", Fact::Unknown(Cause::Failure), Fact::Known(true)),
        ("dead.example", Fact::Unknown(Cause::Timeout), Fact::Absent),
        ("half.example", Fact::Unknown(Cause::Failure), Fact::Unknown(Cause::Failure)),
        ("enough.example", Fact::Known(true), Fact::Known(true)),
    ] {
        assert_eq!(lookup.mail_domain(&domain(name)).await, mail, "mail for {name}");
        assert_eq!(lookup.host_exists(&domain(name)).await, host, "host {name}");
    }
    // A name without an A record is asked further: an exchanger is enough.
    let table = Table::default().host("m.example", &[]).mx("m.example", &["x.example"]);
    assert_eq!(Lookup::table(table).host_exists(&domain("m.example")).await, Fact::Known(true));
}

fn zone(name: &str, of: ZoneOf, weight_milli: i32) -> Zone {
    Zone { zone: name.into(), of, weight_milli, answers: Vec::new(), line: 1 }
}

fn listed(answer: &str) -> Answer {
    Answer::Records([Data::Address(ip(answer))].into())
}

#[tokio::test(start_paused = true)]
async fn all_zones_are_asked_at_once_under_one_deadline() {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.six.example";
    let late = Duration::from_millis(900);
    let table = Table::default()
        .late(Kind::A, "1.2.0.192.one.example", listed("127.0.0.2"), late)
        .late(Kind::A, "1.2.0.192.good.example", listed("127.0.5.1"), late)
        .late(Kind::A, "1.2.0.192.none.example", Answer::NoName, late)
        .late(Kind::A, "1.2.0.192.slow.example", listed("127.0.0.2"), Duration::from_secs(2))
        .with(Kind::A, "1.2.0.192.dead.example", SILENCE)
        .with(Kind::A, "1.2.0.192.sick.example", FAILURE)
        .with(Kind::A, "1.2.0.192.refuses.example", listed("127.255.255.254"))
        .with(Kind::A, v6, listed("127.0.0.3"))
        .with(Kind::A, "spam.example.dbl.example", listed("127.0.1.2"))
        .with(Kind::A, "ehlo.example.dbl.example", listed("127.0.1.3"))
        .with(Kind::A, "ptr.example.dbl.example", listed("127.0.1.4"));
    let lookup = Lookup::table(table);
    let names = ["dead", "one", "good", "none", "slow", "sick", "refuses", "dead"];
    let mut zones: Vec<Zone> =
        names.iter().map(|name| zone(&format!("{name}.example"), ZoneOf::Client, 1000)).collect();
    zones[2].weight_milli = -400;
    zones.push(zone("dbl.example", ZoneOf::SenderDomain, 10));
    zones.push(zone("dbl.example", ZoneOf::Hello, 20));
    zones.push(zone("dbl.example", ZoneOf::ReverseName, 40));
    let (sender, hello, pointer) = (domain("spam.example"), domain("ehlo.example"), domain("ptr.example"));
    let subjects = Subjects {
        client: Some(ip("::ffff:192.0.2.1")),
        sender_domain: Some(&sender),
        hello: Some(&hello),
        reverse_name: Some(&pointer),
    };
    let began = Instant::now();
    let limit = Duration::from_secs(1);
    let found = lookup.listings(&zones, &subjects, limit).await;
    assert_eq!(began.elapsed(), limit);
    let names: Vec<(&str, String, &str)> =
        found.listed.iter().map(|l| (&*l.zone, l.answer.to_string(), &*l.subject)).collect();
    assert_eq!(
        names,
        [
            ("one.example", "127.0.0.2".into(), "192.0.2.1"),
            ("good.example", "127.0.5.1".into(), "192.0.2.1"),
            ("dbl.example", "127.0.1.2".into(), "spam.example"),
            ("dbl.example", "127.0.1.3".into(), "ehlo.example"),
            ("dbl.example", "127.0.1.4".into(), "ptr.example"),
        ]
    );
    assert_eq!(found.score_milli(), 1000 - 400 + 10 + 20 + 40);
    let unknown: Vec<&str> = found.unknown.iter().map(|zone| &**zone).collect();
    assert_eq!(unknown, ["dead.example", "slow.example", "sick.example", "refuses.example"]);
    // What came too late for that session is there for the next one.
    tokio::time::sleep(TIMEOUT).await;
    let began = Instant::now();
    let found = lookup.listings(&zones[4..5], &subjects, limit).await;
    assert_eq!((found.listed.len(), began.elapsed()), (1, Duration::ZERO));
    // Subjects that are not there are not asked about; IPv6 goes by nibbles.
    let six = Subjects { client: Some(ip("2001:db8::1")), ..Subjects::default() };
    let zones = [zone("SIX.example", ZoneOf::Client, 1), zone("dbl.example", ZoneOf::Hello, 1)];
    let found = lookup.listings(&zones, &six, limit).await;
    assert_eq!((found.listed.len(), found.unknown.len()), (1, 0));
    let long = domain(&format!("{}.example", vec!["x".repeat(60); 4].join(".")));
    let subjects = Subjects { hello: Some(&long), ..Subjects::default() };
    assert_eq!(lookup.listings(&zones, &subjects, limit).await, crate::verdict::Listings::default());
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_sent_once() {
    let late = Duration::from_secs(1);
    let table = Table::default().late(Kind::Mx, "a.example", Answer::NoName, late);
    let lookup = Arc::new(Lookup::table(table));
    let askers = (0..50).map(|_| {
        let lookup = Arc::clone(&lookup);
        tokio::spawn(async move { lookup.mail_domain(&domain("a.example")).await })
    });
    for asker in askers.collect::<Vec<_>>() {
        assert_eq!(asker.await.unwrap(), Fact::Absent);
    }
    assert_eq!(lookup.mail_domain(&domain("A.example.")).await, Fact::Absent);
    let tally = lookup.tally();
    assert_eq!((tally.asked, tally.sent, tally.remembered), (51, 1, 1));
    // An asker that leaves takes the question from nobody.
    let limit = Duration::from_millis(10);
    let lookup = Arc::new(Lookup::table(Table::default().late(Kind::Mx, "a.example", Answer::NoName, late)));
    let name = domain("a.example");
    assert!(tokio::time::timeout(limit, lookup.mail_domain(&name)).await.is_err());
    assert_eq!(lookup.mail_domain(&name).await, Fact::Absent);
    assert_eq!(lookup.tally().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_a_moment_only() {
    let table = Table::default().with(Kind::Mx, "a.example", FAILURE).with(Kind::Mx, "b.example", SILENCE);
    let lookup = Lookup::table(table);
    let (a, b) = (domain("a.example"), domain("b.example"));
    for _ in 0..3 {
        assert_eq!(lookup.mail_domain(&a).await, Fact::Unknown(Cause::Failure));
    }
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(lookup.mail_domain(&b).await, Fact::Unknown(Cause::Timeout));
    }
    assert_eq!(began.elapsed(), TIMEOUT);
    assert_eq!(lookup.tally(), Tally { asked: 6, remembered: 4, sent: 2, timeouts: 1, failures: 1 });
    tokio::time::sleep(Duration::from_secs(6)).await;
    lookup.mail_domain(&a).await;
    assert_eq!(lookup.tally().sent, 3);
}

#[tokio::test(start_paused = true)]
async fn questions_at_once_are_bounded() {
    let mut table = Table::default();
    for n in 0..20 * QUESTIONS_MAX {
        table = table.late(Kind::Mx, &format!("n{n}.example"), Answer::NoName, Duration::from_secs(2));
    }
    let lookup = Arc::new(Lookup::table(table));
    let askers = (0..20 * QUESTIONS_MAX).map(|n| {
        let lookup = Arc::clone(&lookup);
        tokio::spawn(async move { lookup.mail_domain(&domain(&format!("n{n}.example"))).await })
    });
    let askers: Vec<_> = askers.collect();
    let began = Instant::now();
    let mut answered = 0;
    for asker in askers {
        match asker.await.unwrap() {
            Fact::Absent => answered += 1,
            other => assert_eq!(other, Fact::Unknown(Cause::Timeout)),
        }
    }
    // Those after the first wave had a second left of their three.
    assert_eq!((answered, began.elapsed()), (QUESTIONS_MAX, TIMEOUT));
    assert_eq!(lookup.tally().sent as usize, 2 * QUESTIONS_MAX);
    // Nothing is left behind, and what never was asked is not remembered as unknown.
    assert_eq!(lookup.mail_domain(&domain("n5000.example")).await, Fact::Absent);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_keeps_what_is_asked_for() {
    let dns = Dns { cache: 100, servers: vec!["127.0.0.1:9".parse().unwrap()], ..Dns::default() };
    assert!(Lookup::build(&dns, None, None).unwrap().remembered() == 0);
    let mut cache = cache::Cache::new(100);
    let until = Instant::now() + Duration::from_secs(60);
    let question = |n: usize| Question { name: format!("n{n}").into(), kind: Kind::A };
    for n in 0..1000 {
        drop(cache.put(question(n), Answer::NoName, until));
        assert!(cache.get(&question(0), Instant::now()).0.is_some(), "asked for all the time, at {n}");
        assert!(cache.len() <= 101, "{}", cache.len());
    }
    assert!(cache.get(&question(999), Instant::now()).0.is_some());
    assert!(cache.get(&question(500), Instant::now()).0.is_none());
    assert!(cache.get(&question(999), until).0.is_none(), "its time is over");
    let mut none = cache::Cache::new(0);
    drop(none.put(question(1), Answer::NoName, until));
    assert_eq!(none.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_kept_over_reloads() {
    let server = |port: u16| vec![std::net::SocketAddr::from(([127, 0, 0, 1], port))];
    let dns = Dns { servers: server(9), ..Dns::default() };
    let first = Lookup::build(&dns, None, None).unwrap();
    assert_eq!(first.servers(), dns.servers);
    let count = |lookup: &Lookup| {
        drop(lookup.start("x.example", Kind::A));
        lookup.tally().asked
    };
    assert_eq!(count(&first), 1);
    let same = Lookup::build(&Dns { reverse_names: false, ..dns.clone() }, None, Some(&first)).unwrap();
    assert_eq!(count(&same), 2);
    for other in [
        Dns { servers: server(10), ..dns.clone() },
        Dns { timeout: Duration::from_secs(9), ..dns.clone() },
        Dns { cache: 9, ..dns.clone() },
    ] {
        assert_eq!(count(&Lookup::build(&other, None, Some(&same)).unwrap()), 1);
    }
    assert_eq!(same.country(ip("192.0.2.1")), Fact::Unknown(Cause::NotAsked));
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |code| std::fs::write(file.path(), mmdb(6, &[("192.0.2.0/24", iso(code))])).unwrap();
    write("DE");
    let with = Lookup::build(&dns, Some(file.path()), Some(&same)).unwrap();
    assert_eq!(with.country(ip("192.0.2.1")), known("DE"));
    let still = Lookup::build(&dns, Some(file.path()), Some(&with)).unwrap();
    assert!(still.shares_countries_with(&with));
    std::fs::remove_file(file.path()).unwrap();
    write("SE");
    let now = Lookup::build(&dns, Some(file.path()), Some(&still)).unwrap();
    assert_eq!((now.country(ip("192.0.2.1")), with.country(ip("192.0.2.1"))), (known("SE"), known("DE")));
    let missing = Lookup::build(&dns, Some(std::path::Path::new("nowhere.mmdb")), Some(&same));
    assert!(missing.err().unwrap().to_string().contains("nowhere.mmdb"));
}

#[tokio::test(start_paused = true)]
async fn without_a_name_server_everything_is_unknown_at_once() {
    let nobody = Questions::new(Source::Nobody, TIMEOUT, 10);
    let answer = nobody.start(Question { name: "a.example".into(), kind: Kind::A }).by(Instant::now()).await;
    assert_eq!(answer, FAILURE);
    // What this machine has in its resolv.conf.
    match name_servers(&[]) {
        Ok(servers) => assert!(!servers.is_empty() && servers.iter().all(|s| s.port() == 53)),
        Err(error) => assert!(error.to_string().contains("resolv.conf"), "{error}"),
    }
    assert!(Lookup::build(&Dns::default(), None, None).is_ok());
}

fn case(message: &str) -> crate::authentication::Case {
    let envelope = crate::verdict::Envelope {
        client: ip("192.0.2.1"),
        hello: Some("mail.example.org".into()),
        ..crate::verdict::Envelope::test("<a@example.org>", None::<&str>)
    };
    let policy = crate::config::model::Authentication::default();
    crate::authentication::Case::of(message.as_bytes(), &envelope, &policy, 1_500_000_000)
}

#[tokio::test(start_paused = true)]
async fn senders_are_authenticated_over_the_same_questions() {
    let table = Table::default()
        .texts("example.org", &["other", "v=spf1 include:spf.example.org -all"])
        .texts("spf.example.org", &["v=spf1 mx -all"])
        .mx("spf.example.org", &["mx.example.org."])
        .host("mx.example.org", &[ip("192.0.2.1")])
        .texts("_dmarc.example.org", &["v=DMARC1; p=reject"]);
    let lookup = Lookup::table(table);
    let deadline = Instant::now() + Duration::from_secs(10);
    let told = lookup.authenticate(case("From: a@example.org\r\n\r\n"), deadline).await;
    assert_eq!((told.spf, told.spf_aligned, told.dmarc), (AuthResult::Pass, true, AuthResult::Pass));
    let asked = lookup.tally().sent;
    lookup.authenticate(case("From: a@example.org\r\n\r\n"), deadline).await;
    assert_eq!(lookup.tally().sent, asked, "everything was remembered");
}

#[tokio::test(start_paused = true)]
async fn what_dns_does_not_say_in_time_is_a_temporary_error() {
    let table = Table::default()
        .texts("example.org", &["v=spf1 a:one.example a:two.example a:three.example a:four.example -all"])
        .late(Kind::A, "one.example", Answer::NoName, Duration::from_secs(2))
        .late(Kind::A, "two.example", Answer::NoName, Duration::from_secs(2))
        .with(Kind::A, "three.example", SILENCE)
        .texts("_dmarc.example.org", &["v=DMARC1; p=reject"]);
    let lookup = Lookup::table(table);
    for (seconds, most) in [(3, 3), (30, 8)] {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(seconds);
        let told = lookup.authenticate(case("From: a@example.org\r\n\r\n"), deadline).await;
        assert_eq!((told.spf, told.dmarc), (AuthResult::TempError, AuthResult::TempError), "{seconds}");
        assert!(start.elapsed() <= Duration::from_secs(most), "{:?}", start.elapsed());
    }
    let none = Lookup::table(Table::default().with(Kind::Txt, "_dmarc.example.org", FAILURE));
    let told = none.authenticate(case("From: a@example.org\r\n\r\n"), Instant::now() + TIMEOUT).await;
    assert_eq!((told.spf, told.dmarc), (AuthResult::None, AuthResult::TempError));
}
