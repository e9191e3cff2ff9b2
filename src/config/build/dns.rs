//! `[dns]`.

use super::common;
use crate::config::file::Table;
use crate::config::model::Dns;
use crate::config::value::quoted;
use crate::mail::unmapped;
use std::net::{IpAddr, SocketAddr};

/// Port of DNS where none is written.
const PORT: u16 = 53;

/// Builds the settings.
pub fn build(table: &Table<'_>) -> Dns {
    let dns = Dns {
        servers: servers(table),
        timeout: table.duration("timeout").value,
        cache: common::count_usize(table, "cache"),
        reverse_names: table.boolean("reverse_names").value,
    };
    table.finish();
    dns
}

fn servers(table: &Table<'_>) -> Vec<SocketAddr> {
    let mut out = Vec::new();
    for item in table.list("servers").value {
        match server(&item.value) {
            Some(socket) if out.contains(&socket) => {
                table.sink.warning(&item.span, format!("`servers`: {socket} is listed twice"));
            }
            Some(socket) => out.push(socket),
            None => table.sink.error(
                &item.span,
                format!(
                    "`servers`: expected an address such as \"127.0.0.1\", \"127.0.0.1:5353\" or \"[::1]:53\", found {}",
                    quoted(&item.value)
                ),
            ),
        }
    }
    out
}

fn server(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let socket = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(unmapped(ip), PORT),
        Err(_) => text.parse().ok()?,
    };
    (socket.port() != 0 && !socket.ip().is_unspecified()).then_some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_addresses() {
        for (text, want) in [
            ("127.0.0.1", Some("127.0.0.1:53")),
            ("127.0.0.1:5353", Some("127.0.0.1:5353")),
            ("::1", Some("[::1]:53")),
            ("[::1]", Some("[::1]:53")),
            ("[2001:db8::1]:54", Some("[2001:db8::1]:54")),
            ("0.0.0.0", None),
            ("127.0.0.1:0", None),
            ("dns.example.net", None),
            ("", None),
        ] {
            assert_eq!(server(text), want.map(|w| w.parse().unwrap()), "{text}");
        }
    }
}
