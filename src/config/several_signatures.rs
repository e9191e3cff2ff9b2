//! `[signatures]` of `attachments.toml`, and the files in `signatures/`.

use super::model::{Policy, SignatureError, SignatureRules};
use super::several::read;
use super::tests::MINIMAL;
use super::{Moment, load};
use crate::rules::Mode;
use crate::verdict::Folder;
use std::fs;
use std::path::Path;
use std::time::Duration;

const ATTACHMENTS: &str = "attachments.toml";
const RULE: &str = "rule one { strings: $a = \"badness\" condition: $a }";

#[test]
fn every_key_is_read_and_has_its_default() {
    let (policy, problems) = read(&[]);
    assert_eq!((policy.unwrap().attachments.signatures, problems), (SignatureRules::default(), vec![]));
    let all = "[signatures]\nmode = \"log\"\naction = \"quarantine\"\nfolder = \"policy\"\ntimeout = \"3s\"\non_error = \"pass-tagged\"\n";
    let (policy, problems) = read(&[(ATTACHMENTS, all)]);
    let want = SignatureRules {
        mode: Mode::Log,
        quarantine: true,
        folder: Folder("policy".into()),
        timeout: Duration::from_secs(3),
        on_error: SignatureError::PassTagged,
    };
    assert_eq!((policy.unwrap().attachments.signatures, problems), (want, vec![]));
    for (text, want) in [
        (
            "[signatures]\nfolder = \"viruses\"",
            "attachments.toml:2:10: error: `folder`: there is no folder \"viruses\"; did you mean \"virus\"?",
        ),
        (
            "[signature]\nmode = \"on\"",
            "attachments.toml:1:2: error: unknown table [signature]; did you mean [signatures]?",
        ),
        ("[signatures]\non_error = \"pass\"", "attachments.toml:2:12: error: `on_error`: "),
        ("[signatures]\ntimeout = \"0s\"", "attachments.toml:2:11: error: `timeout`: "),
    ] {
        let (_, told) = read(&[(ATTACHMENTS, text)]);
        assert!(told.first().is_some_and(|told| told.starts_with(want)), "{told:?}");
    }
}

fn loaded(dir: &Path, before: Option<&Policy>) -> (Option<Policy>, Vec<String>) {
    let moment = Moment { signatures: before.map(|policy| &policy.signatures), ..Moment::at(0) };
    let (policy, problems) = load(dir, moment);
    (policy, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn the_folder_of_signatures_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(dir.path().join(name), text).unwrap();
    write("gateway.toml", MINIMAL.as_bytes());
    let (policy, told) = loaded(dir.path(), None);
    assert!(told.is_empty() && policy.unwrap().signatures.is_empty());
    fs::create_dir(dir.path().join("signatures")).unwrap();
    write("signatures/a.yar", RULE.as_bytes());
    write("signatures/a.yar~", b"no");
    write("signatures/README", b"words");
    write("signatures/b.sha256", format!("{}  name\n", "0".repeat(64)).as_bytes());
    let (policy, told) = loaded(dir.path(), None);
    assert_eq!(told, Vec::<String>::new());
    let first = policy.unwrap();
    assert_eq!(first.signatures.len(), (1, 1));
    assert_eq!(first.signatures.search(b"some badness").unwrap().len(), 1);
    // What is wrong keeps the policy away, and is told with its place.
    write("signatures/b.sha256", b"x\n");
    write("signatures/c.yara", b"");
    write("signatures/d.yar", b"\n\n rule x { condition: y }");
    write("signatures/e.yar", b"// gr\xfcn");
    let (none, told) = loaded(dir.path(), Some(&first));
    assert!(none.is_none());
    let starts = [
        "signatures/b.sha256:1:1: error: expected a SHA-256 digest",
        "signatures/c.yara:1:1: warning: nobody reads this file: signatures are named signatures/NAME.yar",
        "signatures/d.yar:3:22: error: YARA: ",
        "signatures/e.yar:1:6: error: not UTF-8",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:#?}");
}
