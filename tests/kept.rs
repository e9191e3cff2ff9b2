//! Messages that become ours, in a whole gateway with a real vault and a desk at work: held and scanned again, taken
//! during an outage and delivered, quarantined octet by octet.

use crate::harness::{Downstream, Harness, Keys, Mode};
use portcullis::config::model::{Engine, Lane, OnInfected, ScannerRules};
use portcullis::scan::{Job, ScanFuture, ScanVerdict, Scanner, Scanners};
use portcullis::verdict::Folder;
use std::collections::VecDeque;
use std::path::Path;
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

/// A scanner that says one thing after the other; clean when it has said all of it.
struct InTurn(Mutex<VecDeque<ScanVerdict>>, Arc<ScannerRules>);

impl InTurn {
    fn new(rules: ScannerRules) -> Arc<Self> {
        Arc::new(Self(Mutex::default(), Arc::new(rules)))
    }

    fn says(&self, verdicts: &[ScanVerdict]) {
        *self.0.lock().unwrap() = verdicts.iter().cloned().collect();
    }

    /// What it has not said yet.
    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Scanner for InTurn {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.1
    }
    fn scan<'a>(&'a self, _: Job<'a>) -> ScanFuture<'a> {
        let verdict = self.0.lock().unwrap().pop_front().unwrap_or(ScanVerdict::Clean);
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
        self.send_to(from, &[to], message).await
    }

    async fn send_to(&mut self, from: &str, to: &[&str], message: &str) -> String {
        self.say(&format!("MAIL FROM:<{from}>"), "250").await;
        for to in to {
            self.say(&format!("RCPT TO:<{to}>"), "250").await;
        }
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

const STRIP: &str = "[[rule]]\nid = \"no-zip\"\naction = \"strip\"\nextension = \"zip\"\n";
const CARRIES: &str = "Subject: bill\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\r\nwords\r\n--b\r\nContent-Type: application/zip; name=list.zip\r\n\r\nPK\r\n--b--\r\n";

fn infected() -> ScanVerdict {
    ScanVerdict::Infected("Worm.Test".into())
}

fn silent() -> ScanVerdict {
    ScanVerdict::Unavailable("away".into())
}

/// What is left of a message ends as the message would have, had that been found at once; and nobody who does not look
/// for malware waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_without_a_part_is_scanned_for_those_who_want_it() {
    let own = |lane: &str| format!("[default]\non_error = \"{lane}\"\n");
    let off = || "[default]\nmalware = false\n".to_owned();
    let virus = || OnInfected::Quarantine(Folder("virus".into()));
    let clean = || ScanVerdict::Clean;
    for (policies, on_infected, second, code, folders, delivered) in [
        (String::new(), OnInfected::Reject, clean(), "250", &["policy"][..], true),
        (String::new(), OnInfected::Reject, infected(), "550 5.7.1", &["policy"], false),
        (String::new(), virus(), infected(), "250", &["virus"], false),
        (off(), OnInfected::Reject, infected(), "250", &["policy"], true),
        (off(), OnInfected::Reject, silent(), "250", &["policy"], true),
        (String::new(), OnInfected::Reject, silent(), "451 4.3.0", &[], false),
        (own("hold"), OnInfected::Reject, silent(), "250", &["held"], false),
        (own("quarantine"), OnInfected::Reject, silent(), "250", &["unscanned"], false),
        (own("pass-tagged"), OnInfected::Reject, silent(), "250", &["policy"], true),
    ] {
        let case = format!("{policies} {on_infected:?} {second:?}");
        let tagged = policies.contains("pass-tagged");
        let rules = ScannerRules { on_infected, ..ScannerRules::named("turns", Engine::Clamd(Vec::new())) };
        let scanner = InTurn::new(rules);
        scanner.says(&[clean(), second]);
        let scanners = Scanners::of(vec![Arc::clone(&scanner) as Arc<dyn Scanner>]);
        let asked = !policies.contains("malware");
        let attachments = STRIP.to_owned();
        let harness = harness(Keys { scanners: Some(scanners), attachments, policies, ..Keys::default() });
        harness.probe().await;
        let mut client = Client::connect(&harness).await;
        let reply = client.send("a@example.com", "b@example.net", CARRIES).await;
        assert!(reply.starts_with(code), "{case}: {reply}");
        assert_eq!(scanner.left(), usize::from(!asked), "{case}");
        let kept: Vec<String> = harness.items().iter().map(|item| item.folder.clone()).collect();
        assert_eq!(kept, folders, "{case}");
        let messages = harness.downstream.take_messages();
        assert_eq!(messages.len(), usize::from(delivered), "{case}");
        for message in messages {
            let text = String::from_utf8_lossy(&message).into_owned();
            assert!(text.contains("no-zip") && !text.contains("\r\nPK\r\n"), "{case}: {text}");
            assert_eq!(text.contains("X-Portcullis-Unscanned: turns\r\n"), tagged, "{case}: {text}");
        }
    }
}

/// The same where it is so for one of two recipients, and each has his own end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_refused_for_one_and_delivered_to_another() {
    let scanner = InTurn::new(ScannerRules::named("turns", Engine::Clamd(Vec::new())));
    scanner.says(&[ScanVerdict::Clean, infected()]);
    let scanners = Scanners::of(vec![Arc::clone(&scanner) as Arc<dyn Scanner>]);
    let policies = "[default]\nheaders = false\n[[policy]]\nname = \"brave\"\nrecipient = \"c@example.net\"\nheaders = false\nmalware = false\n";
    let keys = Keys {
        scanners: Some(scanners),
        attachments: STRIP.into(),
        policies: policies.into(),
        ..Keys::default()
    };
    let harness = harness(keys);
    harness.probe().await;
    let mut client = Client::connect(&harness).await;
    let reply = client.send_to("a@example.com", &["b@example.net", "c@example.net"], CARRIES).await;
    assert!(reply.starts_with("250"), "{reply}");
    let heard = String::from_utf8_lossy(&harness.downstream.take_heard()).into_owned();
    let said = |who: &str| heard.matches(&format!("RCPT TO:<{who}@example.net>")).count();
    assert_eq!((said("b"), said("c")), (1, 2), "the envelope is said again for those who get it: {heard}");
    let [message] = &harness.downstream.take_messages()[..] else { panic!("{heard}") };
    assert!(!String::from_utf8_lossy(message).contains("\r\nPK\r\n"));
    let mut kept: Vec<(bool, String)> =
        harness.items().iter().map(|item| (item.copy, item.recipients[0].rcpt.clone())).collect();
    kept.sort();
    assert_eq!(kept, [(false, "b@example.net".to_owned()), (true, "c@example.net".to_owned())]);
}

