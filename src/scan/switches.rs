//! Scanners that an admin switched off: at once, and until switched on again, also over a restart.
//!
//! Owner of `state_dir/scanners-off.json`. One that is off is not asked, whatever the rules say; the message goes on and is
//! marked. Failure: a file that cannot be read switches nothing off (more is scanned, not less) and is told; a switch that
//! cannot be kept is not thrown.

use crate::store::{FileError, atomic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE: &str = "scanners-off.json";
/// Longest such file.
const OCTETS_MAX: usize = 64 * 1024;
/// Scanners that can be off, those of earlier rules included.
const OFF_MAX: usize = 200;
const MODE: u32 = 0o640;

/// A scanner that is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedOff {
    /// Since when, milliseconds since 1970.
    pub since_unix_ms: i64,
}

/// Why a switch was not thrown.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// It would not be kept.
    #[error("{0}")]
    File(#[from] FileError),
    /// More names than there can be scanners.
    #[error("more than {OFF_MAX} scanners are switched off; switch some on")]
    TooMany,
}

/// See the module head.
#[derive(Debug, Default)]
pub struct Switches {
    off: RwLock<BTreeMap<String, SwitchedOff>>,
    /// Where it is kept; also the turn of whoever writes.
    path: Mutex<Option<PathBuf>>,
}

impl Switches {
    /// Reads what was switched off before; from now on switches are kept there.
    pub fn open(&self, state_dir: &Path) {
        let path = state_dir.join(FILE);
        match atomic::read(&path, OCTETS_MAX).map(|octets| serde_json::from_slice(&octets)) {
            Ok(Ok(before)) => {
                if let Ok(mut off) = self.off.write() {
                    *off = before;
                }
            }
            Ok(Err(error)) => {
                tracing::error!(path = %path.display(), %error, "cannot be read; no scanner is switched off");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot be read; no scanner is switched off");
            }
        }
        if let Ok(mut kept) = self.path.lock() {
            *kept = Some(path);
        }
    }

    /// Whether a scanner is off, and since when.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<SwitchedOff> {
        self.off.read().ok()?.get(name).cloned()
    }

    /// Whether a scanner is off.
    #[must_use]
    pub fn is_off(&self, name: &str) -> bool {
        self.off.read().is_ok_and(|off| off.contains_key(name))
    }

    /// Switches a scanner on or off; whether that changed anything. Kept once it returns. Blocks on the disk.
    ///
    /// # Errors
    /// See [`SwitchError`]; nothing changed then.
    pub fn set(&self, name: &str, enabled: bool) -> Result<bool, SwitchError> {
        // One at a time, from reading to the disk.
        let Ok(path) = self.path.lock() else { return Ok(false) };
        let mut off = self.off.read().map(|off| off.clone()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_unix_ms = i64::try_from(now.as_millis()).unwrap_or(0);
        let changed = match (enabled, off.contains_key(name)) {
            (true, true) => off.remove(name).is_some(),
            (false, false) => off.insert(name.to_owned(), SwitchedOff { since_unix_ms }).is_none(),
            (true, false) | (false, true) => false,
        };
        if off.len() > OFF_MAX {
            return Err(SwitchError::TooMany);
        }
        if changed {
            if let Some(path) = &*path {
                atomic::write(path, &serde_json::to_vec(&off).unwrap_or_default(), MODE)?;
            }
            if let Ok(mut current) = self.off.write() {
                *current = off;
            }
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_holds_until_it_is_thrown_again() {
        let dir = tempfile::tempdir().unwrap();
        let switches = Switches::default();
        switches.open(dir.path());
        assert!(!switches.is_off("a") && !switches.set("a", true).unwrap());
        assert!(switches.set("a", false).unwrap() && !switches.set("a", false).unwrap());
        let again = Switches::default();
        again.open(dir.path());
        assert!(again.is_off("a") && again.of("a").unwrap().since_unix_ms > 1_700_000_000_000);
        assert!(again.set("a", true).unwrap());
        switches.open(dir.path());
        assert!(!switches.is_off("a"));
        // What cannot be read switches nothing off.
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        switches.open(dir.path());
        assert!(!switches.is_off("a"));
        // What cannot be kept is not thrown.
        switches.open(&dir.path().join("none"));
        assert!(switches.set("b", false).is_err() && !switches.is_off("b"));
    }
}
