//! Making a message ready: sealed, with its size, digest and likeness, before anything of it is durable.
//!
//! State: the body, sealed, in memory up to 1 MiB; beyond that, or when all that wait have 64 MiB, in a file in
//! `incoming/`, which goes away with whoever holds it unless the journal names it. Blocks: for the blocking pool.

use super::core::Core;
use super::disk::{DiskFile, failed};
use super::error::VaultError;
use super::item::Item;
use crate::message::likeness;
use crate::store::seal::{SealError, Sealer};
use ring::digest::{Context, SHA256};
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sealed octets of a body that stay in memory.
const INLINE_MAX: usize = 1 << 20;
/// Of all bodies together.
const HELD_MAX: u64 = 64 << 20;

/// A message that lies ready.
pub(super) struct Ready {
    pub(super) item: Arc<Item>,
    pub(super) sealed: Arc<Vec<u8>>,
    pub(super) body: ReadyBody,
}

pub(super) enum ReadyBody {
    Memory(Arc<Vec<u8>>, Share),
    File(Incoming),
}

/// A share of the memory for bodies that are not in files yet; dropping it gives it back.
pub(super) struct Share {
    held: Arc<AtomicU64>,
    octets: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.octets, Ordering::AcqRel);
    }
}

/// A file in `incoming/`; dropping it removes the file.
pub(super) struct Incoming {
    core: Arc<Core>,
    pub(super) name: String,
    pub(super) path: PathBuf,
    kept: bool,
}

impl Incoming {
    /// The file stays: the journal names it.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed at the next start.
            let _ = self.core.disk.unlink(&self.path);
        }
    }
}

/// Takes a message in, piece by piece.
pub(super) struct Intake {
    item: Item,
    sealer: Sealer<Sink>,
    digest: Context,
    size: u64,
    /// What likeness is found in.
    head: Vec<u8>,
}

impl Intake {
    pub(super) fn begin(core: &Arc<Core>, item: Item) -> Result<Self, VaultError> {
        let share = Share { held: Arc::clone(&core.held), octets: 0 };
        let sink = Sink { core: Arc::clone(core), name: item.id, memory: Vec::new(), share, file: None };
        let sealer = Sealer::new(sink).map_err(|e| sealing(core, e))?;
        Ok(Self { item, sealer, digest: Context::new(&SHA256), size: 0, head: Vec::new() })
    }

    pub(super) fn push(&mut self, octets: &[u8]) -> Result<(), VaultError> {
        let room = likeness::OCTETS_MAX.saturating_sub(self.head.len());
        self.head.extend_from_slice(octets.get(..room).unwrap_or(octets));
        self.digest.update(octets);
        self.size += octets.len() as u64;
        let Err(error) = self.sealer.push(octets) else { return Ok(()) };
        Err(sealing(&self.sealer.stream().core, error))
    }

    pub(super) fn finish(self) -> Result<Ready, VaultError> {
        let Self { mut item, sealer, digest, size, head } = self;
        let core = Arc::clone(&sealer.stream().core);
        let sink = sealer.finish().map_err(|e| sealing(&core, e))?;
        let body = sink.finish()?;
        item.version = 1;
        item.order = core.next_order();
        item.size = size;
        item.digest = hexadecimal(digest.finish().as_ref());
        item.likeness = likeness::likeness(&head);
        let (item, sealed) = sealed_item(&core, item)?;
        Ok(Ready { item, sealed, body })
    }
}

/// The item and what its file will be.
pub(super) fn sealed_item(core: &Core, item: Item) -> Result<(Arc<Item>, Arc<Vec<u8>>), VaultError> {
    let octets =
        serde_json::to_vec(&item).map_err(|e| failed("write", &core.layout.item(item.id), e.into()))?;
    if octets.len() > super::core::ITEM_MAX {
        let why = io::Error::new(io::ErrorKind::InvalidInput, "what is known of this message is too long");
        return Err(failed("write", &core.layout.item(item.id), why));
    }
    let sealed = crate::store::seal::seal(&octets).map_err(|e| sealing(core, e))?;
    Ok((Arc::new(item), Arc::new(sealed)))
}

fn sealing(core: &Core, error: SealError) -> VaultError {
    match error {
        SealError::Io(e) => failed("write", &core.layout.incoming.join("body"), e),
        other => failed("seal a message for", &core.layout.root, io::Error::other(other.to_string())),
    }
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Where the sealed octets of a body go.
struct Sink {
    core: Arc<Core>,
    name: crate::mail::Id,
    memory: Vec<u8>,
    share: Share,
    file: Option<(DiskFile, Incoming)>,
}

impl Sink {
    fn begin_file(&mut self) -> Result<(), VaultError> {
        let core = &self.core;
        let name = core.incoming_name(self.name);
        let path = core.layout.incoming(&name);
        let incoming = Incoming { core: Arc::clone(core), name, path: path.clone(), kept: false };
        let mut file = core.disk.create(&path)?;
        core.disk.write(&mut file, &self.memory)?;
        self.memory = Vec::new();
        self.share.held.fetch_sub(std::mem::take(&mut self.share.octets), Ordering::AcqRel);
        self.file = Some((file, incoming));
        Ok(())
    }

    fn finish(mut self) -> Result<ReadyBody, VaultError> {
        let Some((file, incoming)) = self.file.take() else {
            return Ok(ReadyBody::Memory(Arc::new(self.memory), self.share));
        };
        self.core.disk.flush(&file)?;
        self.core.disk.flush_folder(&self.core.layout.incoming)?;
        Ok(ReadyBody::File(incoming))
    }
}

impl io::Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            let more = octets.len() as u64;
            let held = self.core.held.fetch_add(more, Ordering::AcqRel) + more;
            self.share.octets += more;
            self.memory.extend_from_slice(octets);
            if self.memory.len() > INLINE_MAX || held > HELD_MAX {
                self.begin_file().map_err(as_io)?;
            }
        } else if let Some((file, _)) = &mut self.file {
            self.core.disk.write(file, octets).map_err(as_io)?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what kind of trouble it is.
fn as_io(error: VaultError) -> io::Error {
    match error {
        VaultError::NoSpace(_) => io::ErrorKind::StorageFull.into(),
        VaultError::Io { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}
