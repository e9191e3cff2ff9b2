//! The files that a message carries.

use crate::message::content::PartInfo;
use crate::message::files::{File, Mark, Marks, Type, marks_of, readings};

/// Files that are kept. The bounds of the walk and of archives are below it, but for parts of many readings.
pub const FILES_MAX: usize = 20_000;
/// Names of one file that are kept.
const NAMES_MAX: usize = 16;
/// Characters of a name that are kept; the end is kept too, for the extension is there.
const NAME_CHARS_MAX: usize = 400;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its part.
    pub(super) part: u32,
    /// In so many archives.
    pub(super) depth: u32,
    /// Its names as they were given.
    pub(super) names: Vec<Box<str>>,
    /// Its names as systems see them, lower case.
    pub(super) readings: Vec<String>,
    /// What it is.
    pub(super) kind: Type,
    /// What is to be said of it.
    pub(super) marks: Marks,
    /// Its octets.
    pub(super) octets: u64,
    /// Whether it is an attachment.
    pub(super) attachment: bool,
    /// Media types of its part, as declared.
    pub(super) declared: Vec<Box<str>>,
    /// A name of its part, for members.
    pub(super) within: Option<Box<str>>,
}

/// What a message carries, for the rules.
#[derive(Debug, Default, Clone)]
pub struct Carried {
    pub(super) items: Vec<Item>,
    /// There were more than are kept.
    pub(super) cut: bool,
    /// Place of the part whose octets are still to come.
    pending: Option<usize>,
}

impl Carried {
    /// A part whose header was read; called before its octets are.
    pub fn part(&mut self, part: &PartInfo) {
        let names = bounded(&part.names);
        self.pending = Some(self.items.len());
        self.push(Item {
            part: part.number,
            depth: 0,
            readings: all_readings(&names),
            marks: marks_of(&names, Type::Unknown),
            kind: Type::Unknown,
            octets: part.body.as_ref().map_or(0, |body| body.len() as u64),
            attachment: part.attachment || !names.is_empty(),
            declared: part.kinds.clone(),
            within: None,
            names,
        });
    }

    /// A file that one reading of the part's octets came to, or a member of it: what [`crate::message::files::open`] tells.
    pub fn file(&mut self, part: &PartInfo, file: &File) {
        // The part itself: what was said of its header is completed.
        if file.depth == 0
            && let Some(item) = self.pending.take().and_then(|at| self.items.get_mut(at))
            && item.part == part.number
        {
            (item.kind, item.octets) = (file.kind, file.octets);
            item.marks.join(file.marks);
            return;
        }
        let names = bounded(&file.names);
        let item = Item {
            part: part.number,
            depth: file.depth,
            readings: all_readings(&names),
            kind: file.kind,
            marks: file.marks,
            octets: file.octets,
            attachment: part.attachment || !part.names.is_empty() || file.depth > 0,
            declared: if file.depth == 0 { part.kinds.clone() } else { Vec::new() },
            within: part.names.first().filter(|_| file.depth > 0).cloned(),
            names,
        };
        // Most readings of a part come to the same.
        let same = |other: &&Item| {
            other.depth == item.depth
                && other.kind == item.kind
                && other.marks == item.marks
                && other.names == item.names
        };
        let recent = self.items.iter().rev().take(8).take_while(|other| other.part == item.part);
        if recent.clone().any(|other| same(&other)) {
            return;
        }
        self.push(item);
    }

    /// Number of files, parts that hold no file included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn push(&mut self, item: Item) {
        if self.items.len() < FILES_MAX {
            self.items.push(item);
        } else if !self.cut {
            self.cut = true;
            self.items.last_mut().into_iter().for_each(|last| last.marks.add(Mark::TooMany));
        }
    }
}

fn bounded(names: &[Box<str>]) -> Vec<Box<str>> {
    let cut = |name: &str| -> Box<str> {
        let length = name.chars().count();
        if length <= NAME_CHARS_MAX {
            return name.into();
        }
        let half = NAME_CHARS_MAX / 2;
        name.chars().take(half).chain(name.chars().skip(length - half)).collect::<String>().into()
    };
    names.iter().take(NAMES_MAX).map(|name| cut(name)).collect()
}

fn all_readings(names: &[Box<str>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(names.len());
    for reading in names.iter().flat_map(|name| readings(name)) {
        if !all.contains(&reading) {
            all.push(reading);
        }
    }
    all
}
