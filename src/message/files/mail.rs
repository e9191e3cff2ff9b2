//! Messages that are files: `.eml` in an archive, or attached as a file of some other type. Whoever opens one sees what is
//! attached to it, so it is walked like the message itself, and each reading of each of its parts is a file in it.

use super::file::{File, Mark, Marks};
use super::names::{extension, readings};
use super::types::{Class, Type};
use crate::message::content::{Limits, Overview, PartInfo, Reading, Visitor, visit};

/// Extensions by which programs take a file for a message.
const EXTENSIONS: [&str; 3] = ["eml", "mht", "mhtml"];

/// How each message of a mailbox begins.
const FROM: &[u8] = b"From ";
/// Messages of one file that are looked at.
const MESSAGES_MAX: usize = 10_000;

/// Gets the names of a part, and its octets.
type See<'s> = dyn FnMut(&[Box<str>], &[u8]) + 's;

/// Whether a program would open it as a message. The text of a part may well begin as one does: it is one where it is
/// called so, or lies in an archive.
pub(super) fn is_message(file: &File) -> bool {
    let text = file.kind == Type::Unknown || matches!(file.kind.class(), Some(Class::Text | Class::Mail));
    let named = |name: &str| {
        readings(name).iter().filter_map(|name| extension(name)).any(|own| EXTENSIONS.contains(&own))
    };
    let called = || file.names.iter().any(|name| named(name));
    (file.kind == Type::Eml && file.depth > 0) || (text && called())
}

/// Gives each reading of each part, with the names of the part, to `see`; what is to be said of the message because of its
/// structure.
pub(super) fn read(octets: &[u8], see: &mut See<'_>) -> Marks {
    let mut marks = Marks::NONE;
    for (at, message) in messages(octets).enumerate() {
        if at >= MESSAGES_MAX {
            marks.add(Mark::TooMany);
            break;
        }
        marks.join(marks_of(&visit(message, &Limits::default(), &mut Parts { see: &mut *see })));
    }
    marks
}

/// The messages of a file: one, or those of a mailbox, which begin behind lines `From ` after an empty line.
fn messages(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(octets);
    let many = octets.starts_with(FROM);
    std::iter::from_fn(move || {
        let all = rest.take()?;
        if !many {
            return Some(all);
        }
        let start = memchr::memchr(b'\n', all).map_or(all.len(), |at| at + 1);
        let all = all.get(start..).unwrap_or_default();
        let next = memchr::memmem::find_iter(all, b"\nFrom ").map(|at| at + 1).find(|at| {
            let before = all.get(..*at).unwrap_or_default();
            before.ends_with(b"\n\n") || before.ends_with(b"\n\r\n")
        });
        rest = next.and_then(|at| all.get(at..));
        Some(next.and_then(|at| all.get(..at)).unwrap_or(all))
    })
}

fn marks_of(overview: &Overview) -> Marks {
    let mut marks = Marks::NONE;
    marks.add_if(overview.is_malformed(), Mark::Ambiguous);
    marks.add_if(overview.is_over(), Mark::TooMany);
    marks
}

struct Parts<'s> {
    see: &'s mut See<'s>,
}

impl Visitor for Parts<'_> {
    fn part(&mut self, _: &PartInfo) {}

    fn octets(&mut self, part: &PartInfo, _: Reading, octets: &[u8]) {
        (self.see)(&part.names, octets);
    }
}
