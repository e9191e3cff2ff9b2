//! Files in the text of a web page: in `data:` addresses, and in the strings from which scripts make files.

use super::base64::{Rules, base64};
use super::odd::Odd;
use crate::message::files::{Class, type_of};
use memchr::memmem;
use std::borrow::Cow;
use std::ops::Range;

/// Most files of one page.
const FILES_MAX: usize = 100;
/// Most places of a page that are looked at, pictures among them.
const PLACES_MAX: usize = 10_000;
/// Shortest run of base64 that is taken for a file.
const RUN_OCTETS_MIN: usize = 80;
/// In front of base64 in an address.
const MARK: &[u8] = b"base64,";
/// Octets by which pictures are known.
const KNOWN_BY: usize = 64;

/// Whether a part is a page.
pub(super) fn is_page(kind: &str) -> bool {
    matches!(kind, "text/html" | "application/xhtml+xml" | "image/svg+xml" | "text/xml" | "application/xml")
}

/// By its name.
pub(super) fn is_page_file(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    [".html", ".htm", ".xhtml", ".xht", ".shtml", ".svg", ".xml"].iter().any(|end| name.ends_with(end))
}

/// Hands out the files in a page, one at a time, until `give` says that it was enough; which bound was reached. Pictures and
/// fonts are left out.
pub(super) fn embedded(page: &[u8], give: &mut dyn FnMut(&[u8]) -> bool) -> Option<Odd> {
    let page = narrow(page);
    let mut out = Out { files: 0, octets: page.len().saturating_mul(2), give };
    in_base64(&page, &mut out).and_then(|()| escaped(&page, &mut out)).err().flatten()
}

/// Where files go, and how many there may still be.
struct Out<'o> {
    files: usize,
    /// Octets of all of them together that there is room for. Those that do not overlap come to less than the page; an
    /// address that stands in another is in that one too.
    octets: usize,
    give: &'o mut dyn FnMut(&[u8]) -> bool,
}

impl Out<'_> {
    /// A file of so many octets at most; the error ends the search, and may say why.
    fn add(&mut self, octets: usize, file: impl FnOnce() -> Vec<u8>) -> Result<(), Option<Odd>> {
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(Some(Odd::TooManyParts));
        }
        self.octets = self.octets.checked_sub(octets).ok_or(Some(Odd::TooMuch))?;
        if (self.give)(&file()) { Ok(()) } else { Err(None) }
    }
}

fn in_base64(page: &[u8], out: &mut Out<'_>) -> Result<(), Option<Odd>> {
    let mut last = 0..0;
    let mut places: Vec<Range<usize>> = addresses(page, MARK).take(PLACES_MAX + 1).collect();
    let mut too_many = places.len() > PLACES_MAX;
    // No address has a comma in its base64: behind one that no quote ends, another may stand.
    let starts: Vec<usize> = places.iter().skip(1).map(|next| next.start - MARK.len()).collect();
    places.iter_mut().zip(starts).for_each(|(place, next)| place.end = place.end.min(next));
    places.retain(|place| place.len() >= RUN_OCTETS_MIN);
    places.extend(runs(page).take(PLACES_MAX + 1));
    too_many |= places.len() > PLACES_MAX;
    places.sort_unstable_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    for range in places {
        if range.start < last.end {
            continue;
        }
        let text = page.get(range.clone()).unwrap_or_default();
        last = range;
        let start = base64(text.get(..KNOWN_BY).unwrap_or(text), Rules::default()).0;
        let shown = matches!(type_of(&start).class(), Some(Class::Image | Class::Media));
        if !shown && !start.is_empty() {
            out.add(text.len(), || base64(text, Rules::default()).0)?;
        }
    }
    if too_many { Err(Some(Odd::TooManyParts)) } else { Ok(()) }
}

/// Addresses with octets written as `%4d`.
fn escaped(page: &[u8], out: &mut Out<'_>) -> Result<(), Option<Odd>> {
    // Behind a place from which there are too few, or no comma, there are too few to the end of the address.
    let (mut none_to, mut comma) = (0, 0);
    for range in addresses(page, b"data:") {
        // All that stand in front of one comma are the same file.
        if range.end <= none_to || range.start <= comma {
            continue;
        }
        let text = page.get(range.clone()).unwrap_or_default();
        let Some((before, text)) = memchr::memchr(b',', text).and_then(|at| text.split_at_checked(at + 1))
        else {
            none_to = range.end;
            continue;
        };
        comma = range.start + before.len() - 1;
        if memchr::memchr_iter(b'%', text).take(RUN_OCTETS_MIN / 4).count() < RUN_OCTETS_MIN / 4 {
            none_to = range.end;
            continue;
        }
        out.add(text.len(), || unescaped(text))?;
    }
    Ok(())
}

/// UTF-16 without its zeros.
fn narrow(page: &[u8]) -> Cow<'_, [u8]> {
    let wide = page.starts_with(b"\xff\xfe")
        || page.starts_with(b"\xfe\xff")
        || page.get(..64).unwrap_or(page).iter().filter(|b| **b == 0).count() >= 16;
    if wide { page.iter().copied().filter(|b| *b != 0).collect::<Vec<u8>>().into() } else { page.into() }
}

