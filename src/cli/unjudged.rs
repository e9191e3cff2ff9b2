//! What a folder of rules does not judge, because a file that would is not there. All of them are optional; who left them
//! out without wanting it is told by `check`, `doctor` and the start.

use std::path::Path;

/// Files and folders that judge what is in a message, and what nobody judges without them.
const JUDGES: [(&str, &str); 4] = [
    ("attachments.toml", "attachments"),
    ("content.toml", "text"),
    ("signatures/", "malware by signatures"),
    ("scanners.toml", "malware by engines"),
];

/// What is not judged, and why; `None` where all of them are there, whatever is in them.
pub(super) fn words(rules_dir: &Path) -> Option<String> {
    // One that cannot be looked at is there: reading it tells more.
    let missing = JUDGES.iter().filter(|(name, _)| !rules_dir.join(name).try_exists().unwrap_or(true));
    let missing: Vec<String> = missing.map(|(name, what)| format!("{what} (no {name})")).collect();
    (!missing.is_empty()).then(|| format!("not judged: {}", missing.join(", ")))
}

/// What to do about it.
pub(super) fn fix(rules_dir: &Path) -> String {
    format!("copy the shipped ones into {}", rules_dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_not_there_is_named_until_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path();
        let all = "not judged: attachments (no attachments.toml), text (no content.toml), \
                   malware by signatures (no signatures/), malware by engines (no scanners.toml)";
        assert_eq!(words(rules).as_deref(), Some(all));
        for name in ["attachments.toml", "content.toml"] {
            fs::write(rules.join(name), "").unwrap();
        }
        fs::create_dir(rules.join("signatures")).unwrap();
        let engines = "not judged: malware by engines (no scanners.toml)";
        assert_eq!(words(rules).as_deref(), Some(engines));
        fs::write(rules.join("scanners.toml"), "").unwrap();
        assert_eq!(words(rules), None);
    }

    #[test]
    fn with_the_shipped_rules_there_is_nothing_to_say() {
        assert_eq!(words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")), None);
    }
}
