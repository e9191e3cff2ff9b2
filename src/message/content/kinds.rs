//! What a part is taken for, by its kind, its name, or its text.

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

/// Where the part in a signed part (S/MIME) begins.
pub(super) fn signed_content(octets: &[u8]) -> Option<usize> {
    let rest = [&b"Content-Type:"[..], b"content-type:", b"MIME-Version:"];
    rest.iter().filter_map(|name| memchr::memmem::find(octets, name)).min()
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
