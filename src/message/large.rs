//! Buffers for whole messages and files.
//!
//! Purpose: memory that large ones needed goes back to the system as soon as they are dropped. Allocators keep what was
//! freed, in each thread, up to the size that they saw last (glibc: `M_MMAP_THRESHOLD`, which grows to 32 MiB), so that a
//! few messages of 10 MB would hold ten times that for good. What is asked for beyond that size always comes from the
//! system and goes back to it, and of what is reserved only the pages that are written to exist.

/// Above this many octets a buffer is a large one.
const LARGE: usize = 2 << 20;
/// What is reserved for a large one at least.
const RESERVED: usize = 33 << 20;

/// An empty buffer with room for so many octets.
#[must_use]
pub fn buffer(octets: usize) -> Vec<u8> {
    Vec::with_capacity(if octets > LARGE { octets.max(RESERVED) } else { octets })
}

/// Appends a piece to what nobody knows the length of.
pub fn append(out: &mut Vec<u8>, piece: &[u8]) {
    let needed = out.len().saturating_add(piece.len());
    let doubled = out.capacity().saturating_mul(2);
    if needed > out.capacity() && needed.max(doubled) > LARGE {
        let wanted = RESERVED.max(doubled).max(needed);
        out.reserve_exact(wanted - out.len());
    }
    out.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_beyond_what_allocators_keep() {
        assert!(buffer(100).capacity() < 200);
        assert!(buffer(LARGE + 1).capacity() >= RESERVED);
        assert!(buffer(50 << 20).capacity() >= 50 << 20);
        let (mut out, piece) = (Vec::new(), vec![7; 100_000]);
        for n in 1..500 {
            append(&mut out, &piece);
            assert_eq!(out.len(), n * piece.len());
            assert!(out.len() <= LARGE || out.capacity() >= RESERVED);
        }
        assert!(out.iter().all(|octet| *octet == 7));
    }
}
