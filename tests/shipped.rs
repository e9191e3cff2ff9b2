//! What is shipped is true: the rules load, and the README's tables name what the code has.

use portcullis::checks::CHECKS;
use portcullis::config::{self, Moment};
use portcullis::scan::SCANNERS;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_shipped_rules_load_without_a_word() {
    let (policy, problems) = config::load(&root().join("rules"), Moment::at(0));
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(policy.is_some(), "{said:?}");
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn every_key_that_is_shipped_as_a_comment_is_a_key() {
    let text = std::fs::read_to_string(root().join("rules/gateway.toml")).unwrap();
    // A commented key is `# name = value`; taken in, the file must still be read, whatever it then lacks.
    let mut taken = String::new();
    for line in text.lines() {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        let (name, value) = rest.split_once(" = ").unwrap_or_default();
        let is_key = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let is_table = rest.starts_with('[') && rest.ends_with(']');
        let is_value =
            value.starts_with(['"', '[', '{', 't', 'f']) || value.starts_with(|c: char| c.is_ascii_digit());
        if line.starts_with('#') && !((is_key && is_value) || is_table) {
            continue;
        }
        taken.push_str(rest);
        taken.push('\n');
    }
    let none = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let (_, problems) = config::parse(&taken, root(), &none);
    let unknown: Vec<String> = problems
        .iter()
        .map(ToString::to_string)
        .filter(|p| p.contains("unknown") || p.contains("did you mean"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_readme_names_what_there_is() {
    let Ok(readme) = std::fs::read_to_string(root().join("README.md")) else {
        println!("no README yet");
        return;
    };
    let names: Vec<&str> = CHECKS.iter().map(|c| c.id()).chain(SCANNERS.iter().map(|s| s.name())).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    // A table that is there is complete.
    assert!(missing.is_empty() || missing.len() == names.len(), "the README has no word of {missing:?}");
    for verb in ["run", "check", "status", "demo"] {
        assert!(readme.contains(&format!("portcullis {verb}")), "the README has no word of {verb}");
    }
}
