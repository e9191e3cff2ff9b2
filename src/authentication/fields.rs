//! The fields of a message's header, as signatures need them: octet by octet, in order, the body behind the first empty
//! line. Lines end with CRLF and nothing else. Pure; linear; fields beyond [`FIELDS_MAX`] are not kept, and that is told.

use std::collections::HashMap;

/// Most fields that are kept. What is signed in a message with more of them cannot be told.
pub const FIELDS_MAX: usize = 4000;

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name as it stands there, without blanks before the colon; empty where there is no colon.
    pub name: &'a [u8],
    /// What is behind the colon, with its folding, without the final line end.
    pub value: &'a [u8],
    /// All of it, without the final line end.
    pub raw: &'a [u8],
}

/// A message in its two parts.
#[derive(Debug)]
pub struct Header<'a> {
    /// The fields, from the top.
    pub fields: Vec<Field<'a>>,
    /// The body.
    pub body: &'a [u8],
    /// There are more fields than are here.
    pub cut: bool,
    by_name: HashMap<Vec<u8>, Vec<usize>>,
}

impl<'a> Header<'a> {
    /// Takes a message apart.
    pub fn of(message: &'a [u8]) -> Self {
        let mut header = Self { fields: Vec::new(), body: &[], cut: false, by_name: HashMap::new() };
        let (mut start, mut at) = (0, 0);
        loop {
            let line = message.get(at..).unwrap_or_default();
            let length = line_length(line);
            if line.starts_with(b"\r\n") {
                header.body = line.get(2..).unwrap_or_default();
                break;
            }
            at += length;
            let folded = matches!(message.get(at), Some(b' ' | b'\t'));
            if length == 0 || !folded {
                header.add(message.get(start..at).unwrap_or_default());
                start = at;
            }
            if length == 0 {
                break;
            }
        }
        header
    }

    fn add(&mut self, raw: &'a [u8]) {
        let raw = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        if raw.is_empty() {
            return;
        }
        if self.fields.len() == FIELDS_MAX {
            self.cut = true;
            return;
        }
        let colon = memchr::memchr(b':', raw);
        let (name, value) = match colon.and_then(|at| raw.split_at_checked(at)) {
            Some((name, value)) => (name.trim_ascii_end(), value.get(1..).unwrap_or_default()),
            None => (&b""[..], raw),
        };
        self.by_name.entry(name.to_ascii_lowercase()).or_default().push(self.fields.len());
        self.fields.push(Field { name, value, raw });
    }

    /// The fields of one name, from the top.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (usize, Field<'a>)> {
        let places = self.by_name.get(name.as_bytes()).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| self.fields.get(*at).map(|field| (*at, *field)))
    }

    /// The fields that a list of names picks: each name the next one of its fields from the bottom, but for the one
    /// that carries the signature (RFC 6376 section 5.4.2). Names of which there is none left pick nothing.
    pub fn pick(&self, names: &[&str], carrier: usize) -> Vec<Field<'a>> {
        let mut taken: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut picked = Vec::new();
        for name in names {
            let name = name.as_bytes().to_ascii_lowercase();
            let Some(places) = self.by_name.get(&name) else { continue };
            let mut left = places.iter().rev().filter(|at| **at != carrier);
            let count = taken.entry(name).or_default();
            if *count < places.len()
                && let Some(field) = left.nth(*count).and_then(|at| self.fields.get(*at))
            {
                picked.push(*field);
            }
            *count += 1;
        }
        picked
    }
}

/// How long the first line is, its line end with it.
fn line_length(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let at = from + found;
        if at > 0 && text.get(at - 1) == Some(&b'\r') {
            return at + 1;
        }
        from = at + 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let header = Header::of(b"A: 1\r\nB : 2\r\n\t3\r\njunk\r\na:4\n5\r\n\r\nbody\r\n\r\n");
        let names: Vec<&[u8]> = header.fields.iter().map(|f| f.name).collect();
        assert_eq!(names, [&b"A"[..], b"B", b"", b"a"]);
        assert_eq!(header.fields[1].value, b" 2\r\n\t3");
        assert_eq!(header.fields[3].value, b"4\n5");
        assert_eq!(header.body, b"body\r\n\r\n");
        let picked: Vec<&[u8]> = header.pick(&["a", "b", "a", "a", "c"], 99).iter().map(|f| f.raw).collect();
        assert_eq!(picked, [&b"a:4\n5"[..], b"B : 2\r\n\t3", b"A: 1"]);
        assert_eq!(header.pick(&["a", "a"], 3).len(), 1);
    }

    #[test]
    fn a_message_without_a_part_is_taken_apart_too() {
        assert!(Header::of(b"").fields.is_empty());
        assert_eq!(Header::of(b"\r\nx").body, b"x");
        let header = Header::of(b"A: 1\r\nB: 2");
        assert_eq!((header.fields.len(), header.body), (2, &b""[..]));
        let many = b"a:\r\n".repeat(FIELDS_MAX + 1);
        assert!(Header::of(&many).cut);
    }
}
