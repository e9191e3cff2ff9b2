//! Numbers and pieces of octets that nobody has checked: what lies outside is `None`.

use std::ops::Range;

/// Octets from `at`, so many; `None` where they are not all there.
pub(super) fn piece(octets: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    octets.get(at..at.checked_add(length)?)
}

/// What there is from `at` on, up to a length.
pub(super) fn piece_up_to(octets: &[u8], at: usize, length: usize) -> &[u8] {
    let rest = octets.get(at..).unwrap_or_default();
    rest.get(..length).unwrap_or(rest)
}

/// The octets of a range, as far as they are there.
pub(super) fn cut(octets: &[u8], range: &Range<usize>) -> Option<Range<usize>> {
    let end = range.end.min(octets.len());
    (range.start <= end).then_some(range.start..end)
}

pub(super) fn u16_le(octets: &[u8], at: usize) -> Option<u16> {
    piece(octets, at, 2)?.try_into().ok().map(u16::from_le_bytes)
}

pub(super) fn u32_le(octets: &[u8], at: usize) -> Option<u32> {
    piece(octets, at, 4)?.try_into().ok().map(u32::from_le_bytes)
}

pub(super) fn u64_le(octets: &[u8], at: usize) -> Option<u64> {
    piece(octets, at, 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// [`u32_le`] as a place in memory.
pub(super) fn size_le(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_le(octets, at)?).ok()
}

/// Whether octets begin there with these.
pub(super) fn at(octets: &[u8], place: usize, want: &[u8]) -> bool {
    piece(octets, place, want.len()) == Some(want)
}

/// Text in UTF-16, little endian, up to a NUL or the end; what is none is replaced.
pub(super) fn utf16(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_le_bytes([byte(pair, 0), byte(pair, 1)]));
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn byte(octets: &[u8], at: usize) -> u8 {
    octets.get(at).copied().unwrap_or_default()
}

/// Octets up to a NUL.
pub(super) fn until_nul(octets: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, octets).unwrap_or(octets.len());
    octets.get(..end).unwrap_or(octets)
}

/// Octets of a name that are kept, of its start and of its end: names of an archive may share their octets.
const NAME_OCTETS_MAX: usize = 512;

/// A name of unknown character set: UTF-8 where it is that, else octet by octet (windows-1252 without its holes). Of a very
/// long one the middle is left out.
pub(super) fn name(octets: &[u8]) -> Box<str> {
    if octets.len() > 2 * NAME_OCTETS_MAX {
        let start = octets.get(..NAME_OCTETS_MAX).unwrap_or_default();
        let end = octets.get(octets.len() - NAME_OCTETS_MAX..).unwrap_or_default();
        return String::from_utf8_lossy(&[start, end].concat()).into();
    }
    match std::str::from_utf8(octets) {
        Ok(text) => text.into(),
        Err(_) => octets.iter().map(|&b| char::from(b)).collect::<String>().into(),
    }
}

/// Whether octets begin with a word in any case.
pub(super) fn begins(octets: &[u8], word: &[u8]) -> bool {
    octets.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}
