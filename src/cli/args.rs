//! Arguments.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A transparent SMTP proxy that filters.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
pub struct Args {
    /// The rules directory; it contains gateway.toml.
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_RULES",
        default_value = "/etc/portcullis/rules",
        value_name = "DIR"
    )]
    pub rules: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the gateway in the foreground.
    Run,
}

/// Parses the command line; a mistake is explained and ends the program with 2.
#[must_use]
pub fn parse() -> Args {
    Args::parse()
}
