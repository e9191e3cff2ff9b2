//! What a part's header block says of it.

use super::decode::Encoding;
use super::params::Field;
use super::part::Wrong;
use memchr::memchr;

/// Longest boundary. RFC 2046 allows 70 characters; some programs write more.
const BOUNDARY_OCTETS_MAX: usize = 200;
/// Longest file name that is kept, in characters.
const NAME_CHARS_MAX: usize = 500;
/// Longest type that is kept, in octets.
const KIND_OCTETS_MAX: usize = 200;

/// What it says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: String,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) charset: Option<String>,
    pub(super) name: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) attachment: bool,
    pub(super) wrong: Vec<Wrong>,
}

/// The fields that count.
const NAMES: [&[u8]; 3] = [b"content-type", b"content-transfer-encoding", b"content-disposition"];

impl About {
    /// Reads a header block. `in_digest`: parts are messages where they do not say otherwise (RFC 2046 section 5.1.5).
    pub(super) fn parse(block: &[u8], in_digest: bool) -> Self {
        let mut about = Self::default();
        let [kind, encoding, disposition] = about.fields(block);
        about.encode(encoding.as_deref());
        let disposition = disposition.map(|body| Field::parse(&body)).unwrap_or_default();
        let kind = kind.map(|body| Field::parse(&body));
        about.type_of(kind.as_ref(), in_digest);
        let kind = kind.unwrap_or_default();
        for (field, name) in [(&kind, "boundary"), (&kind, "name"), (&disposition, "filename")] {
            if field.is_twice(name) {
                about.wrong.push(Wrong::Twice);
            }
        }
        let boundary = kind.raw("boundary").map(trim_end).filter(|b| b.len() <= BOUNDARY_OCTETS_MAX);
        about.boundary = boundary.map(<[u8]>::to_vec);
        about.charset = kind.text("charset").filter(|c| c.len() <= 100);
        let name = disposition.text("filename").or_else(|| kind.text("name"));
        about.name = name.map(|n| n.chars().take(NAME_CHARS_MAX).collect());
        let multipart = about.kind.starts_with("multipart/");
        let text = about.kind.starts_with("text/");
        about.attachment = match disposition.value.as_str() {
            "attachment" => !multipart,
            "inline" | "" => !multipart && (!text || (about.name.is_some() && disposition.value.is_empty())),
            // As attachment (RFC 2183 section 2.8).
            _ => !multipart,
        };
        about
    }

    /// The bodies of the fields that count, unfolded; the first of each.
    fn fields(&mut self, block: &[u8]) -> [Option<Vec<u8>>; 3] {
        let mut found: [Option<Vec<u8>>; 3] = [None, None, None];
        // Which one the lines that follow continue; `None` is another field.
        let mut open: Option<usize> = None;
        for line in block.split_inclusive(|&b| b == b'\n') {
            let line = without_end(line);
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if let Some(body) = open.and_then(|at| found.get_mut(at)).and_then(Option::as_mut) {
                    body.extend_from_slice(line);
                }
                continue;
            }
            open = None;
            let Some((name, body)) = memchr(b':', line).and_then(|at| line.split_at_checked(at)) else {
                if !line.is_empty() {
                    self.wrong.push(Wrong::NoField);
                }
                continue;
            };
            let name = trim_end(name);
            let Some(at) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)) else { continue };
            let Some(slot) = found.get_mut(at) else { continue };
            if slot.is_some() {
                self.wrong.push(Wrong::Twice);
            } else {
                *slot = Some(body.get(1..).unwrap_or_default().to_vec());
                open = Some(at);
            }
        }
        found
    }

    fn encode(&mut self, body: Option<&[u8]>) {
        let Some(body) = body else { return };
        let name = Field::parse(body).value;
        // `base64 x`: programs look at the first word.
        self.encoding = Encoding::of(name.split_ascii_whitespace().next().unwrap_or_default());
        if self.encoding == Encoding::Unknown {
            self.wrong.push(Wrong::UnknownEncoding);
        }
    }

    fn type_of(&mut self, field: Option<&Field>, in_digest: bool) {
        let default = if in_digest { "message/rfc822" } else { "text/plain" };
        let Some(field) = field else {
            default.clone_into(&mut self.kind);
            return;
        };
        let value: String = field.value.chars().filter(|c| !c.is_whitespace()).collect();
        let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        match value.split_once('/') {
            Some((major, minor)) if token(major) && token(minor) && value.len() <= KIND_OCTETS_MAX => {
                self.kind = value;
            }
            _ => {
                // RFC 2045 section 5.2.
                "text/plain".clone_into(&mut self.kind);
                if value != "text" {
                    self.wrong.push(Wrong::BadType);
                }
            }
        }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A boundary never ends with blanks (RFC 2046 section 5.1.1).
fn trim_end(octets: &[u8]) -> &[u8] {
    octets.trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_a_part_is() {
        let about = About::parse(
            b"Content-Type: multipart/mixed;\r\n\tboundary=\"a b \"\r\nX: y\r\n z\r\nContent-transfer-encoding : BASE64; (x)\r\n\r\n",
            false,
        );
        assert_eq!((about.kind.as_str(), about.boundary.as_deref()), ("multipart/mixed", Some(&b"a b"[..])));
        assert_eq!((about.encoding, about.attachment), (Encoding::Base64, false));
        assert_eq!(about.wrong, []);
        for (block, kind, attachment, wrong) in [
            (&b""[..], "text/plain", false, None),
            (b"Content-Type: text\r\n", "text/plain", false, None),
            (b"Content-Type: nonsense\r\n", "text/plain", false, Some(Wrong::BadType)),
            (b"Content-Type: image/png\n", "image/png", true, None),
            (b"Content-Type: text/plain; name=x.txt\n", "text/plain", true, None),
            (b"Content-Type: text/plain; name=x\nContent-Disposition: inline\n", "text/plain", false, None),
            (b"Content-Disposition: ATTACHMENT; filename=x\n", "text/plain", true, None),
            (b"Content-Type: text/html\nContent-Type: image/png\n", "text/html", false, Some(Wrong::Twice)),
            (b"no field\nContent-Type: text/html\n", "text/html", false, Some(Wrong::NoField)),
            (b"Content-Transfer-Encoding: x-uuencode\n", "text/plain", false, Some(Wrong::UnknownEncoding)),
        ] {
            let about = About::parse(block, false);
            assert_eq!((about.kind.as_str(), about.attachment), (kind, attachment));
            assert_eq!(about.wrong.first().copied(), wrong);
        }
        assert_eq!(About::parse(b"", true).kind, "message/rfc822");
    }
}
