//! Sealed files: compressed, and encrypted under a key that stands in the file's own header. So no pattern of a message
//! is to be seen on disk and no other product that scans it takes the file away; a cut or changed file is noticed; and
//! nothing is lost with a lost key file. It is no secret from whoever may read the file: that is the file mode.
//!
//! ```text
//! magic 8   version 1   key 32   then blocks:
//! head 4 (little-endian: octets that follow; bit 31 the last block; bit 30 deflated)   ciphertext and tag
//! ```
//! A block holds up to 64 KiB, deflated at the fastest level where that makes it smaller, then AES-256-GCM with the
//! number of the block as nonce and the head as additional data: blocks cannot be left out, moved, or cut off.
//!
//! State: one block in the writer, one in the reader, whatever the size of the file. Failure: [`SealError`]; no octet
//! of a block that is not as it was written is handed out. All calls block where the stream below blocks.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::io::{self, ErrorKind, Read, Write};

/// Octets of a block before sealing; the reader hands out pieces of at most so many.
pub const BLOCK: usize = 64 * 1024;
const MAGIC: [u8; 8] = *b"\x8ePCSEAL\n";
const VERSION: u8 = 1;
const KEY: usize = 32;
const TAG: usize = 16;
const LAST: u32 = 1 << 31;
const DEFLATED: u32 = 1 << 30;
const LENGTH: u32 = (1 << 24) - 1;

/// Why a sealed file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// It does not begin as such files do.
    #[error("it is no sealed file")]
    Magic,
    /// A newer version of the program wrote it.
    #[error("it was written by a newer version (format {0})")]
    Newer(u8),
    /// It ends before its last block.
    #[error("it is cut")]
    Cut,
    /// Its octets are not those that were written.
    #[error("it was changed")]
    Tampered,
    /// It holds more than the caller wants.
    #[error("it is longer than {0} octets")]
    Long(usize),
}

impl SealError {
    /// In a few words, for an error that names the file.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Io(_) => "cannot be read",
            Self::Random => "no random numbers",
            Self::Magic => "no sealed file",
            Self::Newer(_) => "written by a newer version",
            Self::Cut => "cut",
            Self::Tampered => "changed",
            Self::Long(_) => "too long",
        }
    }
}

/// Seals what is written to it.
pub struct Sealer<W> {
    out: W,
    key: LessSafeKey,
    deflate: Compress,
    /// Of the message, not sealed yet; up to a block.
    plain: Vec<u8>,
    sealed: Vec<u8>,
    blocks: u64,
}

impl<W: Write> Sealer<W> {
    /// Writes the header of a new file.
    ///
    /// # Errors
    /// No random numbers, or `out` fails.
    pub fn new(mut out: W) -> Result<Self, SealError> {
        let mut octets = [0; KEY];
        SystemRandom::new().fill(&mut octets).map_err(|_| SealError::Random)?;
        let key = key(&octets).map_err(|_| SealError::Random)?;
        let mut head = [0; MAGIC.len() + 1 + KEY];
        let all = MAGIC.iter().chain(&[VERSION]).chain(&octets);
        head.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        out.write_all(&head)?;
        let deflate = Compress::new(Compression::fast(), false);
        Ok(Self { out, key, deflate, plain: Vec::new(), sealed: Vec::new(), blocks: 0 })
    }

    /// Where it goes.
    #[must_use]
    pub fn stream(&self) -> &W {
        &self.out
    }

    /// Appends octets.
    ///
    /// # Errors
    /// `out` fails; the file is of no use then.
    pub fn push(&mut self, mut octets: &[u8]) -> Result<(), SealError> {
        while !octets.is_empty() {
            // A full block is sealed only when more comes: the last one is marked.
            if self.plain.len() >= BLOCK {
                self.block(0)?;
            }
            let room = (BLOCK - self.plain.len()).min(octets.len());
            let Some((now, later)) = octets.split_at_checked(room) else { break };
            self.plain.extend_from_slice(now);
            octets = later;
        }
        Ok(())
    }

    /// Writes the last block and gives the stream back, which was not flushed.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<W, SealError> {
        self.block(LAST)?;
        Ok(self.out)
    }

    fn block(&mut self, mark: u32) -> Result<(), SealError> {
        let Self { plain, sealed, deflate, .. } = self;
        sealed.clear();
        // No room for more than the plain text: what grows is stored as it is.
        sealed.reserve_exact(plain.len() + TAG);
        let mut head = mark;
        if deflated(deflate, plain, sealed) {
            head |= DEFLATED;
        } else {
            sealed.clear();
            sealed.extend_from_slice(plain);
        }
        plain.clear();
        head |= u32::try_from(sealed.len() + TAG).unwrap_or(LENGTH) & LENGTH;
        let head = head.to_le_bytes();
        self.key
            .seal_in_place_append_tag(nonce(self.blocks), Aad::from(head), sealed)
            .map_err(|_| SealError::Io(io::Error::other("the block is too long")))?;
        self.blocks += 1;
        self.out.write_all(&head)?;
        self.out.write_all(sealed)?;
        Ok(())
    }
}

