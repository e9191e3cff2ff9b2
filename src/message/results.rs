//! `Authentication-Results` (RFC 8601): what we write, and which ones that came are in our name. Pure. Whatever a peer
//! said stands in it only as a domain name, an address or in quotes, so that nobody writes methods for us.

use crate::mail::{Domain, Path, push_ip};
use crate::verdict::{AuthResult, Authentication, Envelope};

/// Most signatures that are told one by one.
const SIGNATURES_MAX: usize = 10;
/// Longest value that is written, in octets.
const VALUE_OCTETS_MAX: usize = 256;

/// The field, folded, with its line end. `name`: ours.
#[must_use]
pub fn authentication_results(name: &str, told: &Authentication, envelope: &Envelope) -> String {
    let mut out = Results { text: format!("Authentication-Results: {name}") };
    out.spf(told, envelope);
    if told.dkim.is_empty() {
        out.method("dkim", AuthResult::None, "");
    }
    for signature in told.dkim.iter().take(SIGNATURES_MAX) {
        out.method("dkim", signature.result, &signature.reason);
        out.property("header.d", &signature.domain);
        out.property("header.s", &signature.selector);
    }
    if told.arc != AuthResult::None {
        out.method("arc", told.arc, &told.arc_reason);
        if let Some(sealer) = told.arc_sealers.first() {
            out.property("policy.sealer", sealer);
        }
    }
    out.method("dmarc", told.dmarc, &told.dmarc_reason);
    out.property("header.from", &told.dmarc_domain);
    out.text.push_str("\r\n");
    out.text
}

struct Results {
    text: String,
}

impl Results {
    fn spf(&mut self, told: &Authentication, envelope: &Envelope) {
        self.method("spf", told.spf, &told.spf_reason);
        let mut client = String::new();
        push_ip(&mut client, envelope.client);
        self.property("smtp.remote-ip", &client);
        match &envelope.sender {
            Path::Null => self.property("smtp.helo", &told.spf_domain),
            Path::Mailbox { mailbox, .. } => {
                let domain = mailbox.domain().map_or("", Domain::as_str);
                self.property("smtp.mailfrom", domain);
            }
        }
    }

    fn method(&mut self, method: &str, result: AuthResult, reason: &str) {
        self.text.push_str(";\r\n\t");
        self.text.push_str(method);
        self.text.push('=');
        self.text.push_str(result.name());
        if !reason.is_empty() {
            self.text.push_str(" reason=");
            self.quoted(reason);
        }
    }

    fn property(&mut self, name: &str, value: &str) {
        if value.is_empty() || value.len() > VALUE_OCTETS_MAX {
            return;
        }
        self.text.push_str("\r\n\t\t");
        self.text.push_str(name);
        self.text.push('=');
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if value.bytes().all(plain) { self.text.push_str(value) } else { self.quoted(value) }
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(VALUE_OCTETS_MAX) {
            if matches!(c, '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(c);
        }
        self.text.push('"');
    }
}

/// Whether the value of an `Authentication-Results` field is in the name of `name` or of one below it, as loosely as any
/// reader may take it: those have to go (RFC 8601 section 5). Comments and quotes in front of the name are looked through.
#[must_use]
pub fn is_in_our_name(value: &[u8], name: &str) -> bool {
    let mut token = authserv_id(value);
    token.make_ascii_lowercase();
    let token = token.split(|octet| *octet == b'/').next().unwrap_or_default();
    let token = token.strip_suffix(b".").unwrap_or(token);
    let name = name.to_ascii_lowercase();
    let rest = token.strip_suffix(name.as_bytes());
    !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
}

/// The authserv-id of an `Authentication-Results` field (RFC 8601 section 2.2): a word or a quoted text behind comments.
fn authserv_id(value: &[u8]) -> Vec<u8> {
    let (mut depth, mut out, mut quoted) = (0u32, Vec::new(), false);
    let mut octets = value.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' if depth > 0 => drop(octets.next()),
            b'\\' if quoted => out.extend(octets.next()),
            b'(' if !quoted => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b'"' if quoted => break,
            b'"' if out.is_empty() => quoted = true,
            _ if quoted => out.push(octet),
            b';' => break,
            _ if octet.is_ascii_whitespace() && out.is_empty() => {}
            _ if octet.is_ascii_whitespace() => break,
            _ => out.push(octet),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Signature;

    fn envelope(sender: &str) -> Envelope {
        Envelope { client: "2001:db8::1".parse().unwrap(), ..Envelope::test(sender, None::<&str>) }
    }

    #[test]
    fn results_are_told_in_the_words_of_the_rfc() {
        let told = Authentication {
            spf: AuthResult::Pass,
            spf_domain: "example.org".into(),
            dkim: vec![Signature {
                result: AuthResult::Fail,
                domain: "example.org".into(),
                selector: "s1".into(),
                reason: "the body was changed".into(),
                aligned: true,
            }],
            dmarc: AuthResult::Pass,
            dmarc_domain: "example.org".into(),
            ..Authentication::default()
        };
        let text = authentication_results("mx.example.net", &told, &envelope("<a@example.org>"));
        let wanted = "Authentication-Results: mx.example.net;\r\n\tspf=pass\r\n\t\tsmtp.remote-ip=\"2001:db8::1\"\r\n\t\t\
            smtp.mailfrom=example.org;\r\n\tdkim=fail reason=\"the body was changed\"\r\n\t\theader.d=example.org\r\n\t\t\
            header.s=s1;\r\n\tdmarc=pass\r\n\t\theader.from=example.org\r\n";
        assert_eq!(text, wanted);
        let none = authentication_results("mx", &Authentication::default(), &envelope("<>"));
        assert!(none.contains(";\r\n\tdkim=none;\r\n\tdmarc=none\r\n"), "{none}");
    }

    #[test]
    fn nobody_writes_methods_for_us() {
        let told = Authentication {
            dkim: vec![Signature { domain: "x;dmarc=pass\r\nX: \"y\\".into(), ..Signature::default() }],
            ..Authentication::default()
        };
        let text = authentication_results("mx", &told, &envelope("<>"));
        assert!(text.contains("header.d=\"x;dmarc=passX: \\\"y\\\\\""), "{text}");
    }

    #[test]
    fn our_name_is_found_however_it_is_written() {
        let name = "mx.example.net";
        for value in [
            " mx.example.net; spf=pass",
            "\r\n\t(x (y) z) MX.Example.NET. 1; spf=pass",
            " \"mx.example.net\" ; none",
            "below.mx.example.net; none",
            "mx.example.net",
            " mx.example.net/1; none",
        ] {
            assert!(is_in_our_name(value.as_bytes(), name), "{value}");
        }
        for value in [
            "other.example.net; x",
            "notmx.example.net; x",
            "(mx.example.net) other; x",
            "",
            "; mx.example.net",
        ] {
            assert!(!is_in_our_name(value.as_bytes(), name), "{value}");
        }
    }
}
