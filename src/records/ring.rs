//! A ring of lines on disk: segment files, the oldest of which goes when there are too many lines or octets.
//!
//! Owner of: one folder, written by one thread. What cannot be written is lost and counted; the rest of a line
//! that was written in part is ended, so that the next one is whole.

use super::segment;
use crate::store::{FileError, ensure_folder};
use memchr::memchr_iter;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Into how many segments the bounds are divided: a sixteenth of a ring goes at once.
const PARTS: u64 = 16;
/// Longest segment in octets: readers hold one in memory.
const SEGMENT_OCTETS_MAX: u64 = 16 << 20;
/// For the count of a segment that nobody has read: no line of ours is shorter.
const LINE_OCTETS_MIN: u64 = 60;

/// How much a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Lines.
    pub(super) lines: u64,
    /// Octets.
    pub(super) octets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    lines: u64,
    octets: u64,
}

/// The ring.
pub(super) struct Ring {
    folder: PathBuf,
    bounds: Bounds,
    segments: VecDeque<Segment>,
    lines: u64,
    octets: u64,
    file: Option<File>,
    /// The last line of the newest segment has no end.
    torn: bool,
}

impl Ring {
    /// Opens the ring in `folder`, which is made if it is missing. Counts of lines are guesses until
    /// [`Ring::recount`] corrects them.
    ///
    /// # Errors
    /// The folder can be neither made nor listed.
    pub(super) fn open(folder: &Path, bounds: Bounds) -> Result<Self, FileError> {
        ensure_folder(folder, 0o750)?;
        let numbers = segment::list(folder).map_err(|e| FileError::new("list", folder, e))?;
        let mut ring = Self {
            folder: folder.to_owned(),
            bounds,
            segments: VecDeque::new(),
            lines: 0,
            octets: 0,
            file: None,
            torn: false,
        };
        for number in numbers {
            let octets = fs::metadata(segment::path(folder, number)).map_or(0, |about| about.len());
            let lines = ring.segment_lines().min(octets / LINE_OCTETS_MIN);
            ring.segments.push_back(Segment { number, lines, octets });
        }
        ring.sum();
        Ok(ring)
    }

    /// Lines, as far as is known.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Octets.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// The segments, oldest first, with their octets.
    pub(super) fn segments(&self) -> Vec<(u64, u64)> {
        self.segments.iter().map(|s| (s.number, s.octets)).collect()
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a segment really is, for somebody has read it.
    pub(super) fn recount(&mut self, number: u64, content: &[u8]) {
        let last = self.segments.back().map(|s| s.number);
        if let Some(segment) = self.segments.iter_mut().find(|s| s.number == number) {
            segment.lines = memchr_iter(b'\n', content).count() as u64;
        }
        if last == Some(number) {
            self.torn = content.last().is_some_and(|&b| b != b'\n');
        }
        self.sum();
    }

    /// Adds whole lines. Returns how many were lost, and why.
    pub(super) fn append(&mut self, mut lines: &[u8]) -> (u64, Option<io::Error>) {
        while !lines.is_empty() {
            if let Err(error) = self.make_room() {
                return (count(lines), Some(error));
            }
            let (part, rest) = self.fitting(lines);
            if let Err((written, error)) = self.write(part) {
                let lost = part.get(written..).map_or(0, count) + count(rest);
                return (lost, Some(error));
            }
            lines = rest;
        }
        (0, None)
    }

    /// The lines that the newest segment still takes, at least one.
    fn fitting<'l>(&self, lines: &'l [u8]) -> (&'l [u8], &'l [u8]) {
        let (held, size) = self.segments.back().map_or((0, 0), |s| (s.lines, s.octets));
        let room = self.segment_lines().saturating_sub(held).max(1);
        let octets = self.segment_octets().saturating_sub(size);
        let mut end = 0;
        for (nth, at) in memchr_iter(b'\n', lines).enumerate() {
            if nth as u64 >= room || (nth > 0 && at as u64 >= octets) {
                break;
            }
            end = at + 1;
        }
        // Lines without an end are not handed over; one all the same is a line of its own.
        lines.split_at(if end == 0 { lines.len() } else { end })
    }

    /// A newest segment with room, and the oldest ones out of the way.
    fn make_room(&mut self) -> io::Result<()> {
        let full = self
            .segments
            .back()
            .is_none_or(|s| s.lines >= self.segment_lines() || s.octets >= self.segment_octets());
        if full {
            let number = self.segments.back().map_or(1, |s| s.number + 1);
            self.file = None;
            self.torn = false;
            self.file = Some(self.open_segment(number)?);
            self.segments.push_back(Segment { number, lines: 0, octets: 0 });
        } else if self.file.is_none() {
            let number = self.segments.back().map_or(1, |s| s.number);
            self.file = Some(self.open_segment(number)?);
        }
        while self.segments.len() > 1
            && (self.lines >= self.bounds.lines || self.octets >= self.bounds.octets)
        {
            let Some(oldest) = self.segments.pop_front() else { break };
            // One that cannot be removed is tried again at the next start.
            let _ = fs::remove_file(segment::path(&self.folder, oldest.number));
            self.sum();
        }
        Ok(())
    }

    fn open_segment(&self, number: u64) -> io::Result<File> {
        // Somebody may have tidied up.
        ensure_folder(&self.folder, 0o750).map_err(|e| e.source)?;
        // Envelopes are nobody's business but the admin's and the group's.
        let path = segment::path(&self.folder, number);
        OpenOptions::new().create(true).append(true).mode(0o640).open(path)
    }

