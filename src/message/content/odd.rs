//! What is odd about the structure of a message: a fact for rules, and the reason to look twice.

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    /// Programs read it differently; every reading was looked at, and scanners get the octets a second time.
    Ambiguous,
    /// No honest program writes it.
    Malformed,
    /// Something was not looked at, because a bound was reached.
    Over,
}

/// Something odd about one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Odd {
    /// A line of the header is no field.
    BadHeaderLine,
    /// A line of the header has only blanks.
    BlankHeaderLine,
    /// No empty line between header and body.
    NoBlankLine,
    /// Blanks between a field's name and its colon.
    BlankBeforeColon,
    /// An empty line, and only then what looks like its header.
    LateHeader,
    /// CR without LF where structure is.
    BareCr,
    /// A field that counts is longer than what is kept of it, or there are more of them, or more names in it.
    LongField,
    /// `Content-Type` twice, with different types.
    DuplicateType,
    /// `Content-Transfer-Encoding` twice, with different encodings.
    DuplicateEncoding,
    /// A file name twice in one field, or two fields with one each.
    DuplicateName,
    /// Several boundaries for one multipart.
    DuplicateBoundary,
    /// A type that is none.
    BadType,
    /// An encoding with something beside its name.
    MalformedEncoding,
    /// An encoding that nobody knows.
    UnknownEncoding,
    /// Base64 with octets that are none.
    Base64Foreign,
    /// Base64 that goes on behind its padding.
    Base64Padding,
    /// Quoted-printable with an `=` that begins nothing.
    BadQuoted,
    /// A multipart without a boundary.
    NoBoundary,
    /// A boundary longer than 200 octets.
    LongBoundary,
    /// A boundary that may be read in two ways.
    OddBoundary,
    /// A multipart in which its boundary never stands.
    NoParts,
    /// A multipart without its last delimiter.
    MissingEnd,
    /// Parts after the last delimiter.
    AfterEnd,
    /// A delimiter with blanks behind it.
    PaddedDelimiter,
    /// A line that begins as a delimiter and goes on.
    NearDelimiter,
    /// Text before the first or behind the last delimiter that is no notice to old programs.
    OutsideText,
    /// A multipart that claims to be encoded.
    EncodedMultipart,
    /// A message in an encoded part.
    EncodedMessage,
    /// A piece of a message (`message/partial`): the whole is never seen here.
    Partial,
    /// A file in uuencode.
    Uuencode,
    /// A file in yEnc.
    Yenc,
    /// A file in BinHex, which is not opened.
    Binhex,
    /// Nested too deep; not looked into.
    TooDeep,
    /// Encoded containers in encoded containers; not looked into.
    TooOftenEncoded,
    /// More parts than are looked at.
    TooManyParts,
    /// A header longer than the bound.
    LongHeader,
    /// More readings or octets than are looked at.
    TooMuch,
}

impl Odd {
    /// All of them.
    #[rustfmt::skip]
    pub const EACH: [Self; 37] = [
        Self::BadHeaderLine, Self::BlankHeaderLine, Self::NoBlankLine, Self::BlankBeforeColon, Self::LateHeader, Self::BareCr,
        Self::LongField, Self::DuplicateType, Self::DuplicateEncoding, Self::DuplicateName, Self::DuplicateBoundary,
        Self::BadType, Self::MalformedEncoding, Self::UnknownEncoding, Self::Base64Foreign, Self::Base64Padding,
        Self::BadQuoted, Self::NoBoundary, Self::LongBoundary, Self::OddBoundary, Self::NoParts, Self::MissingEnd,
        Self::AfterEnd, Self::PaddedDelimiter, Self::NearDelimiter, Self::OutsideText, Self::EncodedMultipart,
        Self::EncodedMessage, Self::Partial, Self::Uuencode, Self::Yenc, Self::Binhex, Self::TooDeep,
        Self::TooOftenEncoded, Self::TooManyParts, Self::LongHeader, Self::TooMuch,
    ];

