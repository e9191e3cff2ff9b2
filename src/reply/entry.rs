//! A row of the catalogue: code, enhanced code, text; what does not fit together does not compile.

use super::class::Class;

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

/// One reply of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Reply code.
    pub code: u16,
    /// Enhanced code; `None` for greetings, EHLO and 3yz, which carry none (RFC 2034 section 4).
    pub enhanced: Option<Enhanced>,
    /// Text: printable ASCII, one line.
    pub text: &'static str,
}

impl Entry {
    /// A reply with an enhanced code. Evaluated in a `const`, so a code that contradicts its enhanced code
    /// (`554 4.7.1`) or a text with a line end stops the build.
    #[must_use]
    pub const fn new(code: u16, enhanced: Enhanced, text: &'static str) -> Self {
        assert!(code / 100 == enhanced.0 as u16, "code and enhanced code are of different classes");
        assert!(matches!(enhanced.0, 2 | 4 | 5), "an enhanced code is of class 2, 4 or 5");
        Self::checked(code, Some(enhanced), text)
    }

    /// A reply without an enhanced code: greeting, answer to EHLO, 3yz.
    #[must_use]
    pub const fn plain(code: u16, text: &'static str) -> Self {
        Self::checked(code, None, text)
    }

    const fn checked(code: u16, enhanced: Option<Enhanced>, text: &'static str) -> Self {
        assert!(Class::of(code).is_some(), "a reply code is 200 to 599");
        let bytes = text.as_bytes();
        assert!(bytes.len() <= 200, "a reply text of ours has at most 200 octets");
        let mut at = 0;
        while at < bytes.len() {
            #[expect(clippy::indexing_slicing, reason = "const: an index out of bounds stops the build")]
            let byte = bytes[at];
            assert!(byte >= 32 && byte < 127, "a reply text is printable ASCII");
            at += 1;
        }
        Self { code, enhanced, text }
    }
}
