//! The few fields of a certificate that no library in the tree gives out: its key and its dates
//! (RFC 5280 section 4.1). Reads DER of one certificate; `None` for anything that is not shaped like it.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The SubjectPublicKeyInfo, as DER with its tag and length: what a pin is the SHA-256 of.
#[must_use]
pub fn subject_public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let (_, rest) = validity_and_rest(certificate)?;
    let (_subject, rest) = expect(rest, SEQUENCE)?;
    let (_, after) = expect(rest, SEQUENCE)?;
    rest.get(..rest.len() - after.len())
}

/// From when and until when the certificate is valid.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (validity, _) = validity_and_rest(certificate)?;
    let (from, rest) = time(validity)?;
    let (until, _) = time(rest)?;
    Some((from, until))
}

/// The contents of `validity`, and what follows it.
fn validity_and_rest(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        (_, fields) = expect(fields, VERSION)?;
    }
    let (_serial, rest) = expect(fields, INTEGER)?;
    let (_signature, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    expect(rest, SEQUENCE)
}

/// The contents of the element of that tag at the start of `der`, and what follows it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // Lengths of up to 3 octets: no certificate in a TLS handshake is longer (RFC 8446, 4.4.2).
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (digits, rest, century) = if der.first() == Some(&GENERALIZED_TIME) {
        let (text, rest) = expect(der, GENERALIZED_TIME)?;
        let (century, digits) = text.split_at_checked(2)?;
        (digits, rest, number(century)?)
    } else {
        let (text, rest) = expect(der, UTC_TIME)?;
        // Two digits of the year: 50 to 99 are 19xx (RFC 5280 section 4.1.2.5.1).
        (text, rest, if number(text.get(..2)?)? >= 50 { 19 } else { 20 })
    };
    let digits = digits.strip_suffix(b"Z")?;
    let mut fields = digits.chunks_exact(2).map(number);
    let mut field = || fields.next().flatten();
    let year = century * 100 + field()?;
    let day = (i8::try_from(field()?).ok()?, i8::try_from(field()?).ok()?);
    let clock = (i8::try_from(field()?).ok()?, i8::try_from(field()?).ok()?, i8::try_from(field()?).ok()?);
    let day = Date::new(year, day.0, day.1).ok()?;
    let time = Time::new(clock.0, clock.1, clock.2, 0).ok()?;
    Some((day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

fn number(digits: &[u8]) -> Option<i16> {
    std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["mx.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 2, 3);
        params.not_after = rcgen::date_time_ymd(2061, 12, 31);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn key_and_dates_are_those_of_the_certificate() {
        let der = certificate();
        let spki = subject_public_key_info(&der).unwrap();
        let parsed = rustls::pki_types::CertificateDer::from(der.as_slice());
        let parsed = webpki::EndEntityCert::try_from(&parsed).unwrap();
        assert_eq!(spki, parsed.subject_public_key_info().as_ref());
        let (from, until) = validity(&der).unwrap();
        assert_eq!(from.to_string(), "2001-02-03T00:00:00Z");
        assert_eq!(until.to_string(), "2061-12-31T00:00:00Z");
    }

    proptest! {
        #[test]
        fn damaged_certificates_do_no_harm(at in 0_usize..400, with: u8, cut in 0_usize..600) {
            let mut der = certificate();
            if let Some(octet) = der.get_mut(at) { *octet = with; }
            der.truncate(cut);
            let _ = subject_public_key_info(&der);
            let _ = validity(&der);
        }
    }
}
