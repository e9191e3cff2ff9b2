//! Parameters of MAIL and RCPT: `SP keyword[=value]` (RFC 5321 section 4.1.2, esmtp-param).
//!
//! The keywords are tokenised here, so that one that was never offered can be refused whatever it is;
//! the values that decisions need are read by smtp-proto. The line itself goes on as it came.

use smtp_proto::{MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_REQUIRETLS, MAIL_SMTPUTF8, Request};
use std::ops::Range;

/// Most parameters on one line; a line of 2,048 octets could carry 700.
const PARAMETERS_MAX: usize = 32;

/// One parameter: where it stands in its line, and its keyword in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Keyword, upper case.
    pub keyword: Box<str>,
    /// Value, where there is one.
    pub value: Option<Box<[u8]>>,
    /// The whole parameter in the line, without the blank before it.
    pub span: Range<usize>,
}

/// The parameters of one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
}

/// Why parameters do not parse: the keyword or value has an octet that is not allowed there, or there are
/// too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("parameters do not parse")]
pub struct ParameterError;

impl Parameters {
    /// Tokenises what follows a path. `offset` is where `text` begins in its line.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn parse(text: &[u8], offset: usize) -> Result<Self, ParameterError> {
        let mut list: Vec<Parameter> = Vec::new();
        let mut at = 0;
        for word in text.split(|&b| b == b' ') {
            let span = offset + at..offset + at + word.len();
            at += word.len() + 1;
            if word.is_empty() {
                continue;
            }
            let parameter = Parameter::parse(word, span)?;
            if list.len() == PARAMETERS_MAX || list.iter().any(|p| p.keyword == parameter.keyword) {
                return Err(ParameterError);
            }
            list.push(parameter);
        }
        if !text.is_empty() && text.first() != Some(&b' ') {
            return Err(ParameterError);
        }
        Ok(Self { list })
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.list.iter()
    }

    /// The one with this keyword (upper case).
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&Parameter> {
        self.list.iter().find(|p| &*p.keyword == keyword)
    }
}

impl Parameter {
    fn parse(word: &[u8], span: Range<usize>) -> Result<Self, ParameterError> {
        let (keyword, value) = match word.iter().position(|&b| b == b'=') {
            Some(equals) => (word.get(..equals), word.get(equals + 1..)),
            None => (Some(word), None),
        };
        let keyword = keyword.ok_or(ParameterError)?;
        let good_first = keyword.first().is_some_and(u8::is_ascii_alphanumeric);
        if !good_first || !keyword.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(ParameterError);
        }
        // esmtp-value has no "=", blank or control (SMTPUTF8 allows octets above 127).
        if value.is_some_and(|v| v.is_empty() || v.iter().any(|&b| b < 33 || b == 127)) {
            return Err(ParameterError);
        }
        let keyword = String::from_utf8_lossy(keyword).to_ascii_uppercase().into();
        Ok(Self { keyword, value: value.map(Into::into), span })
    }
}

/// Content encoding that MAIL declares (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// `BODY=7BIT`, or none.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
    /// `BODY=BINARYMIME`, which we never offer.
    BinaryMime,
}

/// What MAIL's parameters mean to decisions of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailFacts {
    /// `SIZE=`, at most 19 digits (RFC 1870 allows 20; no message has them).
    pub declared_octets: Option<u64>,
    /// `BODY=`.
    pub body: Body,
    /// `SMTPUTF8`.
    pub smtputf8: bool,
    /// `REQUIRETLS`.
    pub requiretls: bool,
}

impl MailFacts {
    /// Reads them. `line` is the whole MAIL line with CRLF; where smtp-proto finds a parameter that it does
    /// not know, our own tokens decide alone.
    ///
    /// # Errors
    /// [`ParameterError`] for a SIZE that is no number, or a BODY that nobody knows.
    pub fn read(line: &[u8], parameters: &Parameters) -> Result<Self, ParameterError> {
        let mut facts = Self::own(parameters)?;
        if let Ok(Request::Mail { from }) = Request::parse(&mut line.iter()) {
            facts.smtputf8 |= from.flags & MAIL_SMTPUTF8 != 0;
            facts.requiretls |= from.flags & MAIL_REQUIRETLS != 0;
            if from.flags & MAIL_BODY_BINARYMIME != 0 {
                facts.body = Body::BinaryMime;
            } else if from.flags & MAIL_BODY_8BITMIME != 0 {
                facts.body = Body::EightBitMime;
            }
        }
        Ok(facts)
    }

