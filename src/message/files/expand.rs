//! Unpacking, with an end to it.

use super::bytes::cut;
use super::entry::Packed;
use super::file::Mark;
use crate::message::large::append;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::borrow::Cow;
use std::ops::Range;

/// Under this many octets nothing is a bomb.
const BOMB_OCTETS_MIN: u64 = 4 << 20;
/// Octets that are unpacked at a time.
const STEP: usize = 32 << 10;
/// Members of one gzip file that are looked at; the header of each costs.
const GZIP_MEMBERS_MAX: usize = 1000;

/// What came out.
#[derive(Debug)]
pub(super) struct Unpacked<'o> {
    /// The octets, as far as they were unpacked.
    pub(super) octets: Cow<'o, [u8]>,
    /// Why not all of them: [`Mark::TooLarge`], [`Mark::Bomb`], [`Mark::Damaged`].
    pub(super) ended: Option<Mark>,
    /// Octets that were gone through for it, packed or unpacked, whichever is more.
    pub(super) work: u64,
}

impl Unpacked<'_> {
    fn new(octets: Vec<u8>, ended: Option<Mark>, used: usize) -> Unpacked<'static> {
        let work = used.max(octets.len()) as u64;
        Unpacked { octets: octets.into(), ended, work }
    }
}

/// Bounds of one unpacking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Octets at most.
    pub(super) octets: u64,
    /// Unpacked octets for one packed one.
    pub(super) ratio: u32,
}

impl Room {
    /// Why unpacking ends here, after `out` octets of `packed`.
    pub(super) fn ended(self, out: usize, packed: usize) -> Option<Mark> {
        let (out, packed) = (out as u64, packed as u64);
        let bomb = out > BOMB_OCTETS_MIN && out / u64::from(self.ratio.max(1)) > packed.max(1);
        if bomb { Some(Mark::Bomb) } else { (out > self.octets).then_some(Mark::TooLarge) }
    }
}

/// The octets of an entry; where they are not to be had, what it cost to find out.
pub(super) fn expand<'o>(archive: &'o [u8], packed: Packed, room: Room) -> Result<Unpacked<'o>, u64> {
    let piece = |range: &Range<usize>| {
        let whole = range.end <= archive.len();
        cut(archive, range).and_then(|range| archive.get(range)).map(|octets| (octets, whole))
    };
    let unpacked = match packed {
        Packed::Nowhere => None,
        Packed::Plain(range) => piece(&range).map(|(octets, whole)| plain(octets, whole, room)),
        Packed::Ready(mut octets) => {
            let kept = usize::try_from(room.octets).unwrap_or(usize::MAX).min(octets.len());
            let ended = (kept < octets.len()).then_some(Mark::TooLarge);
            octets.truncate(kept);
            Some(Unpacked::new(octets, ended, 0))
        }
        Packed::Doubtful { range, deflated, crc } => {
            let (octets, whole) = piece(&range).ok_or(0u64)?;
            let unpacked = if deflated { inflate(octets, false, room).0 } else { plain(octets, whole, room) };
            let mut sum = Crc::new();
            sum.update(&unpacked.octets);
            let true_to_it = unpacked.ended.is_none() && !unpacked.octets.is_empty() && sum.sum() == crc;
            if !true_to_it {
                return Err(unpacked.work);
            }
            Some(Unpacked { ended: Some(Mark::Ambiguous), ..unpacked })
        }
        Packed::Deflate(range) => piece(&range).map(|(octets, _)| inflate(octets, false, room).0),
        Packed::Zlib(range) => piece(&range).map(|(octets, _)| inflate(octets, true, room).0),
        Packed::Gzip(range) => piece(&range).map(|(octets, _)| gunzip(octets, room)),
    };
    unpacked.ok_or(0)
}

fn plain(octets: &[u8], whole: bool, room: Room) -> Unpacked<'_> {
    let kept = usize::try_from(room.octets).unwrap_or(usize::MAX).min(octets.len());
    let ended = if kept < octets.len() { Some(Mark::TooLarge) } else { (!whole).then_some(Mark::Damaged) };
    let octets = octets.get(..kept).unwrap_or(octets);
    Unpacked { octets: octets.into(), ended, work: octets.len() as u64 }
}

/// Inflates; also says how many octets of the input were used.
pub(super) fn inflate(input: &[u8], zlib: bool, room: Room) -> (Unpacked<'static>, usize) {
    let mut machine = Decompress::new(zlib);
    let (mut out, mut used) = (Vec::new(), 0);
    let mut step = vec![0; STEP];
    let ended = loop {
        let rest = input.get(used..).unwrap_or_default();
        let (in_before, out_before, total) = (machine.total_in(), out.len(), machine.total_out());
        let status = machine.decompress(rest, &mut step, FlushDecompress::None);
        let taken = usize::try_from(machine.total_in() - in_before).unwrap_or(0);
        let made = usize::try_from(machine.total_out() - total).unwrap_or(0);
        append(&mut out, step.get(..made).unwrap_or_default());
        used += taken;
        let over = room.ended(out.len(), used);
        match status {
            Ok(Status::StreamEnd) => break over,
            Ok(Status::Ok | Status::BufError) if over.is_none() && (taken > 0 || out.len() > out_before) => {}
            Ok(_) | Err(_) => break over.or(Some(Mark::Damaged)),
        }
    };
    if let Ok(most) = usize::try_from(room.octets) {
        out.truncate(most);
    }
    (Unpacked::new(out, ended, used), used)
}

