//! Public suites of sender authentication, through our own evaluation with a table in place of DNS.
//!
//! They are not part of this repository: `PORTCULLIS_VECTORS` names the directory with `auth-vectors.tar.xz`; without
//! it these tests say that they were skipped. Unpacking needs `python3` with `yaml`.

mod arc;
mod messages;
mod spf;

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// What the script writes last.
const LAST: &str = "rspamd.json";

/// The unpacked suites, once for all tests of this run.
fn suites() -> Option<&'static PathBuf> {
    static UNPACKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    UNPACKED.get_or_init(unpack).as_ref()
}

fn unpack() -> Option<PathBuf> {
    let Some(source) = std::env::var_os("PORTCULLIS_VECTORS") else {
        println!("skipped: PORTCULLIS_VECTORS is not set");
        return None;
    };
    let archive = PathBuf::from(source).join("auth-vectors.tar.xz");
    let octets = std::fs::metadata(&archive).unwrap().len();
    // Kept between runs; another archive has another size.
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("vectors-{octets}"));
    if directory.join(LAST).exists() {
        return Some(directory);
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("integration/lib/vectors.py");
    let unpacked = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let done = Command::new("python3").arg(script).arg(archive).arg(unpacked.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Another run may have been first.
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::rename(unpacked.path(), &directory).unwrap();
    Some(directory)
}

/// The documents of one suite.
fn documents(name: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(suites()?.join(format!("{name}.json"))).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// The octets of a text in which every letter is one.
fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}
