//! `quarantine part`, `raw` and `headers`: octets of a message.

use super::write;
use crate::cli::asked;
use crate::cli::exit::REFUSED;
use crate::cli::items::Asker;
use crate::cli::out;
use crate::desk::{Answer, PartView, Request};
use crate::message::mime::neutral;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Options of `part`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The reference of the message, or its beginning
    #[arg(value_name = "REF")]
    id: String,
    /// Number of the part, as `show` lists it
    #[arg(value_name = "PART", value_parser = clap::value_parser!(u32).range(1..))]
    part: u32,
    /// Write to this new file; a folder: under the name that the part claims, made harmless
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `raw`.
#[derive(Debug, clap::Args)]
pub(super) struct Raw {
    /// The reference of the message, or its beginning
    #[arg(value_name = "REF")]
    id: String,
    /// Write to this new file, or into this folder
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `headers`.
#[derive(Debug, clap::Args)]
pub(super) struct Headers {
    /// The reference of the message, or its beginning
    #[arg(value_name = "REF")]
    id: String,
    /// That of a part, by its number
    #[arg(value_name = "PART", default_value_t = 0, hide_default_value = true)]
    part: u32,
}

/// What is written.
struct Wanted<'a> {
    id: &'a str,
    part: u32,
    header_only: bool,
    is_text: bool,
    /// Its name in a folder.
    name: String,
}

/// Runs `part`.
pub(super) fn run(rules: &Path, options: &Options) -> Result<u8, ExitCode> {
    let asker = Asker::find(rules)?;
    let Answer::Shown(shown) = asker.one(Request::Show { id: options.id.clone() })? else {
        return Err(asked::other_answer());
    };
    let Some(part) = shown.parts.iter().find(|p| p.part == options.part) else {
        complain!("portcullis: {} has {} parts; `show` lists them", shown.item.id, shown.parts.len());
        return Err(REFUSED.into());
    };
    let id = shown.item.id.to_string();
    let (is_text, name) = (part.kind.starts_with("text/"), name(&id, part));
    let wanted = Wanted { id: &id, part: options.part, header_only: false, is_text, name };
    octets(&asker, &wanted, options.output.as_deref())
}

/// Runs `raw`.
pub(super) fn raw(rules: &Path, options: &Raw) -> Result<u8, ExitCode> {
    let name = format!("{}.eml", options.id);
    let wanted = Wanted { id: &options.id, part: 0, header_only: false, is_text: true, name };
    octets(&Asker::find(rules)?, &wanted, options.output.as_deref())
}

/// Runs `headers`.
pub(super) fn headers(rules: &Path, options: &Headers) -> Result<u8, ExitCode> {
    let name = String::new();
    let wanted = Wanted { id: &options.id, part: options.part, header_only: true, is_text: true, name };
    octets(&Asker::find(rules)?, &wanted, None)
}

/// A file name for a part.
fn name(id: &str, part: &PartView) -> String {
    let claimed = part.name.as_deref().unwrap_or("unnamed");
    format!("{id}-{}-{}", part.part, crate::message::mime::file_name(claimed))
}

fn octets(asker: &Asker, wanted: &Wanted<'_>, output: Option<&Path>) -> Result<u8, ExitCode> {
    let Wanted { id, part, header_only, is_text, name } = wanted;
    let request = Request::Part { id: (*id).to_owned(), part: *part, header_only: *header_only };
    let Some(output) = output else {
        let terminal = io::stdout().is_terminal();
        if terminal && !*is_text {
            complain!("portcullis: this part is no text: write it to a file with --output, or into a pipe");
            return Err(REFUSED.into());
        }
        return if terminal {
            to_terminal(asker, request)
        } else {
            to(asker, request, &mut io::stdout().lock())
        };
    };
    let path = if output.is_dir() { output.join(name) } else { output.to_owned() };
    let mut file = write::new_file(&path).map_err(|words| refused(&words))?;
    let done = to(asker, request, &mut file);
    match &done {
        Ok(_) => out::print(&format!("{}\n", path.display())),
        // What is half is no part.
        Err(_) => drop(std::fs::remove_file(&path)),
    }
    done
}

/// Text on a terminal drives it no more.
fn to_terminal(asker: &Asker, request: Request) -> Result<u8, ExitCode> {
    let mut all = Vec::new();
    to(asker, request, &mut all)?;
    let text = neutral(&String::from_utf8_lossy(&all));
    out::print(text.trim_end());
    out::print("\n");
    Ok(0)
}

/// Writes what is answered.
pub(super) fn to(asker: &Asker, request: Request, out: &mut dyn Write) -> Result<u8, ExitCode> {
    let mut failed = None;
    asker.ask(request, &mut |answer| {
        if let Answer::Octets(text) = answer
            && failed.is_none()
        {
            let written =
                STANDARD.decode(text).map_err(io::Error::other).and_then(|octets| out.write_all(&octets));
            failed = written.err();
        }
    })?;
    match failed.or_else(|| out.flush().err()) {
        None => Ok(0),
        // A reader that has seen enough.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Some(error) => Err(refused(&format!("it cannot be written: {error}"))),
    }
}

fn refused(words: &str) -> ExitCode {
    complain!("portcullis: {words}");
    REFUSED.into()
}
