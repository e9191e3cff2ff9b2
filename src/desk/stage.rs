//! A desk in a test: a real vault in a folder of its own, a downstream at the other end of a pipe that answers as the
//! test says, scanners that say what the test says, and a clock that only the test moves.

use super::request::{Answer, Outcome, Pick, Request};
use super::service::{Desk, World};
use super::spooling::{deliveries, mail_line, rcpt_line, spool};
use crate::body::Budget;
use crate::config::model::{Engine, Policy, ScannerRules};
use crate::downstream::{BoxStream, Dial, DialFuture, Limits, Pool};
use crate::mail::Id;
use crate::message::trace::TraceKey;
use crate::query::{Query, Term, What};
use crate::scan::{Job, ScanFuture, ScanVerdict, Scanner, Scanners};
use crate::store::StateDir;
use crate::vault::{
    ClientView, EnvelopeView, HeaderView, Hold, Item, Line, RecipientView, Scope, SpoolCause, Vault,
    VaultWriter,
};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

pub const RULES: &str = "\
hostname = \"gw.example.net\"
state_dir = \"/nowhere\"
[[listener]]
name = \"in\"
address = \"127.0.0.1:25\"
direction = \"inbound\"
downstream = \"mail\"
[[downstream]]
name = \"mail\"
addresses = [\"10.0.0.5\"]
[relay]
domains = [\"example.org\"]
";

/// 2026-11-21 20:00 UTC.
pub const NOW: i64 = 1_795_291_200_000;

/// What the downstream says.
#[derive(Default)]
pub struct Script {
    /// Nobody can connect.
    pub down: bool,
    /// Without PIPELINING.
    pub slow: bool,
    /// To MAIL; 250 where empty.
    pub mail: String,
    /// To RCPT, by mailbox; 250 for others.
    pub rcpt: HashMap<String, String>,
    /// To DATA; 354 where empty.
    pub data: String,
    /// To the end of data, one after the other; 250 when they are used up. `close` closes without a word.
    pub dot: VecDeque<String>,
    /// What happens when an end of data has come, before it is answered.
    pub at_dot: Option<Box<dyn FnMut() + Send>>,
    /// Everything that was said: MAIL and RCPT lines.
    pub heard: Vec<String>,
    /// Messages whose end of data came, dots unstuffed.
    pub messages: Vec<String>,
    /// Connections.
    pub dials: usize,
}

#[derive(Clone, Default)]
pub struct Server(pub Arc<Mutex<Script>>);

impl Dial for Server {
    fn dial(&self, _: SocketAddr) -> DialFuture<'_> {
        Box::pin(async move {
            let mut script = self.0.lock().unwrap();
            script.dials += 1;
            if script.down {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            let (near, far) = tokio::io::duplex(256 * 1024);
            tokio::spawn(serve(self.clone(), far));
            Ok(Box::new(near) as BoxStream)
        })
    }
}

async fn serve(server: Server, mut stream: DuplexStream) -> Option<()> {
    let mut input = Vec::new();
    stream.write_all(b"220 ds\r\n").await.ok()?;
    loop {
        let line = until(&mut stream, &mut input, b"\r\n").await?;
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let or = |said: &str, usual: &str| if said.is_empty() { usual.to_owned() } else { said.to_owned() };
        let answer = {
            let mut script = server.0.lock().unwrap();
            match verb.as_str() {
                "EHLO" if script.slow => "250-ds\r\n250 8BITMIME".to_owned(),
                "EHLO" => "250-ds\r\n250-PIPELINING\r\n250-DSN\r\n250 8BITMIME".to_owned(),
                "MAIL" => {
                    script.heard.push(line.trim().to_owned());
                    or(&script.mail, "250 2.1.0 ok")
                }
                "RCPT" => {
                    script.heard.push(line.trim().to_owned());
                    let mailbox = line.split(['<', '>']).nth(1).unwrap_or_default();
                    or(script.rcpt.get(mailbox).map_or("", |r| r), "250 2.1.5 ok")
                }
                "DATA" => or(&script.data, "354 go on"),
                _ => "250 2.0.0 ok".to_owned(),
            }
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        if verb == "DATA" && answer.starts_with("354") {
            let message = until(&mut stream, &mut input, b"\r\n.\r\n").await?;
            let said = {
                let mut script = server.0.lock().unwrap();
                script
                    .messages
                    .push(message.strip_suffix(".\r\n").unwrap_or(&message).replace("\r\n..", "\r\n."));
                if let Some(happens) = &mut script.at_dot {
                    happens();
                }
                script.dot.pop_front().unwrap_or_else(|| "250 2.0.0 queued as X".to_owned())
            };
            if said == "close" {
                return None;
            }
            stream.write_all(format!("{said}\r\n").as_bytes()).await.ok()?;
        }
    }
}

async fn until(stream: &mut DuplexStream, input: &mut Vec<u8>, end: &[u8]) -> Option<String> {
    loop {
        if let Some(at) = memchr::memmem::find(input, end) {
            let taken: Vec<u8> = input.drain(..at + end.len()).collect();
            return Some(String::from_utf8_lossy(&taken).into_owned());
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

/// A scanner that says what stands in its cell.
pub struct Told {
    verdict: Arc<Mutex<ScanVerdict>>,
    /// Before that, one for each scan.
    first: Arc<Mutex<VecDeque<ScanVerdict>>>,
    rules: Arc<ScannerRules>,
}

impl Scanner for Told {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.rules
    }

    fn scan<'a>(&'a self, _: Job<'a>) -> ScanFuture<'a> {
        let first = self.first.lock().unwrap().pop_front();
        let verdict = first.unwrap_or_else(|| self.verdict.lock().unwrap().clone());
        Box::pin(std::future::ready(verdict))
    }
}

pub struct TestWorld {
    pub policy: Mutex<Arc<Policy>>,
    pool: Arc<Pool>,
    pub now: AtomicI64,
    pub scanned: Arc<Mutex<ScanVerdict>>,
    pub scanned_first: Arc<Mutex<VecDeque<ScanVerdict>>>,
    scanners: Scanners,
    pub audit: Mutex<Vec<serde_json::Value>>,
}

impl World for TestWorld {
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.lock().unwrap())
    }

    fn pool(&self, downstream: &str) -> Option<Arc<Pool>> {
        (downstream == "mail").then(|| Arc::clone(&self.pool))
    }

    fn now_ms(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    fn scanners(&self) -> Scanners {
        self.scanners.clone()
    }

    fn audit(&self, line: serde_json::Value) {
        self.audit.lock().unwrap().push(line);
    }
}

/// See the module head.
pub struct Stage {
    pub desk: Arc<Desk>,
    pub world: Arc<TestWorld>,
    pub server: Server,
    pub writer: VaultWriter,
    pub dir: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        // In memory where that is possible: what a flush costs is not tested here.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let open = |_: &Path| Err(std::io::Error::other("none"));
        let (policy, problems) = crate::config::parse(RULES, dir.path(), &open);
        let policy = policy.unwrap_or_else(|| panic!("{problems:?}"));
        let server = Server::default();
        let config = Arc::clone(&policy.downstreams[0]);
        let second = Duration::from_secs(5);
        let limits = Limits { connect: second, command: second, message: second, wait: second };
        let pool = Pool::new(config, Arc::new(server.clone()), None, limits);
        let scanned = Arc::new(Mutex::new(ScanVerdict::Clean));
        let rules = Arc::new(ScannerRules::named("told", Engine::Clamd(Vec::new())));
        let first = Arc::<Mutex<VecDeque<ScanVerdict>>>::default();
        let told = Told { verdict: Arc::clone(&scanned), first: Arc::clone(&first), rules };
        let scanners = Scanners::of(vec![Arc::new(told)]);
        let world = Arc::new(TestWorld {
            policy: Mutex::new(Arc::new(policy)),
            pool: Arc::new(pool),
            now: AtomicI64::new(NOW),
            scanned,
            scanned_first: first,
            scanners,
            audit: Mutex::default(),
        });
        Self::open(dir, world, server)
    }

    fn open(dir: tempfile::TempDir, world: Arc<TestWorld>, server: Server) -> Self {
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let (vault, writer) = Vault::open(&dir.path().join("state")).unwrap();
        let budget = Budget::new(64 << 20, 64 << 20, state.tmp());
        let key = TraceKey::new(state.trace_key());
        let rules = dir.path().join("rules");
        let own: Arc<dyn World> = Arc::<TestWorld>::clone(&world);
        let desk = Desk::new(vault, own, budget, state.ids(), key, rules);
        Self { desk, world, server, writer, dir }
    }

    /// As after a stop and a start.
    pub fn reopen(self) -> Self {
        let Self { desk, world, server, mut writer, dir } = self;
        writer.close();
        drop(desk);
        Self::open(dir, world, server)
    }

    /// Changes the rules.
    pub fn rules(&self, change: impl FnOnce(&mut Policy)) {
        let mut policy = self.world.policy.lock().unwrap();
        change(Arc::get_mut(&mut policy).expect("nobody reads the rules meanwhile"));
    }

    /// Other rules: files beside `gateway.toml`.
    pub fn files(&self, files: &[(&str, &str)]) {
        let all: Vec<_> = std::iter::once(("gateway.toml", RULES)).chain(files.iter().copied()).collect();
        let sources = crate::config::Sources::of(&all);
        let (policy, problems) =
            crate::config::parse_files(&sources, self.dir.path(), crate::config::Moment::at(0));
        let policy = policy.unwrap_or_else(|| panic!("{problems:?}"));
        *self.world.policy.lock().unwrap() = Arc::new(policy);
    }

    pub fn forward(&self, ms: i64) {
        self.world.now.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.server.0.lock().unwrap())
    }

    pub fn says(&self, verdict: ScanVerdict) {
        *self.world.scanned.lock().unwrap() = verdict;
    }

    /// Clean, and then this.
    pub fn says_then(&self, verdict: ScanVerdict) {
        *self.world.scanned_first.lock().unwrap() = [ScanVerdict::Clean, verdict].into();
    }

    pub fn put(&self, item: Item) -> Id {
        self.put_octets(item, b"Subject: x\r\n\r\n.dot\r\nbody\r\n")
    }

    pub fn put_octets(&self, item: Item, octets: &[u8]) -> Id {
        let vault = Arc::clone(&self.desk.vault);
        let id = vault.put_octets(item, octets).unwrap().commit_blocking().unwrap();
        self.settled();
        id
    }

    /// Many at once.
    pub async fn many(&self, folder: &str, count: usize) {
        let mut commits = tokio::task::JoinSet::new();
        for n in 0..count {
            let (vault, item) = (Arc::clone(&self.desk.vault), self.item(folder, &["bob@example.org"]));
            commits.spawn(async move {
                let text = format!("Subject: {n}\r\n\r\nx\r\n");
                vault.put_octets(item, text.as_bytes()).unwrap().commit().await.unwrap()
            });
        }
        while let Some(done) = commits.join_next().await {
            done.unwrap();
        }
        self.settled();
    }

    /// Waits until the index has everything.
    pub fn settled(&self) {
        assert!(self.desk.vault.catch_up());
    }

    pub fn get(&self, id: Id) -> Option<Item> {
        self.desk.vault.item(id).ok()
    }

    /// A request with all of its answers.
    pub async fn ask(&self, request: Request) -> Vec<Answer> {
        self.ask_as("alice", request).await
    }

    pub async fn ask_as(&self, by: &str, request: Request) -> Vec<Answer> {
        let (tell, mut told) = mpsc::channel(10_000);
        Box::pin(Arc::clone(&self.desk).serve(request, by, tell)).await;
        let mut answers = Vec::new();
        while let Some(answer) = told.recv().await {
            answers.push(answer);
        }
        self.settled();
        answers
    }

    pub async fn done(&self, request: Request) -> Outcome {
        match self.ask(request).await.pop() {
            Some(Answer::Done(outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub async fn refused(&self, request: Request) -> String {
        match self.ask(request).await.pop() {
            Some(Answer::Error { text, .. }) => text,
            other => panic!("{other:?}"),
        }
    }

    /// An item of a folder, not put anywhere yet.
    pub fn item(&self, folder: &str, rcpts: &[&str]) -> Item {
        let rcpts = rcpts.iter().map(|r| RecipientView {
            rcpt: (*r).to_owned(),
            line: rcpt_line(r.as_bytes()),
            ..RecipientView::default()
        });
        let id = self.desk.ids.next();
        Item {
            id,
            version: 0,
            order: 0,
            folder: folder.to_owned(),
            received_ms: self.world.now_ms(),
            rule: "r1".to_owned(),
            reason: "because".to_owned(),
            source: String::new(),
            generation: 1,
            copy: false,
            size: 0,
            digest: String::new(),
            trace: Line(b"Received: from x\r\n".to_vec()),
            client: ClientView {
                session: self.desk.ids.next().to_string(),
                ip: Some([192, 0, 2, 7].into()),
                downstream: "mail".to_owned(),
                ..ClientView::default()
            },
            envelope: EnvelopeView {
                from: "sender@example.com".to_owned(),
                line: mail_line(b"sender@example.com", &[]),
                ..EnvelopeView::default()
            },
            recipients: rcpts.collect(),
            header: HeaderView { subject: Some("invoice".to_owned()), ..HeaderView::default() },
            findings: Vec::new(),
            score_milli: 0,
            tags: Vec::new(),
            likeness: [0; 3],
            spool: None,
            hold: None,
            trash: None,
            history: Vec::new(),
        }
    }

    /// Mail of an outage: nothing but to be delivered.
    pub fn outage(&self, rcpts: &[&str]) -> Item {
        let mut item = self.item("spool", rcpts);
        let rules = self.world.policy().quarantine.spool.clone();
        let deliveries = deliveries(&item.recipients);
        let now = self.world.now_ms();
        item.spool = Some(spool(SpoolCause::Outage, deliveries, "mail".to_owned(), now, &rules));
        item
    }

    /// Mail that waits for a scanner.
    pub fn held(&self, rcpts: &[&str]) -> Item {
        let mut item = self.item("held", rcpts);
        let now = self.world.now_ms();
        item.hold = Some(Box::new(Hold {
            scanner: "told".to_owned(),
            next_ms: now,
            told_ms: now + 4 * 3_600_000,
            ..Hold::default()
        }));
        item
    }
}

/// Everything in a folder.
pub fn folder(name: &str) -> Pick {
    pick(What::Folder(name.to_owned()))
}

pub fn one(id: Id) -> Pick {
    Pick { scope: Scope::Everything, ..pick(What::Id(id.to_string())) }
}

fn pick(what: What) -> Pick {
    let query = Query { terms: vec![Term { not: false, what }] };
    Pick { query, scope: Scope::Everything, dry_run: false }
}

pub fn release(pick: Pick) -> Request {
    Request::Release {
        pick,
        to: Vec::new(),
        again: false,
        unscanned: false,
        allow_sender: None,
        block_sender: None,
    }
}
