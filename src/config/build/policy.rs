//! All files together: syntax, then every table, then the checks between the files.

use super::common::{Others, Surroundings};
use super::lists::Shelf;
use super::{attachments, content, gateway, limits, policies, protocol, quarantine, scanners};
use crate::config::file::Document;
use crate::config::keys::{FILES, Settings};
use crate::config::model::{LoadedLists, Policy, RuleTable};
use crate::config::sink::Sink;
use crate::config::sources::{Sources, list_name};
use crate::config::{strangers, syntax};
use crate::rules::{Problem, Signatures};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use toml::Spanned;
use toml::de::DeTable;

/// What else a load depends on.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'l> {
    /// Seconds since 1970: entries of lists end.
    pub now: i64,
    /// Lists of the generation before; one with the same text is taken over.
    pub before: Option<&'l LoadedLists>,
    /// Signatures of the generation before; the same texts are not compiled again.
    pub signatures: Option<&'l Signatures>,
}

impl Moment<'_> {
    /// At this time, with nothing before.
    #[must_use]
    pub fn at(now: i64) -> Self {
        Self { now, before: None, signatures: None }
    }
}

/// Builds a policy of the text of a `gateway.toml` alone: [`parse_files`] without other files. `read` reads
/// the recipient lists that it names.
pub fn parse(
    text: &str,
    rules_dir: &Path,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> (Option<Policy>, Vec<Problem>) {
    let mut sources = Sources { read, ..Sources::default() };
    let [gateway, ..] = &FILES;
    sources.add(gateway.name, text.to_owned());
    parse_files(&sources, rules_dir, Moment::at(0))
}

/// Builds a policy of the texts of a rules directory. Relative paths in them are relative to `rules_dir`.
/// Nothing else is read: certificates and the like belong to the surroundings that `check` looks at.
///
/// There is a policy exactly if no problem is an error; warnings come with it. Problems are sorted by file and
/// within it by line.
pub fn parse_files(
    sources: &Sources<'_>,
    rules_dir: &Path,
    moment: Moment<'_>,
) -> (Option<Policy>, Vec<Problem>) {
    let files = FILES.each_ref().map(|file| Text::of(sources, file));
    let policy = build(sources, rules_dir, moment, &files);
    let mut problems = sources.problems.clone();
    problems.extend(files.into_iter().flat_map(|file| file.sink.into_problems()));
    // Within a file they are in order already, those of lists apart.
    problems.sort_by(|a, b| a.file.cmp(&b.file));
    (policy.filter(|_| !problems.iter().any(Problem::is_error)), problems)
}

/// One file of settings.
struct Text<'t> {
    file: &'static Settings,
    sink: Sink<'t>,
    /// `None` where it is not there or no TOML.
    root: Option<Spanned<DeTable<'t>>>,
    /// Whether it is no TOML (then told).
    broken: bool,
}

impl<'t> Text<'t> {
    fn of(sources: &'t Sources<'_>, file: &'static Settings) -> Self {
        let Some(text) = sources.files.get(file.name) else {
            return Self { file, sink: Sink::new(file.name, ""), root: None, broken: false };
        };
        let sink = Sink::new(file.name, text);
        let (root, errors) = DeTable::parse_recoverable(text);
        // What stands behind a broken line may be read as something else, so nothing is said about it.
        syntax::tell(&sink, file, &errors);
        let broken = !errors.is_empty();
        Self { file, sink, root: Some(root).filter(|_| !broken), broken }
    }

    fn document(&self) -> Document<'_> {
        Document::new(&self.sink, self.file, self.root.as_ref().map(Spanned::get_ref))
    }
}

fn build(
    sources: &Sources<'_>,
    rules_dir: &Path,
    moment: Moment<'_>,
    [gateway, limits, protocol, quarantine, scanning, attachments, scoring, policing]: &[Text<'_>;
         FILES.len()],
) -> Option<Policy> {
    let named = RefCell::new(BTreeSet::new());
    let read = |name: &str| {
        named.borrow_mut().insert(name.to_owned());
        recipients(sources, rules_dir, name)
    };
    let policy = match &gateway.root {
        Some(_) => {
            gateway::build(&gateway.document(), &gateway.sink, &Surroundings { rules_dir, read: &read })
        }
        None => {
            missing(sources, gateway);
            None
        }
    };
    let named = named.into_inner();
    let (shelf, problems) = Shelf::build(sources, &named, moment.now, moment.before);
    problems.into_iter().for_each(|problem| protocol.sink.other(problem));
    // A listener with a mistake is not among them, so names are looked at only where there is none.
    let good = policy.as_ref().filter(|_| !gateway.sink.has_errors());
    let others = Others {
        shelf: &shelf,
        listeners: good.map(|policy| policy.listeners.as_slice()),
        downstreams: good.map(|policy| policy.downstreams.as_slice()),
        folders: None,
        domains: policy.as_ref().map(|policy| &policy.relay.domains),
        rules_dir,
    };
    let limits_built = limits::build(&limits.document(), &others).filter(|_| !limits.broken);
    let kept = quarantine::build(&quarantine.document(), &others).filter(|_| !quarantine.broken);
    // A folder with a mistake is not among them, so names are looked at only where there is none.
    let folders = kept.as_ref().filter(|_| !quarantine.sink.has_errors()).map(|kept| kept.folders.as_slice());
    let others = Others { folders, ..others };
    let engines = scanners::build(&scanning.document(), &others).filter(|_| !scanning.broken);
    let carried = attachments::build(&attachments.document(), &others).filter(|_| !attachments.broken);
    let content = content::build(&scoring.document(), &others).filter(|_| !scoring.broken);
    let policies = policies::build(&policing.document(), &others).filter(|_| !policing.broken);
    let draft = protocol::build(&protocol.document(), &others).filter(|_| !protocol.broken);
    if !limits.broken && !protocol.broken {
        shelf.unused().into_iter().for_each(|problem| protocol.sink.other(problem));
    }
    let (signatures, problems) = Signatures::compile(&sources.signatures, moment.signatures);
    problems.into_iter().for_each(|problem| attachments.sink.other(problem));
    strangers::told(&sources.others, &named).into_iter().for_each(|problem| protocol.sink.other(problem));
    let (mut policy, draft) = (policy?, draft?);
    (policy.limits, policy.quarantine) = (limits_built?, kept?);
    (policy.scanning, policy.attachments) = (engines?, carried?);
    policy.signatures = signatures;
    (policy.content, policy.policies) = (content?, policies?);
    policy.rules = RuleTable::new(draft.rules);
    (policy.protocol, policy.expects) = (draft.protocol, draft.expects);
    (policy.lists, policy.loaded) = (shelf.lists, shelf.loaded);
    Some(policy)
}

/// The one file that has to be there.
fn missing(sources: &Sources<'_>, gateway: &Text<'_>) {
    let told = sources.problems.iter().any(|problem| problem.file == gateway.file.name);
    if !gateway.broken && !told {
        gateway.sink.error(&(0..0), format!("there is no {}", gateway.file.name));
    }
}

/// A list of recipients: one of the lists, or a file elsewhere.
fn recipients(sources: &Sources<'_>, rules_dir: &Path, name: &str) -> io::Result<String> {
    match list_name(name).and_then(|list| sources.lists.get(list)) {
        Some(text) => Ok(text.clone()),
        None => (sources.read)(&rules_dir.join(name)),
    }
}
