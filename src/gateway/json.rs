//! Lines of JSON, written straight into the buffer that goes to the disk: keys are literals that need no escapes, and
//! most texts are written as they are.

use serde::Serialize;

/// An object in progress.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Begins one.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a key, and gives the place of its value. The key has no characters that need an escape.
    pub(super) fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        write_text(self.key(key), text);
    }

    /// A text, or null.
    pub(super) fn maybe(&mut self, key: &'static str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.key(key).extend_from_slice(b"null"),
        }
    }

    /// A number.
    pub(super) fn number(&mut self, key: &'static str, number: u64) {
        write_number(self.key(key), number);
    }

    /// Yes or no.
    pub(super) fn truth(&mut self, key: &'static str, truth: bool) {
        self.key(key).extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// Anything else.
    pub(super) fn value(&mut self, key: &'static str, value: &impl Serialize) {
        write_value(self.key(key), value);
    }

    /// A list, each member written by `write`.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        members: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T),
    ) {
        let out = self.key(key);
        out.push(b'[');
        for (at, member) in members.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write(out, member);
        }
        out.push(b']');
    }

    /// Its end.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    // Folded over all octets, for that is done many at a time.
    let plain = |yes: bool, &b: &u8| yes & (b >= b' ') & (b != b'"') & (b != b'\\');
    if text.as_bytes().iter().fold(true, plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_value(out, &text);
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let (mut rest, mut used) = (number, 0);
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn write_value(out: &mut Vec<u8>, value: &impl Serialize) {
    // Our own structures always serialise, and a Vec takes every write; should one ever not, the line stays JSON.
    let begin = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(begin);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(fill: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        fill(&mut object);
        object.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_is_json() {
        let text = written(|o| {
            o.text("a", "b");
            o.maybe("none", None);
            o.maybe("some", Some("\u{7f}\u{fc}"));
            o.number("n", u64::MAX);
            o.number("zero", 0);
            o.truth("yes", true);
            o.value("f", &1.5);
            o.list("l", [1, 2].into_iter(), write_number);
            o.list("e", std::iter::empty(), write_number);
        });
        let want = "{\"a\":\"b\",\"none\":null,\"some\":\"\u{7f}\u{fc}\",\"n\":18446744073709551615,\"zero\":0,\"yes\":true,\
                    \"f\":1.5,\"l\":[1,2],\"e\":[]}";
        assert_eq!(text, want);
        assert_eq!(written(|_| ()), "{}");
    }

    proptest! {
        #[test]
        fn texts_and_numbers_are_what_serde_writes(text in "\\PC*|[\\x00-\\x7f]*", number in any::<u64>()) {
            let mut out = Vec::new();
            write_text(&mut out, &text);
            prop_assert_eq!(&out, &serde_json::to_vec(&text).unwrap());
            out.clear();
            write_number(&mut out, number);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
