//! A program as a scanner: the message at its standard input, its exit code is the answer.
//!
//! It is started without a shell, in a process group of its own, with a small environment. It and whatever it started
//! are killed when it is late, or nobody waits any more. Its output is bounded, and only the first line of
//! it is looked at, for the name of what it found. A program that is killed, or ends with a code that means nothing, gave
//! no answer.

use super::gate::Gate;
use super::job::Job;
use super::scanner::{ScanFuture, Scanner};
use super::verdict::{ScanVerdict, Scored, Symbol};
use crate::body::BodyError;
use crate::config::model::{CommandLine, ScannerRules};
use crate::mail::escape_at_most;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout, timeout_at};

/// Octets of its output that are read; what is beyond is thrown away with the pipe.
const OUTPUT_MAX: u64 = 4096;
/// For its output, when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Where programs look for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// See the module head.
pub(super) struct Program {
    rules: Arc<ScannerRules>,
    line: CommandLine,
    gate: Gate,
}

/// The process group of a program; dropped, all of it is killed.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There may be nobody left in it.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Program {
    pub(super) fn new(rules: Arc<ScannerRules>, line: CommandLine) -> Self {
        let gate = Gate::new(rules.concurrency, rules.queue);
        Self { rules, line, gate }
    }

    async fn work(&self, job: Job<'_>) -> ScanVerdict {
        if job.input.len() > self.rules.max_octets {
            return ScanVerdict::TooLarge;
        }
        let place = match self.gate.enter(job.deadline).await {
            Ok(place) => place,
            Err(verdict) => return verdict,
        };
        let deadline = job.deadline.min(Instant::now() + self.rules.timeout);
        let verdict = timeout_at(deadline, Box::pin(self.run(job))).await.unwrap_or(ScanVerdict::TimedOut);
        drop(place);
        verdict
    }

    async fn run(&self, job: Job<'_>) -> ScanVerdict {
        let mut child = match self.start(&job) {
            Ok(child) => child,
            Err(error) => return ScanVerdict::Unavailable(format!("cannot be started: {error}")),
        };
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut talking = Box::pin(async { tokio::join!(feed(stdin, &job), output(stdout)) });
        let mut talked = None;
        let status = loop {
            tokio::select! {
                biased;
                both = &mut talking, if talked.is_none() => talked = Some(both),
                status = child.wait() => break status,
            }
        };
        // Its number may be that of another group from now on.
        group.0 = None;
        if talked.is_none() {
            // Something that it started may hold its output open.
            talked = timeout(LAST_WORDS, talking).await.ok();
        }
        match (status, talked) {
            (_, Some((Err(error), _))) => ScanVerdict::Unread(error.to_string()),
            (Ok(status), talked) => {
                self.verdict(status, &talked.map(|(_, output)| output).unwrap_or_default())
            }
            (Err(error), _) => ScanVerdict::Error(format!("its end cannot be seen: {error}")),
        }
    }

    fn start(&self, job: &Job<'_>) -> std::io::Result<Child> {
        let mut words = self.line.words.iter().map(|word| &**word);
        let mut command = tokio::process::Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().env("PATH", PATH).env("LC_ALL", "C");
        if let Some(envelope) = job.envelope {
            command.env("PORTCULLIS_ID", envelope.id.to_string());
            command.env("PORTCULLIS_CLIENT", envelope.client.to_string());
            command.env("PORTCULLIS_SENDER", envelope.sender.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
        command.process_group(0).kill_on_drop(true).spawn()
    }

    fn verdict(&self, status: ExitStatus, output: &[u8]) -> ScanVerdict {
        let Some(code) = status.code() else {
            return ScanVerdict::Error("it was killed by a signal".to_owned());
        };
        let code_of = |codes: &[u8]| codes.iter().any(|c| i32::from(*c) == code);
        let first = output.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
        if code_of(&self.line.clean) {
            return ScanVerdict::Clean;
        }
        if code_of(&self.line.infected) {
            return ScanVerdict::infected(if first.is_empty() { b"unnamed" } else { first });
        }
        if code_of(&self.line.spam) {
            let symbols = if first.is_empty() { Vec::new() } else { vec![Symbol::new(first, 0)] };
            return ScanVerdict::Scored(Box::new(Scored {
                total_milli: self.line.spam_milli,
                symbols,
                advice: Some("spam".into()),
            }));
        }
        let said = if first.is_empty() { String::new() } else { format!(": {}", escape_at_most(first, 100)) };
        ScanVerdict::Failed(format!("it ended with code {code}{said}"))
    }
}

/// The message, as far as it wants it.
async fn feed(stdin: Option<ChildStdin>, job: &Job<'_>) -> Result<(), BodyError> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let mut reader = job.input.reader();
    loop {
        let Some(piece) = reader.next().await? else { break };
        if stdin.write_all(&piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn output(stdout: Option<ChildStdout>) -> Vec<u8> {
    let mut octets = Vec::new();
    let Some(stdout) = stdout else { return octets };
    let mut bounded = stdout.take(OUTPUT_MAX);
    while matches!(bounded.read_buf(&mut octets).await, Ok(n) if n > 0) {}
    octets
}

impl Scanner for Program {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.rules
    }

    fn scan<'a>(&'a self, job: Job<'a>) -> ScanFuture<'a> {
        Box::pin(self.work(job))
    }

    fn load(&self) -> (usize, usize, usize) {
        self.gate.load()
    }
}
