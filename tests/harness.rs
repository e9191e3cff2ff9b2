//! A gateway in memory: real sessions over pipes, a downstream over pipes, a clock that tests move.
//!
//! The downstream either answers by itself ([`Mode::Auto`]), as a well-behaved server would, or the test
//! takes each connection and says every word ([`Mode::Script`]).

use arc_swap::ArcSwap;
use portcullis::body::Budget;
use portcullis::config;
use portcullis::config::model::Policy;
use portcullis::desk::{Desk, World};
use portcullis::downstream::{self, BoxStream, Dial, DialFuture};
use portcullis::gateway::audit::{Audit, AuditWriter};
use portcullis::gateway::{self, Accepted, Doing, Gateway, Generation, Session};
use portcullis::limits::Limits;
use portcullis::lookup::{Lookup, Table};
use portcullis::message::trace::TraceKey;
use portcullis::query::Query;
use portcullis::records::Records;
use portcullis::rules::Mode as RuleMode;
use portcullis::scan::Scanners;
use portcullis::store::StateDir;
use portcullis::vault::{Item, Scope, Vault, VaultError, VaultWriter};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Octets that a pipe holds.
const PIPE_OCTETS: usize = 256 * 1024;
/// Virtual time after which everybody is taken to wait for us.
const IDLE: Duration = Duration::from_millis(1);

/// Who speaks for the downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A well-behaved server.
    Auto,
    /// The test.
    Script,
}

/// The downstream's end of all connections.
pub struct Downstream {
    mode: Mutex<Mode>,
    down: Mutex<bool>,
    keywords: Mutex<Vec<String>>,
    waiting: Mutex<VecDeque<DuplexStream>>,
    /// Everything that the automatic server was told.
    heard: Arc<Mutex<Vec<u8>>>,
    /// The messages that it took, as a strict server reads them, dots unstuffed.
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
    /// The octets of each DATA as they came, to the end of data and with it; BDAT octets likewise.
    raw: Arc<Mutex<Vec<Vec<u8>>>>,
    at_end: Arc<Mutex<Happens>>,
}

/// What happens when the automatic server has a message, before it says so; it is given the message.
type Happens = Option<Box<dyn FnMut(&[u8]) + Send>>;

impl Downstream {
    pub fn new(mode: Mode, keywords: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            mode: Mutex::new(mode),
            down: Mutex::new(false),
            keywords: Mutex::new(keywords.iter().map(|&k| k.to_owned()).collect()),
            waiting: Mutex::default(),
            heard: Arc::default(),
            messages: Arc::default(),
            raw: Arc::default(),
            at_end: Arc::default(),
        })
    }

    /// From now on nobody can connect, or everybody can.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    pub fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub fn set_keywords(&self, keywords: Vec<String>) {
        *self.keywords.lock().unwrap() = keywords;
    }

    /// What happens from now on when a message is there, before that is said.
    pub fn at_end(&self, happens: Happens) {
        *self.at_end.lock().unwrap() = happens;
    }

    /// The next connection that the gateway opened.
    pub fn accept(&self) -> Option<DuplexStream> {
        self.waiting.lock().unwrap().pop_front()
    }

    pub fn ehlo_reply(&self) -> String {
        ehlo_reply(&self.keywords.lock().unwrap())
    }

    pub fn take_heard(&self) -> Vec<u8> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    pub fn take_messages(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.messages.lock().unwrap())
    }

    pub fn take_raw(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.raw.lock().unwrap())
    }
}

fn ehlo_reply(keywords: &[String]) -> String {
    let mut out = String::new();
    for (at, line) in std::iter::once("ds.example.net").chain(keywords.iter().map(String::as_str)).enumerate()
    {
        let mark = if at == keywords.len() { ' ' } else { '-' };
        out.push_str(&format!("250{mark}{line}\r\n"));
    }
    out
}

/// The gateway's way to the downstream.
pub struct Pipes(pub Arc<Downstream>);

