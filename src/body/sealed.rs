//! The sealed temporary file of one body: unlinked from the start, encrypted in blocks under a key that
//! exists in memory only, so that another product that scans the disk sees noise, a crash leaves nothing
//! behind, and damage is noticed.
//!
//! Block `n` lies at `n * SEALED`: up to [`PLAIN`] octets of AES-256-GCM ciphertext and 16 of tag, under
//! the nonce `n`. A block is written once, so no nonce serves twice. All calls block on the disk.

use super::error::BodyError;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Octets of a block before sealing.
pub(super) const PLAIN: usize = 64 * 1024;
pub(super) const TAG: usize = 16;
/// Octets of a full block in the file.
pub(super) const SEALED: usize = PLAIN + TAG;

/// The file and its key.
#[derive(Debug)]
pub(super) struct Sealed {
    file: File,
    key: LessSafeKey,
}

impl Sealed {
    pub(super) fn create(tmp: &Path) -> Result<Self, BodyError> {
        let mut octets = [0; 32];
        let key = SystemRandom::new()
            .fill(&mut octets)
            .and_then(|()| UnboundKey::new(&AES_256_GCM, &octets))
            .map_err(|_| BodyError::io("make a key for", io::Error::other("no random numbers")))?;
        let file = tempfile::tempfile_in(tmp).map_err(|e| BodyError::io("create", e))?;
        Ok(Self { file, key: LessSafeKey::new(key) })
    }

    /// Seals `block` in place, writes it as block `index`, and empties it.
    pub(super) fn write(&self, index: u64, block: &mut Vec<u8>) -> Result<(), BodyError> {
        self.key
            .seal_in_place_append_tag(nonce(index), Aad::empty(), block)
            .map_err(|_| BodyError::io("seal", io::Error::other("the block is too long")))?;
        self.file.write_all_at(block, offset(index)).map_err(|e| BodyError::io("write", e))?;
        block.clear();
        Ok(())
    }

    /// Reads block `index`, which has `plain` octets, into `block`.
    pub(super) fn read(&self, index: u64, plain: usize, block: &mut Vec<u8>) -> Result<(), BodyError> {
        block.resize(plain + TAG, 0);
        self.file.read_exact_at(block, offset(index)).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => BodyError::Damaged,
            _ => BodyError::io("read", e),
        })?;
        let opened = self.key.open_in_place(nonce(index), Aad::empty(), block);
        let length = opened.map_err(|_| BodyError::Damaged)?.len();
        block.truncate(length);
        Ok(())
    }

    /// Flips one bit of the file.
    #[cfg(test)]
    pub(super) fn damage(&self, at: u64) {
        let mut octet = [0];
        self.file.read_exact_at(&mut octet, at).unwrap();
        self.file.write_all_at(&[octet[0] ^ 1], at).unwrap();
    }

    #[cfg(test)]
    pub(super) fn cut(&self, octets: u64) {
        self.file.set_len(octets).unwrap();
    }
}

fn nonce(index: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    for (to, from) in nonce.iter_mut().zip(index.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(nonce)
}

fn offset(index: u64) -> u64 {
    index * SEALED as u64
}
