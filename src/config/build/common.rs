//! Values that several tables have: names, paths, networks, host names.

use crate::config::file::{Got, Table};
use crate::config::value::quoted;
use crate::mail::Domain;
use crate::rules::{Net, NetSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest name of a listener or downstream, in octets.
const NAME_OCTETS_MAX: usize = 64;

/// What the builders get from outside.
pub struct Surroundings<'a> {
    /// The rules directory: relative paths are relative to it.
    pub rules_dir: &'a Path,
    /// Reads a text file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Surroundings<'_> {
    /// A path of the file as one that can be opened.
    pub fn path(&self, text: &str) -> PathBuf {
        self.rules_dir.join(text)
    }

    /// The path of a key, if it is given.
    pub fn path_of(&self, table: &Table<'_>, name: &str) -> Option<Got<PathBuf>> {
        table.filled(name).map(|got| Got { value: self.path(&got.value), span: got.span, given: got.given })
    }
}

/// The name of a listener or downstream: it stands in logs and audit lines.
pub fn name(table: &Table<'_>) -> Option<Got<String>> {
    let name = table.text("name")?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.value.is_empty() || name.value.len() > NAME_OCTETS_MAX || !name.value.bytes().all(good) {
        let found = quoted(&name.value);
        let message = format!(
            "`name`: expected up to {NAME_OCTETS_MAX} letters, digits, `-`, `_` and `.`, found {found}"
        );
        table.sink.error(&name.span, message);
        return None;
    }
    Some(name)
}

/// A list of networks. The span is that of the list.
pub fn nets(table: &Table<'_>, name: &str) -> Got<NetSet> {
    let list = table.list(name);
    let mut nets = Vec::with_capacity(list.value.len());
    for item in &list.value {
        match Net::parse(&item.value) {
            Ok(net) => {
                if net.host_bits {
                    let (written, taken) = (quoted(&item.value), net.net);
                    let message =
                        format!("`{name}`: {written} has bits behind its prefix; it is taken as {taken}");
                    table.sink.warning(&item.span, message);
                }
                nets.push(net.net);
            }
            Err(error) => {
                table.sink.error(&item.span, format!("`{name}`: {error}, found {}", quoted(&item.value)))
            }
        }
    }
    Got { value: NetSet::new(nets), span: list.span, given: list.given }
}

/// A list of peers that get a right: warned about where it is everybody.
pub fn peers(table: &Table<'_>, name: &str, right: &str) -> NetSet {
    let nets = nets(table, name);
    if nets.value.covers_everything() {
        table.sink.warning(&nets.span, format!("`{name}`: this is every address: anybody {right}"));
    }
    nets.value
}

/// A host name, or an address literal (RFC 5321 section 4.1.3), for greeting and EHLO.
pub fn ehlo_name(table: &Table<'_>, name: &str) -> Option<Got<String>> {
    let got = table.text(name)?;
    let literal = got.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if literal.is_some_and(|inner| inner.strip_prefix("IPv6:").unwrap_or(inner).parse::<IpAddr>().is_ok()) {
        return Some(got);
    }
    match Domain::parse(got.value.as_bytes()) {
        Ok(domain) => {
            if !domain.as_str().contains('.') {
                let message = format!(
                    "`{name}`: {} is no fully qualified name; many servers refuse it in EHLO",
                    quoted(&got.value)
                );
                table.sink.warning(&got.span, message);
            }
            Some(Got { value: domain.as_str().to_owned(), ..got })
        }
        Err(error) => {
            let found = quoted(&got.value);
            table.sink.error(&got.span, format!("`{name}`: not a host name ({error}); expected one such as \"mx.example.net\", found {found}"));
            None
        }
    }
}

/// A count of a key whose bounds make it fit.
pub fn count(table: &Table<'_>, name: &str) -> u32 {
    u32::try_from(table.number(name).value).unwrap_or(u32::MAX)
}

/// The same as a size of collections.
pub fn count_usize(table: &Table<'_>, name: &str) -> usize {
    usize::try_from(table.number(name).value).unwrap_or(usize::MAX)
}
