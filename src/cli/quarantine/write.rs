//! Files for people: new ones only, never through a link that somebody laid, and not for everybody to read.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Names that are tried beside one that is taken.
const TRIES: u32 = 1000;

/// Makes a new file.
///
/// # Errors
/// Why not, for people.
pub(super) fn new_file(path: &Path) -> Result<File, String> {
    // `create_new` follows no link and replaces nothing.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        match error.kind() {
            ErrorKind::AlreadyExists => format!("{} exists: nothing is overwritten", path.display()),
            _ => format!("{} cannot be made: {error}", path.display()),
        }
    })
}

/// Makes a new file in a folder: `stem.ending`, or `stem-2.ending` where that is taken.
///
/// # Errors
/// Why not, for people.
pub(super) fn new_file_in(folder: &Path, stem: &str, ending: &str) -> Result<(File, PathBuf), String> {
    for at in 1..=TRIES {
        let name = if at == 1 { format!("{stem}.{ending}") } else { format!("{stem}-{at}.{ending}") };
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be made: {error}", path.display())),
        }
    }
    Err(format!("{} is full of files named {stem}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_no_link_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.eml");
        drop(new_file(&path).unwrap());
        assert!(new_file(&path).unwrap_err().contains("nothing is overwritten"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
        assert!(new_file(&link).is_err());
        let (_, second) = new_file_in(dir.path(), "a", "eml").unwrap();
        assert_eq!(second, dir.path().join("a-2.eml"));
    }
}
