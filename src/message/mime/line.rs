//! The stream as lines, wherever it is cut: the beginning of a line that may be a delimiter is kept until that is known.

/// Longest line that may be a delimiter, with its line end: two dashes, a boundary, two dashes, blanks.
const DELIMITER_OCTETS_MAX: usize = 1000;

/// What the next octets are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Of a line that is no delimiter.
    Octets(&'a [u8]),
    /// A whole line that begins with two dashes, with its line end (without, at the end of the message).
    Dashes(Vec<u8>),
}

/// Cuts the stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that may begin with dashes.
    kept: Vec<u8>,
    /// Inside of a line that does not.
    inside: bool,
}

impl Lines {
    /// The next octets of the stream, and what is left of the input; `None`: more is needed.
    pub(super) fn next<'a>(&mut self, input: &'a [u8]) -> Option<(Piece<'a>, &'a [u8])> {
        if !self.inside {
            return self.begin(input);
        }
        let end = plain_end(input);
        let (octets, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
        self.inside = octets.last() != Some(&b'\n');
        (!octets.is_empty()).then_some((Piece::Octets(octets), rest))
    }

    /// At the beginning of a line.
    fn begin<'a>(&mut self, input: &'a [u8]) -> Option<(Piece<'a>, &'a [u8])> {
        let dashes = |kept: &[u8]| b"--".starts_with(kept.get(..2).unwrap_or(kept));
        let (first, second) = match (self.kept.first(), self.kept.get(1)) {
            (Some(first), second) => (Some(first), second.or(input.first())),
            (None, _) => (input.first(), input.get(1)),
        };
        let head: Vec<u8> = first.into_iter().chain(second).copied().collect();
        if input.is_empty() {
            return None;
        }
        if !dashes(&head) {
            self.inside = true;
            return if self.kept.is_empty() {
                self.next(input)
            } else {
                // A single dash.
                let kept = std::mem::take(&mut self.kept);
                debug_assert_eq!(kept, b"-");
                Some((Piece::Octets(b"-"), input))
            };
        }
        let room = DELIMITER_OCTETS_MAX.saturating_sub(self.kept.len());
        let window = input.get(..room).unwrap_or(input);
        let end = memchr::memchr(b'\n', window).map(|at| at + 1);
        let (taken, rest) = input.split_at_checked(end.unwrap_or(window.len())).unwrap_or((input, &[]));
        self.kept.extend_from_slice(taken);
        if end.is_some() || self.kept.len() >= DELIMITER_OCTETS_MAX {
            // One that is too long goes on as a plain line.
            self.inside = end.is_none();
            return Some((Piece::Dashes(std::mem::take(&mut self.kept)), rest));
        }
        None
    }

    /// What is left at the end of the message.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let kept = std::mem::take(&mut self.kept);
        (!kept.is_empty()).then_some(kept)
    }
}

/// Up to the end of the last whole line before one that begins with a dash; or of all of it.
fn plain_end(input: &[u8]) -> usize {
    for at in memchr::memchr_iter(b'\n', input) {
        // The first line after which something has to be known: a dash, or what is not there yet.
        if input.get(at + 1).is_none_or(|&next| next == b'-') {
            return at + 1;
        }
    }
    input.len()
}
