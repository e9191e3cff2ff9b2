//! Only an answer is an answer; all are asked at once; and engines of every temper at the other end of a real socket.

use super::build::build;
use super::finding::{findings, own_lane};
use super::job::{Input, Job};
use super::run::{Results, scan, scan_parts};
use super::scanner::{ScanFuture, Scanner, Scanners};
use super::switches::Switches;
use super::verdict::{ScanVerdict, Scored};
use crate::body::{Body, BodyWriter, Budget};
use crate::config::model::{CommandLine, Engine, EngineAddress, ScannerRules, Scanning};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::Instant;

#[derive(Clone)]
enum Temper {
    Says(ScanVerdict),
    After(u64, ScanVerdict),
    Panics,
    PanicsLater,
    Hangs,
}

struct Script(Temper, Arc<ScannerRules>);

impl Scanner for Script {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.1
    }
    fn scan<'a>(&'a self, _: Job<'a>) -> ScanFuture<'a> {
        match self.0.clone() {
            Temper::Says(verdict) => Box::pin(std::future::ready(verdict)),
            Temper::After(secs, verdict) => Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(secs)).await;
                verdict
            }),
            Temper::Panics => panic!("on purpose"),
            Temper::PanicsLater => Box::pin(async { panic!("on purpose") }),
            Temper::Hangs => Box::pin(std::future::pending()),
        }
    }
}

fn scripted(tempers: &[Temper]) -> Scanners {
    let one = |(n, temper): (usize, &Temper)| -> Arc<dyn Scanner> {
        let rules = ScannerRules::named(&format!("s{n}"), Engine::Clamd(Vec::new()));
        Arc::new(Script(temper.clone(), Arc::new(rules)))
    };
    Scanners::of(tempers.iter().enumerate().map(one).collect())
}

fn job(seconds: u64) -> Job<'static> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    Job::new(Input::Part(b"Subject: x\r\n\r\nbody\r\n"), deadline)
}

fn words(results: &Results) -> Vec<String> {
    results.iter().map(|r| r.verdict.as_ref().map_or("off".into(), ScanVerdict::words)).collect()
}

