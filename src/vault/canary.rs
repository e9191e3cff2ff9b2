//! The canary: whether something else on this machine, a virus scanner above all, touches the files of the vault.
//!
//! Two files lie in `vault/canary/`: one sealed, with the pattern that every scanner knows inside, as the worst body
//! would be; one plain and harmless. Each look compares those of the last look with what they were, writes new ones,
//! and reads these back. State: on disk. Failure: is what is reported. Blocks.

use super::core::Core;
use super::error::VaultError;
use crate::store::seal;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const SEALED: &str = "sealed.body";
const PLAIN: &str = "plain.text";
const PLAIN_TEXT: &[u8] =
    b"Portcullis looks whether something else on this machine changes the files in this folder.\n";

/// The test pattern of the virus scanners. In pieces, for scanners read programs and sources too.
fn pattern() -> Vec<u8> {
    ["X5O!P%@AP[4\\PZX54", "(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"]
        .concat()
        .into_bytes()
}

/// Looks. `written` is whether this process has written them before. Says what is wrong, and remembers it.
pub(super) fn look(core: &Core, written: &mut bool) -> Option<String> {
    let found = before(core, *written).or_else(|| match write(core) {
        Ok(()) => before(core, true),
        Err(error) => Some(format!("the canary of the quarantine cannot be written: {error}")),
    });
    *written = found.is_none();
    if found.is_some() {
        // What was touched is told again only if it happens again.
        for name in [PLAIN, SEALED] {
            let _ = core.disk.unlink(&core.layout.canary().join(name));
        }
    }
    core.state().canary.clone_from(&found);
    found
}

/// What happened to the files of the last look; `expected` is whether they must be there.
fn before(core: &Core, expected: bool) -> Option<String> {
    let folder = core.layout.canary();
    let plain = |path: &Path| fs::read(path).map(|octets| octets == PLAIN_TEXT);
    let sealed = |path: &Path| {
        let file = fs::File::open(path)?;
        Ok(seal::unseal(std::io::BufReader::new(file), 1024).is_ok_and(|octets| octets == pattern()))
    };
    touched(folder.join(PLAIN), expected, plain).or_else(|| touched(folder.join(SEALED), expected, sealed))
}

fn touched(path: PathBuf, expected: bool, same: impl Fn(&Path) -> std::io::Result<bool>) -> Option<String> {
    let how = match same(&path) {
        Ok(true) => return None,
        Ok(false) => "was changed".to_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound && !expected => return None,
        Err(e) if e.kind() == ErrorKind::NotFound => "was removed".to_owned(),
        Err(e) => format!("cannot be read any more ({e})"),
    };
    let folder = path.parent().and_then(Path::parent).unwrap_or(&path).display();
    Some(format!(
        "{} {how} by something else on this machine: take {folder} out of what the virus scanner looks at",
        path.display()
    ))
}

fn write(core: &Core) -> Result<(), VaultError> {
    let folder = core.layout.canary();
    core.disk.make_folder(&folder)?;
    let sealed = seal::seal(&pattern()).map_err(|e| VaultError::Io {
        step: "seal",
        path: folder.clone(),
        source: std::io::Error::other(e),
    })?;
    for (name, octets) in [(PLAIN, PLAIN_TEXT), (SEALED, &sealed)] {
        let path = folder.join(name);
        let mut file = core.disk.create(&path)?;
        core.disk.write(&mut file, octets)?;
    }
    Ok(())
}
