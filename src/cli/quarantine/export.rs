//! `quarantine export`: messages into files of this user.

use super::part::to;
use super::write::{new_file, new_file_in};
use crate::cli::asked;
use crate::cli::exit::{NOTHING, REFUSED};
use crate::cli::items::{Asker, Words, named};
use crate::cli::out;
use crate::desk::{Answer, Request};
use crate::vault::{PageRequest, Row, Scope};
use clap::ValueEnum;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows of one request.
const ROWS: usize = 500;
/// Octets of a block of a tar file.
const BLOCK: usize = 512;
/// Largest message that a tar header's size field holds (11 octal digits).
const TAR_OCTETS_MAX: u64 = 0o77_777_777_777;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    words: Words,
    /// A file for each message, or one mbox, or one tar with all of them
    #[arg(long, value_enum, default_value_t = Format::Eml)]
    format: Format,
    /// The folder; it is made where it is missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Say how many there are, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Eml,
    Mbox,
    Tar,
}

/// Runs the verb.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let pick = named(&options.words, Scope::Everything)?;
    let asker = Asker::find(rules)?;
    if options.dry_run {
        let Answer::Count { items, octets, .. } = asker.one(Request::Count { pick })? else {
            return Err(asked::other_answer());
        };
        let s = if items == 1 { "" } else { "s" };
        out::print(&format!("{items} message{s}, {}; nothing was written\n", out::octets(octets)));
        return Ok(if items == 0 { NOTHING } else { 0 });
    }
    let mut target: Option<Target> = None;
    let (mut written, mut page) = (
        0u64,
        PageRequest {
            query: pick.query,
            scope: pick.scope,
            ascending: true,
            rows: ROWS,
            ..PageRequest::default()
        },
    );
    loop {
        let Answer::Page(got) = asker.one(Request::List { page: page.clone() })? else {
            return Err(asked::other_answer());
        };
        for row in &got.rows {
            let target = match &mut target {
                Some(target) => target,
                // Not before there is something to write.
                none => none.insert(Target::open(options)?),
            };
            target.add(&asker, row)?;
            written += 1;
        }
        page.after = got.next;
        if page.after.is_none() || got.rows.is_empty() {
            break;
        }
    }
    let Some(target) = target else {
        complain!("portcullis: no message matches");
        return Ok(NOTHING);
    };
    let place = target.finish()?;
    out::print(&format!(
        "{written} message{} written to {}\n",
        if written == 1 { "" } else { "s" },
        place.display()
    ));
    Ok(0)
}

enum Target {
    Folder(PathBuf),
    Mbox(BufWriter<File>, PathBuf),
    Tar(BufWriter<File>, PathBuf),
}

impl Target {
    fn open(options: &Options) -> Result<Self, ExitCode> {
        let folder = &options.to;
        if let Err(error) = std::fs::create_dir_all(folder) {
            return Err(refused(&format!("{} cannot be made: {error}", folder.display())));
        }
        let file = |ending| new_file_in(folder, "quarantine", ending).map_err(|words| refused(&words));
        Ok(match options.format {
            Format::Eml => Self::Folder(folder.clone()),
            Format::Mbox => {
                let (file, path) = file("mbox")?;
                Self::Mbox(BufWriter::new(file), path)
            }
            Format::Tar => {
                let (file, path) = file("tar")?;
                Self::Tar(BufWriter::new(file), path)
            }
        })
    }

