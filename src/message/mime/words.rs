//! Charsets and encoded words (RFC 2047).

use mail_parser::MessageParser;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets as text: by the charset that is claimed, where it is known; else UTF-8 where that is what they are, else
/// windows-1252.
pub(in crate::message) fn text(octets: &[u8], charset: Option<&[u8]>) -> String {
    let claimed = charset.unwrap_or_default().trim_ascii();
    let is_utf8 = claimed.is_empty() || claimed.eq_ignore_ascii_case(b"utf-8") || is_ascii_name(claimed);
    if is_utf8 && let Ok(text) = std::str::from_utf8(octets) {
        return text.to_owned();
    }
    let decoder = if is_utf8 { None } else { charset_decoder(claimed) };
    match decoder
        .or_else(|| if is_utf8 && !claimed.is_empty() { None } else { charset_decoder(b"windows-1252") })
    {
        Some(decode) if std::str::from_utf8(octets).is_err() || decoder.is_some() => decode(octets),
        _ => String::from_utf8_lossy(octets).into_owned(),
    }
}

fn is_ascii_name(claimed: &[u8]) -> bool {
    claimed.eq_ignore_ascii_case(b"us-ascii") || claimed.eq_ignore_ascii_case(b"ascii")
}

/// The text with its encoded words decoded. What is no encoded word stays as it is.
pub(in crate::message) fn decode(octets: &[u8]) -> String {
    if memchr::memmem::find(octets, b"=?").is_none() {
        return text(octets, None);
    }
    let mut field = b"Subject: ".to_vec();
    field.extend(octets.iter().map(|&b| if b < b' ' { b' ' } else { b }));
    field.extend_from_slice(b"\r\n\r\n");
    // Never `parse`: see `header`.
    let message = MessageParser::default().parse_headers(&field);
    message.and_then(|m| m.subject().map(str::to_owned)).unwrap_or_else(|| text(octets, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_by_their_charset() {
        for (octets, charset, want) in [
            (&b"gr\xfcn"[..], Some(&b"iso-8859-1"[..]), "grün"),
            (b"gr\xc3\xbcn", None, "grün"),
            (b"gr\xfcn", None, "grün"),
            (b"gr\xfcn", Some(b"us-ascii"), "gr\u{fffd}n"),
            (b"gr\xc3\xbcn", Some(b"us-ascii"), "grün"),
            (b"\x1b$B8@\x1b(B", Some(b"iso-2022-jp"), "言"),
            (b"a\x00b\x00", Some(b"utf-16le"), "ab"),
            (b"gr\xc3\xbcn", Some(b"x-nobody"), "grün"),
            (b"gr\xc3\xbcn", Some(b" UTF-8 "), "grün"),
            (b"", Some(b""), ""),
        ] {
            assert_eq!(text(octets, charset), want);
        }
    }
}