/// A copy that nobody waits for is kept where there is room; where there is none, everybody has his mail all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_folder_of_copies_puts_no_mail_off() {
    let rules = "[[rule]]\nid = \"watch\"\naction = \"continue\"\nsender = \"a@example.com\"\ncopy = \"copies\"\n\
        [[rule]]\nid = \"box\"\naction = \"quarantine\"\nfolder = \"spam\"\nrecipient = \"c@example.net\"\n";
    let quarantine = "[[folder]]\nname = \"copies\"\nmax_messages = 1\n";
    let harness = harness(Keys { protocol: rules.into(), quarantine: quarantine.into(), ..Keys::default() });
    harness.probe().await;
    let mut client = Client::connect(&harness).await;
    for (to, copies) in [
        (&["b@example.net", "c@example.net"][..], 1),
        (&["b@example.net", "c@example.net"], 1),
        (&["b@example.net"], 1),
    ] {
        let reply = client.send_to("a@example.com", to, "Subject: x\r\n\r\nx\r\n").await;
        assert!(reply.starts_with("250"), "{to:?}: {reply}");
        assert_eq!(harness.downstream.take_messages().len(), 1, "{to:?}");
        assert_eq!(harness.items().iter().filter(|i| i.folder == "copies").count(), copies, "{to:?}");
    }
    assert_eq!(harness.items().iter().filter(|i| i.folder == "spam").count(), 2);
    let audit = harness.audit();
    let noted = audit.iter().filter(|line| line.contains("no copy in copies")).count();
    assert_eq!(noted, 1, "{audit:?}");
}

/// The items whose bodies wait in files to become ours.
fn ready(vault: &Path) -> Vec<String> {
    let files = std::fs::read_dir(vault.join("incoming")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".body")).map(|name| name[..8].to_owned()).collect()
}

/// Puts a file where that of an item would be, so that nothing becomes this item.
fn occupy(vault: &Path, id: &str) {
    let [first, second, third] = [&id[..1], &id[1..2], &id[2..3]];
    let folder = vault.join("items").join(first).join(second).join(third);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{id}.item")), "not ours").unwrap();
}

