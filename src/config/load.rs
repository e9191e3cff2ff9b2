//! Reads the files of a rules directory. The only place of floors 0 to 2 that does; whatever goes wrong
//! becomes a problem of the file, with what to do about it.

use super::build::parse;
use super::model::Policy;
use crate::rules::{Position, Problem};
use std::fs;
use std::io;
use std::path::Path;

/// Name of the file with the gateway's settings.
const FILE: &str = "gateway.toml";
/// Largest settings file in octets.
const SETTINGS_OCTETS_MAX: u64 = 4 << 20;
/// Largest list in octets: some million recipients.
const LIST_OCTETS_MAX: u64 = 256 << 20;

/// Loads the policy of a rules directory. There is one exactly if no problem is an error.
#[must_use]
pub fn load(rules_dir: &Path) -> (Option<Policy>, Vec<Problem>) {
    // The directory may be named from somewhere else than where the daemon will stand.
    let rules_dir = std::path::absolute(rules_dir).unwrap_or_else(|_| rules_dir.to_owned());
    let octets = match read_bounded(&rules_dir.join(FILE), SETTINGS_OCTETS_MAX) {
        Ok(octets) => octets,
        Err(error) => {
            return (None, vec![Problem::error(FILE, Position::START, unreadable(&rules_dir, &error))]);
        }
    };
    match String::from_utf8(octets) {
        Ok(text) => parse(&text, &rules_dir, &|path| read_list(path)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
            let at = Position::of(&text, text.len());
            (None, vec![Problem::error(FILE, at, "not UTF-8: save the file in UTF-8 encoding")])
        }
    }
}

fn unreadable(rules_dir: &Path, error: &io::Error) -> String {
    let dir = rules_dir.display();
    match error.kind() {
        io::ErrorKind::NotFound if rules_dir.is_dir() => {
            format!(
                "there is no {FILE} in {dir}: copy the shipped one there, or name another directory with --rules"
            )
        }
        io::ErrorKind::NotFound => {
            format!(
                "there is no directory {dir}: make it and copy the shipped rules there, or name another with --rules or PORTCULLIS_RULES"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "{FILE} in {dir} may not be read by this user: give it read permission, or run as another user"
            )
        }
        _ => format!("{FILE} in {dir} cannot be read: {error}"),
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
