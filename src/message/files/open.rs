//! Opens a file and the files in it, down to a depth.

use super::entry::{Entry, Listing, Packed};
use super::expand::{Room, Unpacked, expand, gzip_name};
use super::file::{Budget, File, Mark, Marks};
use super::magic::type_of;
use super::names::marks_of;
use super::ooxml;
use super::types::Type;
use super::{disk, mail, office, pdf, rar, rtf, seven, tar, tnef, zip};
use std::borrow::Cow;

/// Archives in archives that are ever opened, whatever the limits say: each costs a frame of the stack.
const DEPTH_MAX: u32 = 16;
/// Parts of documents that are longer and begin as XML are not unpacked further: nothing of theirs is ever run.
const PART_OCTETS_MAX: u64 = 2 << 20;
/// Octets of such a part that are looked at.
const PEEK_OCTETS: u64 = 64 << 10;

/// Opens the octets of a part. `see` gets every file, those inside before the one that they are in, and its octets as far
/// as they are to be had (of one that is over the bounds: as far as it was unpacked). The file of depth 0 is the part
/// itself and comes last.
///
/// Work and memory are bounded by the budget, which all parts of a message share.
pub fn open(
    names: &[Box<str>],
    octets: &[u8],
    budget: &mut Budget,
    see: &mut dyn FnMut(&File, Option<&[u8]>),
) {
    let mut opener = Opener { budget, see, next: 0 };
    let entry = Entry { names: names.to_vec(), octets: octets.len() as u64, ..Entry::default() };
    opener.file(None, 0, entry, Some(octets));
}

struct Opener<'o> {
    budget: &'o mut Budget,
    see: &'o mut dyn FnMut(&File, Option<&[u8]>),
    next: u32,
}

/// The archive that members are told of.
#[derive(Debug, Clone, Copy)]
struct Parent {
    number: u32,
    depth: u32,
    kind: Type,
}

