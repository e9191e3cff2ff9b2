//! `[[downstream]]`.

use super::address;
use super::common::{self, Surroundings};
use crate::config::file::{Got, Table};
use crate::config::model::{Address, Downstream, DownstreamTls, Identity, OnOutage};
use crate::config::value::quoted;
use crate::mail::Domain;
use std::net::{IpAddr, SocketAddr};

/// What stands before the digits of a pin.
const PIN_PREFIX: &str = "sha256:";

/// A downstream as far as its table could be read.
pub struct Draft {
    /// Its name.
    pub name: Option<Got<String>>,
    /// Its good addresses.
    pub addresses: Vec<Got<SocketAddr>>,
    /// The downstream, if nothing that it needs is missing.
    pub downstream: Option<Downstream>,
}

/// Builds one downstream. `hostname` is its `ehlo_name` where none is given.
pub fn build(table: &Table<'_>, around: &Surroundings<'_>, hostname: Option<&str>) -> Draft {
    let name = common::name(table);
    let addresses = addresses(table);
    let identity = identity(table);
    let tls = tls(table);
    let downstream = Downstream {
        backpressure: table.boolean("backpressure").value,
        on_outage: match table.word("on_outage").map(|word| word.value) {
            Some("queue") => OnOutage::Queue,
            _ => OnOutage::Tempfail,
        },
        name: name.as_ref().map(|got| got.value.as_str()).unwrap_or_default().into(),
        addresses: addresses.iter().map(|got| got.value.clone()).collect(),
        ca: ca(table, around, tls.as_ref()),
        tls: tls.unwrap_or(DownstreamTls::Opportunistic),
        server_name: server_name(table),
        identity,
        max_connections: common::count_usize(table, "max_connections"),
        idle_timeout: table.duration("idle_timeout").value,
        max_messages_per_connection: common::count(table, "max_messages_per_connection"),
        reuse: reuse(table, identity),
        chunking: table.word("chunking").is_none_or(|word| word.value == "auto"),
        hide_text: table.boolean("hide_text").value,
        ehlo_name: common::ehlo_name(table, "ehlo_name")
            .map_or(hostname.unwrap_or_default().into(), |got| got.value.into()),
    };
    table.finish();
    let complete = name.is_some() && !addresses.is_empty();
    let sockets =
        addresses.iter().map(|got| Got { value: got.value.socket, span: got.span.clone(), given: true });
    Draft { name, addresses: sockets.collect(), downstream: complete.then_some(downstream) }
}

fn addresses(table: &Table<'_>) -> Vec<Got<Address>> {
    let list = table.list("addresses");
    if list.given && list.value.is_empty() {
        table
            .sink
            .error(&list.span, "`addresses`: at least one address is needed, for example [\"10.0.0.5:25\"]");
    }
    let mut out: Vec<Got<Address>> = Vec::with_capacity(list.value.len());
    for item in list.value {
        match address::parse(&item.value) {
            Ok(address) if out.iter().any(|seen| seen.value.socket == address.socket) => {
                table.sink.error(&item.span, format!("`addresses`: {} is listed twice", address.socket));
            }
            Ok(value) => out.push(Got { value, span: item.span, given: true }),
            Err(error) => table.sink.error(&item.span, format!("`addresses`: {error}")),
        }
    }
    out
}

fn tls(table: &Table<'_>) -> Option<DownstreamTls> {
    let list = table.list("pins");
    let mode = table.word("tls")?;
    let mut pins = Vec::with_capacity(list.value.len());
    for item in &list.value {
        match pin(&item.value) {
            Some(pin) => pins.push(pin),
            None => table.sink.error(
                &item.span,
                format!(
                    "`pins`: expected \"sha256:\" and 64 hexadecimal digits, found {}",
                    quoted(&item.value)
                ),
            ),
        }
    }
    if mode.value != "pinned" && !list.value.is_empty() {
        table.sink.warning(
            &list.span,
            format!("`pins` are not used with tls = \"{}\"; did you mean tls = \"pinned\"?", mode.value),
        );
    }
    match mode.value {
        "off" => Some(DownstreamTls::Off),
        "required" => Some(DownstreamTls::Required),
        "pinned" if list.value.is_empty() => {
            table.sink.error(&mode.span, "tls = \"pinned\" also needs `pins` = [\"sha256:…\"], the SHA-256 of the downstream's public key");
            None
        }
        "pinned" => Some(DownstreamTls::Pinned(pins)),
        _ => Some(DownstreamTls::Opportunistic),
    }
}

fn pin(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(PIN_PREFIX)?.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let octets: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect();
    octets?.try_into().ok()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn ca(
    table: &Table<'_>,
    around: &Surroundings<'_>,
    tls: Option<&DownstreamTls>,
) -> Option<std::path::PathBuf> {
    let ca = around.path_of(table, "ca")?;
    if matches!(tls, Some(DownstreamTls::Off | DownstreamTls::Opportunistic)) {
        table.sink.warning(&ca.span, "`ca`: the certificate is verified only with tls = \"required\"");
    }
    Some(ca.value)
}

fn server_name(table: &Table<'_>) -> Option<String> {
    let got = table.text("server_name")?;
    if got.value.parse::<IpAddr>().is_ok() {
        return Some(got.value);
    }
    match Domain::parse(got.value.as_bytes()) {
        Ok(domain) => Some(domain.as_str().to_owned()),
        Err(error) => {
            let found = quoted(&got.value);
            let message = format!(
                "`server_name`: not a host name ({error}); expected one such as \"mail.example.net\", found {found}"
            );
            table.sink.error(&got.span, message);
            None
        }
    }
}

fn identity(table: &Table<'_>) -> Identity {
    match table.word("identity").map(|word| word.value) {
        Some("xclient") => Identity::Xclient,
        Some("xforward") => Identity::Xforward,
        Some("proxy") => Identity::Proxy,
        Some("none") => Identity::None,
        _ => Identity::Auto,
    }
}

/// A PROXY header holds for a whole connection, so no second client can share it.
fn reuse(table: &Table<'_>, identity: Identity) -> bool {
    let reuse = table.boolean("reuse");
    if identity != Identity::Proxy {
        return reuse.value;
    }
    if reuse.given && reuse.value {
        let message =
            "reuse = true is not used with identity = \"proxy\": each client gets its own connection";
        table.sink.warning(&reuse.span, message);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_64_digits() {
        let digits = "0123456789abcdefABCDEF0123456789abcdefabcdef0123456789abcdef0123";
        assert_eq!(
            pin(&format!("sha256:{digits}")).map(|pin| (pin[0], pin[1], pin[8], pin[31])),
            Some((0x01, 0x23, 0xab, 0x23))
        );
        for bad in [
            digits.to_owned(),
            format!("sha256:{digits}00"),
            format!("sha256:{digits}0"),
            "sha256:".to_owned(),
            format!("sha256:{}", digits.replace('a', "g")),
            format!("sha1:{digits}"),
        ] {
            assert_eq!(pin(&bad), None, "{bad}");
        }
    }
}
