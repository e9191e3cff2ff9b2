//! Where the running gateway is found: `state_dir` of the rules, also while they have mistakes elsewhere.

use crate::gateway::load_rules;
use std::fs;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The state directory of these rules. Where they have errors only `state_dir` is read, and standard error
/// says so.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn find(rules: &Path) -> Result<PathBuf, String> {
    let (policy, problems) = load_rules(rules, None);
    if let Some(policy) = policy {
        return Ok(policy.state_dir);
    }
    let errors = problems.iter().filter(|p| p.is_error()).count();
    let file = rules.join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap_or_default();
    match leniently(&text, rules) {
        Some(state_dir) => {
            eprintln!(
                "portcullis: {} has {} (see `portcullis check`); only its state_dir is used here",
                file.display(),
                super::out::count(errors, "error")
            );
            Ok(state_dir)
        }
        None => {
            let first = problems.iter().find(|p| p.is_error()).map(ToString::to_string).unwrap_or_default();
            Err(format!("where the gateway keeps its state cannot be found out: {first}"))
        }
    }
}

/// `state_dir` of a text that may have mistakes everywhere else.
fn leniently(text: &str, rules: &Path) -> Option<PathBuf> {
    let (root, _) = DeTable::parse_recoverable(text.strip_prefix('\u{feff}').unwrap_or(text));
    let found = root.get_ref().get("state_dir")?.get_ref().as_str().filter(|path| !path.is_empty())?;
    std::path::absolute(rules.join(found)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_elsewhere_do_not_hide_the_daemon() {
        let rules = Path::new("/etc/p/rules");
        for (text, want) in [
            ("state_dir = \"/var/lib/p\"\nhostnme = 1\n", Some("/var/lib/p")),
            ("hostnme =\nstate_dir = \"state\"\n[[listener\n", Some("/etc/p/rules/state")),
            ("state_dir = 7\n", None),
            ("state_dir = \"\"\n", None),
            ("", None),
        ] {
            assert_eq!(leniently(text, rules), want.map(PathBuf::from), "{text}");
        }
    }
}