    fn add(&mut self, asker: &Asker, row: &Row) -> Result<(), ExitCode> {
        let request = Request::Part { id: row.id.to_string(), part: 0, header_only: false };
        match self {
            Self::Folder(folder) => {
                let path = folder.join(format!("{}.eml", row.id));
                let mut file = new_file(&path).map_err(|words| refused(&words))?;
                if let Err(code) = to(asker, request, &mut file) {
                    let _ = std::fs::remove_file(&path);
                    return Err(code);
                }
            }
            Self::Mbox(file, _) => {
                let from = if row.from.is_empty() { "MAILER-DAEMON" } else { &row.from };
                let from: String = from.chars().filter(|c| c.is_ascii_graphic()).collect();
                let line = format!("From {from} {}\n", asctime(row.received_ms));
                file.write_all(line.as_bytes()).map_err(|e| unwritten(&e))?;
                let mut quoted = Mbox { out: file, line: Vec::new() };
                to(asker, request, &mut quoted)?;
                quoted.end().map_err(|e| unwritten(&e))?;
            }
            Self::Tar(file, _) => {
                let header = tar_header(&format!("{}.eml", row.id), row.size, row.received_ms / 1000);
                let Some(header) = header else {
                    return Err(refused(&format!(
                        "{} is too large for a tar file; use --format eml",
                        row.id
                    )));
                };
                file.write_all(&header).map_err(|e| unwritten(&e))?;
                let mut counted = Counted { out: file, octets: 0 };
                to(asker, request, &mut counted)?;
                if counted.octets != row.size {
                    return Err(refused(&format!(
                        "{} is not as long as the index says: `quarantine rebuild`",
                        row.id
                    )));
                }
                let rest = BLOCK - usize::try_from(row.size % BLOCK as u64).unwrap_or(0);
                if rest < BLOCK {
                    file.write_all(&vec![0; rest]).map_err(|e| unwritten(&e))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<PathBuf, ExitCode> {
        match self {
            Self::Folder(folder) => Ok(folder),
            Self::Mbox(mut file, path) => file.flush().map(|()| path).map_err(|e| unwritten(&e)),
            Self::Tar(mut file, path) => {
                let ended = file.write_all(&[0; 2 * BLOCK]).and_then(|()| file.flush());
                ended.map(|()| path).map_err(|e| unwritten(&e))
            }
        }
    }
}

/// `Sat Nov 21 10:00:00 2026`, UTC (RFC 4155).
fn asctime(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// A message in an mbox: lines that begin as a separator does get a `>` in front (the form "mboxrd", from which the
/// original can be had again); line ends are LF.
struct Mbox<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
}

impl Write for Mbox<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for piece in octets.split_inclusive(|&b| b == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.put()?;
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Mbox<'_> {
    fn put(&mut self) -> io::Result<()> {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let bare = line.iter().position(|&b| b != b'>').and_then(|at| line.get(at..)).unwrap_or_default();
        if bare.starts_with(b"From ") {
            self.out.write_all(b">")?;
        }
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        self.line.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.put()?;
        }
        self.out.write_all(b"\n")
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    octets: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.out.write(octets)?;
        self.octets += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The header of one file (POSIX ustar); `None`: the file is too large.
fn tar_header(name: &str, size: u64, seconds: i64) -> Option<Vec<u8>> {
    if size > TAR_OCTETS_MAX || name.len() > 100 {
        return None;
    }
    let seconds = u64::try_from(seconds).unwrap_or(0).min(TAR_OCTETS_MAX);
    let mut out = Vec::with_capacity(BLOCK);
    let mut field = |text: &str, octets: usize| {
        let end = out.len() + octets;
        out.extend_from_slice(text.as_bytes());
        out.resize(end, 0);
    };
    field(name, 100);
    field("0000600", 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{size:011o}"), 12);
    field(&format!("{seconds:011o}"), 12);
    // The sum is made with blanks in its place.
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar", 6);
    field("00", 2);
    field("", BLOCK - 265);
    let sum: u32 = out.iter().map(|&b| u32::from(b)).sum();
    let sum = format!("{sum:06o}\0 ");
    let place = out.get_mut(148..156)?;
    place.copy_from_slice(sum.as_bytes());
    Some(out)
}

fn unwritten(error: &io::Error) -> ExitCode {
    refused(&format!("it cannot be written: {error}"))
}

fn refused(words: &str) -> ExitCode {
    complain!("portcullis: {words}");
    REFUSED.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_gives_every_message_back() {
        let mut out = Vec::new();
        let mut mbox = Mbox { out: &mut out, line: Vec::new() };
        mbox.write_all(b"Subject: x\r\n\r\nFro").unwrap();
        mbox.write_all(b"m me\r\n>From you\r\nno end").unwrap();
        mbox.end().unwrap();
        assert_eq!(out, b"Subject: x\n\n>From me\n>>From you\nno end\n\n");
    }

    #[test]
    fn a_tar_is_read_by_tar() {
        let dir = tempfile::tempdir().unwrap();
        let mut tar = tar_header("7F3K9QAB.eml", 5, 1_000_000_000).unwrap();
        tar.extend_from_slice(b"hello");
        tar.resize(2 * BLOCK, 0);
        tar.resize(4 * BLOCK, 0);
        let path = dir.path().join("x.tar");
        std::fs::write(&path, tar).unwrap();
        let Ok(done) =
            std::process::Command::new("tar").arg("-xf").arg(&path).current_dir(dir.path()).output()
        else {
            return;
        };
        assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(std::fs::read(dir.path().join("7F3K9QAB.eml")).unwrap(), b"hello");
        assert!(tar_header("x", u64::MAX, 0).is_none());
    }
}
