//! Files in the text of a web page: in `data:` addresses, and in the strings from which scripts make files.

use super::base64::{Rules, base64};
use crate::message::files::{Class, type_of};
use memchr::memmem;
use std::borrow::Cow;
use std::ops::Range;

/// Most files of one page.
const FILES_MAX: usize = 100;
/// Shortest run of base64 that is taken for a file.
const RUN_OCTETS_MIN: usize = 80;
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

/// Files in a page, and whether there may be more. Pictures and fonts are left out.
pub(super) fn embedded(page: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let page = narrow(page);
    let mut files = Vec::new();
    let mut last = 0..0;
    let marked = memmem::find_iter(&page, b"base64,").map(|at| behind(&page, at + b"base64,".len()));
    let mut places: Vec<Range<usize>> = marked.take(FILES_MAX + 1).collect();
    places.extend(runs(&page).take(FILES_MAX + 1));
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
            if files.len() >= FILES_MAX {
                return (files, true);
            }
            files.push(base64(text, Rules::default()).0);
        }
    }
    for at in memmem::find_iter(&page, b"data:") {
        let text = page.get(behind(&page, at + b"data:".len())).unwrap_or_default();
        let Some((_, escaped)) =
            memchr::memchr(b',', text).and_then(|comma| text.split_at_checked(comma + 1))
        else {
            continue;
        };
        if escaped.iter().filter(|b| **b == b'%').count() >= RUN_OCTETS_MIN / 4 {
            if files.len() >= FILES_MAX {
                return (files, true);
            }
            files.push(unescaped(escaped));
        }
    }
    (files, false)
}

/// UTF-16 without its zeros.
fn narrow(page: &[u8]) -> Cow<'_, [u8]> {
    let wide = page.starts_with(b"\xff\xfe")
        || page.starts_with(b"\xfe\xff")
        || page.get(..64).unwrap_or(page).iter().filter(|b| **b == 0).count() >= 16;
    if wide { page.iter().copied().filter(|b| *b != 0).collect::<Vec<u8>>().into() } else { page.into() }
}

/// Up to what ends an address.
fn behind(page: &[u8], from: usize) -> Range<usize> {
    let rest = page.get(from..).unwrap_or_default();
    let end = rest.iter().position(|b| b"\"'`<>)".contains(b)).unwrap_or(rest.len());
    from..from + end
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

    fn found(page: &str) -> usize {
        let (files, cut) = embedded(page.as_bytes());
        assert!(!cut && files.iter().all(|file| file.starts_with(b"MZ\x90")), "{page}: {files:?}");
        files.len()
    }

    #[test]
    fn files_in_addresses_and_scripts_are_found() {
        assert_eq!(found(&format!("<a href=\"data:x/y;base64,{CODE}\">")), 1);
        assert_eq!(found(&format!("<script>var a = atob('{CODE}')</script>")), 1);
        let (first, second) = CODE.split_at(30);
        assert_eq!(found(&format!("<a href='data:;base64,{first}\n {second}'>")), 1);
        let wide: Vec<u8> =
            format!("<a href='data:;base64,{CODE}'>").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(embedded(&wide).0.len(), 1);
        let escaped: String = (0..40).map(|n| format!("%{:02x}", n + 48)).collect();
        assert_eq!(embedded(format!("<a href='data:text/x,{escaped}'>").as_bytes()).0.len(), 1);
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
        assert!(embedded(many.as_bytes()).1);
    }
}
