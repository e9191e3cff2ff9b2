//! Files in the rules directory that nobody reads: a slip in a name would otherwise go unnoticed.

use super::keys::FILES;
use super::sources::{LIST_SUFFIX, LISTS, SIGNATURES};
use crate::rules::{Position, Problem, nearest};
use std::collections::BTreeSet;

/// What editors and package managers leave behind.
const LEFT_BEHIND: [&str; 13] = [
    "~",
    ".bak",
    ".old",
    ".orig",
    ".save",
    ".swp",
    ".swo",
    ".tmp",
    ".new",
    ".rpmnew",
    ".rpmsave",
    ".dpkg-dist",
    ".dpkg-old",
];

/// Warnings about files that look as if they were meant to be read. `named` are those that some file names.
#[must_use]
pub fn told(others: &[String], named: &BTreeSet<String>) -> Vec<Problem> {
    let mut out = Vec::new();
    for file in others.iter().filter(|file| !named.contains(*file)) {
        if let Some(message) = strange(file) {
            out.push(Problem::warning(file, Position::START, message));
        }
    }
    out
}

fn strange(file: &str) -> Option<String> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let hidden = name.starts_with(['.', '#']) || LEFT_BEHIND.iter().any(|end| name.ends_with(end));
    if hidden || name.to_ascii_uppercase().starts_with("README") {
        return None;
    }
    if let Some(list) = file.strip_prefix(LISTS) {
        let stem = list.rsplit_once('.').map_or(list, |(stem, _)| stem);
        return Some(format!(
            "nobody reads this file: lists are named lists/NAME.list, such as {LISTS}{stem}{LIST_SUFFIX}"
        ));
    }
    if file.starts_with(SIGNATURES) {
        return Some(format!(
            "nobody reads this file: signatures are named {SIGNATURES}NAME.yar (YARA rules) or {SIGNATURES}NAME.sha256 (digests)"
        ));
    }
    if let Some(stem) = file.strip_suffix(LIST_SUFFIX) {
        return Some(format!(
            "nobody reads this file: lists lie in lists/, such as {LISTS}{stem}{LIST_SUFFIX}"
        ));
    }
    let near = nearest(file, FILES.iter().map(|known| known.name));
    match near {
        Some(near) => Some(format!("nobody reads this file; did you mean {near}?")),
        None if file.ends_with(".toml") => {
            let known: Vec<&str> = FILES.iter().map(|known| known.name).collect();
            Some(format!("nobody reads this file: the files of settings are {}", known.join(", ")))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_rule_file_is_told() {
        for (file, want) in [
            ("limit.toml", Some("did you mean limits.toml?")),
            ("Gateway.toml", Some("did you mean gateway.toml?")),
            ("protocol.tml", Some("did you mean protocol.toml?")),
            ("milters.toml", Some("the files of settings are gateway.toml, limits.toml, protocol.toml")),
            ("blocks.list", Some("such as lists/blocks.list")),
            ("lists/x.txt", Some("such as lists/x.list")),
            ("lists/sub", Some("such as lists/sub.list")),
            ("README.md", None),
            ("lists/README", None),
            ("limits.toml~", None),
            ("limits.toml.dpkg-old", None),
            (".limits.toml.swp", None),
            ("mx.example.net.pem", None),
            ("GeoLite2-Country.mmdb", None),
        ] {
            let found = strange(file);
            assert_eq!(found.is_some(), want.is_some(), "{file}: {found:?}");
            assert!(found.unwrap_or_default().contains(want.unwrap_or_default()), "{file}");
        }
        let others = ["a.list".to_owned(), "b.list".to_owned()];
        let told = told(&others, &BTreeSet::from(["a.list".to_owned()]));
        assert_eq!(told.len(), 1);
        assert!(told[0].to_string().starts_with("b.list:1:1: warning: nobody reads this file"));
    }
}