impl Dial for Pipes {
    fn dial(&self, _address: SocketAddr) -> DialFuture<'_> {
        Box::pin(async move {
            if *self.0.down.lock().unwrap() {
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            let (near, far) = tokio::io::duplex(PIPE_OCTETS);
            match *self.0.mode.lock().unwrap() {
                Mode::Script => self.0.waiting.lock().unwrap().push_back(far),
                Mode::Auto => {
                    let server = AutoServer {
                        stream: far,
                        keywords: self.0.keywords.lock().unwrap().clone(),
                        heard: Arc::clone(&self.0.heard),
                        messages: Arc::clone(&self.0.messages),
                        raw: Arc::clone(&self.0.raw),
                        at_end: Arc::clone(&self.0.at_end),
                        input: Vec::new(),
                        chunks: Vec::new(),
                    };
                    tokio::spawn(server.serve());
                }
            }
            Ok(Box::new(near) as BoxStream)
        })
    }
}

/// A server that does what RFC 5321 says, as strictly as it can, and takes everything except recipients
/// and senders that begin with `bad` (550) or `temp` (451).
struct AutoServer {
    stream: DuplexStream,
    keywords: Vec<String>,
    heard: Arc<Mutex<Vec<u8>>>,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
    raw: Arc<Mutex<Vec<Vec<u8>>>>,
    at_end: Arc<Mutex<Happens>>,
    input: Vec<u8>,
    chunks: Vec<u8>,
}

