//! `[[listener]]`.

use super::common::{self, Surroundings};
use super::keywords;
use crate::config::file::{Got, Table};
use crate::config::model::{AuthMode, BareNewline, CertificateFiles, Listener, ListenerTls};
use crate::config::value::quoted;
use crate::verdict::Direction;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// A greeting must fit one reply line of 512 octets behind the host name (RFC 5321 section 4.5.3.1.5).
const GREETING_OCTETS_MAX: usize = 200;
/// RFC 5321 section 4.5.3.1.8: the recipients that must be taken at least.
const RECIPIENTS_LEAST: usize = 100;

/// A listener as far as its table could be read; what others need to know of it stands on its own, so that
/// a mistake elsewhere in the table does not hide theirs.
pub struct Draft {
    /// Its name.
    pub name: Option<Got<String>>,
    /// Its address.
    pub address: Option<Got<SocketAddr>>,
    /// Its direction.
    pub direction: Option<Direction>,
    /// The name of its downstream.
    pub downstream: Option<Got<String>>,
    /// Where its table begins.
    pub header: Range<usize>,
    /// The listener, if nothing that it needs is missing.
    pub listener: Option<Listener>,
}

/// Builds one listener.
pub fn build(table: &Table<'_>, around: &Surroundings<'_>) -> Draft {
    let name = common::name(table);
    let address = address(table);
    let direction = table.word("direction").map(|word| match word.value {
        "outbound" => Direction::Outbound,
        _ => Direction::Inbound,
    });
    let downstream = table.filled("downstream");
    let tls = tls(table, around);
    let auth = auth(table, direction, address.as_ref(), tls.as_ref());
    let max_recipients = max_recipients(table);
    let rest = Listener {
        name: name.as_ref().map(|got| got.value.as_str()).unwrap_or_default().into(),
        address: address.as_ref().map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |got| got.value),
        direction: direction.unwrap_or(Direction::Inbound),
        downstream: downstream.as_ref().map(|got| got.value.as_str()).unwrap_or_default().into(),
        tls: tls.clone().unwrap_or(ListenerTls::Off),
        auth,
        auth_ntlm: auth_ntlm(table, auth),
        bare_newline: match table.word("bare_newline").map(|word| word.value) {
            Some("normalize") => BareNewline::Normalize,
            _ => BareNewline::Reject,
        },
        normalize_from: common::nets(table, "normalize_from").value,
        proxy_protocol: common::peers(
            table,
            "proxy_protocol",
            "can name any client address in a PROXY header",
        ),
        xclient: common::peers(table, "xclient", "can name any client address with XCLIENT"),
        xclient_login: xclient_login(table),
        hide: keywords::hide(table, &table.list("hide").value),
        max_recipients,
        max_errors: common::count(table, "max_errors"),
        max_commands: common::count(table, "max_commands"),
        one_recipient_per_transaction: table.boolean("one_recipient_per_transaction").value,
        greeting: greeting(table).into(),
        max_connections: max_connections(table),
    };
    table.finish();
    let complete =
        name.is_some() && address.is_some() && direction.is_some() && downstream.is_some() && tls.is_some();
    Draft {
        name,
        address,
        direction,
        downstream,
        header: table.span.clone(),
        listener: complete.then_some(rest),
    }
}

fn address(table: &Table<'_>) -> Option<Got<SocketAddr>> {
    let text = table.text("address")?;
    match text.value.parse() {
        Ok(value) => Some(Got { value, span: text.span, given: true }),
        Err(_) => {
            let found = quoted(&text.value);
            let message = match text.value.trim_matches(['[', ']']).parse() {
                Ok(IpAddr::V4(ip)) => format!("`address`: the port is missing: write \"{ip}:25\""),
                Ok(IpAddr::V6(ip)) => format!("`address`: the port is missing: write \"[{ip}]:25\""),
                Err(_) => format!(
                    "`address`: expected an IP address and a port such as \"0.0.0.0:25\" or \"[::]:25\", found {found}"
                ),
            };
            table.sink.error(&text.span, message);
            None
        }
    }
}