/// A copy that nobody waits for cannot become durable, alone, when the downstream has the message already and what is kept for
/// others is durable: the client hears what the downstream said, everybody has the message once, and it is noted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_behind_the_downstreams_250_puts_no_mail_off() {
    let rules = "[[rule]]\nid = \"watch\"\naction = \"continue\"\nsender = \"a@example.com\"\ncopy = \"copies\"\n\
        [[rule]]\nid = \"box\"\naction = \"quarantine\"\nfolder = \"spam\"\nrecipient = \"c@example.net\"\n";
    let quarantine = "[[folder]]\nname = \"copies\"\n";
    // Too large for memory once it is sealed, so that its file tells the name.
    let words =
        (0..200_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 17).wrapping_mul(0xbf58_476d));
    let large =
        format!("Subject: x\r\n\r\n{}", words.map(|word| format!("{word:016x}\r\n")).collect::<String>());
    for (to, kept, note) in [
        (&["b@example.net"][..], &[][..], "no copy in copies"),
        (&["b@example.net", "c@example.net"], &["spam"], "1 of its recipients: spam; no copy in copies"),
    ] {
        let keys = Keys { protocol: rules.into(), quarantine: quarantine.into(), ..Keys::default() };
        let harness = harness(keys);
        harness.probe().await;
        let vault = harness.vault_dir();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (waits, told) = (to.len(), Arc::clone(&seen));
        harness.downstream.at_end(Some(Box::new(move |message: &[u8]| {
            let ready = ready(&vault);
            told.lock().unwrap().push(ready.len());
            // What is kept instead of being delivered has the reference of the message.
            let head = String::from_utf8_lossy(&message[..1_000]).into_owned();
            let copy = ready.iter().find(|id| waits == 1 || !head.contains(&***id));
            occupy(&vault, copy.expect("a copy is ready"));
        })));
        let mut client = Client::connect(&harness).await;
        let reply = client.send_to("a@example.com", to, &large).await;
        assert_eq!(reply, "250 2.0.0 Ok: queued\r\n", "{to:?}");
        assert_eq!(*seen.lock().unwrap(), [to.len()], "{to:?}: made ready before");
        let folders = |harness: &Harness| {
            let mut folders: Vec<String> = harness.items().iter().map(|item| item.folder.clone()).collect();
            folders.sort();
            folders
        };
        assert_eq!(
            (folders(&harness), harness.downstream.take_messages().len()),
            (kept.iter().map(|f| (*f).to_owned()).collect(), 1)
        );
        // It goes on.
        harness.downstream.at_end(None);
        let reply = client.send_to("a@example.com", to, "Subject: y\r\n\r\ny\r\n").await;
        assert!(reply.starts_with("250"), "{to:?}: {reply}");
        assert_eq!(harness.downstream.take_messages().len(), 1, "{to:?}");
        assert_eq!(folders(&harness).iter().filter(|folder| **folder == "copies").count(), 1, "{to:?}");
        let audit = harness.audit();
        let lines: Vec<serde_json::Value> =
            audit.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let noted = lines.iter().find(|line| line["kind"] == "message").unwrap();
        assert_eq!(noted["note"], note, "{noted}");
    }
}

/// What rules take out is durable before anybody gets the rest: with a store that takes nothing, nobody does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_the_rest_of_what_is_not_kept() {
    let rules =
        "[[rule]]\nid = \"box\"\naction = \"quarantine\"\nfolder = \"spam\"\nrecipient = \"c@example.net\"\n";
    for to in [&["b@example.net"][..], &["b@example.net", "c@example.net"]] {
        let keys = Keys { protocol: rules.into(), attachments: STRIP.into(), ..Keys::default() };
        let mut harness = harness(keys);
        harness.probe().await;
        harness.close_vault();
        let mut client = Client::connect(&harness).await;
        let reply = client.send_to("a@example.com", to, CARRIES).await;
        assert!(reply.starts_with("45"), "{to:?}: {reply}");
        assert!(harness.downstream.take_messages().is_empty(), "{to:?}");
    }
}

/// A rule discards the message, and a scanner gives no answer: when it does, the message is discarded, for him whom the rule
/// is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_discards_is_discarded_also_after_a_hold() {
    let rules = "[[rule]]\nid = \"drop\"\naction = \"discard\"\nrecipient = \"c@example.net\"\n";
    let hold =
        ScannerRules { on_error: Lane::Hold, ..ScannerRules::named("turns", Engine::Clamd(Vec::new())) };
    let scanner = InTurn::new(hold);
    scanner.says(&[silent()]);
    let scanners = Scanners::of(vec![Arc::clone(&scanner) as Arc<dyn Scanner>]);
    let keys =
        Keys { scanners: Some(scanners), protocol: rules.into(), quarantine: quick(), ..Keys::default() };
    let harness = harness(keys);
    harness.probe().await;
    let mut client = Client::connect(&harness).await;
    let reply =
        client.send_to("a@example.com", &["b@example.net", "c@example.net"], "Subject: x\r\n\r\nx\r\n").await;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(harness.items().iter().filter(|i| i.folder == "held").count(), 2, "one for each end");
    let stop = work(&harness);
    until("both have their end", || harness.items().iter().all(|i| i.folder == "discarded")).await;
    let [item] = &harness.items()[..] else { panic!("{:?}", harness.items()) };
    assert_eq!((&*item.recipients[0].rcpt, &*item.rule), ("c@example.net", "drop"));
    assert_eq!(harness.downstream.take_messages().len(), 1);
    stop.send(true).unwrap();
}
