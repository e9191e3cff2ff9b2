//! The shipped files say what the tables of keys say.

use super::model::Policy;
use super::{FILES, Fallback, Moment, Section, Settings, Sources, load, parse_files};
use crate::rules::Problem;
use std::path::Path;

const SHIPPED: [&str; 8] = [
    include_str!("../../rules/gateway.toml"),
    include_str!("../../rules/limits.toml"),
    include_str!("../../rules/protocol.toml"),
    include_str!("../../rules/quarantine.toml"),
    include_str!("../../rules/scanners.toml"),
    include_str!("../../rules/attachments.toml"),
    include_str!("../../rules/content.toml"),
    include_str!("../../rules/policies.toml"),
];

fn shipped() -> impl Iterator<Item = (&'static Settings, &'static str)> {
    FILES.iter().zip(SHIPPED)
}

/// A line that sets a key or begins a table, taken out of its comment.
fn setting(line: &str) -> Option<&str> {
    let line = line.strip_prefix("# ").unwrap_or(line);
    let name = line.split(" = ").next().unwrap_or_default();
    let table = line.starts_with('[') && line.ends_with(']');
    let key = line.contains(" = ")
        && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
    (table || key).then_some(line)
}

/// The settings of a table in a text, comments taken in.
fn lines_of<'t>(text: &'t str, section: &Section) -> Vec<&'t str> {
    let title = section.title();
    let mut inside = section.name.is_empty();
    let mut out = Vec::new();
    for line in text.lines().filter_map(setting) {
        if line.starts_with('[') {
            inside = line == title;
        } else if inside {
            out.push(line);
        }
    }
    out
}

#[test]
fn the_shipped_files_load_without_a_word() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let (policy, problems) = load(&dir, Moment::at(1_780_000_000));
    assert!(problems.is_empty(), "{problems:#?}");
    let policy = policy.unwrap();
    assert_eq!((policy.lists.len(), policy.protocol.block.len(), policy.protocol.allow.len()), (2, 1, 1));
    assert_eq!((policy.limits.throttles.len(), policy.rules.len()), (4, 0));
    assert_eq!(policy.rules_dir, dir);
}

/// Every key stands in its shipped file with its default, or as an example.
#[test]
fn the_shipped_files_name_every_key_and_its_default() {
    for (file, text) in shipped() {
        for section in file.sections {
            let lines = lines_of(text, section);
            for key in section.keys {
                let start = format!("{} = ", key.name);
                let of_key: Vec<_> = lines.iter().filter(|l| l.starts_with(&start)).collect();
                assert!(!of_key.is_empty(), "{} {} {}", file.name, section.title(), key.name);
                let example = section.repeated && file.name != "gateway.toml"
                    || matches!((section.name, key.name), ("listener" | "downstream", "tls") | ("relay", _));
                if let Fallback::Value(default) = key.default
                    && !example
                {
                    let want = format!("{start}{default}");
                    assert!(of_key.iter().any(|l| **l == want), "{} {} {want}", file.name, section.title());
                }
            }
        }
    }
}

/// All comments taken in at once.
fn everything(lists: &[(&str, &str)]) -> (Option<Policy>, Vec<Problem>) {
    let taken: Vec<(&str, String)> = shipped()
        .map(|(file, text)| {
            let lines: Vec<&str> = text.lines().map(|line| setting(line).unwrap_or(line)).collect();
            (file.name, lines.join("\n"))
        })
        .collect();
    let mut texts: Vec<(&str, &str)> = taken.iter().map(|(name, text)| (*name, text.as_str())).collect();
    texts.extend(lists);
    parse_files(&Sources::of(&texts), Path::new("/rules"), Moment::at(0))
}

#[test]
fn every_shipped_comment_can_be_taken_in() {
    let bulk = ("lists/bulk-senders.list", "user:anna\n");
    let blocks = ("lists/blocks.list", "");
    let allow = ("lists/allow.list", "");
    let (policy, problems) = everything(&[bulk, blocks, allow]);
    let told: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    assert!(
        matches!(&told[..], [one] if one.starts_with("`ca`: the certificate is verified only")),
        "{told:#?}"
    );
    let policy = policy.unwrap();
    assert_eq!((policy.listeners.len(), policy.rules.len(), policy.expects.len()), (2, 12, 5));
    assert_eq!((policy.protocol.reputation.zones.len(), policy.limits.throttles.len()), (3, 4));
    assert_eq!(policy.quarantine.folders.len(), 8);
}

/// The examples in the lists' comments are entries.
#[test]
fn every_example_in_a_shipped_list_is_an_entry() {
    for (name, text) in [
        ("lists/blocks.list", include_str!("../../rules/lists/blocks.list")),
        ("lists/allow.list", include_str!("../../rules/lists/allow.list")),
    ] {
        let (_, examples) = text.split_once("Examples (remove the \"# \"").unwrap();
        let entries: Vec<&str> =
            examples.lines().skip(1).filter_map(|line| line.strip_prefix("# ")).collect();
        assert!(entries.len() >= 4, "{name}");
        // Every form, and every attribute: three blanks and an entry, then words.
        let forms = text.lines().filter_map(|line| line.strip_prefix("#   "));
        let forms: Vec<&str> = forms
            .map(|line| line.split("  ").next().unwrap_or_default().trim())
            .filter(|form| !form.is_empty())
            .map(|form| form.split(' ').next().unwrap_or(form))
            .collect();
        let (attributes, patterns): (Vec<&str>, Vec<&str>) = forms.into_iter().partition(|form| {
            ["until=", "created=", "note=", "by=", "dir=", "mode=", "action=", "text="]
                .iter()
                .any(|a| form.starts_with(a))
        });
        let mut list = entries.join("\n");
        for pattern in patterns {
            list.push_str(&format!("\n{pattern}"));
        }
        for attribute in attributes {
            let closed = if attribute.matches('"').count() == 1 { "\"" } else { "" };
            list.push_str(&format!("\n192.0.2.1 ; {attribute}{closed}"));
        }
        let policy = parse_files(
            &Sources::of(&[("gateway.toml", super::tests::MINIMAL), (name, &list)]),
            Path::new("/rules"),
            Moment::at(0),
        );
        let errors: Vec<_> = policy.1.iter().filter(|problem| problem.is_error()).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{list}");
    }
}
