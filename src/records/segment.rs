//! Segments: the files `NNNNNNNN.jsonl` of a ring, found by their names.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The folder of the records in the state directory.
pub(super) const RECORDS: &str = "records";
/// The folder of the transcripts.
pub(super) const TRANSCRIPTS: &str = "transcripts";
/// More than a segment ever has; what is behind it is not read.
const READ_OCTETS_MAX: u64 = 64 << 20;

/// The file of segment `number`.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.jsonl"))
}

/// The numbers of all segments, oldest first; a folder that is not there has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|n| n.strip_suffix(".jsonl")).filter(|d| d.len() >= 8);
        numbers.extend(digits.and_then(|d| d.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a segment into `buffer`; one that was removed meanwhile is empty.
#[expect(clippy::disallowed_methods, reason = "bounded by take")]
pub(super) fn read(folder: &Path, number: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    match fs::File::open(path(folder, number)) {
        Ok(file) => file.take(READ_OCTETS_MAX).read_to_end(buffer).map(drop),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether a line is whole as far as its ends show; one that a kill or a full disk tore is not.
pub(super) fn is_whole(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && line.last() == Some(&b'}')
}
