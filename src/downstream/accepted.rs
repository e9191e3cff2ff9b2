//! Recipients that a downstream accepted: who may get mail while it is away (`on_outage = "queue"`).
//!
//! Owner of: a bounded memory of digests, and its file in the state directory, written whole now and then and at the
//! end. Two halves: what is used moves to the young one; when that is full the old one is forgotten. Failure: a file that
//! is missing or damaged is an empty memory, and one that cannot be written is told once an attempt; a kill loses what
//! was learnt since the last write, never more.

use crate::mail::{Host, Mailbox};
use crate::store::{FileError, atomic};
use ring::digest::{SHA256, digest};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Recipients remembered at most, in both halves together.
const RECIPIENTS_MAX: usize = 100_000;
const HALF: usize = RECIPIENTS_MAX / 2;
/// Octets of a digest that are kept: nobody finds two addresses that share them.
const DIGEST_OCTETS: usize = 16;
const MAGIC: &[u8] = b"portcullis accepted 1\n";
const FILE: &str = "accepted";

type Digest = [u8; DIGEST_OCTETS];

/// See the module head.
#[derive(Debug, Default)]
pub struct Accepted {
    halves: Mutex<Halves>,
    file: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
    changed: bool,
}

impl Accepted {
    /// The memory of a state directory.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let most = MAGIC.len() + RECIPIENTS_MAX * DIGEST_OCTETS;
        let halves = match atomic::read(&file, most) {
            Ok(octets) => Halves::parse(&octets).unwrap_or_else(|| {
                tracing::warn!(file = %file.display(), "the memory of accepted recipients is damaged, it begins anew");
                Halves::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Halves::default(),
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "the memory of accepted recipients cannot be read, it begins anew");
                Halves::default()
            }
        };
        Self { halves: Mutex::new(halves), file: Some(file) }
    }

    /// The downstream accepted this recipient.
    pub fn note(&self, downstream: &str, mailbox: &Mailbox) {
        let digest = digest_of(downstream, mailbox);
        self.halves().note(digest);
    }

    /// Whether it did before.
    #[must_use]
    pub fn has(&self, downstream: &str, mailbox: &Mailbox) -> bool {
        let digest = digest_of(downstream, mailbox);
        let halves = self.halves();
        halves.young.contains(&digest) || halves.old.contains(&digest)
    }

    /// Writes the memory where it has changed since the last time. Blocks on the disk.
    ///
    /// # Errors
    /// It cannot be written; it is tried again the next time.
    pub fn save(&self) -> Result<(), FileError> {
        let Some(file) = &self.file else { return Ok(()) };
        let octets = {
            let mut halves = self.halves();
            if !std::mem::take(&mut halves.changed) {
                return Ok(());
            }
            halves.octets()
        };
        atomic::write(file, &octets, 0o640).inspect_err(|_| self.halves().changed = true)
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn note(&mut self, digest: Digest) {
        if self.young.contains(&digest) {
            return;
        }
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&digest);
        self.young.insert(digest);
        self.changed = true;
    }

    /// The older ones first, so that they are forgotten first after a start too.
    fn octets(&self) -> Vec<u8> {
        let count = self.young.len() + self.old.len();
        let mut out = Vec::with_capacity(MAGIC.len() + count * DIGEST_OCTETS);
        out.extend_from_slice(MAGIC);
        self.old.iter().chain(&self.young).for_each(|digest| out.extend_from_slice(digest));
        out
    }

    fn parse(octets: &[u8]) -> Option<Self> {
        let (digests, rest) = octets.strip_prefix(MAGIC)?.as_chunks::<DIGEST_OCTETS>();
        if !rest.is_empty() {
            return None;
        }
        let mut halves = Self::default();
        digests.iter().for_each(|digest| halves.note(*digest));
        halves.changed = false;
        Some(halves)
    }
}

/// Mailboxes that differ in case only are the same here, as they are almost everywhere.
fn digest_of(downstream: &str, mailbox: &Mailbox) -> Digest {
    let mut text = Vec::with_capacity(96);
    text.extend_from_slice(downstream.as_bytes());
    text.push(0);
    text.extend(mailbox.local().iter().map(u8::to_ascii_lowercase));
    text.push(b'@');
    match mailbox.host() {
        Host::Name(domain) => text.extend_from_slice(domain.as_str().as_bytes()),
        Host::Literal(literal) => text.extend(literal.iter().map(u8::to_ascii_lowercase)),
        Host::Unqualified => {}
    }
    let whole = digest(&SHA256, &text);
    whole.as_ref().first_chunk::<DIGEST_OCTETS>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn who_was_accepted_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let accepted = Accepted::open(dir.path());
        accepted.note("mx", &mailbox("Anna@Example.NET"));
        accepted.note("mx", &mailbox("postmaster"));
        accepted.save().unwrap();
        let again = Accepted::open(dir.path());
        assert!(again.has("mx", &mailbox("anna@example.net")) && again.has("mx", &mailbox("Postmaster")));
        assert!(!again.has("other", &mailbox("anna@example.net")));
        assert!(!again.has("mx", &mailbox("anna@example.org")));
        // Nothing new, nothing written.
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        again.save().unwrap();
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn a_damaged_file_is_an_empty_memory() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "portcullis accepted 1\nshort", "something else"] {
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            assert!(!Accepted::open(dir.path()).has("mx", &mailbox("a@example.net")));
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_not_used() {
        let accepted = Accepted::default();
        let often = mailbox("often@example.net");
        accepted.note("mx", &mailbox("once@example.net"));
        for n in 0..RECIPIENTS_MAX + HALF {
            accepted.note("mx", &mailbox(&format!("r{n}@example.net")));
            if n % 1000 == 0 {
                accepted.note("mx", &often);
            }
        }
        assert!(accepted.has("mx", &often));
        assert!(!accepted.has("mx", &mailbox("once@example.net")));
        let halves = accepted.halves();
        assert!(halves.young.len() + halves.old.len() <= RECIPIENTS_MAX);
    }
}
