//! Reads the files of a rules directory. The only place of floors 0 to 2 that does; whatever goes wrong
//! becomes a problem of the file, with what to do about it.

use super::build::{Moment, parse_files};
use super::keys::FILES;
use super::model::Policy;
use super::sources::{LISTS, SIGNATURES, Sources, is_signatures, list_name};
use crate::rules::{Position, Problem};
use std::fs;
use std::io;
use std::path::Path;

/// Largest settings file in octets.
const SETTINGS_OCTETS_MAX: u64 = 4 << 20;
/// Largest list in octets: some million entries.
const LIST_OCTETS_MAX: u64 = 256 << 20;
/// Largest file of signatures in octets: some hundred thousand digests.
const SIGNATURES_OCTETS_MAX: u64 = 32 << 20;
/// Files looked at in one folder; beyond it the folder is something else than a folder of rules.
const ENTRIES_MAX: usize = 10_000;

/// Loads the policy of a rules directory. There is one exactly if no problem is an error. Lists whose text is that
/// of the generation before are not read anew ([`Moment::before`]).
#[must_use]
pub fn load(rules_dir: &Path, moment: Moment<'_>) -> (Option<Policy>, Vec<Problem>) {
    load_with(rules_dir, moment, &[])
}

/// As [`load`], as if these files (`lists/blocks.list`) had these texts: what would become of a change before it is
/// made.
#[must_use]
pub fn load_with(
    rules_dir: &Path,
    moment: Moment<'_>,
    changed: &[(&str, &str)],
) -> (Option<Policy>, Vec<Problem>) {
    // The directory may be named from somewhere else than where the daemon will stand.
    let rules_dir = std::path::absolute(rules_dir).unwrap_or_else(|_| rules_dir.to_owned());
    let mut sources = Sources { read: &read_list, ..Sources::default() };
    let [gateway, optional @ ..] = &FILES;
    settings(&mut sources, &rules_dir, gateway.name, |error| {
        Some(unreadable(&rules_dir, gateway.name, error))
    });
    for file in optional {
        settings(&mut sources, &rules_dir, file.name, |error| match error.kind() {
            io::ErrorKind::NotFound => None,
            _ => Some(unreadable(&rules_dir, file.name, error)),
        });
    }
    others(&mut sources, &rules_dir);
    lists(&mut sources, &rules_dir);
    signatures(&mut sources, &rules_dir);
    for (file, text) in changed {
        sources.problems.retain(|problem| problem.file != *file);
        sources.add(file, (*text).to_owned());
    }
    parse_files(&sources, &rules_dir, moment)
}

/// Reads one file of settings; `explain` says why it cannot be read, `None` where it need not be there.
fn settings(
    sources: &mut Sources<'_>,
    rules_dir: &Path,
    name: &str,
    explain: impl Fn(&io::Error) -> Option<String>,
) {
    match read_bounded(&rules_dir.join(name), SETTINGS_OCTETS_MAX) {
        Ok(octets) => match String::from_utf8(octets) {
            Ok(text) => sources.add(name, text),
            Err(error) => sources.problems.push(not_utf8(name, &error)),
        },
        Err(error) => {
            let message = explain(&error);
            sources.problems.extend(message.map(|m| Problem::error(name, Position::START, m)));
        }
    }
}

/// Names of what else lies in the directory.
fn others(sources: &mut Sources<'_>, rules_dir: &Path) {
    let names = names(rules_dir, |about| about.is_file()).unwrap_or_default();
    let known = |name: &String| FILES.iter().any(|file| file.name == name);
    sources.others.extend(names.into_iter().filter(|name| !known(name)));
}

fn lists(sources: &mut Sources<'_>, rules_dir: &Path) {
    let folder = rules_dir.join(LISTS);
    let names = match names(&folder, |_| true) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let message = format!("the folder of the lists cannot be read: {error}");
            return sources.problems.push(Problem::error(LISTS, Position::START, message));
        }
    };
    for name in names {
        let file = format!("{LISTS}{name}");
        if list_name(&file).is_none() {
            sources.others.push(file);
            continue;
        }
        match read_bounded(&folder.join(&name), LIST_OCTETS_MAX).map(String::from_utf8) {
            Ok(Ok(text)) => sources.add(&file, text),
            bad => {
                let problem = match bad {
                    Ok(Err(error)) => not_utf8(&file, &error),
                    Err(error) => {
                        Problem::error(&file, Position::START, format!("this list cannot be read: {error}"))
                    }
                    Ok(Ok(_)) => continue,
                };
                sources.problems.push(problem);
                // It is there, so nobody is told that it is not.
                sources.add(&file, String::new());
            }
        }
    }
}

fn signatures(sources: &mut Sources<'_>, rules_dir: &Path) {
    let folder = rules_dir.join(SIGNATURES);
    let names = match names(&folder, |_| true) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let message = format!("the folder of the signatures cannot be read: {error}");
            return sources.problems.push(Problem::error(SIGNATURES, Position::START, message));
        }
    };
    for name in names {
        let file = format!("{SIGNATURES}{name}");
        if !is_signatures(&file) {
            sources.others.push(file);
            continue;
        }
        match read_bounded(&folder.join(&name), SIGNATURES_OCTETS_MAX).map(String::from_utf8) {
            Ok(Ok(text)) => sources.add(&file, text),
            Ok(Err(error)) => sources.problems.push(not_utf8(&file, &error)),
            Err(error) => {
                let message = format!("these signatures cannot be read: {error}");
                sources.problems.push(Problem::error(&file, Position::START, message));
            }
        }
    }
}

/// Names in a folder, sorted. Those that are no text cannot be named by a rule.
fn names(folder: &Path, wanted: impl Fn(&fs::FileType) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        let entry = entry?;
        let about = entry.file_type()?;
        // What a link leads to is looked at where it is read.
        if (wanted(&about) || about.is_symlink())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn not_utf8(file: &str, error: &std::string::FromUtf8Error) -> Problem {
    let good = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
    let at = Position::of(&text, text.len());
    Problem::error(file, at, "not UTF-8: save the file in UTF-8 encoding")
}

fn unreadable(rules_dir: &Path, file: &str, error: &io::Error) -> String {
    let dir = rules_dir.display();
    match error.kind() {
        io::ErrorKind::NotFound if rules_dir.is_dir() => {
            format!(
                "there is no {file} in {dir}: copy the shipped one there, or name another directory with --rules"
            )
        }
        io::ErrorKind::NotFound => {
            format!(
                "there is no directory {dir}: make it and copy the shipped rules there, or name another with --rules or PORTCULLIS_RULES"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "{file} in {dir} may not be read by this user: give it read permission, or run as another user"
            )
        }
        _ => format!("{file} in {dir} cannot be read: {error}"),
    }
}

fn read_list(path: &Path) -> io::Result<String> {
    String::from_utf8(read_bounded(path, LIST_OCTETS_MAX)?).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|&&b| b == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
    })
}

/// A device or pipe would be read for ever, so only files are.
fn read_bounded(path: &Path, octets_max: u64) -> io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if about.len() > octets_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {octets_max} octets"),
        ));
    }
    fs::read(path)
}
