//! Transfer encodings of a part that is in memory, in every reading that programs give to what is not of the encoding.

use super::base64::{Padding, Rules, base64};
use super::odd::Odd;
use crate::message::large::buffer;
use std::borrow::Cow;

/// How octets are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    /// Not at all: 7bit, 8bit, binary, and whatever nobody knows.
    Plain,
    Base64,
    Quoted,
    /// The body is a file in uuencode, with or without its first line.
    Uuencode,
}

impl Coding {
    /// By its exact name, in any case.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Self::Plain,
            "base64" => Self::Base64,
            "quoted-printable" => Self::Quoted,
            "x-uuencode" | "uuencode" | "x-uue" | "x-uu" | "uue" => Self::Uuencode,
            _ => return None,
        })
    }

    /// How a reading by it is called, where it is not the main one.
    pub(super) fn reading(self) -> &'static str {
        match self {
            Self::Plain => "as-it-stands",
            Self::Base64 => "as-base64",
            Self::Quoted => "as-quoted-printable",
            Self::Uuencode => "as-uuencode",
        }
    }
}

/// Decoded octets.
pub(super) struct Decoded<'o> {
    /// As most programs decode them.
    pub(super) main: Cow<'o, [u8]>,
    pub(super) odd: Vec<Odd>,
    /// What else programs make of them: decoded when it is asked for.
    pub(super) others: Vec<(&'static str, Other)>,
}

/// Another way to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    Plain,
    Base64(Rules),
    /// An `=` that begins nothing is left out.
    QuotedWithoutEquals,
}

/// Decodes in the main reading, and says which others there are.
pub(super) fn decode(coding: Coding, octets: &[u8]) -> Decoded<'_> {
    match coding {
        Coding::Plain => Decoded { main: Cow::Borrowed(octets), odd: Vec::new(), others: Vec::new() },
        Coding::Base64 => base64_readings(octets),
        Coding::Quoted => {
            let (main, bad) = quoted(octets, false);
            let (mut odd, mut others) = (Vec::new(), Vec::new());
            if bad {
                odd.push(Odd::BadQuoted);
                others.push(("quoted-printable-without-equals", Other::QuotedWithoutEquals));
                others.push(("as-it-stands", Other::Plain));
            }
            Decoded { main: Cow::Owned(main), odd, others }
        }
        Coding::Uuencode => {
            let (main, over) = super::text_files::uu_all(octets);
            let odd = [Odd::Uuencode].into_iter().chain(over.then_some(Odd::TooMuch)).collect();
            Decoded { main: Cow::Owned(main), odd, others: Vec::new() }
        }
    }
}

/// Decodes in another reading.
pub(super) fn decode_other(other: Other, octets: &[u8]) -> Cow<'_, [u8]> {
    match other {
        Other::Plain => Cow::Borrowed(octets),
        Other::Base64(rules) => Cow::Owned(base64(octets, rules).0),
        Other::QuotedWithoutEquals => Cow::Owned(quoted(octets, true).0),
    }
}

fn base64_readings(octets: &[u8]) -> Decoded<'_> {
    let (main, seen) = base64(octets, Rules::default());
    let (mut odd, mut others) = (Vec::new(), Vec::new());
    let mut other = |name, rules| others.push((name, Other::Base64(rules)));
    if seen.behind_padding {
        odd.push(Odd::Base64Padding);
        other("base64-to-padding", Rules { padding: Padding::Stop, ..Rules::default() });
        other("base64-padding-skipped", Rules { padding: Padding::Skip, ..Rules::default() });
    }
    if seen.foreign {
        odd.push(Odd::Base64Foreign);
        other("base64-to-foreign", Rules { stop: true, ..Rules::default() });
    }
    if seen.url {
        other("base64-url", Rules { url: true, ..Rules::default() });
    }
    if seen.broken_lines {
        other("base64-by-line", Rules { lines: true, ..Rules::default() });
    }
    if seen.foreign {
        others.push(("as-it-stands", Other::Plain));
    }
    Decoded { main: Cow::Owned(main), odd, others }
}