/// Whether `plain` fits behind being deflated into its own length.
fn deflated(deflate: &mut Compress, plain: &[u8], to: &mut Vec<u8>) -> bool {
    if plain.len() < 64 {
        return false;
    }
    deflate.reset();
    let mut room = std::mem::take(to);
    let status = deflate.compress_vec(plain, &mut room, FlushCompress::Finish);
    *to = room;
    matches!(status, Ok(Status::StreamEnd)) && to.len() < plain.len()
}

/// Reads a sealed file, block by block.
pub struct Unsealer<R> {
    from: R,
    key: LessSafeKey,
    inflate: Decompress,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    blocks: u64,
    ended: bool,
}

impl<R: Read> Unsealer<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is none of ours, or cut, or newer.
    pub fn new(mut from: R) -> Result<Self, SealError> {
        let mut magic = [0; MAGIC.len()];
        let mut version = [0];
        let mut octets = [0; KEY];
        fill(&mut from, &mut magic)?;
        if magic != MAGIC {
            return Err(SealError::Magic);
        }
        fill(&mut from, &mut version)?;
        match version {
            [VERSION] => {}
            [0] => return Err(SealError::Tampered),
            [newer] => return Err(SealError::Newer(newer)),
        }
        fill(&mut from, &mut octets)?;
        let key = key(&octets).map_err(|_| SealError::Tampered)?;
        let inflate = Decompress::new(false);
        Ok(Self { from, key, inflate, sealed: Vec::new(), plain: Vec::new(), blocks: 0, ended: false })
    }

    /// The next octets, at most [`BLOCK`] and never none; `None` behind the last block, which was there then.
    ///
    /// # Errors
    /// The file is cut or changed here. What was handed out before is as it was written.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, SealError> {
        if self.ended {
            return Ok(None);
        }
        let mut head = [0; 4];
        fill(&mut self.from, &mut head)?;
        let marks = u32::from_le_bytes(head);
        let length = (marks & LENGTH) as usize;
        if !(TAG..=BLOCK + TAG).contains(&length) {
            return Err(SealError::Tampered);
        }
        self.sealed.resize(length, 0);
        fill(&mut self.from, &mut self.sealed)?;
        let opened = self.key.open_in_place(nonce(self.blocks), Aad::from(head), &mut self.sealed);
        let opened = opened.map_err(|_| SealError::Tampered)?;
        self.blocks += 1;
        self.plain.clear();
        if marks & DEFLATED == 0 {
            self.plain.extend_from_slice(opened);
        } else {
            self.plain.reserve_exact(BLOCK);
            self.inflate.reset(false);
            let status = self.inflate.decompress_vec(opened, &mut self.plain, FlushDecompress::Finish);
            if !matches!(status, Ok(Status::StreamEnd)) {
                return Err(SealError::Tampered);
            }
        }
        if marks & LAST != 0 {
            self.ended = true;
            self.nothing_behind()?;
        }
        Ok((!self.plain.is_empty()).then_some(&self.plain))
    }

    fn nothing_behind(&mut self) -> Result<(), SealError> {
        loop {
            return match self.from.read(&mut [0]) {
                Ok(0) => Ok(()),
                Ok(_) => Err(SealError::Tampered),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => Err(e.into()),
            };
        }
    }
}

/// Seals something small in memory.
///
/// # Errors
/// No random numbers.
pub fn seal(octets: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealer = Sealer::new(Vec::with_capacity(octets.len() / 2 + 128))?;
    sealer.push(octets)?;
    sealer.finish()
}

/// The octets of something small.
///
/// # Errors
/// It is not as it was sealed, or has more than `max` octets.
pub fn unseal(from: impl Read, max: usize) -> Result<Vec<u8>, SealError> {
    let mut unsealer = Unsealer::new(from)?;
    let mut octets = Vec::new();
    while let Some(piece) = unsealer.piece()? {
        if octets.len() + piece.len() > max {
            return Err(SealError::Long(max));
        }
        octets.extend_from_slice(piece);
    }
    Ok(octets)
}

fn key(octets: &[u8; KEY]) -> Result<LessSafeKey, ring::error::Unspecified> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, octets)?))
}

