//! `scanners.toml`. The defaults are those of the table of keys; a test compares the two.

use crate::rules::Mode;
use crate::verdict::Folder;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything of `scanners.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanning {
    /// All scanners of one message together, waiting in queues included.
    pub deadline: Duration,
    /// Results that are remembered by digest of the message and version of the signatures.
    pub cache: usize,
    /// Scanners, in file order.
    pub scanners: Vec<Arc<ScannerRules>>,
}

/// One scanner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannerRules {
    /// Name: in logs, tags, and on the command line.
    pub name: Arc<str>,
    /// What speaks to it.
    pub engine: Engine,
    /// Off: it is not asked. Log: what it says is told and changes nothing.
    pub mode: Mode,
    /// Time of one scan, from when it has its place.
    pub timeout: Duration,
    /// Scans at once; `None` is four times the cores of this machine.
    pub concurrency: Option<usize>,
    /// Messages that may wait for a place.
    pub queue: usize,
    /// Larger messages are not given to it. Octets.
    pub max_octets: u64,
    /// What an infected message gets.
    pub on_infected: OnInfected,
    /// What a message gets that it gave no answer to.
    pub on_error: Lane,
    /// What a message gets that is too large for it; never [`Lane::Hold`], for it will not shrink.
    pub on_too_large: Lane,
    /// Thousandths: its scores count so much.
    pub factor_milli: i32,
    /// Thousandths of a point: what all its symbols together add or take at most.
    pub score_most_milli: i32,
    /// Symbols that count nothing: names, with `*` at the end as prefixes.
    pub skip: Vec<Box<str>>,
    /// Failures in a row after which an address is left alone.
    pub breaker_failures: u32,
    /// Pause until it is tried again.
    pub breaker_pause: Duration,
    /// Line of its table.
    pub line: u32,
}

/// Kinds of engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// clamd: `INSTREAM`.
    Clamd(Vec<EngineAddress>),
    /// rspamd: HTTP `/checkv2`.
    Rspamd(Vec<EngineAddress>),
    /// `SpamAssassin`: SPAMC.
    Spamd {
        /// Where.
        addresses: Vec<EngineAddress>,
        /// Whose preferences; `None` are those of the daemon.
        user: Option<Box<str>>,
    },
    /// A program: the message at its standard input, its exit code is the answer.
    Command(CommandLine),
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Program and arguments, at least one; no shell.
    pub words: Vec<Box<str>>,
    /// Exit codes that say clean.
    pub clean: Vec<u8>,
    /// Exit codes that say infected; the first line of the output is the name.
    pub infected: Vec<u8>,
    /// Exit codes that say spam.
    pub spam: Vec<u8>,
    /// Thousandths of a point of spam, before `factor`.
    pub spam_milli: i32,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EngineAddress {
    /// A socket file.
    Unix(PathBuf),
    /// An address and port.
    Tcp(SocketAddr),
}

/// What an infected message gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnInfected {
    /// 550 5.7.1.
    Reject,
    /// 250, and kept here.
    Quarantine(Folder),
    /// 250, and dropped, with a copy in `discarded`.
    Discard,
}

/// What becomes of a message that a scanner did not judge. Never a permanent refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Lane {
    /// The client tries again (451 4.3.0).
    #[default]
    Tempfail,
    /// It is taken, kept sealed, and scanned again by itself.
    Hold,
    /// It goes on, and is marked as not scanned.
    PassTagged,
    /// It is taken and kept in `unscanned`.
    Quarantine,
}

impl Scanning {
    /// The scanner of that name.
    #[must_use]
    pub fn scanner(&self, name: &str) -> Option<&Arc<ScannerRules>> {
        self.scanners.iter().find(|scanner| *scanner.name == *name)
    }
}

impl Default for Scanning {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(20), cache: 10_000, scanners: Vec::new() }
    }
}

impl ScannerRules {
    /// A scanner without any key but what it needs.
    #[must_use]
    pub fn named(name: &str, engine: Engine) -> Self {
        let on_too_large = Lane::too_large(&engine);
        Self {
            name: name.into(),
            engine,
            mode: Mode::On,
            timeout: Duration::from_secs(15),
            concurrency: None,
            queue: 200,
            max_octets: 50 << 20,
            on_infected: OnInfected::Reject,
            on_error: Lane::Tempfail,
            on_too_large,
            factor_milli: 1_000,
            score_most_milli: 15_000,
            skip: Vec::new(),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(10),
            line: 0,
        }
    }

    /// Whether it looks for malware, so that it also sees parts that can be read in more than one way.
    #[must_use]
    pub fn finds_malware(&self) -> bool {
        match &self.engine {
            Engine::Clamd(_) => true,
            Engine::Command(command) => !command.infected.is_empty(),
            Engine::Rspamd(_) | Engine::Spamd { .. } => false,
        }
    }
}

impl Engine {
    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Clamd(_) => "clamd",
            Self::Rspamd(_) => "rspamd",
            Self::Spamd { .. } => "spamd",
            Self::Command(_) => "command",
        }
    }

    /// Where it listens; none for a program.
    #[must_use]
    pub fn addresses(&self) -> &[EngineAddress] {
        match self {
            Self::Clamd(addresses) | Self::Rspamd(addresses) | Self::Spamd { addresses, .. } => addresses,
            Self::Command(_) => &[],
        }
    }
}

impl Lane {
    /// Folder of what no scanner could look at.
    pub const UNSCANNED: &str = "unscanned";

    /// What holds for messages over an engine's size where nothing is said: engines that look for spam miss little in
    /// large messages, for others no answer is no pass.
    #[must_use]
    pub fn too_large(engine: &Engine) -> Self {
        match engine {
            Engine::Clamd(_) | Engine::Command(_) => Self::Quarantine,
            Engine::Rspamd(_) | Engine::Spamd { .. } => Self::PassTagged,
        }
    }

    /// Its word in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tempfail => "tempfail",
            Self::Hold => "hold",
            Self::PassTagged => "pass-tagged",
            Self::Quarantine => "quarantine",
        }
    }

    /// The lane of a word of the file.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "hold" => Self::Hold,
            "pass-tagged" => Self::PassTagged,
            "quarantine" => Self::Quarantine,
            _ => Self::Tempfail,
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}
