//! Transfer encodings, decoded in pieces and as mail programs do: what is not of the encoding is left out, and said.

/// How octets are encoded (RFC 2045 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `7bit`, and where nothing is said.
    #[default]
    SevenBit,
    /// `8bit`.
    EightBit,
    /// `binary`.
    Binary,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
    /// Any other: the octets are taken as they are.
    Unknown,
}

impl Encoding {
    /// The name without parameters and comments, any case.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "" | "7bit" => Self::SevenBit,
            "8bit" => Self::EightBit,
            "binary" => Self::Binary,
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            _ => Self::Unknown,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
            Self::Unknown => "unknown",
        }
    }

    /// Octets are what they are.
    #[must_use]
    pub fn is_plain(self) -> bool {
        !matches!(self, Self::Base64 | Self::QuotedPrintable)
    }
}

/// Decodes one part, piece by piece.
#[derive(Debug, Clone)]
pub struct Decoder {
    how: How,
    bad: bool,
}

#[derive(Debug, Clone)]
enum How {
    Plain,
    Base64 { bits: u32, digits: u8, padded: bool },
    Quoted(Quoted),
}

#[derive(Debug, Clone, Default)]
struct Quoted {
    /// Behind `=`: the first digit, blanks and CR of a soft line end. Bounded.
    escape: Option<Vec<u8>>,
    /// Blanks that are dropped if the line ends behind them, and a CR behind them. Bounded.
    blanks: Vec<u8>,
}

/// Longest run of blanks that may be dropped at the end of a line; RFC 2045 section 6.7 lines have 76 characters.
const BLANKS_MAX: usize = 1000;

impl Decoder {
    /// A decoder.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        let how = match encoding {
            Encoding::Base64 => How::Base64 { bits: 0, digits: 0, padded: false },
            Encoding::QuotedPrintable => How::Quoted(Quoted::default()),
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary | Encoding::Unknown => How::Plain,
        };
        Self { how, bad: false }
    }

    /// Something was not of the encoding.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.bad
    }

    /// Decodes a piece, behind what is in `out`: never more octets than came in, but for those kept back before.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match &mut self.how {
            How::Plain => out.extend_from_slice(octets),
            How::Base64 { bits, digits, padded } => {
                for &octet in octets {
                    self.bad |= !base64(octet, bits, digits, padded, out);
                }
            }
            How::Quoted(quoted) => {
                for &octet in octets {
                    self.bad |= !quoted.take(octet, out);
                }
            }
        }
    }

    /// The end of the octets.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.how {
            How::Plain => {}
            How::Base64 { bits, digits, padded } => {
                self.bad |= *digits > 0 && !*padded;
                rest(bits, digits, out);
            }
            How::Quoted(quoted) => self.bad |= !quoted.end(out),
        }
    }
}

const NO_DIGIT: u8 = 64;

fn digit(octet: u8) -> u8 {
    match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => NO_DIGIT,
    }
}

/// One octet of base64; false where it does not belong there. What follows a padding is decoded as a text of its own,
/// as most programs do.
fn base64(octet: u8, bits: &mut u32, digits: &mut u8, padded: &mut bool, out: &mut Vec<u8>) -> bool {
    match (octet, digit(octet)) {
        (b'=', _) => {
            let good = *digits > 1 || (*digits == 0 && *padded);
            rest(bits, digits, out);
            *padded = true;
            good
        }
        (b'\r' | b'\n' | b' ' | b'\t', _) => true,
        (_, NO_DIGIT) => false,
        (_, digit) => {
            let good = !*padded;
            *padded = false;
            *bits = *bits << 6 | u32::from(digit);
            *digits += 1;
            if *digits == 4 {
                let [_, a, b, c] = bits.to_be_bytes();
                out.extend_from_slice(&[a, b, c]);
                (*bits, *digits) = (0, 0);
            }
            good
        }
    }
}

/// The whole octets of an unfinished group.
fn rest(bits: &mut u32, digits: &mut u8, out: &mut Vec<u8>) {
    match *digits {
        2 => out.extend((*bits >> 4).to_be_bytes().last()),
        3 => {
            let [.., a, b] = (*bits >> 2).to_be_bytes();
            out.extend_from_slice(&[a, b]);
        }
        _ => {}
    }
    (*bits, *digits) = (0, 0);
}

