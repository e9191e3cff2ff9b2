//! Messages that are files: `.eml` in an archive, or attached as a file of some other type. Whoever opens one sees what is
//! attached to it, so it is walked like the message itself, and each reading of each of its parts is a file in it.

use super::file::{File, Mark, Marks};
use super::names::{extension, readings};
use super::types::{Class, Type};
use crate::message::content::{Limits, Overview, PartInfo, Reading, Visitor, visit};

/// Extensions by which programs take a file for a message.
const EXTENSIONS: [&str; 3] = ["eml", "mht", "mhtml"];

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
    let octets = without_envelope(octets);
    let overview = visit(octets, &Limits::default(), &mut Parts { see });
    marks_of(&overview)
}

/// The first line of a file of mailboxes is none of the message.
fn without_envelope(octets: &[u8]) -> &[u8] {
    let end = || memchr::memchr(b'\n', octets).map_or(octets.len(), |at| at + 1);
    let start = if octets.starts_with(b"From ") { end() } else { 0 };
    octets.get(start..).unwrap_or_default()
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