    /// Its name in rules and logs, what it comes to, and what it is for people.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, Weight, &'static str) {
        use Weight::{Ambiguous, Malformed, Over};
        match self {
            Self::BadHeaderLine => ("bad-header-line", Ambiguous, "a line of its header is no field"),
            Self::BlankHeaderLine => ("blank-header-line", Ambiguous, "a line of its header has only blanks"),
            Self::NoBlankLine => ("no-blank-line", Ambiguous, "no empty line between its header and its body"),
            Self::BlankBeforeColon => ("blank-before-colon", Ambiguous, "blanks between the name of a field and its colon"),
            Self::LateHeader => ("late-header", Ambiguous, "an empty line, and then what looks like its header"),
            Self::BareCr => ("bare-cr", Ambiguous, "CR without LF in its header"),
            Self::LongField => ("long-field", Malformed, "its type, encoding or name is longer, or there more often, than any program writes"),
            Self::DuplicateType => ("duplicate-type", Malformed, "it says two types"),
            Self::DuplicateEncoding => ("duplicate-encoding", Malformed, "it says two encodings"),
            Self::DuplicateName => ("duplicate-name", Ambiguous, "it says its name twice, differently"),
            Self::DuplicateBoundary => ("duplicate-boundary", Malformed, "it says two boundaries"),
            Self::BadType => ("bad-type", Ambiguous, "its type cannot be read"),
            Self::MalformedEncoding => ("malformed-encoding", Ambiguous, "its encoding has something beside its name"),
            Self::UnknownEncoding => ("unknown-encoding", Ambiguous, "its encoding is unknown"),
            Self::Base64Foreign => ("base64-foreign", Ambiguous, "octets in its base64 that are none"),
            Self::Base64Padding => ("base64-padding", Ambiguous, "its base64 goes on behind the padding"),
            Self::BadQuoted => ("bad-quoted-printable", Ambiguous, "an = in its quoted-printable that begins nothing"),
            Self::NoBoundary => ("no-boundary", Malformed, "a multipart without a boundary"),
            Self::LongBoundary => ("long-boundary", Ambiguous, "a boundary longer than 200 octets"),
            Self::OddBoundary => ("odd-boundary", Ambiguous, "a boundary that can be read in two ways"),
            Self::NoParts => ("no-parts", Ambiguous, "a multipart in which its boundary does not stand"),
            Self::MissingEnd => ("missing-end", Ambiguous, "a multipart without its last delimiter"),
            Self::AfterEnd => ("after-end", Malformed, "parts behind its last delimiter"),
            Self::PaddedDelimiter => ("padded-delimiter", Ambiguous, "a delimiter with blanks behind it"),
            Self::NearDelimiter => ("near-delimiter", Malformed, "a line begins as its delimiter does and goes on"),
            Self::OutsideText => ("outside-text", Ambiguous, "text before its first or behind its last delimiter"),
            Self::EncodedMultipart => ("encoded-multipart", Ambiguous, "it has parts and claims to be encoded"),
            Self::EncodedMessage => ("encoded-message", Ambiguous, "a message inside, encoded"),
            Self::Partial => ("partial", Malformed, "a piece of a message: the whole is never seen here"),
            Self::Uuencode => ("uuencode", Ambiguous, "a file in uuencode"),
            Self::Yenc => ("yenc", Ambiguous, "a file in yEnc"),
            Self::Binhex => ("binhex", Malformed, "a file in BinHex, which is not opened"),
            Self::TooDeep => ("too-deep", Over, "nested too deep: not looked into"),
            Self::TooOftenEncoded => ("too-often-encoded", Over, "encoded too many times over: not looked into"),
            Self::TooManyParts => ("too-many-parts", Over, "too many parts: those that follow are not looked at"),
            Self::LongHeader => ("long-header", Over, "its header is too long"),
            Self::TooMuch => ("too-much", Over, "more readings than are looked at"),
        }
    }

    /// Its name in rules and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What it comes to.
    #[must_use]
    pub fn weight(self) -> Weight {
        self.row().1
    }

    /// What it is, for people: behind "part 3: ".
    #[must_use]
    pub fn words(self) -> &'static str {
        self.row().2
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|odd| odd.name() == name)
    }

    /// No honest program writes it.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        self.weight() == Weight::Malformed
    }

    /// A bound was reached.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.weight() == Weight::Over
    }
}