impl Opener<'_> {
    /// A file; what is to be said of its archive because of it.
    fn file(&mut self, parent: Option<u32>, depth: u32, entry: Entry, octets: Option<&[u8]>) -> Marks {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let kind = octets.map(type_of).unwrap_or_default();
        let size = octets.map_or(entry.octets, |octets| octets.len() as u64);
        let mut file =
            File { number, parent, depth, names: entry.names, kind, octets: size, marks: entry.marks };
        if let Some(octets) = octets {
            self.inside(&mut file, octets);
        }
        file.marks.join(marks_of(&file.names, file.kind));
        (self.see)(&file, octets);
        let up = [Mark::Encrypted, Mark::Bomb, Mark::TooMany, Mark::TooLarge];
        up.into_iter().filter(|mark| file.marks.has(*mark)).collect()
    }

    /// What is in a file.
    fn inside(&mut self, file: &mut File, octets: &[u8]) {
        if file.kind == Type::SevenZ {
            return self.seven(file, octets);
        }
        if mail::is_message(file) {
            self.mail(file, octets);
        }
        let Some(listing) = self.list(file, octets) else { return };
        // A file of another type may be a zip file too: programs look for the directory at its end. But the last of several
        // files may well be one.
        let alone = listing.entries.is_empty() && !is_container(file.kind);
        self.members(file, octets, listing);
        if alone && zip::is_behind(octets) {
            file.marks.add(Mark::Ambiguous);
            let listing = zip::list(octets, self.most());
            self.members(file, octets, listing);
        }
    }

    /// Entries that are worth listing; one more than may be opened, so that it is told.
    fn most(&self) -> usize {
        usize::try_from(self.budget.members).unwrap_or(usize::MAX)
    }

    /// What a file holds; `None` where it is over the depth.
    fn list(&mut self, file: &mut File, octets: &[u8]) -> Option<Listing> {
        let most = self.most();
        if file.depth >= self.budget.limits.depth.min(DEPTH_MAX) {
            let mut deep = is_container(file.kind) || zip::is_behind(octets);
            if matches!(file.kind, Type::Pdf | Type::Rtf) {
                // Their own marks are had without opening anything.
                let listing = read(file.kind, octets, 0, &file.names);
                listing
                    .marks
                    .iter()
                    .filter(|mark| *mark != Mark::TooMany)
                    .for_each(|mark| file.marks.add(mark));
                deep = listing.marks.has(Mark::TooMany);
            }
            file.marks.add_if(deep, Mark::TooDeep);
            return None;
        }
        Some(read(file.kind, octets, most, &file.names))
    }

    fn members(&mut self, file: &mut File, octets: &[u8], listing: Listing) {
        file.kind = listing.kind.unwrap_or(file.kind);
        file.marks.join(listing.marks);
        let parent = Parent { number: file.number, depth: file.depth, kind: file.kind };
        for entry in listing.entries {
            let Some(left) = self.budget.members.checked_sub(1) else {
                file.marks.add(Mark::TooMany);
                return;
            };
            self.budget.members = left;
            let marks = self.member(parent, octets, entry);
            file.marks.join(marks);
        }
    }

    /// A member of an archive; what is to be said of the archive because of it.
    fn member(&mut self, parent: Parent, archive: &[u8], mut entry: Entry) -> Marks {
        let document = ooxml::is_document(parent.kind);
        let mut up = if document { ooxml::by_name(&entry) } else { Marks::NONE };
        let packed = std::mem::take(&mut entry.packed);
        let mut room = self.room();
        let part = document
            && entry.octets > PART_OCTETS_MAX
            && entry.names.iter().all(|name| name.ends_with(".xml"));
        if part {
            room.octets = room.octets.min(PEEK_OCTETS);
        }
        if self.budget.octets == 0 && packed != Packed::Nowhere {
            // What comes to nothing costs its reading all the same.
            entry.marks.add(Mark::TooLarge);
            up.join(self.file(Some(parent.number), parent.depth + 1, entry, None));
            return up;
        }
        let (octets, ended) = match expand(archive, packed, room) {
            Ok(Unpacked { octets, ended, work }) => {
                // The octets themselves count when they are handed on.
                self.charge(work.saturating_sub(octets.len() as u64));
                (octets, ended)
            }
            Err(work) => {
                self.charge(work);
                up.join(self.file(Some(parent.number), parent.depth + 1, entry, None));
                return up;
            }
        };
        let peeked = part && ended == Some(Mark::TooLarge) && type_of(&octets) == Type::Xml;
        if !peeked {
            entry.marks.extend_from(ended);
        }
        if document {
            let told = entry.names.iter().filter(|name| ooxml::tells(name));
            told.for_each(|name| up.join(ooxml::by_content(name, &octets)));
        }
        let owned = matches!(octets, Cow::Owned(_));
        up.join(self.held(parent, entry, &octets, owned));
        up
    }

    fn charge(&mut self, octets: u64) {
        self.budget.octets = self.budget.octets.saturating_sub(octets);
    }

    fn room(&self) -> Room {
        Room { octets: self.budget.room(), ratio: self.budget.limits.ratio }
    }

    /// A member whose octets are there: those that are its own count while it is open.
    fn held(&mut self, parent: Parent, entry: Entry, octets: &[u8], owned: bool) -> Marks {
        let length = octets.len() as u64;
        let held = if owned { length } else { 0 };
        self.charge(length);
        self.budget.held = self.budget.held.saturating_sub(held);
        let marks = self.file(Some(parent.number), parent.depth + 1, entry, Some(octets));
        self.budget.held = self.budget.held.saturating_add(held);
        marks
    }

    /// A message that is a file.
    fn mail(&mut self, file: &mut File, octets: &[u8]) {
        if file.depth >= self.budget.limits.depth.min(DEPTH_MAX) {
            file.marks.add(Mark::TooDeep);
            return;
        }
        let parent = Parent { number: file.number, depth: file.depth, kind: file.kind };
        let mut up = Marks::NONE;
        let marks = mail::read(octets, &mut |names, content| {
            let entry = Entry { names: names.to_vec(), octets: content.len() as u64, ..Entry::default() };
            let Some(left) = self.budget.members.checked_sub(1) else {
                up.add(Mark::TooMany);
                return;
            };
            self.budget.members = left;
            let too_large = content.len() as u64 > self.budget.room();
            up.add_if(too_large, Mark::TooLarge);
            up.join(match too_large {
                true => self.file(Some(parent.number), parent.depth + 1, entry, None),
                false => self.held(parent, entry, content, true),
            });
        });
        file.marks.join(marks);
        file.marks.join(up);
    }

    /// Members of 7z come one behind the other out of one stream.
    fn seven(&mut self, file: &mut File, octets: &[u8]) {
        if file.depth >= self.budget.limits.depth.min(DEPTH_MAX) {
            file.marks.add(Mark::TooDeep);
            return;
        }
        let parent = Parent { number: file.number, depth: file.depth, kind: file.kind };
        let (room, most) = (self.room(), self.most());
        let mut up = Marks::NONE;
        let marks = seven::read(octets, room, most, &mut |entry, content| {
            self.budget.members = self.budget.members.saturating_sub(1);
            up.join(match content {
                Some(content) => self.held(parent, entry, &content, true),
                None => self.file(Some(parent.number), parent.depth + 1, entry, None),
            });
            self.room()
        });
        file.marks.join(marks);
        file.marks.join(up);
    }
}