impl Quoted {
    /// One octet; false where it does not belong there.
    fn take(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        let Some(escape) = &mut self.escape else {
            self.plain(octet, out);
            return true;
        };
        let blank = matches!(octet, b' ' | b'\t' | b'\r');
        match (escape.as_slice(), octet) {
            // A soft line end.
            (kept, b'\n') if kept.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) => {
                self.escape = None;
                true
            }
            (kept, _)
                if blank
                    && kept.len() < BLANKS_MAX
                    && kept.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) =>
            {
                escape.push(octet);
                true
            }
            ([], _) if octet.is_ascii_hexdigit() => {
                escape.push(octet);
                true
            }
            ([first], _) if octet.is_ascii_hexdigit() && first.is_ascii_hexdigit() => {
                let value = hex(*first) << 4 | hex(octet);
                self.escape = None;
                self.flush(out);
                out.push(value);
                true
            }
            _ => {
                self.as_it_came(out);
                // May begin an escape of its own.
                self.plain(octet, out);
                false
            }
        }
    }

    fn plain(&mut self, octet: u8, out: &mut Vec<u8>) {
        match octet {
            b'=' => {
                self.flush(out);
                self.escape = Some(Vec::new());
            }
            b' ' | b'\t' | b'\r' if self.blanks.len() < BLANKS_MAX => self.blanks.push(octet),
            b'\n' => {
                let end: &[u8] = if self.blanks.last() == Some(&b'\r') { b"\r\n" } else { b"\n" };
                self.blanks.clear();
                out.extend_from_slice(end);
            }
            _ => {
                self.flush(out);
                out.push(octet);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.blanks);
    }

    /// An escape that was none.
    fn as_it_came(&mut self, out: &mut Vec<u8>) {
        if let Some(escape) = self.escape.take() {
            out.push(b'=');
            out.extend_from_slice(&escape);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> bool {
        let soft = |kept: &Vec<u8>| kept.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'));
        let good = self.escape.as_ref().is_none_or(soft);
        if good {
            self.escape = None;
        }
        self.as_it_came(out);
        self.flush(out);
        good
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoding: Encoding, octets: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
        octets.chunks(piece.max(1)).for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        (out, decoder.is_bad())
    }

    #[test]
    fn base64_as_programs_read_it() {
        for (text, want, bad) in [
            ("aGVsbG8=", "hello", false),
            ("aGVs\r\nbG8=\r\n", "hello", false),
            ("aGVsbG8", "hello", true),
            ("aGV!sbG8=", "hello", true),
            ("aGVsbG8=aGVsbG8=", "hellohello", true),
            ("aGVsbG8gdw==\r\n-- \r\n", "hello w", true),
            ("aA==", "h", false),
            ("", "", false),
        ] {
            let (out, was_bad) = decode(Encoding::Base64, text.as_bytes(), 3);
            assert_eq!((String::from_utf8(out).unwrap().as_str(), was_bad), (want, bad), "{text}");
        }
    }

    #[test]
    fn quoted_printable_as_programs_read_it() {
        for (text, want, bad) in [
            ("gr=C3=BC=c3=9fe", "grüße", false),
            ("a=\r\nb=\nc= \t\r\nd", "abcd", false),
            ("a  \r\nb\t\nc ", "a\r\nb\nc ", false),
            ("a=zz=4", "a=zz=4", true),
            ("a==41", "a=A", true),
            ("x=", "x", false),
            ("1 + 1 =3D 2", "1 + 1 = 2", false),
        ] {
            let (out, was_bad) = decode(Encoding::QuotedPrintable, text.as_bytes(), 1);
            assert_eq!((String::from_utf8(out).unwrap().as_str(), was_bad), (want, bad), "{text}");
        }
    }

    proptest! {
        #[test]
        fn where_it_is_cut_does_not_matter(text in "[ -~\r\n=]{0,300}", piece in 1usize..9) {
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::EightBit] {
                prop_assert_eq!(
                    decode(encoding, text.as_bytes(), piece),
                    decode(encoding, text.as_bytes(), usize::MAX)
                );
            }
        }

        #[test]
        fn what_was_encoded_comes_back(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(&octets);
            prop_assert_eq!(decode(Encoding::Base64, text.as_bytes(), 7), (octets.clone(), false));
            let text: String = octets.iter().map(|o| format!("={o:02X}")).collect();
            prop_assert_eq!(decode(Encoding::QuotedPrintable, text.as_bytes(), 5), (octets, false));
        }
    }
}