impl AutoServer {
    async fn serve(mut self) {
        if self.say("220 ds.example.net ESMTP\r\n").await.is_none() {
            return;
        }
        while let Some(line) = self.line().await {
            if self.command(&line).await.is_none() {
                return;
            }
        }
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).await.ok()
    }

    async fn fill(&mut self) -> Option<()> {
        let n = self.stream.read_buf(&mut self.input).await.ok()?;
        let new = self.input.len() - n;
        self.heard.lock().unwrap().extend_from_slice(&self.input[new..]);
        (n > 0).then_some(())
    }

    async fn until(&mut self, end: &[u8], from: usize) -> Option<usize> {
        loop {
            if let Some(at) = self.input[from..].windows(end.len()).position(|w| w == end) {
                return Some(from + at + end.len());
            }
            self.fill().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        let end = self.until(b"\r\n", 0).await?;
        let line: Vec<u8> = self.input.drain(..end).collect();
        Some(String::from_utf8_lossy(&line[..end - 2]).into_owned())
    }

    async fn command(&mut self, line: &str) -> Option<()> {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let path = line.split_once('<').map_or("", |(_, rest)| rest);
        match verb.as_str() {
            "EHLO" => {
                let reply = ehlo_reply(&self.keywords);
                self.say(&reply).await
            }
            "MAIL" | "RCPT" if path.starts_with("bad") => self.say("550 5.1.1 no such address\r\n").await,
            "MAIL" | "RCPT" if path.starts_with("temp") => self.say("451 4.2.0 not now\r\n").await,
            "MAIL" => self.say("250 2.1.0 Sender ok\r\n").await,
            "RCPT" => self.say("250 2.1.5 Recipient ok\r\n").await,
            "DATA" => self.data().await,
            "BDAT" => self.chunk(line).await,
            "XCLIENT" => self.say("220 ds.example.net ESMTP\r\n").await,
            "AUTH" => self.say("235 2.7.0 Authentication successful\r\n").await,
            "QUIT" => {
                let _ = self.say("221 2.0.0 Bye\r\n").await;
                None
            }
            "RSET" | "NOOP" | "HELO" | "XFORWARD" => self.say("250 2.0.0 Ok\r\n").await,
            _ => self.say("500 5.5.2 what?\r\n").await,
        }
    }

    async fn data(&mut self) -> Option<()> {
        self.say("354 go ahead\r\n").await?;
        while self.input.len() < 3 {
            self.fill().await?;
        }
        let end = if self.input.starts_with(b".\r\n") { 3 } else { self.until(b"\r\n.\r\n", 0).await? };
        let raw: Vec<u8> = self.input.drain(..end).collect();
        let mut message = Vec::new();
        for line in raw[..end - 3].split_inclusive(|&b| b == b'\n') {
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        self.raw.lock().unwrap().push(raw);
        self.took(message).await
    }

    async fn chunk(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ').skip(1);
        let octets: usize = words.next()?.parse().ok()?;
        while self.input.len() < octets {
            self.fill().await?;
        }
        self.chunks.extend(self.input.drain(..octets));
        if words.next() == Some("LAST") {
            let message = std::mem::take(&mut self.chunks);
            self.raw.lock().unwrap().push(message.clone());
            return self.took(message).await;
        }
        self.say("250 2.0.0 Ok: queued\r\n").await
    }

    async fn took(&mut self, message: Vec<u8>) -> Option<()> {
        if let Some(happens) = &mut *self.at_end.lock().unwrap() {
            happens(&message);
        }
        self.messages.lock().unwrap().push(message);
        self.say("250 2.0.0 Ok: queued\r\n").await
    }
}

/// Keys of the configuration, beyond the base.
#[derive(Default, Clone)]
pub struct Keys {
    pub top: String,
    pub listener: String,
    pub downstream: String,
    pub relay: String,
    pub timeouts: String,
    /// Lines of `limits.toml`, `protocol.toml`, `lists/blocks.list`, `lists/allow.list`.
    pub limits: String,
    pub protocol: String,
    pub blocks: String,
    pub allow: String,
    /// What DNS says: `ptr 192.0.2.7 mx.example.com`, `host NAME ADDRESS…`, `mx DOMAIN HOST…`, `fails NAME`.
    pub dns: String,
    /// Violations that are only logged: keys of `[syntax]`, and with `!` in front those that are refused.
    pub syntax: String,
    /// Lines of `quarantine.toml`.
    pub quarantine: String,
    /// Lines of `policies.toml`, `attachments.toml`, and of `content.toml`, where nobody has to prove anything unless a test
    /// is about it.
    pub policies: String,
    pub attachments: String,
    pub content: String,
    /// Scanners in place of the built-in ones.
    pub scanners: Option<Scanners>,
}

impl Keys {
    /// Puts the rules directory there. Unless a test is about it nobody waits for a greeting or an answer, and nobody
    /// has been here before.
    fn write(&self, dir: &Path) {
        let mut limits = self.limits.clone();
        for (table, keys) in [
            ("[greeting]", "delay = \"0s\""),
            ("[tarpit]", "step = \"0s\""),
            ("[rates]", "mode = \"off\""),
            ("[bans]", "mode = \"off\""),
        ] {
            if !limits.contains(table) {
                limits.push_str(&format!("{table}\n{keys}\n"));
            }
        }
        // Most tests send all they have at once.
        let syntax =
            if self.protocol.contains("[syntax]") { "" } else { "[syntax]\nimproper_pipelining = \"off\"\n" };
        std::fs::create_dir(dir.join("lists")).unwrap();
        for (name, text) in [
            ("gateway.toml", self.toml()),
            ("limits.toml", limits),
            ("protocol.toml", format!("{}{syntax}", self.protocol)),
            ("quarantine.toml", self.quarantine.clone()),
            ("policies.toml", self.policies.clone()),
            ("attachments.toml", self.attachments.clone()),
            ("content.toml", format!("{}{}", self.content, self.authentication())),
            ("lists/blocks.list", self.blocks.clone()),
            ("lists/allow.list", self.allow.clone()),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
    }

    fn authentication(&self) -> &'static str {
        if self.content.contains("[authentication]") {
            ""
        } else {
            "[authentication]\nspf = false\ndkim = false\narc = false\ndmarc = \"off\"\nauthor = \"off\"\n"
        }
    }

    fn lookup(&self) -> Lookup {
        let mut table = Table::default();
        for line in self.dns.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            table = match words.as_slice() {
                ["ptr", ip, names @ ..] => table.pointer(ip.parse().unwrap(), names),
                ["host", name, ips @ ..] => {
                    let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
                    table.host(name, &ips)
                }
                ["mx", domain, hosts @ ..] => table.mx(domain, hosts),
                other => panic!("dns: {other:?}"),
            };
        }
        Lookup::table(table)
    }

    fn with_syntax(&self, mut policy: Policy) -> Policy {
        let syntax = &mut policy.protocol.syntax;
        for word in self.syntax.split_whitespace() {
            let (key, mode) = word.strip_prefix('!').map_or((word, RuleMode::Log), |key| (key, RuleMode::On));
            *match key {
                "missing_brackets" => &mut syntax.missing_brackets,
                "space_after_colon" => &mut syntax.space_after_colon,
                "missing_hello" => &mut syntax.missing_hello,
                other => panic!("no such key of [syntax]: {other}"),
            } = mode;
        }
        policy
    }

    pub fn toml(&self) -> String {
        let relay = if self.relay.contains("domains") { "" } else { "domains = [\"example.net\"]\n" };
        let addresses =
            if self.downstream.contains("addresses") { "" } else { "addresses = [\"127.0.0.1:2525\"]\n" };
        format!(
            "hostname = \"mx.example.net\"\nstate_dir = \"state\"\n{}\n[dns]\nreverse_names = false\n\
             [timeouts]\n{}\n\
             [[listener]]\nname = \"in\"\naddress = \"127.0.0.1:2526\"\ndirection = \"inbound\"\n\
             downstream = \"mx\"\n{}\n\
             [[downstream]]\nname = \"mx\"\n{addresses}{}\n\
             [relay]\n{relay}{}\n",
            self.top, self.timeouts, self.listener, self.downstream, self.relay
        )
    }
}

