//! The envelope sender of a message from a file, where nobody says it: that of the `Return-Path` above its first hop, as
//! the last server wrote it (RFC 5321 section 4.4), else the first address of `From:`. Pure; where neither can be read there
//! is none.

use super::envelopes::path;
use crate::mail::Path;
use crate::message::edit::fields;
use crate::message::from::Authors;

/// Octets of the header that are looked at.
const HEADER_MAX: usize = 256 * 1024;

/// The sender that a message names. It ends its lines with CRLF.
pub(super) fn of(message: &[u8]) -> Option<Path> {
    let header = message.get(..HEADER_MAX).unwrap_or(message);
    let (mut authors, mut top) = (Authors::default(), true);
    for (name, body) in fields(header) {
        let returned = if top && name.eq_ignore_ascii_case("return-path") { returned(body) } else { None };
        if returned.is_some() {
            return returned;
        }
        if name.eq_ignore_ascii_case("from") {
            authors.add_field(body);
        }
        // What stands further down a sender may have written.
        top &= !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("from");
    }
    authors.mailboxes.first().and_then(|mailbox| path("From", &mailbox.to_string()).ok())
}

/// The path of a `Return-Path` field.
fn returned(body: &[u8]) -> Option<Path> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (text == "<>" || text.contains('@')).then(|| path("Return-Path", text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_path_comes_before_from_where_a_server_wrote_it() {
        for (message, want) in [
            ("Return-Path: <b@x.example>\r\nFrom: A <a@x.example>\r\n\r\n", Some("b@x.example")),
            ("Delivered-To: c@d.example\r\nReturn-Path:\r\n <>\r\nFrom: a@x.example\r\n\r\n", Some("")),
            // Below the first hop anybody may have written it.
            ("Received: x\r\nReturn-Path: <b@x.example>\r\nFrom: a@x.example\r\n\r\n", Some("a@x.example")),
            (
                "Return-Path: none\r\nFrom: \"A, B\"\r\n <a@x.example>, c@x.example\r\n\r\n",
                Some("a@x.example"),
            ),
            ("Return-Path:\r\nSubject: x\r\n\r\nFrom: a@x.example\r\n", None),
            ("no header", None),
            ("", None),
        ] {
            let found = of(message.as_bytes()).map(|sender| sender.to_string());
            assert_eq!(found.as_deref(), want, "{message:?}");
        }
    }
}
