//! What is shipped is true: the rules load, and the README's tables name what the code has.

use portcullis::checks::{CHECKS, run_expects};
use portcullis::config::{self, FILES, Moment, Sources};
use portcullis::gateway::load_rules;
use std::path::Path;

/// A day in 2026.
const NOW: Moment<'static> = Moment { now: 1_784_000_000, before: None, signatures: None };

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_shipped_rules_load_without_a_word() {
    // As `run` and `check` do it: with the tests that stand in them.
    let (policy, problems) = load_rules(&root().join("rules"), None);
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{said:?}");
    assert!(policy.is_some_and(|policy| policy.expects.len() >= 4));
}

#[test]
fn every_key_that_is_shipped_as_a_comment_is_a_key() {
    let mut sources = Sources::default();
    for file in &FILES {
        let text = std::fs::read_to_string(root().join("rules").join(file.name)).unwrap();
        sources.add(file.name, comments_taken_in(&text));
    }
    // Taken in, the files must still be read, whatever they then lack.
    let (_, problems) = config::parse_files(&sources, root(), NOW);
    let unknown: Vec<String> = problems
        .iter()
        .map(ToString::to_string)
        .filter(|p| p.contains("unknown") || p.contains("did you mean") || p.contains("belong"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// A commented key is `# name = value`, a commented table `# [name]`.
fn comments_taken_in(text: &str) -> String {
    let mut taken = String::new();
    for line in text.lines() {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        let (name, value) = rest.split_once(" = ").unwrap_or_default();
        let is_key = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let is_table = rest.starts_with('[') && rest.ends_with(']');
        let is_value = value.starts_with(['"', '[', '{', 't', 'f', '-'])
            || value.starts_with(|c: char| c.is_ascii_digit());
        if line.starts_with('#') && !((is_key && is_value) || is_table) {
            continue;
        }
        taken.push_str(rest);
        taken.push('\n');
    }
    taken
}

/// An example of a guide: the file that it is, and its text.
type Example = (String, String);

/// The examples below each heading. ```` ```toml ```` is a whole `gateway.toml`; ```` ```toml file=limits.toml ```` and
/// ```` ```list file=lists/blocks.list ```` say which file they are.
fn examples(guide: &str) -> Vec<(&str, Vec<Example>)> {
    let mut out = Vec::new();
    for part in guide.split("\n## ") {
        let heading = part.lines().next().unwrap_or_default();
        let blocks = part.split("```").skip(1).step_by(2);
        let of_block = |block: &str| {
            let (head, text) = block.split_once('\n')?;
            let mut words = head.split(' ');
            let kind = words.next().filter(|kind| matches!(*kind, "toml" | "list"))?;
            let file = words.next().and_then(|word| word.strip_prefix("file="));
            assert!(file.is_some() || kind == "toml", "{heading}: an example of which list?");
            Some((file.unwrap_or("gateway.toml").to_owned(), text.to_owned()))
        };
        out.push((heading, blocks.filter_map(of_block).collect()));
    }
    out
}

/// The examples below one heading are files of one directory, with the shipped lists and the smallest `gateway.toml`
/// where there are none of these. Examples of the same file are alternatives.
#[test]
fn every_example_in_the_guide_is_right() {
    let guide = std::fs::read_to_string(root().join("rules/README.md")).unwrap();
    let all = examples(&guide);
    let smallest =
        all.iter().find(|(heading, _)| *heading == "The smallest file").map(|(_, e)| e[0].1.clone());
    let smallest = smallest.unwrap();
    let (mut tried, mut expects) = (0, 0);
    for (heading, examples) in &all {
        let is_list = |name: &str| name.ends_with(".list");
        for (name, text) in examples.iter().filter(|(name, _)| !is_list(name)) {
            let mut sources = beside(&smallest);
            for (list, text) in examples.iter().filter(|(name, _)| is_list(name)) {
                sources.add(list, text.clone());
            }
            sources.add(name, text.clone());
            expects += works(heading, &sources);
            tried += 1;
        }
        // Lists that no file below this heading names are used by default.
        if !examples.iter().any(|(name, _)| !is_list(name)) && !examples.is_empty() {
            let mut sources = beside(&smallest);
            for (name, text) in examples {
                sources.add(name, text.clone());
            }
            works(heading, &sources);
            tried += examples.len();
        }
    }
    assert!(tried >= 14 && expects >= 6, "{tried} examples with {expects} tests");
}

fn beside(gateway: &str) -> Sources<'static> {
    let mut sources = Sources::default();
    sources.add("gateway.toml", gateway.to_owned());
    for list in ["lists/blocks.list", "lists/allow.list"] {
        sources.add(list, std::fs::read_to_string(root().join("rules").join(list)).unwrap());
    }
    sources
}

/// No problem, and the tests in it pass. Gives the number of tests.
fn works(heading: &str, sources: &Sources<'_>) -> usize {
    let (policy, problems) = config::parse_files(sources, root(), NOW);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{heading}: {problems:#?}");
    let policy = policy.unwrap();
    let failed: Vec<String> = run_expects(&policy, NOW.now).iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{heading}: {failed:#?}");
    policy.expects.len()
}

#[test]
fn the_readme_names_what_there_is() {
    let Ok(readme) = std::fs::read_to_string(root().join("README.md")) else {
        println!("no README yet");
        return;
    };
    let names: Vec<&str> = CHECKS.iter().map(|c| c.id()).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    // A table that is there is complete.
    assert!(missing.is_empty() || missing.len() == names.len(), "the README has no word of {missing:?}");
    for verb in ["run", "check", "status", "demo"] {
        assert!(readme.contains(&format!("portcullis {verb}")), "the README has no word of {verb}");
    }
}