/// A gateway with its surroundings.
pub struct Harness {
    pub gateway: Arc<Gateway>,
    pub downstream: Arc<Downstream>,
    dir: tempfile::TempDir,
    writer: AuditWriter,
    vault: VaultWriter,
}

impl Harness {
    /// Builds it as `run` does, without sockets and signals.
    pub fn new(keys: &Keys, downstream: Arc<Downstream>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        keys.write(dir.path());
        let (policy, problems) = config::load(dir.path(), config::Moment::at(1_790_000_000));
        let policy = policy.unwrap_or_else(|| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}\n{}", keys.toml(), all.join("\n"))
        });
        let policy = keys.with_syntax(policy);
        let dial: Arc<dyn Dial> = Arc::new(Pipes(Arc::clone(&downstream)));
        let policy = Arc::new(policy);
        let mut generation = Generation::build(Arc::clone(&policy), None, &dial).unwrap();
        generation.lookup = Arc::new(keys.lookup());
        let state = StateDir::open(&policy.state_dir).unwrap();
        let (records, keeper) = Records::open(&policy.state_dir, &policy.records).unwrap();
        let (audit, writer) = Audit::open(policy.audit.clone(), Some(keeper)).unwrap();
        let (vault, vault_writer) = Vault::open(&policy.state_dir).unwrap();
        if let Some(scanners) = &keys.scanners {
            generation.scanners = scanners.clone();
        }
        let current = Arc::new(ArcSwap::from_pointee(generation));
        let budget = Budget::new(policy.memory_octets, policy.disk_octets, state.tmp());
        let trace_key = TraceKey::new(state.trace_key());
        let counters = Arc::<gateway::Counters>::default();
        let world =
            Arc::new(gateway::Surroundings::new(Arc::clone(&current), audit.clone(), Arc::clone(&counters)));
        let desk = Desk::new(
            Arc::clone(&vault),
            Arc::clone(&world) as Arc<dyn World>,
            Arc::clone(&budget),
            state.ids(),
            trace_key.clone(),
            dir.path().to_owned(),
        );
        let gateway = Gateway {
            current,
            ids: state.ids(),
            trace_key,
            budget,
            vault,
            desk,
            world,
            accepted: downstream::Accepted::open(&policy.state_dir),
            space: gateway::Space::default(),
            audit,
            records,
            live: Arc::default(),
            counters,
            limits: Arc::new(Limits::open(&policy.state_dir, 0).unwrap()),
            fold: portcullis::gateway::Fold::default(),
            phase: tokio::sync::watch::channel(gateway::Phase::Running).0,
            dial,
            rules_dir: dir.path().to_owned(),
            started_unix_ms: 0,
            last_reload_error: Mutex::default(),
            history: gateway::History::default(),
        };
        Self { gateway: Arc::new(gateway), downstream, dir, writer, vault: vault_writer }
    }

    /// Asks the downstream what it offers, as the start does.
    pub async fn probe(&self) {
        let before = std::mem::replace(&mut *self.downstream.mode.lock().unwrap(), Mode::Auto);
        let pools = self.gateway.current.load().pools.clone();
        for pool in pools {
            pool.probe().await;
        }
        tokio::time::sleep(IDLE).await;
        self.downstream.set_mode(before);
        self.downstream.take_heard();
    }

    /// A client's end of a new session.
    pub fn connect(&self, peer: SocketAddr) -> DuplexStream {
        let (near, far) = tokio::io::duplex(PIPE_OCTETS);
        let local = "198.51.100.25:25".parse().unwrap();
        let accepted = Accepted::new(Box::new(far), peer, local, 0);
        let place = self.gateway.live.enter(1000).unwrap();
        let session = Session::new(Arc::clone(&self.gateway), accepted, place).unwrap();
        tokio::spawn(session.run());
        near
    }

    /// Until no session has a message at its end any more. What makes it durable are threads, whose time is not the
    /// test's.
    pub async fn settle(&self) {
        let begun = std::time::Instant::now();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        while self.gateway.live.report(1000).iter().any(|session| session.state == Doing::Deliver) {
            assert!(begun.elapsed() < Duration::from_secs(20), "a message hangs at its end");
            std::thread::sleep(Duration::from_millis(1));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// No volume has any space left.
    pub fn fill_disk(&self) {
        self.gateway.space.fill();
    }

    /// The store takes nothing any more.
    pub fn close_vault(&mut self) {
        self.vault.close();
    }

    /// The folder of the store.
    pub fn vault_dir(&self) -> PathBuf {
        self.dir.path().join("state/vault")
    }

    /// The messages that are ours, in the order in which they came.
    pub fn items(&self) -> Vec<Item> {
        let vault = &self.gateway.vault;
        assert!(vault.catch_up());
        let ids = vault.ids(&Query::default(), Scope::Everything, 0, 1000).unwrap();
        let item = |id| match vault.item(id) {
            Ok(item) => Some(item),
            // Delivered since it was listed.
            Err(VaultError::Missing(_)) => None,
            Err(error) => panic!("{error}"),
        };
        ids.into_iter().filter_map(|(id, _)| item(id)).collect()
    }

    /// The octets of one of them.
    pub fn octets(&self, item: &Item) -> Vec<u8> {
        let mut out = Vec::new();
        let mut take = |piece: &[u8]| {
            out.extend_from_slice(piece);
            true
        };
        self.gateway.vault.read(item, &mut take).unwrap();
        out
    }

    /// The audit log so far; ends it.
    pub fn audit(mut self) -> Vec<String> {
        self.vault.close();
        self.writer.close();
        let text = std::fs::read_to_string(self.dir.path().join("state/audit.jsonl")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What is there to read until everybody waits; `true` behind it if the stream has ended.
pub async fn drain(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    loop {
        match tokio::time::timeout(IDLE, stream.read_buf(&mut out)).await {
            Ok(Ok(0) | Err(_)) => return (out, true),
            Ok(Ok(_)) => {}
            Err(_elapsed) => return (out, false),
        }
    }
}

/// Runs a test on one thread with a clock that only moves when everybody waits.
pub fn paused<F: Future>(test: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test)
}
