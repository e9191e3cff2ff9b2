//! `portcullis completions`, `man` and `schema`: what shells, `man` and editors want to know, made from the tables by which
//! this program reads its own arguments and settings.

use super::exit::REFUSED;
use super::out;
use crate::config::{FILES, Fallback, Key, Kind, Section, Settings};
use crate::rules::nearest;
use clap::Command;
use clap_complete::Shell;
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const NAME: &str = "portcullis";

/// `portcullis completions`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portcullis completions bash > /usr/share/bash-completion/completions/portcullis"
)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

/// `portcullis man`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder they are written to; it is made where it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// `portcullis schema`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  portcullis schema protocol.toml > protocol.schema.json")]
pub(super) struct Schema {
    /// Which file of the rules directory
    #[arg(default_value = "gateway.toml")]
    file: String,
}

/// Prints a script for this command line.
pub(super) fn completions(options: &Completions, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, NAME, &mut script);
    out::exactly(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Writes a page for every verb of this command line.
pub(super) fn man(options: &Man, command: Command) -> ExitCode {
    match pages(&options.folder, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("portcullis: the pages cannot be written to {}: {error}", options.folder.display());
            REFUSED.into()
        }
    }
}

fn pages(folder: &Path, command: Command) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}

/// Prints the JSON schema of a file.
pub(super) fn schema(options: &Schema) -> ExitCode {
    let Some(settings) = FILES.iter().find(|settings| settings.name == options.file) else {
        let names: Vec<&str> = FILES.iter().map(|settings| settings.name).collect();
        let hint = nearest(&options.file, names.iter().copied());
        let hint = hint.map_or_else(|| ".".to_owned(), |near| format!("; did you mean {near}?"));
        complain!("portcullis: there is no schema of {}{hint} There are {}", options.file, names.join(", "));
        return REFUSED.into();
    };
    out::json(&of_file(settings));
    ExitCode::SUCCESS
}

fn of_file(settings: &Settings) -> Value {
    let mut schema = of_sections(settings.sections.iter().filter(|section| section.name.is_empty()));
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        for section in settings.sections.iter().filter(|section| !section.name.is_empty()) {
            let table = of_sections(std::iter::once(section));
            let value = if section.repeated {
                json!({ "type": "array", "description": section.doc, "items": table })
            } else {
                Value::Object(table)
            };
            properties.insert(section.name.to_owned(), value);
        }
    }
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(settings.name));
    Value::Object(schema)
}

/// A table with the keys of these.
fn of_sections<'s>(sections: impl Iterator<Item = &'s Section>) -> Map<String, Value> {
    let (mut properties, mut required, mut doc) = (Map::new(), Vec::new(), "");
    for section in sections {
        doc = section.doc;
        for key in section.keys {
            if matches!(key.default, Fallback::Required(_)) {
                required.push(key.name);
            }
            properties.insert(key.name.to_owned(), of_key(key));
        }
    }
    let table = json!({
        "type": "object", "description": doc, "properties": properties, "required": required,
        "additionalProperties": false,
    });
    if let Value::Object(table) = table { table } else { Map::new() }
}

fn of_key(key: &Key) -> Value {
    let mut value = of_kind(key.kind);
    let default = match key.default {
        Fallback::Required(example) => format!("{} Required; for example {example}.", key.doc),
        Fallback::Unset(what) => format!("{} Not given: {what}.", key.doc),
        Fallback::Value(value) => format!("{} Default: {value}.", key.doc),
    };
    if let Value::Object(value) = &mut value {
        value.insert("description".to_owned(), json!(default));
    }
    value
}

fn of_kind(kind: Kind) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let thousandths = |number: i32| f64::from(number) / 1000.0;
    match kind {
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Size(_) | Kind::Duration | Kind::Delay => text("^\\s*[0-9]"),
        Kind::DurationOr(word) => text(&format!("^\\s*([0-9]|{word})")),
        Kind::Number(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Decimal(low, high) => {
            json!({ "type": "number", "minimum": thousandths(low), "maximum": thousandths(high) })
        }
        Kind::Rate | Kind::ByteRate => text("^\\s*([0-9].*/|off)"),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::List(_) => texts,
        Kind::Texts(_) => json!({ "anyOf": [{ "type": "string" }, texts] }),
        Kind::Recipients => {
            json!({ "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, texts] } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::*;
    use clap::CommandFactory as _;

    /// Names of pages as `man` knows them.
    fn named(command: &Command, before: &str, all: &mut Vec<String>) {
        let name =
            if before.is_empty() { NAME.to_owned() } else { format!("{before}-{}", command.get_name()) };
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            named(sub, &name, all);
        }
        all.push(format!("{name}.1"));
    }

    #[test]
    fn every_verb_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("man1");
        pages(&folder, Args::command()).unwrap();
        let mut wanted = Vec::new();
        named(&Args::command(), "", &mut wanted);
        assert!(
            wanted.len() > 50 && wanted.contains(&"portcullis-quarantine-release.1".to_owned()),
            "{wanted:?}"
        );
        for name in &wanted {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}");
        }
        let release = fs::read_to_string(folder.join("portcullis-quarantine-release.1")).unwrap();
        assert!(release.contains("allow\\-sender"), "{release}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), wanted.len());
    }

    #[test]
    fn bash_can_read_its_script() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("portcullis");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
            assert!(String::from_utf8(script.clone()).unwrap().contains("quarantine"));
            fs::write(&file, script).unwrap();
            if shell == Shell::Bash {
                let said = std::process::Command::new("bash").arg("-n").arg(&file).output().unwrap();
                assert!(said.status.success(), "{said:?}");
            }
        }
    }

    #[test]
    fn every_key_is_in_the_schema_of_its_file() {
        for settings in &FILES {
            let schema = of_file(settings);
            for section in settings.sections {
                let at = match (section.name, section.repeated) {
                    ("", _) => "/properties".to_owned(),
                    (name, true) => format!("/properties/{name}/items/properties"),
                    (name, false) => format!("/properties/{name}/properties"),
                };
                let keys = schema.pointer(&at).unwrap();
                for key in section.keys {
                    let key = keys.get(key.name).unwrap_or_else(|| panic!("{at} {}", key.name));
                    assert!(key["description"].is_string());
                }
            }
        }
        let listener = of_file(&FILES[0]);
        let required = listener.pointer("/properties/listener/items/required").unwrap();
        assert!(required.as_array().unwrap().contains(&json!("address")), "{required}");
    }
}