/// From behind each mark up to what ends an address. That is looked for once: marks up to it have the same end.
fn addresses(page: &[u8], mark: &'static [u8]) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    memmem::find_iter(page, mark).map(move |at| {
        let from = at + mark.len();
        if from > end {
            let rest = page.get(from..).unwrap_or_default();
            let ends = |b: &u8| b"\"'`<>)".contains(b);
            end = from + rest.iter().position(ends).unwrap_or(rest.len());
        }
        from..end
    })
}

/// Runs of digits of base64. Each holds one of every so many places, so only these are looked at.
fn runs(page: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let mut at = RUN_OCTETS_MIN - 1;
    std::iter::from_fn(move || {
        loop {
            if !digit(page.get(at)?) {
                at += RUN_OCTETS_MIN;
                continue;
            }
            let before = page.get(..at).unwrap_or_default();
            let start = before.iter().rposition(|b| !digit(b)).map_or(0, |place| place + 1);
            let rest = page.get(at..).unwrap_or_default();
            let end = at + rest.iter().position(|b| !digit(b)).unwrap_or(rest.len());
            at = end + RUN_OCTETS_MIN;
            if end - start >= RUN_OCTETS_MIN {
                return Some(start..end);
            }
            at = at.saturating_sub(1);
        }
    })
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len() / 3), text);
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push(value.unwrap_or(first));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAA4fug4AtAnNIbgBTM0h";

    fn all(page: &[u8]) -> (Vec<Vec<u8>>, Option<Odd>) {
        let mut files = Vec::new();
        let ended = embedded(page, &mut |file| {
            files.push(file.to_vec());
            true
        });
        (files, ended)
    }

    fn found(page: &str) -> usize {
        let (files, ended) = all(page.as_bytes());
        assert!(ended.is_none() && files.iter().all(|file| file.starts_with(b"MZ\x90")), "{page}: {files:?}");
        files.len()
    }

    #[test]
    fn files_in_addresses_and_scripts_are_found() {
        assert_eq!(found(&format!("<a href=\"data:x/y;base64,{CODE}\">")), 1);
        assert_eq!(found(&format!("<script>var a = atob('{CODE}')</script>")), 1);
        // One that an earlier attribute without quotes has a word of.
        assert_eq!(found(&format!("<a title=base64, href=data:;base64,{CODE}>")), 1);
        assert_eq!(found(&format!("<a href=data:;base64,{CODE} title=base64,>")), 1);
        let (first, second) = CODE.split_at(30);
        assert_eq!(found(&format!("<a href='data:;base64,{first}\n {second}'>")), 1);
        let wide: Vec<u8> =
            format!("<a href='data:;base64,{CODE}'>").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(all(&wide).0.len(), 1);
        let escaped: String = (0..40).map(|n| format!("%{:02x}", n + 48)).collect();
        assert_eq!(all(format!("<a href='data:text/x,{escaped}'>").as_bytes()).0.len(), 1);
    }

    #[test]
    fn pictures_and_prose_are_none() {
        let picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        assert_eq!(found(&format!("<img src=\"data:image/png;base64,{picture}\">")), 0);
        assert_eq!(
            found(
                &"<p>Many words of a newsletter, with https://www.example.com/a/b/c in them.</p>\n"
                    .repeat(100)
            ),
            0
        );
        let many = format!("'{CODE}' ").repeat(FILES_MAX + 1);
        assert_eq!(all(many.as_bytes()).1, Some(Odd::TooManyParts));
    }

    /// Addresses that nothing ends: each goes on to the end of the page.
    #[test]
    fn addresses_without_an_end_come_to_a_bound() {
        let escapes = "%4d".repeat(2000);
        for (mark, files, bound) in [
            ("data:".to_owned(), 0, None),
            ("data:,".to_owned(), 0, None),
            ("data:,%41%41%41%41".to_owned(), 2, Some(Odd::TooMuch)),
            (format!("data:{}", "a".repeat(50)), 0, None),
            (format!("data:,{escapes}"), 2, Some(Odd::TooMuch)),
            ("data:;base64,".to_owned(), 0, None),
            (format!("data:;base64,{CODE}"), 100, Some(Odd::TooManyParts)),
        ] {
            let page = mark.repeat(1000);
            let (found, ended) = all(page.as_bytes());
            let octets: usize = found.iter().map(Vec::len).sum();
            assert!(octets <= 2 * page.len(), "{octets} of {}", page.len());
            assert_eq!((found.len(), ended), (files, bound), "{}", mark.get(..6).unwrap());
        }
        // Each looked at alone.
        let pages = [
            format!("<a href='data:text/x,{escapes}'>").repeat(20),
            format!("<a href=data:text/x,{escapes}>"),
        ];
        assert_eq!(
            pages.map(|page| (all(page.as_bytes()).0.len(), all(page.as_bytes()).1)),
            [(20, None), (1, None)]
        );
        // One that the name of another attribute hides, or that is a picture's own.
        let hidden = format!("<a title=data:, href=data:text/x,{escapes}>");
        assert_eq!(all(hidden.as_bytes()).0.last().map(Vec::len), Some(2000));
        assert_eq!(all(hidden.as_bytes()).1, None);
    }
}
