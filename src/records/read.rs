//! Reading the rings: newest first, one segment in memory at a time, while the gateway runs or not.

use super::record::Record;
use super::segment;
use super::transcripts::Transcript;
use memchr::memrchr;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// What a reading came across.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Seen {
    /// Whole lines.
    pub lines: u64,
    /// Lines that a kill or a full disk tore.
    pub damaged: u64,
}

/// Reads the records of a state directory, newest first, until `visit` breaks off. `wanted` sees the raw line
/// first: what it turns down is not parsed.
///
/// # Errors
/// A segment cannot be read; a folder that is missing has no records.
pub fn records(
    state_dir: &Path,
    mut wanted: impl FnMut(&[u8]) -> bool,
    mut visit: impl FnMut(&Record<'_>, &[u8]) -> ControlFlow<()>,
) -> io::Result<Seen> {
    lines(&state_dir.join(segment::RECORDS), &mut |line| {
        if !wanted(line) {
            return ControlFlow::Continue(());
        }
        match Record::parse(line) {
            Some(record) => visit(&record, line),
            None => ControlFlow::Continue(()),
        }
    })
}

/// Reads the transcripts of a state directory, newest first, as [`records`].
///
/// # Errors
/// As [`records`].
pub fn transcripts(
    state_dir: &Path,
    mut wanted: impl FnMut(&[u8]) -> bool,
    mut visit: impl FnMut(Transcript) -> ControlFlow<()>,
) -> io::Result<Seen> {
    lines(&state_dir.join(segment::TRANSCRIPTS), &mut |line| {
        if !wanted(line) {
            return ControlFlow::Continue(());
        }
        match serde_json::from_slice(line) {
            Ok(transcript) => visit(transcript),
            Err(_) => ControlFlow::Continue(()),
        }
    })
}

/// The lines of a ring, newest first, without their ends.
pub(super) fn lines(folder: &Path, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let mut buffer = Vec::new();
    for number in segment::list(folder)?.into_iter().rev() {
        segment::read(folder, number, &mut buffer)?;
        if backwards(&buffer, &mut seen, visit).is_break() {
            break;
        }
    }
    Ok(seen)
}

fn backwards(
    segment: &[u8],
    seen: &mut Seen,
    visit: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut rest = match segment.strip_suffix(b"\n") {
        Some(rest) => rest,
        None if segment.is_empty() => return ControlFlow::Continue(()),
        None => {
            // Torn, or being written just now.
            seen.damaged += 1;
            segment.get(..memrchr(b'\n', segment).unwrap_or(0)).unwrap_or_default()
        }
    };
    while !rest.is_empty() {
        let (before, line) = match memrchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
            Some((before, line)) => (before, line.get(1..).unwrap_or_default()),
            None => (&[][..], rest),
        };
        rest = before;
        if !segment::is_whole(line) {
            seen.damaged += 1;
            continue;
        }
        seen.lines += 1;
        visit(line)?;
    }
    ControlFlow::Continue(())
}
