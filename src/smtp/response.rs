//! Replies of a downstream, read with more suspicion than RFC 5321 section 4.2 asks for.
//!
//! Purpose: take exactly one complete reply from the start of the input, or say as early as possible that
//! none can come of it. No state: the caller passes the unconsumed octets from their start. A reply that
//! does not parse ends the downstream session, for what follows it may belong to another command.

use crate::reply::{Enhanced, Reply};
use memchr::{memchr, memchr2};

/// Longest line of a reply in octets with its CRLF (RFC 5321 section 4.5.3.1.5 asks for 512).
pub const REPLY_LINE_OCTETS_MAX: usize = 2048;
/// Longest reply in octets.
pub const REPLY_OCTETS_MAX: usize = 65_536;
/// Most lines of one reply.
pub const REPLY_LINES_MAX: usize = 200;

/// Why the octets are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// A CR or LF that is not half of a CRLF.
    #[error("the server's reply has a bare CR or bare LF")]
    BareLineEnd,
    /// No three digits of 200 to 599.
    #[error("the server's reply does not begin with a reply code")]
    BadCode,
    /// Two lines of one reply with different codes.
    #[error("the lines of the server's reply have different codes")]
    MixedCodes,
    /// Over one of the bounds.
    #[error("the server's reply is too long")]
    TooLong,
    /// Neither blank nor hyphen nor the end of the line after the code.
    #[error("the server's reply has neither a blank nor a hyphen after its code")]
    BadSeparator,
    /// A NUL.
    #[error("the server's reply has a NUL in it")]
    Nul,
}

/// Reads one complete reply at the start of `input`: how many octets it took, and the reply with its octets
/// as they came. `None` means that more octets are needed.
///
/// # Errors
/// See [`ResponseError`]; also for a beginning that no reply can have.
pub fn parse(input: &[u8]) -> Result<Option<(usize, Reply)>, ResponseError> {
    let (mut at, mut code) = (0, None);
    for _ in 0..REPLY_LINES_MAX {
        let rest = input.get(at..).unwrap_or_default();
        let head = Head::parse(rest, code)?;
        code = head.code;
        let Some(length) = line_octets(rest)? else {
            let over = at + rest.len() > REPLY_OCTETS_MAX;
            return if over { Err(ResponseError::TooLong) } else { Ok(None) };
        };
        at += length;
        if at > REPLY_OCTETS_MAX {
            return Err(ResponseError::TooLong);
        }
        if !head.more {
            let (Some(code), Some(lines)) = (code, input.get(..at)) else {
                return Err(ResponseError::BadCode);
            };
            return Ok(Some((at, Reply::relayed(code, lines))));
        }
    }
    Err(ResponseError::TooLong)
}

/// The first four octets of a line, as far as they are there.
struct Head {
    code: Option<u16>,
    more: bool,
}

impl Head {
    /// `known` is the code of the lines before.
    fn parse(line: &[u8], known: Option<u16>) -> Result<Self, ResponseError> {
        let mut code = 0;
        for at in 0..3 {
            let good = if at == 0 { b'2'..=b'5' } else { b'0'..=b'9' };
            match line.get(at) {
                None => return Ok(Self { code: known, more: false }),
                Some(digit) if good.contains(digit) => code = code * 10 + u16::from(digit - b'0'),
                Some(_) => return Err(ResponseError::BadCode),
            }
        }
        if known.is_some_and(|known| known != code) {
            return Err(ResponseError::MixedCodes);
        }
        let more = match line.get(3) {
            None | Some(b' ' | b'\r') => false,
            Some(b'-') => true,
            Some(b'\n') => return Err(ResponseError::BareLineEnd),
            Some(0) => return Err(ResponseError::Nul),
            Some(_) => return Err(ResponseError::BadSeparator),
        };
        Ok(Self { code: Some(code), more })
    }
}

/// Octets of the first line with its CRLF, or `None` if it is not complete and could still become good.
fn line_octets(rest: &[u8]) -> Result<Option<usize>, ResponseError> {
    let window = rest.get(..REPLY_LINE_OCTETS_MAX).unwrap_or(rest);
    let end = memchr(b'\n', window);
    let line = end.and_then(|end| window.get(..end)).unwrap_or(window);
    let text = line.strip_suffix(b"\r");
    match memchr2(b'\r', 0, text.unwrap_or(line)).and_then(|at| line.get(at)) {
        Some(0) => Err(ResponseError::Nul),
        Some(_) => Err(ResponseError::BareLineEnd),
        None if end.is_some() && text.is_none() => Err(ResponseError::BareLineEnd),
        None if end.is_none() && window.len() == REPLY_LINE_OCTETS_MAX => Err(ResponseError::TooLong),
        None => Ok(end.map(|end| end + 1)),
    }
}

/// The text of each line of a parsed reply, after code and separator and without CRLF.
pub fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw.split_inclusive(|&b| b == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.get(4..).unwrap_or_default()
    })
}

