//! The texts of a rules directory, as values: whoever has them (a reader of files, a test) puts them here.

use crate::config::keys::FILES;
use crate::rules::{Problem, SignatureText};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Folder of the lists.
pub const LISTS: &str = "lists/";
/// How the name of a list's file ends.
pub const LIST_SUFFIX: &str = ".list";

/// Folder of the signatures of malware.
pub const SIGNATURES: &str = "signatures/";
/// How the names of their files end: YARA rules, and digests.
pub const SIGNATURE_SUFFIXES: [&str; 2] = [".yar", ".sha256"];

/// The texts. Names are relative to the rules directory, with `/`.
pub struct Sources<'r> {
    /// Files of settings: `gateway.toml` and its text.
    pub files: BTreeMap<String, String>,
    /// Lists: `blocks` and the text of `lists/blocks.list`.
    pub lists: BTreeMap<String, String>,
    /// Signatures of malware, in the order in which they were added.
    pub signatures: Vec<SignatureText>,
    /// Names of other files that lie there.
    pub others: Vec<String>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Reads a list of recipients that lies elsewhere.
    pub read: &'r dyn Fn(&Path) -> io::Result<String>,
}

impl Sources<'_> {
    /// These texts by name, such as `gateway.toml` and `lists/blocks.list`, and nothing else.
    #[must_use]
    pub fn of(texts: &[(&str, &str)]) -> Self {
        let mut sources = Self::default();
        for (name, text) in texts {
            sources.add(name, (*text).to_owned());
        }
        sources
    }

    /// Adds a text. A name that is neither that of a settings file nor of a list is only remembered.
    pub fn add(&mut self, name: &str, text: String) {
        // Some editors begin a file with a byte order mark.
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        if FILES.iter().any(|file| file.name == name) {
            self.files.insert(name.to_owned(), text);
        } else if let Some(list) = list_name(name) {
            self.lists.insert(list.to_owned(), text);
        } else if is_signatures(name) {
            self.signatures.retain(|text| *text.file != *name);
            self.signatures.push(SignatureText { file: name.into(), text });
        } else {
            self.others.push(name.to_owned());
        }
    }
}

impl Default for Sources<'_> {
    fn default() -> Self {
        let files = BTreeMap::new();
        let lists = BTreeMap::new();
        Self {
            files,
            lists,
            signatures: Vec::new(),
            others: Vec::new(),
            problems: Vec::new(),
            read: &nothing,
        }
    }
}

fn nothing(_: &Path) -> io::Result<String> {
    Err(io::Error::from(io::ErrorKind::NotFound))
}

/// `blocks` of `lists/blocks.list`.
#[must_use]
pub fn list_name(file: &str) -> Option<&str> {
    let name = file.strip_prefix(LISTS)?.strip_suffix(LIST_SUFFIX)?;
    (!name.is_empty() && !name.contains('/') && !name.starts_with('.')).then_some(name)
}

/// Whether that is a file of signatures: `signatures/example.yar`.
#[must_use]
pub fn is_signatures(file: &str) -> bool {
    file.strip_prefix(SIGNATURES).is_some_and(|name| {
        !name.starts_with('.')
            && !name.contains('/')
            && SIGNATURE_SUFFIXES
                .iter()
                .any(|end| name.strip_suffix(end).is_some_and(|stem| !stem.is_empty()))
    })
}

/// `lists/blocks.list` of `blocks`.
#[must_use]
pub fn list_file(name: &str) -> String {
    format!("{LISTS}{name}{LIST_SUFFIX}")
}
