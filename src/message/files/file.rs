//! What is said of a file, and how much work and memory a message may cost.

use super::types::Type;

/// One file: what a part's octets are (depth 0), or a member of an archive or document in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Number in the order in which files begin, from 0 within one part.
    pub number: u32,
    /// Number of the file that it is in; `None` at depth 0.
    pub parent: Option<u32>,
    /// How many archives and documents it is in.
    pub depth: u32,
    /// Every reading of its name, as it stands in the archive, with folders; empty where it has none.
    pub names: Vec<Box<str>>,
    /// What it is by its content.
    pub kind: Type,
    /// Its size in octets: of what was read, or else as the archive says.
    pub octets: u64,
    /// What is to be said of it and of nothing inside of it. Encryption of a member is also told of its archive.
    pub marks: Marks,
}

/// Something that rules may want to know of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Mark {
    /// It, or something in it, can be read only with a password.
    Encrypted,
    /// A document with macros: VBA, or Excel 4.
    Macro,
    /// A document with files or objects in it.
    Embedded,
    /// A document that loads something from elsewhere when it is opened: a template, a linked object.
    External,
    /// A document with scripts or actions that are no macros: JavaScript or Launch in PDF, DDE, ActiveX.
    Active,
    /// It ends too early, or contradicts itself; some program may still open it.
    Damaged,
    /// An archive that says two things: other members in its directory than in front of their data, members that
    /// overlap, two directories.
    Ambiguous,
    /// It is packed in a way that we do not unpack; what it holds was not seen.
    Unread,
    /// Deeper than the bound: not opened.
    TooDeep,
    /// More members than the bound: the rest was not seen.
    TooMany,
    /// More octets than the bound: not seen as a whole.
    TooLarge,
    /// It becomes so much larger by unpacking that unpacking was ended.
    Bomb,
    /// Its name says something harmless in front of an extension that runs: `bill.pdf.exe`.
    DoubleExtension,
    /// Its name has characters that turn the direction of what is shown.
    Rtl,
    /// It is another kind of thing than its name says.
    WrongType,
}

impl Mark {
    /// All of them.
    pub const EACH: [Self; 15] = [
        Self::Encrypted,
        Self::Macro,
        Self::Embedded,
        Self::External,
        Self::Active,
        Self::Damaged,
        Self::Ambiguous,
        Self::Unread,
        Self::TooDeep,
        Self::TooMany,
        Self::TooLarge,
        Self::Bomb,
        Self::DoubleExtension,
        Self::Rtl,
        Self::WrongType,
    ];

    /// Its word in rules and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Macro => "macro",
            Self::Embedded => "embedded",
            Self::External => "external",
            Self::Active => "active",
            Self::Damaged => "damaged",
            Self::Ambiguous => "ambiguous",
            Self::Unread => "unread",
            Self::TooDeep => "too-deep",
            Self::TooMany => "too-many",
            Self::TooLarge => "too-large",
            Self::Bomb => "bomb",
            Self::DoubleExtension => "double-extension",
            Self::Rtl => "rtl",
            Self::WrongType => "wrong-type",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|mark| mark.name() == name)
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// A set of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks(u32);

impl Marks {
    /// None.
    pub const NONE: Self = Self(0);

    /// This one alone.
    #[must_use]
    pub fn of(mark: Mark) -> Self {
        Self(mark.bit())
    }

    /// Adds one.
    pub fn add(&mut self, mark: Mark) {
        self.0 |= mark.bit();
    }

    /// Adds one where a condition holds.
    pub fn add_if(&mut self, holds: bool, mark: Mark) {
        if holds {
            self.add(mark);
        }
    }

    /// Adds one, if it is given.
    pub fn extend_from(&mut self, mark: Option<Mark>) {
        mark.into_iter().for_each(|mark| self.add(mark));
    }

    /// Adds all of another set.
    pub fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether it is there.
    #[must_use]
    pub fn has(self, mark: Mark) -> bool {
        self.0 & mark.bit() != 0
    }

    /// Whether one of the other set is there.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are there.
    pub fn iter(self) -> impl Iterator<Item = Mark> {
        Mark::EACH.into_iter().filter(move |mark| self.has(*mark))
    }
}

impl From<Mark> for Marks {
    fn from(mark: Mark) -> Self {
        Self::of(mark)
    }
}

impl FromIterator<Mark> for Marks {
    fn from_iter<I: IntoIterator<Item = Mark>>(marks: I) -> Self {
        let mut all = Self::NONE;
        marks.into_iter().for_each(|mark| all.add(mark));
        all
    }
}

/// Bounds of what is opened, for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives in archives that are opened: members of depth `depth` are seen, and not opened. At most 16.
    pub depth: u32,
    /// Members of all archives of the message together.
    pub members: u32,
    /// Octets of all members together, unpacked.
    pub octets: u64,
    /// Octets that are in memory at once, unpacked.
    pub held: u64,
    /// Unpacked octets for one packed one; over it, and over 4 MiB, a member is a bomb.
    pub ratio: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 8, members: 10_000, octets: 128 << 20, held: 48 << 20, ratio: 250 }
    }
}

/// What is left of the bounds of one message: shared by all of its parts.
#[derive(Debug, Clone)]
pub struct Budget {
    pub(super) limits: Limits,
    pub(super) members: u32,
    pub(super) octets: u64,
    pub(super) held: u64,
}

impl Budget {
    /// All of it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, members: limits.members, octets: limits.octets, held: limits.held }
    }

    /// Octets that the next member may have.
    pub(super) fn room(&self) -> u64 {
        self.octets.min(self.held)
    }

    /// Octets that were unpacked.
    #[must_use]
    pub fn unpacked(&self) -> u64 {
        self.limits.octets.saturating_sub(self.octets)
    }

    /// Members that were seen.
    #[must_use]
    pub fn seen(&self) -> u32 {
        self.limits.members.saturating_sub(self.members)
    }
}
