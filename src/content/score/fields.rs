//! Fields of the header, decoded.

use crate::message::mime::decode_words;
use memchr::memchr;

/// Octets of the header that are looked at.
pub const HEADER_OCTETS_MAX: usize = 256 << 10;
/// Fields that are looked at.
const FIELDS_MAX: usize = 1000;
/// Octets of one field that are looked at.
const FIELD_OCTETS_MAX: usize = 16 << 10;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name, lower case.
    pub name: Box<str>,
    /// Value, unfolded, encoded words decoded.
    pub value: String,
    /// As it came, unfolded.
    pub raw: Vec<u8>,
}

/// Reads the header of a message. It ends at an empty line; a line that is no field is passed over.
#[must_use]
pub fn read(message: &[u8]) -> Vec<Field> {
    let mut rest = message.get(..HEADER_OCTETS_MAX).unwrap_or(message);
    let mut out: Vec<Field> = Vec::new();
    while !rest.is_empty() && out.len() < FIELDS_MAX {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = behind;
        let line = line.trim_ascii_end();
        match line.first() {
            None => break,
            Some(b' ' | b'\t') => {
                if let Some(field) = out.last_mut()
                    && field.raw.len() < FIELD_OCTETS_MAX
                {
                    field.raw.extend_from_slice(line);
                }
            }
            Some(_) => out.extend(field(line)),
        }
    }
    for field in &mut out {
        field.value = decode_words(field.raw.trim_ascii());
    }
    out
}

fn field(line: &[u8]) -> Option<Field> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    let name = name.trim_ascii_end();
    let good = !name.is_empty() && name.len() < 100 && name.iter().all(u8::is_ascii_graphic);
    let raw = value.get(1..FIELD_OCTETS_MAX.min(value.len()))?.to_vec();
    let name = std::str::from_utf8(name).ok().filter(|_| good)?.to_ascii_lowercase();
    Some(Field { name: name.into(), value: String::new(), raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_decoded() {
        let text =
            b"Subject: =?utf-8?q?gr=C3=BCn?=\r\n and\r\n\tmore \r\nno field\r\nX-A :b\nX-B:\n\nX-C: body\n";
        let fields = read(text);
        let shown: Vec<_> = fields.iter().map(|f| (&*f.name, f.value.as_str())).collect();
        assert_eq!(shown, [("subject", "grün and more"), ("x-a", "b"), ("x-b", "")]);
        assert!(read(b"").is_empty() && read(b"\r\nA: b").is_empty());
        assert_eq!(read("A: b\r\n".repeat(5000).as_bytes()).len(), FIELDS_MAX);
        let long = format!("A: {}\r\n{}", "x".repeat(100_000), " y\r\n".repeat(100_000));
        assert!(read(long.as_bytes())[0].raw.len() <= FIELD_OCTETS_MAX + 2);
    }
}