    /// Writes as much as the disk takes; the error has the number of octets that it took.
    fn write(&mut self, part: &[u8]) -> Result<(), (usize, io::Error)> {
        let Some(file) = self.file.as_mut() else { return Err((0, io::ErrorKind::NotFound.into())) };
        if self.torn {
            file.write_all(b"\n").map_err(|e| (0, e))?;
            self.torn = false;
        }
        let mut written = 0;
        let mut failed = None;
        while let Some(left) = part.get(written..).filter(|l| !l.is_empty()) {
            match file.write(left) {
                Ok(0) => failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => failed = Some(e),
            }
            if failed.is_some() {
                break;
            }
        }
        let done = part.get(..written).unwrap_or_default();
        self.torn = done.last().is_some_and(|&b| b != b'\n');
        if let Some(newest) = self.segments.back_mut() {
            newest.lines += count(done);
            newest.octets += written as u64;
        }
        self.sum();
        match failed {
            None => Ok(()),
            Some(error) => {
                self.file = None;
                Err((written, error))
            }
        }
    }

    fn sum(&mut self) {
        self.lines = self.segments.iter().map(|s| s.lines).sum();
        self.octets = self.segments.iter().map(|s| s.octets).sum();
    }

    fn segment_lines(&self) -> u64 {
        (self.bounds.lines / PARTS).max(1)
    }

    fn segment_octets(&self) -> u64 {
        (self.bounds.octets / PARTS).clamp(1, SEGMENT_OCTETS_MAX)
    }
}

/// How many lines these octets end.
fn count(lines: &[u8]) -> u64 {
    memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use std::ops::ControlFlow;

    fn line(n: u64) -> Vec<u8> {
        format!("{{\"n\":{n}}}\n").into_bytes()
    }

    fn newest(folder: &Path) -> (Vec<String>, read::Seen) {
        let mut out = Vec::new();
        let seen = read::lines(folder, &mut |line| {
            out.push(String::from_utf8(line.to_vec()).unwrap());
            ControlFlow::Continue(())
        });
        (out, seen.unwrap())
    }

    #[test]
    fn the_oldest_go_and_the_newest_are_read_first() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { lines: 160, octets: 1 << 20 };
        let mut ring = Ring::open(dir.path(), bounds).unwrap();
        for n in 0..1000 {
            assert_eq!(ring.append(&line(n)).0, 0);
        }
        let (lines, seen) = newest(dir.path());
        assert!((150..=160).contains(&lines.len()), "{}", lines.len());
        assert_eq!((lines[0].as_str(), seen.damaged), ("{\"n\":999}", 0));
        assert_eq!(lines.last().unwrap(), &format!("{{\"n\":{}}}", 1000 - lines.len()));
        // One batch that is longer than everything.
        let batch: Vec<u8> = (1000..5000).flat_map(line).collect();
        ring.append(&batch);
        let (lines, _) = newest(dir.path());
        assert!((150..=160).contains(&lines.len()), "{}", lines.len());
        assert!(fs::read_dir(dir.path()).unwrap().count() <= 17);
    }

    #[test]
    fn octets_are_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(dir.path(), Bounds { lines: 1000, octets: 16_000 }).unwrap();
        let long = format!("{{\"x\":\"{}\"}}\n", "y".repeat(500)).into_bytes();
        for _ in 0..1000 {
            ring.append(&long);
        }
        let on_disk: u64 =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!((13_000..=17_000).contains(&on_disk), "{on_disk}");
        assert_eq!(on_disk, ring.octets());
    }

    #[test]
    fn a_kill_costs_the_torn_line_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { lines: 1600, octets: 1 << 20 };
        let mut ring = Ring::open(dir.path(), bounds).unwrap();
        ring.append(&[line(1), line(2)].concat());
        // Killed in the middle of a write: neither closed nor flushed.
        std::mem::forget(ring);
        let path = segment::path(dir.path(), 1);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"n\":3").unwrap();
        assert_eq!(
            newest(dir.path()),
            (vec!["{\"n\":2}".into(), "{\"n\":1}".into()], read::Seen { lines: 2, damaged: 1 })
        );
        let mut ring = Ring::open(dir.path(), bounds).unwrap();
        ring.recount(1, &fs::read(&path).unwrap());
        ring.append(&line(4));
        let (lines, seen) = newest(dir.path());
        assert_eq!(lines, ["{\"n\":4}", "{\"n\":2}", "{\"n\":1}"]);
        assert_eq!(seen.damaged, 1);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_ring_recovers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("records");
        let mut ring = Ring::open(&folder, Bounds { lines: 16, octets: 1 << 20 }).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in the way").unwrap();
        let (lost, why) = ring.append(&[line(1), line(2), line(3)].concat());
        assert_eq!((lost, why.is_some()), (3, true));
        fs::remove_file(&folder).unwrap();
        assert_eq!(ring.append(&line(4)).0, 0);
        assert_eq!(newest(&folder).0, ["{\"n\":4}"]);
    }

    #[test]
    fn a_full_disk_tears_a_line_and_the_next_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut ring = Ring::open(dir.path(), Bounds { lines: 160, octets: 1 << 20 }).unwrap();
        ring.append(&line(1));
        // As a short write leaves it.
        ring.file.as_mut().unwrap().write_all(b"{\"n\":2").unwrap();
        ring.torn = true;
        ring.append(&line(3));
        let (lines, seen) = newest(dir.path());
        assert_eq!((lines, seen.damaged), (vec!["{\"n\":3}".to_owned(), "{\"n\":1}".to_owned()], 1));
        let full = Path::new("/dev/full");
        if full.exists() {
            ring.file = Some(OpenOptions::new().append(true).open(full).unwrap());
            assert_eq!(ring.append(&line(4)).0, 1);
            assert_eq!(ring.append(&line(5)).0, 0);
            assert_eq!(newest(dir.path()).0.first().unwrap(), "{\"n\":5}");
        }
    }
}
