//! Reading bodies: from their file, or from where they lie until the applying thread has come so far.
//!
//! Failure: a body that is cut or changed gives nothing beyond the last true block, and its digest is compared at the
//! end. Blocks.

use super::core::{Core, NewBody, unsealed};
use super::disk::failed;
use super::error::VaultError;
use super::intake::hexadecimal;
use super::item::Item;
use crate::store::seal::Unsealer;
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Octets of a shared buffer.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Hands out the message in pieces of at most 64 KiB, until `take` says false.
pub(super) fn read(core: &Core, item: &Item, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), VaultError> {
    let Some(path) = core.layout.body(&item.digest) else {
        return Err(VaultError::Damaged { path: core.layout.item(item.id), what: "it names no body" });
    };
    let from = open(core, item, &path)?;
    let mut unsealer = Unsealer::new(from).map_err(|e| unsealed(&path, e))?;
    let mut digest = Context::new(&SHA256);
    while let Some(piece) = unsealer.piece().map_err(|e| unsealed(&path, e))? {
        digest.update(piece);
        if !take(piece) {
            return Ok(());
        }
    }
    if hexadecimal(digest.finish().as_ref()) == item.digest {
        return Ok(());
    }
    Err(VaultError::Damaged { path, what: "it is another message's body" })
}

fn open(core: &Core, item: &Item, path: &Path) -> Result<Box<dyn Read>, VaultError> {
    // It may come into its place, or go, between two looks.
    for _ in 0..3 {
        if let Some(file) = found(path)? {
            return Ok(file);
        }
        let newer = core.state().newer.get(&item.id).and_then(|newer| newer.body.clone());
        match newer {
            Some(NewBody::Memory(octets)) => return Ok(Box::new(Cursor::new(Shared(octets)))),
            Some(NewBody::File(path)) => {
                if let Some(file) = found(&path)? {
                    return Ok(file);
                }
            }
            None => {}
        }
    }
    // Removed with its item, or lost.
    core.item(item.id)?;
    Err(VaultError::Damaged { path: path.to_owned(), what: "it is not there" })
}

fn found(path: &Path) -> Result<Option<Box<dyn Read>>, VaultError> {
    match File::open(path) {
        Ok(file) => Ok(Some(Box::new(BufReader::with_capacity(1 << 16, file)))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", path, e)),
    }
}