fn infected() -> ScanVerdict {
    ScanVerdict::Infected("Eicar".into())
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_is_an_answer() {
    for (temper, want) in [
        (Temper::Says(ScanVerdict::Clean), "clean"),
        (Temper::Panics, "error: the scanner panicked"),
        (Temper::PanicsLater, "error: the scanner panicked"),
        (Temper::Hangs, "no answer in time"),
        (Temper::After(5, ScanVerdict::TooLarge), "larger than the scanner takes"),
    ] {
        let scanners = scripted(&[temper, Temper::Says(ScanVerdict::Clean)]);
        let results = scan(&scanners, job(60)).await;
        assert_eq!(words(&results), [want, "clean"]);
        let found = findings(&results, &own_lane);
        assert_eq!(found.is_empty(), want == "clean");
    }
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_at_once_and_malware_ends_the_wait() {
    let clean = |seconds| Temper::After(seconds, ScanVerdict::Clean);
    let began = Instant::now();
    let results = scan(&scripted(&[clean(6), clean(7), clean(8), Temper::Hangs]), job(60)).await;
    assert_eq!(words(&results), ["clean", "clean", "clean", "no answer in time"]);
    // The deadline of the rules holds although the message had longer.
    assert_eq!(began.elapsed().as_secs(), 20);
    let began = Instant::now();
    let results = scan(&scripted(&[Temper::Hangs, Temper::After(2, infected())]), job(60)).await;
    assert_eq!(words(&results), ["infected: Eicar"]);
    assert_eq!(began.elapsed().as_secs(), 2);
}

/// Whoever does not look for malware in his mail wants to know what the others say.
#[tokio::test(start_paused = true)]
async fn malware_ends_the_wait_only_where_it_is_the_end_for_all() {
    let scored = ScanVerdict::Scored(Box::new(Scored { total_milli: 7_000, ..Scored::default() }));
    let scanners = scripted(&[Temper::After(6, scored), Temper::After(2, infected())]);
    for (for_all, want) in [(true, &["infected: Eicar"][..]), (false, &["score 7", "infected: Eicar"])] {
        let results = scan(&scanners, Job { for_all, ..job(60) }).await;
        assert_eq!(words(&results), want);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_switched_off_is_not_asked() {
    let scanners = scripted(&[Temper::Hangs, Temper::Says(ScanVerdict::Clean)]);
    assert!(scanners.switches().set("s0", false).unwrap());
    assert_eq!(words(&scan(&scanners, job(5)).await), ["off", "clean"]);
    assert!(scanners.report()[0].disabled_unix_ms.is_some() && !scanners.report()[0].is_asked());
    assert!(scanners.switches().set("s0", true).unwrap());
    assert_eq!(words(&scan(&scanners, job(5)).await), ["no answer in time", "clean"]);
    let parts = [body(b"a").await, body(b"b").await];
    let parts = scan_parts(&scanners, &parts, Instant::now() + Duration::from_secs(1)).await;
    assert_eq!(parts.iter().map(|r| r.part).collect::<Vec<_>>(), [Some(0), Some(0), Some(1), Some(1)]);
}

async fn body(octets: &[u8]) -> Body {
    let mut writer = BodyWriter::new(Budget::new(1 << 20, 0, PathBuf::new()));
    writer.push(octets).unwrap();
    writer.finish().await.unwrap()
}

/// However many there are of one message, a scanner sees them one by one: its places are for all.
#[tokio::test(start_paused = true)]
async fn parts_are_scanned_in_turn_and_no_longer_than_the_deadline() {
    let mut parts = Vec::new();
    for n in 0..2000u32 {
        parts.push(body(&n.to_be_bytes()).await);
    }
    let scanners = scripted(&[Temper::After(1, ScanVerdict::Clean)]);
    let began = Instant::now();
    let results = scan_parts(&scanners, &parts, began + Duration::from_secs(10)).await;
    assert!(began.elapsed() <= Duration::from_secs(10));
    assert_eq!(results.len(), parts.len());
    let clean = results.iter().filter(|r| r.verdict == Some(ScanVerdict::Clean)).count();
    assert!((9..=10).contains(&clean), "{clean}");
    assert!(results.iter().skip(clean).all(|r| r.verdict == Some(ScanVerdict::TimedOut)));
    // Found is found: the others are not waited for.
    let scanners = scripted(&[Temper::Says(infected())]);
    assert_eq!(scan_parts(&scanners, &parts, Instant::now() + Duration::from_secs(10)).await.len(), 1);
}

/// What a fake clamd does with a scan; it answers `VERSION` in any case but where it is to be deaf.
#[derive(Clone, Copy, Debug)]
enum Fake {
    Says(&'static [u8]),
    Closes,
    Hangs,
    Deaf,
    /// Answers after the first octets and stays, reading nothing more.
    Early(&'static [u8]),
}

struct Daemon {
    rules: ScannerRules,
    _dir: tempfile::TempDir,
    scans: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Daemon {
    fn new(fake: Fake) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clamd");
        let scans = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(Self::listen(UnixListener::bind(&path).unwrap(), fake, Arc::clone(&scans)));
        let engine = Engine::Clamd(vec![EngineAddress::Unix(path)]);
        let rules = ScannerRules { timeout: Duration::from_secs(2), ..ScannerRules::named("fake", engine) };
        Self { rules, _dir: dir, scans, task }
    }

    async fn listen(listener: UnixListener, fake: Fake, scans: Arc<AtomicUsize>) {
        let mut open = Vec::new();
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            if matches!(fake, Fake::Deaf) {
                open.push(stream);
                continue;
            }
            let scans = Arc::clone(&scans);
            tokio::spawn(async move {
                let mut input = Vec::new();
                while !input.contains(&0) {
                    if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                if input.starts_with(b"zVERSION\0") {
                    let _ = stream.write_all(b"ClamAV 1.0/1/x\0").await;
                    return;
                }
                scans.fetch_add(1, Ordering::SeqCst);
                if let Fake::Early(answer) = fake {
                    let _ = stream.write_all(answer).await;
                    std::future::pending::<()>().await;
                }
                while !input.ends_with(&[0; 4]) && stream.read_buf(&mut input).await.unwrap_or(0) > 0 {}
                match fake {
                    Fake::Says(answer) => {
                        let _ = stream.write_all(answer).await;
                    }
                    Fake::Hangs => std::future::pending().await,
                    Fake::Closes | Fake::Deaf | Fake::Early(_) => {}
                }
            });
        }
    }

    fn scanners(&self, cache: usize) -> Scanners {
        scanners(vec![self.rules.clone()], cache)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn scanners(rules: Vec<ScannerRules>, cache: usize) -> Scanners {
    let scanners = rules.into_iter().map(Arc::new).collect();
    build(&Scanning { scanners, cache, ..Scanning::default() }, None)
}

#[tokio::test]
async fn a_clamd_of_every_temper() {
    for (fake, want) in [
        (Fake::Says(b"stream: OK\0"), "clean"),
        (Fake::Says(b"stream: Eicar FOUND\0"), "infected: Eicar"),
        (Fake::Says(b"stream: Can't open file ERROR\0"), "error: stream: Can't open file"),
        (Fake::Says(b"INSTREAM size limit exceeded. ERROR\0"), "larger than the scanner takes"),
        (Fake::Early(b"INSTREAM size limit exceeded. ERROR\0"), "larger than the scanner takes"),
        (Fake::Says(b"stream: O"), "error: its answer was cut"),
        (Fake::Says(b"\xff\xfe\0"), "error: this is no answer: \\xff\\xfe"),
        (Fake::Says(&[b'x'; 10_000]), "error: the answer is longer than any answer"),
        (Fake::Closes, "error: it closed without an answer"),
        (Fake::Hangs, "no answer in time"),
        (Fake::Deaf, "no answer in time"),
    ] {
        let daemon = Daemon::new(fake);
        let big = vec![b'x'; 3 << 20];
        let octets: &[u8] = if matches!(fake, Fake::Early(_)) { &big } else { b"Subject: x\r\n\r\n" };
        let results = scan(&daemon.scanners(0), Job { input: Input::Part(octets), ..job(10) }).await;
        assert_eq!(words(&results), [want], "{fake:?}");
    }
    // Nobody there.
    let engine = Engine::Clamd(vec![EngineAddress::Unix("/nowhere/at/all".into())]);
    let results = scan(&scanners(vec![ScannerRules::named("none", engine)], 0), job(5)).await;
    assert!(words(&results)[0].starts_with("unavailable: cannot connect: "), "{:?}", words(&results));
}

#[tokio::test]
async fn what_is_too_large_is_not_given_to_it() {
    let mut daemon = Daemon::new(Fake::Says(b"stream: OK\0"));
    daemon.rules.max_octets = 10;
    assert_eq!(words(&scan(&daemon.scanners(0), job(5)).await), ["larger than the scanner takes"]);
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_address_stands_in() {
    let (hangs, works) = (Daemon::new(Fake::Hangs), Daemon::new(Fake::Says(b"stream: Eicar FOUND\0")));
    let addresses = [&hangs, &works].map(|d| d.rules.engine.addresses()[0].clone());
    let rules = ScannerRules { engine: Engine::Clamd(addresses.to_vec()), ..hangs.rules.clone() };
    let scanners = scanners(vec![rules], 0);
    for _ in 0..2 {
        assert_eq!(words(&scan(&scanners, job(5)).await), ["infected: Eicar"]);
    }
    assert_eq!(works.scans.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_address_that_fails_is_left_alone_until_it_is_back() {
    let mut daemon = Daemon::new(Fake::Closes);
    (daemon.rules.breaker_failures, daemon.rules.breaker_pause) = (2, Duration::from_millis(300));
    let scanners = daemon.scanners(0);
    for _ in 0..3 {
        assert!(!scan(&scanners, job(5)).await[0].is_answered());
    }
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 2, "the third was not asked");
    let report = &scanners.report()[0];
    assert!(report.is_down() && report.endpoints[0].last_error.is_some());
    // It answers the ping, and gets one more try.
    let until = Instant::now() + Duration::from_secs(10);
    while scanners.report()[0].is_down() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scan(&scanners, job(5)).await;
    scan(&scanners, job(5)).await;
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 3);
    // What it says of one message says nothing of the engine.
    let mut daemon = Daemon::new(Fake::Says(b"stream: bad message ERROR\0"));
    daemon.rules.breaker_failures = 1;
    let scanners = daemon.scanners(0);
    for _ in 0..3 {
        scan(&scanners, job(5)).await;
    }
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 3);
}

/// Nothing that an engine could help leaves it alone.
#[tokio::test]
async fn only_what_an_engine_did_counts_against_it() {
    // One waits for its place nearly to its deadline.
    let mut daemon = Daemon::new(Fake::Hangs);
    daemon.rules.timeout = Duration::from_millis(1_000);
    (daemon.rules.breaker_failures, daemon.rules.concurrency) = (2, Some(1));
    let scanners = daemon.scanners(0);
    let soon = || Job { deadline: Instant::now() + Duration::from_millis(1_200), ..job(0) };
    let (first, second) = tokio::join!(scan(&scanners, soon()), scan(&scanners, soon()));
    assert_eq!((words(&first), words(&second)), (words(&second), vec!["no answer in time".to_owned()]));
    assert_eq!(words(&scan(&scanners, job(5)).await), ["no answer in time"], "it is asked");
    assert!(words(&scan(&scanners, job(5)).await)[0].contains("left alone"));
    // Our own copy cannot be read.
    let mut daemon = Daemon::new(Fake::Says(b"stream: OK\0"));
    daemon.rules.breaker_failures = 1;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = BodyWriter::new(Budget::new(0, 1 << 20, folder.path().to_owned()));
    writer.push(b"Subject: x\r\n\r\nbody\r\n").unwrap();
    writer.spill().await.unwrap();
    let body = writer.finish().await.unwrap();
    body.damage();
    let scanners = daemon.scanners(0);
    let results = scan(&scanners, Job { input: Input::Message(&body), ..job(5) }).await;
    assert!(words(&results)[0].starts_with("the message cannot be read: "), "{:?}", words(&results));
    assert!(results[0].is_silent(), "the lane says what follows");
    assert_eq!(words(&scan(&scanners, job(5)).await), ["clean"], "it is asked");
    let dir = tempfile::tempdir().unwrap();
    let own = program("cat > /dev/null; exit 0", dir.path());
    let results = scan(&own, Job { input: Input::Message(&body), ..job(5) }).await;
    assert!(words(&results)[0].starts_with("the message cannot be read: "));
}

#[tokio::test]
async fn what_comes_again_is_remembered_and_rules_that_stay_keep_their_scanner() {
    let daemon = Daemon::new(Fake::Says(b"stream: OK\0"));
    let scanning = Scanning { scanners: vec![Arc::new(daemon.rules.clone())], ..Scanning::default() };
    let first = build(&scanning, None);
    first.switches().set("other", false).unwrap();
    for scanners in [&first, &build(&scanning, Some(&first))] {
        assert_eq!(words(&scan(scanners, job(5)).await), ["clean"]);
        assert!(scanners.switches().is_off("other"));
    }
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 1);
    let other = Job { input: Input::Part(b"other"), ..job(5) };
    scan(&first, other).await;
    let mut changed = (*scanning.scanners[0]).clone();
    changed.queue += 1;
    let changed = Scanning { scanners: vec![Arc::new(changed)], ..Scanning::default() };
    scan(&build(&changed, Some(&first)), other).await;
    assert_eq!(daemon.scans.load(Ordering::SeqCst), 3);
}

fn program(script: &str, dir: &Path) -> Scanners {
    let path = dir.join("look");
    std::fs::write(&path, script).unwrap();
    let words = ["/bin/sh", path.to_str().unwrap()].map(Into::into).to_vec();
    let line = CommandLine { words, clean: vec![0], infected: vec![1], spam: vec![2], spam_milli: 4_000 };
    let rules =
        ScannerRules { timeout: Duration::from_secs(2), ..ScannerRules::named("own", Engine::Command(line)) };
    scanners(vec![rules], 0)
}

#[tokio::test]
async fn a_program_answers_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    for (script, want) in [
        ("grep -q body && exit 0; exit 9", "clean"),
        ("exit 0", "clean"),
        ("cat >/dev/null; echo Bad.Thing; echo more; exit 1", "infected: Bad.Thing"),
        ("exit 1", "infected: unnamed"),
        ("exit 2", "score 4"),
        ("echo out of memory; exit 7", "error: it ended with code 7: out of memory"),
        ("kill -9 $$", "error: it was killed by a signal"),
        ("sleep 60", "no answer in time"),
        ("sleep 60 & exit 1", "infected: unnamed"),
        ("yes | head -c 100000; exit 0", "clean"),
    ] {
        let scanners = program(script, dir.path());
        assert_eq!(words(&scan(&scanners, job(5)).await), [want], "{script}");
    }
    let engine = Engine::Command(CommandLine {
        words: vec!["/nowhere/look".into()],
        clean: vec![0],
        infected: Vec::new(),
        spam: Vec::new(),
        spam_milli: 0,
    });
    let results = scan(&scanners(vec![ScannerRules::named("none", engine)], 0), job(5)).await;
    assert!(words(&results)[0].starts_with("unavailable: cannot be started"));
    assert!(Switches::default().of("x").is_none());
}