/// All members of a gzip file, one behind the other.
fn gunzip(input: &[u8], room: Room) -> Unpacked<'static> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = input;
    let gone = |rest: &[u8]| input.len() - rest.len();
    for _ in 0..GZIP_MEMBERS_MAX {
        let Some(data) = header_length(rest).and_then(|length| rest.get(length..)) else {
            // Behind the first member junk is common, blanks and zeros are usual.
            let ended = out.is_empty().then_some(Mark::Damaged);
            return Unpacked::new(out, ended, gone(rest));
        };
        let left = Room { octets: room.octets.saturating_sub(out.len() as u64), ..room };
        let (unpacked, used) = inflate(data, false, left);
        append(&mut out, &unpacked.octets);
        let ended = unpacked.ended.or_else(|| room.ended(out.len(), input.len()));
        rest = data.get(used + 8..).unwrap_or_default();
        if ended.is_some() || rest.is_empty() {
            return Unpacked::new(out, ended, gone(rest));
        }
    }
    Unpacked::new(out, Some(Mark::TooMany), gone(rest))
}

/// Octets of the header of a gzip member (RFC 1952 section 2.3).
pub(super) fn header_length(octets: &[u8]) -> Option<usize> {
    let [0x1f, 0x8b, 8, flags, ..] = *octets else { return None };
    let mut at = 10usize;
    if flags & 4 != 0 {
        at += 2 + usize::from(super::bytes::u16_le(octets, at)?);
    }
    for bit in [8, 16] {
        if flags & bit != 0 {
            at += memchr::memchr(0, octets.get(at..)?)? + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    (at <= octets.len()).then_some(at)
}

/// The file name that a gzip header gives (RFC 1952: latin-1).
pub(super) fn gzip_name(octets: &[u8]) -> Option<Box<str>> {
    let [0x1f, 0x8b, 8, flags, ..] = *octets else { return None };
    let mut at = 10usize;
    if flags & 4 != 0 {
        at += 2 + usize::from(super::bytes::u16_le(octets, at)?);
    }
    (flags & 8 != 0)
        .then(|| super::bytes::name(super::bytes::until_nul(octets.get(at..).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder};
    use std::io::Write as _;

    const ROOM: Room = Room { octets: 64 << 20, ratio: 200 };

    fn deflate(octets: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_deflated_comes_back() {
        for text in [&b""[..], b"hello", &[7; 300_000]] {
            let packed = deflate(text);
            let out = expand(&packed, Packed::Deflate(0..packed.len()), ROOM).unwrap();
            assert_eq!((&*out.octets, out.ended), (text, None));
        }
        let packed = deflate(&[b'x'; 1000]);
        let out = expand(&packed, Packed::Deflate(0..packed.len() - 3), ROOM).unwrap();
        assert_eq!(out.ended, Some(Mark::Damaged));
        let small = Room { octets: 100, ratio: 200 };
        let out = expand(&packed, Packed::Deflate(0..packed.len()), small).unwrap();
        assert_eq!((out.octets.len(), out.ended), (100, Some(Mark::TooLarge)));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let packed = deflate(&vec![0; 50 << 20]);
        let out = expand(&packed, Packed::Deflate(0..packed.len()), ROOM).unwrap();
        assert_eq!(out.ended, Some(Mark::Bomb));
        assert!(out.octets.len() < 5 << 20, "{}", out.octets.len());
    }

    #[test]
    fn members_of_gzip_follow_each_other() {
        let mut packed = gzip(b"one ");
        packed.extend(gzip(b"two"));
        packed.extend(b"\0\0junk");
        let out = expand(&packed, Packed::Gzip(0..packed.len()), ROOM).unwrap();
        assert_eq!((&*out.octets, out.ended), (&b"one two"[..], None));
        let named = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03a.txt\0";
        assert_eq!(gzip_name(named).as_deref(), Some("a.txt"));
        assert_eq!(header_length(named), Some(named.len()));
    }

    #[test]
    fn a_thousand_empty_members_of_gzip_end() {
        let packed = gzip(b"").repeat(5000);
        let out = expand(&packed, Packed::Gzip(0..packed.len()), ROOM).unwrap();
        assert_eq!(out.ended, Some(Mark::TooMany));
    }
}