/// Decodes quoted-printable; whether an `=` began nothing. Blanks at the end of a line are dropped (RFC 2045 section 6.7).
fn quoted(octets: &[u8], drop_bad: bool) -> (Vec<u8>, bool) {
    let mut out = buffer(octets.len());
    let mut bad = false;
    for line in octets.split_inclusive(|&b| b == b'\n') {
        let (text, end): (&[u8], &[u8]) = match line {
            [text @ .., b'\r', b'\n'] => (text, b"\r\n"),
            [text @ .., b'\n'] => (text, b"\n"),
            text => (text, b""),
        };
        let text = if end.is_empty() { text } else { trim_end(text) };
        // An `=` from here on has only blanks behind it.
        let blanks = text.len() - trim_end(text).len();
        let (mut rest, mut soft) = (text, false);
        while let Some((before, after)) = memchr::memchr(b'=', rest).and_then(|at| rest.split_at_checked(at))
        {
            out.extend_from_slice(before);
            let after = after.get(1..).unwrap_or_default();
            if let Some(value) = hex_pair(after) {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            soft = after.len() <= blanks;
            if !soft {
                bad = true;
                if !drop_bad {
                    out.push(b'=');
                }
            }
            rest = if soft { &[] } else { after };
        }
        out.extend_from_slice(rest);
        if !soft {
            out.extend_from_slice(end);
        }
    }
    (out, bad)
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [before @ .., b' ' | b'\t' | b'\r'] = text {
        text = before;
    }
    text
}

fn hex_pair(octets: &[u8]) -> Option<u8> {
    let [a, b, ..] = octets else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*a)? << 4 | digit(*b)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::mime::{Decoder, Encoding};
    use proptest::prelude::*;

    fn readings(coding: Coding, text: &[u8]) -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
        let decoded = decode(coding, text);
        let others =
            decoded.others.iter().map(|(name, other)| (*name, decode_other(*other, text).into_owned()));
        (decoded.main.to_vec(), others.collect())
    }

    #[test]
    fn base64_in_every_reading() {
        for (text, main, others) in [
            (&b"aGVsbG8=\r\n"[..], &b"hello"[..], &[][..]),
            (b"aGVsbG8", b"hello", &[]),
            (b"aGVs\r\nbG8=", b"hello", &[]),
            (b"aGVsbG8=aGVsbG8=", b"hellohello", &[("base64-to-padding", &b"hello"[..])]),
            (b"aGV!sbG8=", b"hello", &[("base64-to-foreign", b"he"), ("as-it-stands", b"aGV!sbG8=")]),
            (b"aG\r\nVsbG8=", b"hello", &[("base64-by-line", b"hVlo")]),
            (b"__-_", b"", &[("base64-url", b"\xff\xff\xbf")]),
        ] {
            let (got, also) = readings(Coding::Base64, text);
            assert_eq!(got, main, "{}", text.escape_ascii());
            for (name, want) in others.iter().filter(|(_, want)| *want != b"hVlo") {
                assert!(also.iter().any(|(n, got)| n == name && got == want), "{name} {also:?}");
            }
            assert_eq!(others.is_empty(), also.is_empty(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn quoted_printable_in_every_reading() {
        for (text, main, others) in [
            (&b"a=20b=\r\nc  \r\nd=3d"[..], &b"a bc\r\nd="[..], &[][..]),
            (b"a= \t\r\nb", b"ab", &[]),
            (b"a=", b"a", &[]),
            (
                b"a=zb",
                b"a=zb",
                &[("quoted-printable-without-equals", &b"azb"[..]), ("as-it-stands", b"a=zb")],
            ),
        ] {
            let (got, also) = readings(Coding::Quoted, text);
            assert_eq!(got, main, "{}", text.escape_ascii());
            let also: Vec<(&str, &[u8])> =
                also.iter().map(|(name, octets)| (*name, octets.as_slice())).collect();
            assert_eq!(also, others);
        }
    }

    proptest! {
        /// The main reading is that of the decoder of pieces.
        #[test]
        fn the_main_reading_is_that_of_the_other_decoder(text in "[A-Za-z0-9+/=\\r\\n !-]{0,200}") {
            let mut out = Vec::new();
            let mut decoder = Decoder::new(Encoding::Base64);
            decoder.push(text.as_bytes(), &mut out);
            decoder.finish(&mut out);
            prop_assert_eq!(decode(Coding::Base64, text.as_bytes()).main.into_owned(), out);
        }

        #[test]
        fn quoted_printable_never_grows(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(quoted(&text, false).0.len() <= text.len());
        }
    }
}
