//! `quarantine release`: deliver after all.

use crate::cli::exit::REFUSED;
use crate::cli::items::{Asker, Bulk, Words, named, work};
use crate::desk::{Grant, Request};
use crate::rules::{parse_duration, parse_until};
use crate::vault::Scope;
use jiff::Timestamp;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    words: Words,
    /// Deliver to this address instead of the original recipients; several times for several
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    grants: Grants,
    #[command(flatten)]
    bulk: Bulk,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Also copies of messages that were refused, and messages that were released before
    #[arg(long)]
    again: bool,
    /// Skip the scan that the folder asks for
    #[arg(long)]
    unscanned: bool,
}

#[derive(Debug, clap::Args)]
struct Grants {
    #[command(flatten)]
    which: Which,
    /// Until when the entry counts: so long from now, such as 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "which")]
    lasting: Option<Duration>,
    /// Until when the entry counts: 2026-12-31, or 2026-12-31T18:00Z
    #[arg(long, value_name = "DATE", conflicts_with = "lasting", requires = "which")]
    until: Option<String>,
    /// Note of the entry
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// The allowed sender counts also where nothing proves it: for anybody who claims that address
    #[arg(long, requires = "allow_sender")]
    auth_any: bool,
    /// The entry is the sender's whole domain
    #[arg(long, requires = "which")]
    domain: bool,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", multiple = false)]
struct Which {
    /// From now on let the envelope sender pass: an entry in lists/allow.list
    #[arg(long)]
    allow_sender: bool,
    /// From now on block the envelope sender: an entry in lists/blocks.list
    #[arg(long)]
    block_sender: bool,
}

impl Grants {
    fn grant(&self) -> Result<Grant, String> {
        let until = match (&self.until, self.lasting) {
            (Some(until), _) => {
                parse_until(until).map_err(|error| format!("--until {until}: {error}"))?;
                Some(until.clone())
            }
            (None, Some(lasting)) => {
                let seconds = i64::try_from(lasting.as_secs()).unwrap_or(i64::MAX);
                let until = Timestamp::now().as_second().saturating_add(seconds);
                // Lists have minutes.
                let until = until - until.rem_euclid(60);
                let until = Timestamp::from_second(until).map_err(|_| "--for is too long".to_owned())?;
                Some(until.strftime("%Y-%m-%dT%H:%MZ").to_string())
            }
            (None, None) => None,
        };
        Ok(Grant { domain: self.domain, auth_any: self.auth_any, until, note: self.note.clone() })
    }
}

/// Runs the verb for messages of a kind.
pub(in crate::cli) fn in_scope(rules: &Path, options: &Options, scope: Scope) -> Result<u8, ExitCode> {
    let pick = named(&options.words, scope)?;
    let grant = options.grants.grant().map_err(|words| {
        complain!("portcullis: {words}");
        ExitCode::from(REFUSED)
    })?;
    let which = &options.grants.which;
    let request = Request::Release {
        pick: pick.clone(),
        to: options.to.clone(),
        again: options.how.again,
        unscanned: options.how.unscanned,
        allow_sender: which.allow_sender.then(|| grant.clone()),
        block_sender: which.block_sender.then_some(grant),
    };
    work(&Asker::find(rules)?, "release", &pick, &options.bulk, request)
}