/// Whether files of this type hold files.
fn is_container(kind: Type) -> bool {
    use super::types::Class;
    let holds = matches!(kind.class(), Some(Class::Archive | Class::Disk));
    holds || matches!(kind, Type::Ole | Type::Tnef | Type::Msg) || ooxml::is_zip(kind)
}

/// Lists a file of that type.
fn read(kind: Type, octets: &[u8], most: usize, names: &[Box<str>]) -> Listing {
    match kind {
        Type::Zip => {
            let mut listing = zip::list(octets, most);
            listing.kind = ooxml::kind_of(&listing);
            listing
        }
        Type::Tar => tar::list(octets, most),
        Type::Gzip => gzip(octets, most, names),
        Type::Rar => rar::list(octets, most),
        Type::Cab => disk::list_cab(octets, most),
        Type::Iso => disk::list_iso(octets, most),
        Type::Ole => office::list(octets, most),
        Type::Xls => Listing { marks: office::workbook(octets), ..Listing::default() },
        Type::Rtf => rtf::list(octets, most),
        Type::Pdf => pdf::list(octets, most),
        Type::Tnef => tnef::list(octets, most),
        // Packed in ways that we do not unpack.
        other if is_container(other) => Listing::marked(Mark::Unread),
        _ => Listing::default(),
    }
}

/// gzip holds one file, named in its header or by leaving out its own extension.
fn gzip(octets: &[u8], most: usize, names: &[Box<str>]) -> Listing {
    let mut listing = Listing::default();
    let mut inner: Vec<Box<str>> = gzip_name(octets).into_iter().collect();
    for name in names {
        let lower = name.to_ascii_lowercase();
        let stem = lower.strip_suffix(".gz").map(str::len).and_then(|length| name.get(..length));
        let tar = || {
            lower
                .strip_suffix(".tgz")
                .and_then(|stem| name.get(..stem.len()))
                .map(|stem| format!("{stem}.tar"))
        };
        let named = stem.map(str::to_owned).or_else(tar).map(String::into_boxed_str);
        inner.extend(named.filter(|name| !inner.contains(name)));
    }
    let entry = Entry { names: inner, packed: Packed::Gzip(0..octets.len()), ..Entry::default() };
    listing.add(entry, most);
    listing
}
