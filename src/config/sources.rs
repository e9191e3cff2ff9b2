//! The texts of a rules directory, as values: whoever has them (a reader of files, a test) puts them here.

use crate::config::keys::FILES;
use crate::rules::Problem;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Folder of the lists.
pub const LISTS: &str = "lists/";
/// How the name of a list's file ends.
pub const LIST_SUFFIX: &str = ".list";

/// The texts. Names are relative to the rules directory, with `/`.
pub struct Sources<'r> {
    /// Files of settings: `gateway.toml` and its text.
    pub files: BTreeMap<String, String>,
    /// Lists: `blocks` and the text of `lists/blocks.list`.
    pub lists: BTreeMap<String, String>,
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
        } else {
            self.others.push(name.to_owned());
        }
    }
}

impl Default for Sources<'_> {
    fn default() -> Self {
        let files = BTreeMap::new();
        let lists = BTreeMap::new();
        Self { files, lists, others: Vec::new(), problems: Vec::new(), read: &nothing }
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

/// `lists/blocks.list` of `blocks`.
#[must_use]
pub fn list_file(name: &str) -> String {
    format!("{LISTS}{name}{LIST_SUFFIX}")
}
