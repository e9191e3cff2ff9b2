//! EHLO keywords that can be hidden.

use crate::config::file::{Got, Table};
use crate::config::value::quoted;
use crate::rules::nearest;

/// EHLO keywords that can be offered to a client and so can be hidden.
const KEYWORDS: &[&str] = &[
    "8BITMIME",
    "AUTH",
    "CHUNKING",
    "DELIVERBY",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "FUTURERELEASE",
    "LIMITS",
    "MT-PRIORITY",
    "PIPELINING",
    "REQUIRETLS",
    "SIZE",
    "SMTPUTF8",
    "STARTTLS",
    "XCLIENT",
];
/// Those that are never offered, whatever the downstream says.
const NEVER_OFFERED: &[&str] =
    &["BINARYMIME", "BURL", "ETRN", "EXPN", "XEXCH50", "XOORG", "XRDST", "X-ANONYMOUSTLS", "X-EXPS"];
/// SASL mechanisms that can be offered.
const MECHANISMS: &[&str] = &[
    "ANONYMOUS",
    "CRAM-MD5",
    "EXTERNAL",
    "LOGIN",
    "NTLM",
    "OAUTHBEARER",
    "PLAIN",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "XOAUTH2",
];

/// Reads the items of a key `hide`.
pub fn hide(table: &Table<'_>, items: &[Got<String>]) -> Vec<String> {
    let mut hidden = Vec::with_capacity(items.len());
    for item in items {
        let word = item.value.to_ascii_uppercase();
        let (known, what) = match word.strip_prefix("AUTH=") {
            Some(_) => (MECHANISMS, "mechanism"),
            None => (KEYWORDS, "EHLO keyword"),
        };
        let name = word.strip_prefix("AUTH=").unwrap_or(&word);
        if word.is_empty()
            || !word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
        {
            let found = quoted(&item.value);
            table.sink.error(
                &item.span,
                format!("`hide`: expected EHLO keywords such as \"DSN\" or \"AUTH=NTLM\", found {found}"),
            );
        } else if NEVER_OFFERED.contains(&name) {
            table.sink.warning(&item.span, format!("`hide`: {name} is never offered anyway"));
        } else if !known.contains(&name) {
            let hint = nearest(name, known.iter().copied()).map(|near| format!("; did you mean {near}?"));
            table.sink.warning(
                &item.span,
                format!("`hide`: {} is no known {what}{}", quoted(name), hint.unwrap_or_default()),
            );
        }
        hidden.push(word);
    }
    hidden
}
