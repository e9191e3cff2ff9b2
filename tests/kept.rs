//! Messages that become ours, in a whole gateway with a real vault and a desk at work: held and scanned again, taken
//! during an outage and delivered, quarantined octet by octet.

use crate::harness::{Downstream, Harness, Keys, Mode};
use portcullis::config::model::{Engine, Lane, ScannerRules};
use portcullis::scan::{Job, ScanFuture, ScanVerdict, Scanner, Scanners};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

const KEYWORDS: [&str; 4] = ["PIPELINING", "SIZE 10485760", "8BITMIME", "DSN"];

/// A scanner that says what it is told to; what is no answer is held.
struct Scripted(Mutex<ScanVerdict>, Arc<ScannerRules>);

impl Scripted {
    fn says(&self, verdict: ScanVerdict) {
        *self.0.lock().unwrap() = verdict;
    }
}

impl Scanner for Scripted {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.1
    }
    fn scan<'a>(&'a self, _: Job<'a>) -> ScanFuture<'a> {
        let verdict = self.0.lock().unwrap().clone();
        Box::pin(std::future::ready(verdict))
    }
}

/// A client that says one thing after the other.
struct Client(DuplexStream);

impl Client {
    async fn connect(harness: &Harness) -> Self {
        let mut client = Self(harness.connect("192.0.2.7:4711".parse().unwrap()));
        client.reply().await;
        client.say("EHLO client.example.com", "250").await;
        client
    }

    async fn reply(&mut self) -> String {
        let mut out = Vec::new();
        loop {
            let read = self.0.read_buf(&mut out);
            let n = tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer").unwrap();
            assert!(n > 0, "closed");
            let text = String::from_utf8_lossy(&out).into_owned();
            if text.ends_with("\r\n") && text.lines().last().is_some_and(|l| l.as_bytes()[3] == b' ') {
                return text;
            }
        }
    }

    async fn say(&mut self, line: &str, code: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        let reply = self.reply().await;
        assert!(reply.starts_with(code), "{line}: {reply}");
        reply
    }

    /// Sends a message, and gives the answer to it.
    async fn send(&mut self, from: &str, to: &str, message: &str) -> String {
        self.say(&format!("MAIL FROM:<{from}>"), "250").await;
        self.say(&format!("RCPT TO:<{to}>"), "250").await;
        self.say("DATA", "354").await;
        self.0.write_all(message.as_bytes()).await.unwrap();
        self.say(".", "").await
    }
}

fn harness(keys: Keys) -> Harness {
    Harness::new(&keys, Downstream::new(Mode::Auto, &KEYWORDS))
}

/// A desk at work, until the guard goes.
fn work(harness: &Harness) -> watch::Sender<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&harness.gateway.desk).work(stopped));
    stop
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn quick() -> String {
    "[hold]\nretry = \"200ms\"\n[spool]\nretry = [\"1s\"]\n".to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_scanner_cannot_judge_is_held_and_goes_on_by_itself() {
    let rules =
        ScannerRules { on_error: Lane::Hold, ..ScannerRules::named("scripted", Engine::Clamd(Vec::new())) };
    let away = ScanVerdict::Unavailable("away".into());
    let scanner = Arc::new(Scripted(Mutex::new(away), Arc::new(rules)));
    let scanners = Scanners::of(vec![Arc::clone(&scanner) as Arc<dyn Scanner>]);
    let harness = harness(Keys { scanners: Some(scanners), quarantine: quick(), ..Keys::default() });
    harness.probe().await;
    let mut client = Client::connect(&harness).await;
    let reply = client.send("a@example.com", "b@example.net", "Subject: one\r\n\r\nclean\r\n").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let [held] = &harness.items()[..] else { panic!("{:?}", harness.items()) };
    assert_eq!((held.folder.as_str(), held.rule.as_str()), ("held", "scripted"));
    let hold = held.hold.as_ref().unwrap();
    assert_eq!((hold.scanner.as_str(), hold.scans), ("scripted", 1));
    assert!(harness.downstream.take_messages().is_empty());

    let stop = work(&harness);
    scanner.says(ScanVerdict::Clean);
    let delivered = || harness.downstream.take_messages();
    let mut got = Vec::new();
    until("delivered when the scanner is back", || {
        got.extend(delivered());
        !got.is_empty()
    })
    .await;
    let text = String::from_utf8_lossy(&got[0]).into_owned();
    assert!(text.ends_with("Subject: one\r\n\r\nclean\r\n") && text.starts_with("Received: "), "{text}");

    scanner.says(ScanVerdict::Unavailable("away".into()));
    client.send("a@example.com", "b@example.net", "Subject: two\r\n\r\nnot clean\r\n").await;
    scanner.says(ScanVerdict::Infected("Worm.Test".into()));
    until("moved to virus", || harness.items().iter().any(|i| i.folder == "virus" && i.hold.is_none())).await;
    assert!(delivered().is_empty());
    // Found at once it is refused, and never held.
    let reply = client.send("a@example.com", "b@example.net", "x\r\n").await;
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    stop.send(true).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_of_an_outage_arrives_by_itself() {
    let keys = Keys {
        downstream: "on_outage = \"queue\"\n".into(),
        relay: "recipients = { \"example.net\" = [\"b\"] }\n".into(),
        quarantine: quick(),
        ..Keys::default()
    };
    let harness = harness(keys);
    harness.probe().await;
    harness.downstream.set_down(true);
    let mut client = Client::connect(&harness).await;
    let reply = client.send("a@example.com", "b@example.net", "Subject: late\r\n\r\nx\r\n").await;
    assert!(reply.starts_with("250 2.0.0 Ok: queued as "), "{reply}");
    let [item] = &harness.items()[..] else { panic!() };
    let spool = item.spool.as_ref().unwrap();
    assert_eq!((item.folder.as_str(), spool.downstream.as_str(), spool.deliveries.len()), ("spool", "mx", 1));
    let stop = work(&harness);
    harness.downstream.set_down(false);
    let mut got = Vec::new();
    until("delivered when the downstream is back", || {
        got.extend(harness.downstream.take_messages());
        !got.is_empty()
    })
    .await;
    assert!(String::from_utf8_lossy(&got[0]).ends_with("Subject: late\r\n\r\nx\r\n"));
    until("gone from the spool", || harness.items().is_empty()).await;
    stop.send(true).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_message_is_what_came() {
    let rules =
        "[[rule]]\nid = \"all\"\naction = \"quarantine\"\nfolder = \"spam\"\nsender = \"a@example.com\"\n";
    let harness = harness(Keys { protocol: rules.into(), ..Keys::default() });
    harness.probe().await;
    let mut client = Client::connect(&harness).await;
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(150_000));
    for message in ["", "Subject: x\r\n\r\n..dot\r\n", "\u{e4}\r\n\r\n\r\n", &large] {
        let stuffed = message.replace("\r\n.", "\r\n..");
        let reply = client.send("a@example.com", "b@example.net", &stuffed).await;
        let reference = reply.trim_end().rsplit(' ').next().unwrap().to_owned();
        let items = harness.items();
        let item = items.last().unwrap();
        assert_eq!(item.id.to_string(), reference, "{reply}");
        assert_eq!((item.size, item.recipients.len()), (message.len() as u64, 1));
        assert!(harness.octets(item) == message.as_bytes(), "{} octets", message.len());
    }
    assert!(harness.downstream.take_messages().is_empty());
    let status = harness.gateway.status();
    assert_eq!((status.kept, status.delivered, status.vault.items), (4, 0, 4));
}
