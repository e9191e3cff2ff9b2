//! The lists of a generation. One whose text is that of the generation before is taken over as it is, for a
//! list may have a million entries.

use crate::config::model::{LoadedList, LoadedLists};
use crate::config::sources::{Sources, list_file, list_name};
use crate::rules::{List, Lists, Position, Problem, nearest};
use ring::digest::{SHA256, digest};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All lists, and which of them something names.
pub struct Shelf {
    /// By name. One with errors is here too: that it exists is true, and its errors keep the policy away.
    pub lists: Lists,
    /// The same with their digests.
    pub loaded: LoadedLists,
    /// Lists of recipients: files of another form.
    recipients: BTreeSet<String>,
    used: RefCell<BTreeSet<String>>,
}

/// Why there is no list of a name, for people.
pub enum Missing {
    /// The file has the form of a list of recipients.
    Recipients(String),
    /// There is no such file.
    Nowhere(String),
}

impl Shelf {
    /// Reads all lists but those of recipients: the files `named` there.
    pub fn build(
        sources: &Sources<'_>,
        named: &BTreeSet<String>,
        now: i64,
        before: Option<&LoadedLists>,
    ) -> (Self, Vec<Problem>) {
        let recipients = named.iter().filter_map(|file| list_name(file)).map(str::to_owned).collect();
        let mut shelf =
            Self { lists: Lists::new(), loaded: LoadedLists::new(), recipients, used: RefCell::default() };
        let mut problems = Vec::new();
        for (name, text) in sources.lists.iter().filter(|(name, _)| !shelf.recipients.contains(*name)) {
            let loaded = load(name, text, now, before);
            problems.extend(loaded.problems.iter().cloned());
            let name: Arc<str> = name.as_str().into();
            shelf.lists.insert(Arc::clone(&name), Arc::clone(&loaded.list));
            shelf.loaded.insert(name, loaded);
        }
        (shelf, problems)
    }

    /// The list of that name. It counts as used then.
    ///
    /// # Errors
    /// There is none: what to write.
    pub fn get(&self, name: &str) -> Result<&Arc<List>, Missing> {
        self.used.borrow_mut().insert(name.to_owned());
        if let Some(list) = self.lists.get(name) {
            return Ok(list);
        }
        if self.recipients.contains(name) {
            let file = list_file(name);
            return Err(Missing::Recipients(format!(
                "{file} is a list of recipients (relay.recipients names it)"
            )));
        }
        let mut names: Vec<&str> = self.lists.keys().map(|name| &**name).collect();
        names.sort_unstable();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => String::new(),
        };
        Err(Missing::Nowhere(format!("there is no list {}{hint}", list_file(name))))
    }

    /// Lists that nothing names.
    pub fn unused(&self) -> Vec<Problem> {
        let used = self.used.borrow();
        let mut names: Vec<&str> =
            self.lists.keys().map(|name| &**name).filter(|name| !used.contains(*name)).collect();
        names.sort_unstable();
        let wanted = || used.iter().filter(|name| !self.lists.contains_key(name.as_str()));
        let tell = |name: &str| {
            let hint = match nearest(name, wanted().map(String::as_str)) {
                Some(near) => format!("; did you mean {}?", list_file(near)),
                None => format!(": name it in protocol.toml, in [access] or as \"@{name}\" in a [[rule]]"),
            };
            Problem::warning(&list_file(name), Position::START, format!("nothing uses this list{hint}"))
        };
        names.into_iter().map(tell).collect()
    }
}

fn load(name: &str, text: &str, now: i64, before: Option<&LoadedLists>) -> LoadedList {
    let sum: [u8; 32] = digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or([0; 32]);
    if let Some(same) = before.and_then(|lists| lists.get(name)).filter(|list| list.digest == sum) {
        return same.clone();
    }
    let (list, problems) = List::parse(name, &list_file(name), text, now);
    LoadedList { digest: sum, list: Arc::new(list), problems }
}
