//! Values that several tables have: names, paths, networks, host names.

use super::lists::{Missing, Shelf};
use crate::config::file::{Got, Table};
use crate::config::model::{Downstream, Listener, QuarantineFolder};
use crate::config::sink::Sink;
use crate::config::value::quoted;
use crate::mail::Domain;
use crate::rules::{DomainSet, Kind, Matcher, Net, NetSet};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest name of a listener, downstream, throttle or rule, in octets.
const NAME_OCTETS_MAX: usize = 64;

/// What the builders get from outside.
pub struct Surroundings<'a> {
    /// The rules directory: relative paths are relative to it.
    pub rules_dir: &'a Path,
    /// Reads the text of a file named in `relay.recipients`, as it is named there.
    pub read: &'a dyn Fn(&str) -> io::Result<String>,
}

/// What the builders of `limits.toml` and `protocol.toml` get of the other files.
pub struct Others<'a> {
    /// The lists.
    pub shelf: &'a Shelf,
    /// Listeners by name; `None` where `gateway.toml` could not be read.
    pub listeners: Option<&'a [Arc<Listener>]>,
    /// Downstreams by name; `None` where `gateway.toml` could not be read.
    pub downstreams: Option<&'a [Arc<Downstream>]>,
    /// Folders of the quarantine; `None` where `quarantine.toml` could not be read.
    pub folders: Option<&'a [Arc<QuarantineFolder>]>,
    /// Our own domains.
    pub domains: Option<&'a DomainSet>,
    /// The rules directory.
    pub rules_dir: &'a Path,
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

/// The name of a listener, downstream or throttle: it stands in logs and audit lines.
pub fn name(table: &Table<'_>) -> Option<Got<String>> {
    named(table, "name")
}

/// A key that gives its table a name.
pub fn named(table: &Table<'_>, key: &str) -> Option<Got<String>> {
    let name = table.text(key)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.value.is_empty() || name.value.len() > NAME_OCTETS_MAX || !name.value.bytes().all(good) {
        let found = quoted(&name.value);
        let message = format!(
            "`{key}`: expected up to {NAME_OCTETS_MAX} letters, digits, `-`, `_` and `.`, found {found}"
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

/// Tells names that are given twice, with the place of the first.
pub fn twice(table: &str, key: &str, sink: &Sink<'_>, names: &[&Got<String>]) {
    let mut seen: HashMap<&str, &Got<String>> = HashMap::with_capacity(names.len());
    for name in names {
        if let Some(first) = seen.get(name.value.as_str()) {
            let (found, line) = (quoted(&name.value), sink.line(&first.span));
            let message = format!("`{key}`: {found} is already the {key} of the [[{table}]] in line {line}");
            sink.error(&name.span, message);
        } else {
            seen.insert(&name.value, name);
        }
    }
}

/// A condition: its items as a matcher. `None` where it is not given or wrong (then told).
pub fn matcher(table: &Table<'_>, name: &str, kind: Kind, shelf: &Shelf) -> Option<Matcher> {
    let got = table.texts(name);
    if !got.given {
        return None;
    }
    if got.value.is_empty() {
        if table.raw(name).is_some_and(|found| found.get_ref().as_array().is_some_and(|list| list.is_empty()))
        {
            let message = format!("`{name}`: an empty list matches nothing: take the line out");
            table.sink.error(&got.span, message);
        }
        return None;
    }
    let mut items: Vec<Got<String>> = got.value;
    let before = items.len();
    items.retain(|item| good_list(table, name, item, shelf));
    let mut good = items.len() == before;
    loop {
        let texts: Vec<String> = items.iter().map(|item| item.value.clone()).collect();
        let mut warnings = Vec::new();
        let parsed =
            Matcher::parse(kind, &texts, &shelf.lists, &mut |at, message| warnings.push((at, message)));
        match parsed {
            Ok(matcher) => {
                for (at, message) in warnings {
                    let span = items.get(at).map_or(&got.span, |item| &item.span);
                    table.sink.warning(span, format!("`{name}`: {message}"));
                }
                return good.then_some(matcher);
            }
            // The next mistake is found without this item.
            Err((at, error)) => {
                good = false;
                let span = items.get(at).map_or(&got.span, |item| &item.span);
                table.sink.error(span, format!("`{name}`: {error}"));
                if at >= items.len() {
                    return None;
                }
                items.remove(at);
            }
        }
    }
}

/// Whether an item is no list of recipients, whose entries have another form. One that is a list counts as used.
fn good_list(table: &Table<'_>, name: &str, item: &Got<String>, shelf: &Shelf) -> bool {
    let text = item.value.trim();
    let Some(list) = text.strip_prefix('!').unwrap_or(text).trim_start().strip_prefix('@') else {
        return true;
    };
    match shelf.get(list) {
        Err(Missing::Recipients(message)) => {
            table.sink.error(&item.span, format!("`{name}`: {message}"));
            false
        }
        // That there is none is told by the matcher.
        Ok(_) | Err(Missing::Nowhere(_)) => true,
    }
}

/// Two upper-case letters of a country, or what is wrong.
pub fn country(text: &str) -> Result<Box<str>, String> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase().into())
    } else {
        Err(format!(
            "expected the two letters of a country such as \"DE\" (ISO 3166), found {}",
            quoted(text)
        ))
    }
}