/// The enhanced status code that a line's text begins with (RFC 2034, RFC 3463): `5.1.1 no such user`.
#[must_use]
pub fn enhanced(text: &[u8]) -> Option<Enhanced> {
    let word = text.split(|&b| b == b' ').next()?;
    let mut parts = word.split(|&b| b == b'.').map(|part| {
        let good = (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        good.then(|| part.iter().fold(0u16, |n, digit| n * 10 + u16::from(digit - b'0')))
    });
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
    parts.next().is_none().then_some(Enhanced(class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn good(input: &[u8]) -> (usize, u16) {
        let (used, reply) = parse(input).unwrap().unwrap();
        let mut out = Vec::new();
        reply.write_to(&mut out);
        assert_eq!(out, &input[..used]);
        (used, reply.code())
    }

    #[test]
    fn one_complete_reply_is_taken_as_it_came() {
        for (input, used, code) in [
            (&b"250 ok\r\n"[..], 8, 250),
            (b"250 ok\r\n550 no\r\n", 8, 250),
            (b"250\r\n", 5, 250),
            (b"250 \r\n", 6, 250),
            (b"250-a\r\n250-\r\n250 b\r\n", 20, 250),
            (b"250-a\r\n250\r\n", 12, 250),
            (b"599 gr\xfcn\r\n", 10, 599),
            (b"354 go\r\n", 8, 354),
            (b"571 x\r\n", 7, 571),
        ] {
            assert_eq!(good(input), (used, code), "{}", input.escape_ascii());
            for cut in 0..used {
                assert_eq!(parse(&input[..cut]), Ok(None), "{} at {cut}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_said_at_its_first_bad_octet() {
        use ResponseError::*;
        for (input, want) in [
            (&b"x"[..], BadCode),
            (b"1", BadCode),
            (b"199 x\r\n", BadCode),
            (b"6", BadCode),
            (b"\r\n", BadCode),
            (b"25\r\n", BadCode),
            (b"25x", BadCode),
            (b"250_", BadSeparator),
            (b"2500 x\r\n", BadSeparator),
            (b"250\n", BareLineEnd),
            (b"250 ok\n", BareLineEnd),
            (b"250 o\rk", BareLineEnd),
            (b"250 ok\r\r\n", BareLineEnd),
            (b"250\rx", BareLineEnd),
            (b"250 o\0", Nul),
            (b"250\0", Nul),
            (b"250-a\r\n550", MixedCodes),
            (b"250-a\r\nHTTP", BadCode),
            (b"250-a\r\n\r\n", BadCode),
        ] {
            assert_eq!(parse(input), Err(want), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn replies_are_bounded_with_and_without_line_ends() {
        let long = [b"250 ".as_slice(), &[b'a'; REPLY_LINE_OCTETS_MAX]].concat();
        assert_eq!(parse(&long), Err(ResponseError::TooLong));
        assert_eq!(parse(&long[..REPLY_LINE_OCTETS_MAX - 1]), Ok(None));
        let fits = [&long[..REPLY_LINE_OCTETS_MAX - 2], b"\r\n"].concat();
        assert_eq!(good(&fits), (REPLY_LINE_OCTETS_MAX, 250));
        let many = b"250-a\r\n".repeat(REPLY_LINES_MAX);
        assert_eq!(parse(&many), Err(ResponseError::TooLong));
        let many = [&b"250-a\r\n".repeat(REPLY_LINES_MAX - 1)[..], b"250 a\r\n"].concat();
        assert_eq!(good(&many).0, many.len());
        let wide = [b"250-".as_slice(), &[b'a'; 1000], b"\r\n"].concat().repeat(100);
        assert_eq!(parse(&wide), Err(ResponseError::TooLong));
    }

    #[test]
    fn lines_and_enhanced_codes_are_read() {
        let texts: Vec<&[u8]> = lines(b"250-mx\r\n250-SIZE 1\r\n250\r\n").collect();
        assert_eq!(texts, [&b"mx"[..], b"SIZE 1", b""]);
        for (text, want) in [
            ("5.1.1 no", Some(Enhanced(5, 1, 1))),
            ("4.7.650", Some(Enhanced(4, 7, 650))),
            ("2.0.0", Some(Enhanced(2, 0, 0))),
            ("3.0.0 x", None),
            ("5.1 no", None),
            ("5.1.1.1 no", None),
            ("5.1.1000 no", None),
            ("5..1 no", None),
            ("", None),
        ] {
            assert_eq!(enhanced(text.as_bytes()), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics_and_more_octets_never_heal_an_error(
            input in proptest::collection::vec(prop_oneof![
                Just(b'2'), Just(b'5'), Just(b'0'), Just(b'-'), Just(b' '), Just(b'\r'), Just(b'\n'), any::<u8>()
            ], 0..40),
        ) {
            let whole = parse(&input);
            for cut in 0..input.len() {
                match parse(&input[..cut]) {
                    Ok(None) => {}
                    early => prop_assert_eq!(&early, &whole),
                }
            }
        }
    }
}
