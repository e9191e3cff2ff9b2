//! RTF: objects in it, and what it loads from elsewhere. Exploits are carried so.
//!
//! Read as Word does, which takes nearly anything: braces, blanks and unknown words inside of the hexadecimal digits are
//! passed over.

use super::bytes::{begins, size_le, u32_le, until_nul};
use super::entry::{Entry, Listing, Packed};
use super::file::{Mark, Marks};
use super::office::native;
use memchr::{memchr_iter, memmem};

/// Lists the objects of an RTF file.
pub(super) fn list(octets: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let mut behind = 0;
    for place in memchr_iter(b'\\', octets) {
        let word = octets.get(place + 1..).unwrap_or_default();
        if word.starts_with(b"obj") {
            listing.marks.add_if(begins(word, b"objdata") || begins(word, b"objemb"), Mark::Embedded);
            listing.marks.add_if(begins(word, b"objocx") || begins(word, b"objupdate"), Mark::Active);
            listing.marks.add_if(begins(word, b"objautlink") || begins(word, b"objlink"), Mark::External);
            if place >= behind
                && let Some(data) = word.strip_prefix(b"objdata")
            {
                let (object, used) = hexadecimal(data);
                behind = place + used;
                if !listing.add(entry(object), most) {
                    return listing;
                }
            }
        } else if begins(word, b"template") {
            let target = word.get(8..72.min(word.len())).unwrap_or_default().trim_ascii_start();
            let far =
                [&b"http"[..], b"ftp", b"\\\\\\\\", b"//", b"file:"].iter().any(|way| begins(target, way));
            // In a destination of its own, each letter may be escaped.
            listing
                .marks
                .add_if(far || target.starts_with(b"\\u") || target.starts_with(b"\\'"), Mark::External);
        }
    }
    let fields = [&b"DDEAUTO"[..], b"INCLUDEPICTURE \"http", b"INCLUDEPICTURE  \"http"];
    listing.marks.add_if(fields.iter().any(|field| memmem::find(octets, field).is_some()), Mark::Active);
    listing
}

/// The octets that hexadecimal digits give up to the end of the group, and how many octets of text that took.
fn hexadecimal(text: &[u8]) -> (Vec<u8>, usize) {
    let (mut out, mut high, mut depth, mut place) = (Vec::new(), None, 0u32, 0);
    while let Some(&octet) = text.get(place) {
        place += 1;
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b'\\' => {
                let word = text.get(place..).unwrap_or_default();
                place += word_length(word);
                if let Some(length) = binary(word) {
                    let raw = text.get(place..).unwrap_or_default();
                    let raw = raw.get(..length).unwrap_or(raw);
                    out.extend_from_slice(raw);
                    place += raw.len();
                }
            }
            _ => {
                let Some(digit) = char::from(octet).to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                    continue;
                };
                match high.take() {
                    None => high = Some(digit),
                    Some(first) => out.push(first << 4 | digit),
                }
            }
        }
    }
    (out, place)
}

/// `\bin` with its number: so many octets behind it stand for themselves.
fn binary(word: &[u8]) -> Option<usize> {
    let digits = word.strip_prefix(b"bin")?;
    let end = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Octets of a control word behind its backslash, with its number and the blank behind it.
fn word_length(text: &[u8]) -> usize {
    match text.first() {
        Some(b'\'') => 3,
        Some(first) if first.is_ascii_alphabetic() => {
            let letters = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let rest = text.get(letters..).unwrap_or_default();
            let digits = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
            letters + digits + usize::from(rest.get(digits) == Some(&b' '))
        }
        Some(_) => 1,
        None => 0,
    }
}

/// An object of OLE 1 (MS-OLEDS 2.2.5): its class, and its data.
fn entry(object: Vec<u8>) -> Entry {
    let parsed = parse(&object);
    parsed.unwrap_or_else(|| {
        // Word looks for the data where it should be; here is anything that looks like it.
        let start = memmem::find(&object, b"\xd0\xcf\x11\xe0").unwrap_or_default();
        plain("object", object.get(start..).unwrap_or_default())
    })
}

fn parse(object: &[u8]) -> Option<Entry> {
    (u32_le(object, 4)? == 2).then_some(())?;
    let (mut rest, mut class) = (object.get(8..)?, None);
    for _ in 0..3 {
        let length = size_le(rest, 0)?;
        let text = rest.get(4..)?.get(..length)?;
        class.get_or_insert(until_nul(text));
        rest = rest.get(4 + length..)?;
    }
    let data = rest.get(4..)?;
    let data = data.get(..size_le(rest, 0)?).unwrap_or(data);
    Some(if class?.eq_ignore_ascii_case(b"Package") { native(data, false) } else { plain("object", data) })
}

fn plain(name: &str, octets: &[u8]) -> Entry {
    Entry {
        names: vec![name.into()],
        octets: octets.len() as u64,
        marks: Marks::NONE,
        packed: Packed::Ready(octets.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn packaged_files_come_out() {
        let mut data = b"\x02\0bill.exe\0C:\\bill.exe\0\0\0\x03\0".to_vec();
        data.extend(12u32.to_le_bytes());
        data.extend(b"C:\\bill.exe\0");
        data.extend(4u32.to_le_bytes());
        data.extend(b"MZ\x90\0tail");
        let mut object = b"\x01\x05\0\0\x02\0\0\0\x08\0\0\0Package\0\0\0\0\0\0\0\0\0".to_vec();
        object.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        object.extend(&data);
        let digits = hex(&object).replace("00", "0{\\x1 y}0");
        let rtf = format!("{{\\rtf1{{\\object\\objemb{{\\*\\objdata {}\r\n }}}}}}", digits.replace('y', ""));
        let listing = list(rtf.as_bytes(), 10);
        assert!(listing.marks.has(Mark::Embedded));
        assert_eq!(*listing.entries[0].names[0], *"bill.exe");
        assert_eq!(listing.entries[0].packed, Packed::Ready(b"MZ\x90\0".to_vec()));
        // The same as it is, without digits.
        let raw =
            [format!("{{\\rtf1{{\\*\\objdata \\bin{} ", object.len()).as_bytes(), &object, b"}}"].concat();
        assert_eq!(list(&raw, 10).entries[0].packed, Packed::Ready(b"MZ\x90\0".to_vec()));
    }

    #[test]
    fn what_is_loaded_is_told() {
        for (text, mark) in [
            ("{\\rtf1{\\*\\template http://x.example/a.dotm}}", Mark::External),
            ("{\\rtf1{\\object\\objautlink\\objupdate}}", Mark::External),
            ("{\\rtf1{\\object\\objocx}}", Mark::Active),
            ("{\\rtf1 {\\field{\\*\\fldinst DDEAUTO c}}}", Mark::Active),
        ] {
            assert!(list(text.as_bytes(), 10).marks.has(mark), "{text}");
        }
        let plain = "{\\rtf1{\\*\\template C:\\\\Normal.dot}\\par objects}";
        assert!(list(plain.as_bytes(), 10).marks.is_empty());
        let many = "{\\objdata 0}".repeat(1000);
        assert_eq!(list(many.as_bytes(), 10).entries.len(), 10);
    }
}