fn tls(table: &Table<'_>, around: &Surroundings<'_>) -> Option<ListenerTls> {
    let certificate = around.path_of(table, "certificate");
    let key = around.path_of(table, "key");
    let mode = table.word("tls")?;
    if mode.value == "off" {
        for (name, got) in [("certificate", &certificate), ("key", &key)] {
            if let Some(got) = got {
                table.sink.warning(
                    &got.span,
                    format!("`{name}` is not used without tls = \"starttls\" or tls = \"implicit\""),
                );
            }
        }
        return Some(ListenerTls::Off);
    }
    let missing = match (&certificate, &key) {
        (Some(certificate), Some(key)) => {
            let files = CertificateFiles { certificate: certificate.value.clone(), key: key.value.clone() };
            return Some(if mode.value == "implicit" {
                ListenerTls::Implicit(files)
            } else {
                ListenerTls::Starttls(files)
            });
        }
        (None, None) => "`certificate` and `key`",
        (None, Some(_)) => "`certificate`",
        (Some(_), None) => "`key`",
    };
    table.sink.error(&mode.span, format!("tls = \"{}\" also needs {missing} (PEM files)", mode.value));
    None
}

fn auth(
    table: &Table<'_>,
    direction: Option<Direction>,
    address: Option<&Got<SocketAddr>>,
    tls: Option<&ListenerTls>,
) -> AuthMode {
    let Some(word) = table.word("auth") else {
        return if direction == Some(Direction::Outbound) { AuthMode::Tls } else { AuthMode::Off };
    };
    match word.value {
        "plaintext" => {
            if address.is_some_and(|got| !crate::mail::unmapped(got.value.ip()).is_loopback()) {
                let message = "auth = \"plaintext\" lets passwords cross the network unencrypted; \"tls\" offers AUTH only after STARTTLS";
                table.sink.warning(&word.span, message);
            }
            AuthMode::Plaintext
        }
        "tls" => {
            if tls == Some(&ListenerTls::Off) {
                table.sink.warning(&word.span, "auth = \"tls\" is never offered on a listener without TLS: set `tls`, `certificate` and `key`");
            }
            AuthMode::Tls
        }
        _ => AuthMode::Off,
    }
}

fn auth_ntlm(table: &Table<'_>, auth: AuthMode) -> bool {
    let ntlm = table.boolean("auth_ntlm");
    if ntlm.value && auth == AuthMode::Off {
        table.sink.warning(&ntlm.span, "`auth_ntlm` is not used with auth = \"off\"");
    }
    ntlm.value
}

fn xclient_login(table: &Table<'_>) -> bool {
    let login = table.boolean("xclient_login");
    if login.value && table.list("xclient").value.is_empty() {
        table.sink.warning(&login.span, "`xclient_login` is not used without peers in `xclient`");
    }
    login.value
}

fn max_recipients(table: &Table<'_>) -> usize {
    let count = table.number("max_recipients");
    let value = usize::try_from(count.value).unwrap_or(usize::MAX);
    if count.given && value < RECIPIENTS_LEAST {
        let message =
            "`max_recipients`: a server has to take 100 recipients at least (RFC 5321 section 4.5.3.1.8)";
        table.sink.warning(&count.span, message);
    }
    value
}

fn greeting(table: &Table<'_>) -> String {
    let Some(got) = table.text("greeting") else {
        return String::new();
    };
    if let Some(bad) = got.value.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ')) {
        let message = format!(
            "`greeting`: only printable ASCII can stand in a greeting, found {}",
            quoted(&bad.to_string())
        );
        table.sink.error(&got.span, message);
    } else if got.value.len() > GREETING_OCTETS_MAX {
        let message = format!(
            "`greeting`: {} characters, at most {GREETING_OCTETS_MAX} fit a reply line",
            got.value.len()
        );
        table.sink.error(&got.span, message);
    }
    got.value
}

fn max_connections(table: &Table<'_>) -> usize {
    if table.has("max_connections") { common::count_usize(table, "max_connections") } else { usize::MAX }
}