fn nonce(block: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce.iter_mut().zip(block.to_le_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

fn fill(from: &mut impl Read, to: &mut [u8]) -> Result<(), SealError> {
    from.read_exact(to).map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => SealError::Cut,
        _ => SealError::Io(e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: usize) -> Vec<u8> {
        b"A line of a message, and another one.\r\n".iter().copied().cycle().take(octets).collect()
    }

    /// Octets that do not compress.
    fn noise(octets: usize) -> Vec<u8> {
        let mut x: u64 = 88_172_645_463_325_252;
        let next = move || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        };
        std::iter::repeat_with(next).take(octets).collect()
    }

    #[test]
    fn what_was_sealed_comes_back() {
        for octets in [0, 1, 63, 64, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 200_000] {
            for plain in [text(octets), noise(octets)] {
                let sealed = seal(&plain).unwrap();
                assert!(unseal(&sealed[..], octets).unwrap() == plain, "{octets}");
                assert!(
                    sealed.len() <= octets + 41 + 20 * (octets / BLOCK + 1),
                    "{octets}: {}",
                    sealed.len()
                );
            }
        }
        assert!(seal(&text(100_000)).unwrap().len() < 5_000);
        assert!(matches!(unseal(&seal(&text(11)).unwrap()[..], 10), Err(SealError::Long(10))));
    }

    #[test]
    fn pieces_are_of_no_matter() {
        let plain = text(150_000);
        let mut sealer = Sealer::new(Vec::new()).unwrap();
        plain.chunks(777).for_each(|piece| sealer.push(piece).unwrap());
        let sealed = sealer.finish().unwrap();
        assert!(unseal(&sealed[..], plain.len()).unwrap() == plain);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for plain in [text(900), noise(100), Vec::new()] {
            let sealed = seal(&plain).unwrap();
            for at in 0..sealed.len() * 8 {
                let mut changed = sealed.clone();
                changed[at / 8] ^= 1 << (at % 8);
                assert!(unseal(&changed[..], 10_000).is_err(), "bit {at}");
            }
        }
    }

    #[test]
    fn every_cut_and_every_octet_more_is_noticed() {
        let sealed = seal(&noise(BLOCK + 300)).unwrap();
        let ends = (0..400).chain(BLOCK..sealed.len());
        for end in ends {
            assert!(matches!(unseal(&sealed[..end], 1 << 20), Err(SealError::Cut)), "{end}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(matches!(unseal(&longer[..], 1 << 20), Err(SealError::Tampered)));
        // A whole block less: the one before it is not the last.
        let less = &sealed[..41 + 4 + BLOCK + TAG];
        assert!(matches!(unseal(less, 1 << 20), Err(SealError::Cut)));
    }

    #[test]
    fn each_trouble_has_its_error() {
        let sealed = seal(&text(100)).unwrap();
        let with = |at: usize, octet: u8| {
            let mut changed = sealed.clone();
            changed[at] = octet;
            unseal(&changed[..], 1000).unwrap_err()
        };
        assert!(matches!(with(0, b'x'), SealError::Magic));
        assert!(matches!(with(8, 2), SealError::Newer(2)));
        assert!(matches!(with(8, 0), SealError::Tampered));
        assert!(matches!(with(20, !sealed[20]), SealError::Tampered));
        assert!(matches!(unseal(&b"From: a message\r\n\r\n"[..], 1000).unwrap_err(), SealError::Magic));
    }

    #[test]
    fn patterns_are_not_to_be_seen() {
        let pattern =
            ["X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat();
        // Stored as it is, and deflated.
        for plain in [pattern.clone(), pattern.repeat(50), format!("{pattern}{pattern}")] {
            let sealed = seal(plain.as_bytes()).unwrap();
            for part in pattern.as_bytes().windows(8) {
                assert!(!sealed.windows(8).any(|w| w == part));
            }
        }
        let (one, two) = (seal(pattern.as_bytes()).unwrap(), seal(pattern.as_bytes()).unwrap());
        assert_ne!(one[41..], two[41..], "the same octets never look the same");
    }

    #[test]
    fn fifty_megabytes_in_bounded_memory() {
        let mut sealer = Sealer::new(tempfile::tempfile().unwrap()).unwrap();
        let piece = noise(100_000);
        for _ in 0..500 {
            sealer.push(&piece).unwrap();
        }
        let held = |plain: &Vec<u8>, sealed: &Vec<u8>| plain.capacity().max(sealed.capacity());
        assert!(held(&sealer.plain, &sealer.sealed) <= 2 * BLOCK);
        let mut file = sealer.finish().unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let mut unsealer = Unsealer::new(io::BufReader::new(file)).unwrap();
        let mut octets = 0;
        while let Some(got) = unsealer.piece().unwrap() {
            octets += got.len();
        }
        assert_eq!(octets, 50_000_000);
        assert!(held(&unsealer.plain, &unsealer.sealed) <= 2 * BLOCK);
    }
}
