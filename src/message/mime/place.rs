//! Where a walker is: in a header block, and behind which line end.

use super::part::HEADER_OCTETS_MAX;

/// A header block in progress.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Its octets, up to the bound.
    pub(super) block: Vec<u8>,
    /// It has more than the bound.
    pub(super) long: bool,
    /// Octets of the line in progress, as far as they say whether it is empty.
    line: usize,
    has_more: bool,
}

/// A line end that was seen and not yet handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    None,
    Cr,
    Lf,
    CrLf,
}

impl End {
    /// Its octets.
    pub(super) fn octets(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Cr => b"\r",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }

    /// What belongs to a delimiter that follows.
    pub(super) fn of_delimiter(self) -> u64 {
        match self {
            Self::None | Self::Cr => 0,
            Self::Lf => 1,
            Self::CrLf => 2,
        }
    }
}

impl Header {
    /// Takes octets up to the end of the empty line; how many, and whether it was there.
    pub(super) fn take(&mut self, octets: &[u8]) -> (usize, bool) {
        for (at, &octet) in octets.iter().enumerate() {
            let over = octet == b'\n' && !self.has_more;
            match octet {
                b'\n' => (self.line, self.has_more) = (0, false),
                b'\r' if self.line == 0 => self.line = 1,
                _ => self.has_more = true,
            }
            if over {
                self.keep(octets.get(..=at).unwrap_or(octets));
                return (at + 1, true);
            }
        }
        self.keep(octets);
        (octets.len(), false)
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = HEADER_OCTETS_MAX.saturating_sub(self.block.len());
        self.long |= octets.len() > room;
        self.block.extend_from_slice(octets.get(..room).unwrap_or(octets));
    }
}
