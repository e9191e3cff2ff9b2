//! The verb.

use super::{message, session};
use clap::Subcommand;
use std::path::Path;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// What is tried
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what would become of an SMTP session, stage by stage, and which rule decides
    Session(session::Options),
    /// Say what the content of messages comes to: score, verdict, and which rules match
    Message(message::Options),
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    match &options.what {
        What::Session(options) => session::run(rules, options),
        What::Message(options) => message::run(rules, options),
    }
}
