//! What a part is taken for, by its kind, its name, or its text.

use crate::message::large::buffer;

/// Longest text outside of parts that is taken for a notice to old programs.
const NOTICE_OCTETS_MAX: usize = 300;

/// Kinds that are a message. Others of `message/*` are, but for those that are known to be none.
pub(super) fn is_message(kind: &str) -> bool {
    let Some(minor) = kind.strip_prefix("message/") else { return false };
    !matches!(
        minor,
        "delivery-status"
            | "disposition-notification"
            | "feedback-report"
            | "tracking-status"
            | "external-body"
            | "global-delivery-status"
            | "global-disposition-notification"
            | "global-headers"
            | "http"
            | "s-http"
            | "sip"
            | "sipfrag"
            | "cpim"
            | "imdn+xml"
    )
}

/// Files that mail programs open as a message.
pub(super) fn is_message_file(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    [".eml", ".mht", ".mhtml", ".nws", ".mim", ".mime"].iter().any(|end| name.ends_with(end))
}

/// Files that mail programs take for a signed or encrypted part (S/MIME), whatever their type.
pub(super) fn is_signed_file(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    name.ends_with(".p7m") || name.ends_with(".p7s")
}

/// Kinds that are a file in BinHex.
pub(super) fn is_binhex(kind: &str) -> bool {
    matches!(kind, "application/mac-binhex40" | "application/mac-binhex" | "application/binhex")
}

/// Where the part in a signed part (S/MIME) begins.
pub(super) fn signed_content(octets: &[u8]) -> Option<usize> {
    let rest = [&b"Content-Type:"[..], b"content-type:", b"MIME-Version:"];
    rest.iter().filter_map(|name| memchr::memmem::find(octets, name)).min()
}

/// Octets that a signed part (BER, X.690 section 8.7) has in pieces, put together; `None` where it has them in one.
pub(super) fn joined_octets(octets: &[u8]) -> Option<Vec<u8>> {
    const PLACES_MAX: usize = 200;
    memchr::memchr_iter(0x24, octets).take(PLACES_MAX).find_map(|at| {
        let (_, mut rest) = length(octets.get(at + 1..)?)?;
        let (mut out, mut pieces) = (buffer(octets.len()), 0);
        while let Some((&0x04, behind)) = rest.split_first() {
            let (octets, behind) = length(behind)?;
            let (piece, behind) = behind.split_at_checked(octets?).unwrap_or((behind, &[]));
            out.extend_from_slice(piece);
            (rest, pieces) = (behind, pieces + 1);
        }
        (pieces > 1).then_some(out)
    })
}

/// A length, `None` where the content ends by a mark, and what is behind it.
fn length(octets: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (&first, rest) = octets.split_first()?;
    match first {
        0..0x80 => Some((Some(usize::from(first)), rest)),
        0x80 => Some((None, rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            Some((Some(digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit))), rest))
        }
        _ => None,
    }
}

/// A boundary that nobody named: the first line that looks like a delimiter.
pub(super) fn guess(octets: &[u8]) -> Option<Vec<u8>> {
    let lines = octets.split(|&b| b == b'\n').take(1000);
    let mut names = lines.filter_map(|line| line.strip_prefix(b"--")).map(<[u8]>::trim_ascii_end);
    names.find(|name| (1..=200).contains(&name.len()) && name.iter().any(|b| *b != b'-')).map(<[u8]>::to_vec)
}

/// A notice to programs without MIME: a few words, in which nothing but words can be.
pub(super) fn is_notice(text: &[u8]) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || b" \t\r\n.,;:!?'\"()/-".contains(b);
    text.len() <= NOTICE_OCTETS_MAX
        && text.iter().all(word)
        && text.split(|b| b.is_ascii_whitespace()).all(|word| word.len() <= 25)
        && memchr::memmem::find(text, b"begin ").is_none()
}
