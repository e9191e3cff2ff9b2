//! One message: what is known of it, what can be read in it, and the octets of its parts. Read from the vault in
//! pieces, twice at most; never is a whole message in memory.

use super::refusal::{Refusal, blocking};
use super::request::{Answer, Outcome, PartView, Shown};
use super::service::Desk;
use crate::message::mime::{Extract, Part, Reader, Structure, Take, Walker, file_name, neutral};
use crate::vault::{Item, Vault, VaultError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Octets of one piece before encoding; a multiple of three, so that pieces can be put together as they are.
const PIECE: usize = 48 * 1024;
/// Header block that is given out at most.
const HEADER_MAX: usize = 1 << 20;

impl Desk {
    /// Everything about one message.
    pub(super) async fn show(&self, typed: &str) -> Result<Answer, Refusal> {
        let item = self.find(typed).await?;
        let vault = Arc::clone(&self.vault);
        blocking(move || {
            let (text, cut, parts, problems) = readable(&vault, &item);
            Answer::Shown(Box::new(Shown { item, text, cut, parts, problems }))
        })
        .await
    }

    /// The octets of one part, in pieces; [`Answer::Done`] behind the last one, so that a cut is noticed.
    pub(super) async fn part(
        &self,
        typed: &str,
        part: u32,
        header_only: bool,
        answers: &mpsc::Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        let item = self.find(typed).await?;
        let (vault, answers) = (Arc::clone(&self.vault), answers.clone());
        blocking(move || {
            let mut out = Pieces { answers, octets: Vec::with_capacity(2 * PIECE), gone: false };
            match (part, header_only) {
                (0, false) => vault.read(&item, &mut |piece| out.push(piece))?,
                (0, true) => drop(out.push(&header(&vault, &item)?)),
                (part, _) => take(&vault, &item, part, header_only, &mut out)?,
            }
            out.finish();
            Ok(Answer::Done(Outcome::default()))
        })
        .await?
    }
}

/// What a person can read in it: the text, whether it is cut, its parts, and what is wrong with it. A body that
/// cannot be read is a problem of the message; what is known of it is shown all the same.
fn readable(vault: &Vault, item: &Item) -> (String, bool, Vec<PartView>, Vec<String>) {
    let structure = match structure(vault, item) {
        Ok(structure) => structure,
        Err(error) => return (String::new(), false, Vec::new(), vec![error.to_string()]),
    };
    let mut problems: Vec<String> = structure.problems.iter().map(ToString::to_string).collect();
    let mut reader = Reader::new(&structure);
    if let Err(error) = vault.read(item, &mut |piece| reader.push(piece)) {
        problems.push(error.to_string());
    }
    let read = reader.finish();
    (read.text, read.cut, structure.parts.iter().map(view).collect(), problems)
}

fn structure(vault: &Vault, item: &Item) -> Result<Structure, VaultError> {
    let mut walker = Walker::new();
    vault.read(item, &mut |piece| {
        walker.push(piece);
        true
    })?;
    Ok(walker.finish())
}

fn view(part: &Part) -> PartView {
    PartView {
        part: part.number,
        depth: part.depth,
        kind: neutral(&part.kind),
        name: part.name.as_deref().map(file_name),
        octets: part.octets,
        attachment: part.attachment,
    }
}

/// The header block of the message, with the empty line.
fn header(vault: &Vault, item: &Item) -> Result<Vec<u8>, VaultError> {
    let (mut octets, mut end) = (Vec::new(), None);
    vault.read(item, &mut |piece| {
        let from = octets.len().saturating_sub(3);
        octets.extend_from_slice(piece);
        let found = memchr::memmem::find(octets.get(from..).unwrap_or_default(), b"\r\n\r\n");
        end = found.map(|at| from + at + 4);
        end.is_none() && octets.len() < HEADER_MAX
    })?;
    octets.truncate(end.unwrap_or(HEADER_MAX));
    Ok(octets)
}

/// One part, decoded.
fn take(vault: &Vault, item: &Item, part: u32, header: bool, out: &mut Pieces) -> Result<(), Refusal> {
    let structure = structure(vault, item)?;
    let what = if header { Take::Header } else { Take::Body };
    let Some(mut extract) = Extract::new(&structure, part, what) else {
        let text = format!("message {} has no part {part}: it has {}", item.id, structure.parts.len());
        return Err(Refusal::nothing(text));
    };
    let mut decoded = Vec::with_capacity(2 * PIECE);
    vault.read(item, &mut |piece| {
        let more = extract.push(piece, &mut decoded);
        let listened = out.push(&decoded);
        decoded.clear();
        more && listened
    })?;
    extract.finish(&mut decoded);
    out.push(&decoded);
    Ok(())
}

/// Gathers octets to pieces of one size.
struct Pieces {
    answers: mpsc::Sender<Answer>,
    octets: Vec<u8>,
    gone: bool,
}

impl Pieces {
    /// False: nobody listens any more.
    fn push(&mut self, octets: &[u8]) -> bool {
        self.octets.extend_from_slice(octets);
        while self.octets.len() >= PIECE && !self.gone {
            let rest = self.octets.split_off(PIECE);
            self.send();
            self.octets = rest;
        }
        !self.gone
    }

    fn send(&mut self) {
        let text = STANDARD.encode(&self.octets);
        self.gone |= self.answers.blocking_send(Answer::Octets(text)).is_err();
        self.octets.clear();
    }

    fn finish(mut self) {
        if !self.octets.is_empty() && !self.gone {
            self.send();
        }
    }
}