    fn own(parameters: &Parameters) -> Result<Self, ParameterError> {
        let mut facts = Self::default();
        for parameter in parameters.iter() {
            match (&*parameter.keyword, parameter.value.as_deref()) {
                ("SIZE", Some(digits)) => facts.declared_octets = Some(number(digits).ok_or(ParameterError)?),
                ("BODY", Some(value)) => facts.body = body(value)?,
                ("SMTPUTF8", None) => facts.smtputf8 = true,
                ("REQUIRETLS", None) => facts.requiretls = true,
                ("SIZE" | "BODY", None) | ("SMTPUTF8" | "REQUIRETLS", Some(_)) => return Err(ParameterError),
                (_, _) => {}
            }
        }
        Ok(facts)
    }
}

fn body(value: &[u8]) -> Result<Body, ParameterError> {
    if value.eq_ignore_ascii_case(b"7BIT") {
        Ok(Body::SevenBit)
    } else if value.eq_ignore_ascii_case(b"8BITMIME") {
        Ok(Body::EightBitMime)
    } else if value.eq_ignore_ascii_case(b"BINARYMIME") {
        Ok(Body::BinaryMime)
    } else {
        Err(ParameterError)
    }
}

/// The extension that a parameter belongs to; `None` for one that no extension we could offer has.
#[must_use]
pub fn extension_of(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "SIZE" => "SIZE",
        "BODY" => "8BITMIME",
        "SMTPUTF8" => "SMTPUTF8",
        "RET" | "ENVID" | "NOTIFY" | "ORCPT" => "DSN",
        "AUTH" => "AUTH",
        "REQUIRETLS" => "REQUIRETLS",
        "BY" => "DELIVERBY",
        "HOLDFOR" | "HOLDUNTIL" => "FUTURERELEASE",
        "MT-PRIORITY" => "MT-PRIORITY",
        "SOLICIT" => "NO-SOLICITING",
        _ => return None,
    })
}

/// A number of 1 to 19 digits. Twenty digits could overflow what some server counts with.
#[must_use]
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, &d| n * 10 + u64::from(d - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(rest: &str) -> Result<MailFacts, ParameterError> {
        let line = format!("MAIL FROM:<a@b.example>{rest}\r\n");
        MailFacts::read(line.as_bytes(), &Parameters::parse(rest.as_bytes(), 23)?)
    }

    #[test]
    fn facts_are_read_also_beside_parameters_that_smtp_proto_does_not_know() {
        for rest in [" SIZE=100 BODY=8BITMIME SMTPUTF8", " size=100 XOORG=x body=8bitmime smtputf8"] {
            let facts = facts(rest).unwrap();
            assert_eq!(facts.declared_octets, Some(100), "{rest}");
            assert_eq!(facts.body, Body::EightBitMime, "{rest}");
            assert!(facts.smtputf8, "{rest}");
        }
        assert_eq!(facts(" BODY=BINARYMIME").unwrap().body, Body::BinaryMime);
    }

    #[test]
    fn what_does_not_parse_is_refused() {
        for rest in [
            " SIZE=",
            " SIZE=x",
            " SIZE=99999999999999999999",
            " SIZE",
            " BODY=9BIT",
            " =x",
            " A=1 A=2",
            "SIZE=1",
            " A=\x01",
            " SMTPUTF8=1",
        ] {
            assert_eq!(facts(rest), Err(ParameterError), "{rest:?}");
        }
        assert_eq!(
            facts(" SIZE=9999999999999999999").unwrap().declared_octets,
            Some(9_999_999_999_999_999_999)
        );
    }

    #[test]
    fn a_span_is_the_parameter_in_its_line() {
        let line = b"MAIL FROM:<> AUTH=x SIZE=1";
        let parameters = Parameters::parse(&line[12..], 12).unwrap();
        let auth = parameters.get("AUTH").unwrap();
        assert_eq!(&line[auth.span.clone()], b"AUTH=x");
        assert_eq!(&line[parameters.get("SIZE").unwrap().span.clone()], b"SIZE=1");
    }
}
