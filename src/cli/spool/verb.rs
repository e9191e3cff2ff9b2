//! The verbs.

use crate::cli::items::{self, Asker, Bulk, Paging, Words, named, work};
use crate::cli::quarantine::{Relocate, relocate};
use crate::desk::Request;
use crate::vault::{Priority, Scope};
use clap::ValueEnum;
use std::path::Path;
use std::process::ExitCode;

/// Options of the noun.
#[derive(Debug, clap::Args)]
#[command(after_help = "QUERY picks messages; `portcullis quarantine --help` has the rules.")]
pub(in crate::cli) struct Options {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List messages that wait for their delivery, the next one first
    #[command(after_help = "Examples:\n  portcullis spool list\n  portcullis spool list 'age:>1h' --json")]
    List(List),
    /// Show one message: its recipients and how far each is, what the last attempt said
    Show(Show),
    /// Try to deliver now, whenever it was due
    #[command(after_help = "Example:\n  portcullis spool force rcpt:@our.example")]
    Force(Chosen),
    /// Begin anew: attempts and expiry count from now, and what failed is tried again
    #[command(after_help = "Example:\n  portcullis spool retry folder:dead age:<1d")]
    Retry(Chosen),
    /// Put messages before or behind the others
    Priority(Order),
    /// Put messages into the trash: they are not delivered
    Delete(Delete),
    /// Put messages into a folder of the quarantine: they are not delivered until they are released
    Move(Relocate),
}

/// Options of `list`.
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    paging: Paging,
}

/// Options of `show`.
#[derive(Debug, clap::Args)]
struct Show {
    /// The reference of the message, or its beginning
    #[arg(value_name = "REF")]
    id: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Options of verbs that need no more.
#[derive(Debug, clap::Args)]
struct Chosen {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    bulk: Bulk,
}

/// Options of `priority`.
#[derive(Debug, clap::Args)]
struct Order {
    /// Which
    #[arg(value_enum)]
    priority: Word,
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    bulk: Bulk,
}

/// Options of `delete`.
#[derive(Debug, clap::Args)]
struct Delete {
    #[command(flatten)]
    words: Words,
    /// For good: not into the trash
    #[arg(long)]
    forever: bool,
    #[command(flatten)]
    bulk: Bulk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    Low,
    Normal,
    High,
}

impl From<Word> for Priority {
    fn from(word: Word) -> Self {
        match word {
            Word::Low => Self::Low,
            Word::Normal => Self::Normal,
            Word::High => Self::High,
        }
    }
}

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List(List { words, paging }) => {
            words.query().and_then(|query| items::list(rules, query, Scope::Spool, paging))
        }
        What::Show(Show { id, json }) => items::show(rules, id, *json),
        What::Force(Chosen { words, bulk }) => retry(rules, "force", words, bulk, false),
        What::Retry(Chosen { words, bulk }) => retry(rules, "retry", words, bulk, true),
        What::Priority(order) => prioritise(rules, order),
        What::Delete(options) => delete(rules, options),
        What::Move(options) => relocate(rules, options, Scope::Spool),
    };
    done.map_or_else(|code| code, ExitCode::from)
}

fn retry(rules: &Path, verb: &str, words: &Words, bulk: &Bulk, reset: bool) -> Result<u8, ExitCode> {
    let pick = named(words, Scope::Spool)?;
    work(&Asker::find(rules)?, verb, &pick, bulk, Request::Try { pick: pick.clone(), reset })
}

fn prioritise(rules: &Path, order: &Order) -> Result<u8, ExitCode> {
    let pick = named(&order.words, Scope::Spool)?;
    let request = Request::Prioritise { pick: pick.clone(), priority: order.priority.into() };
    work(&Asker::find(rules)?, "priority", &pick, &order.bulk, request)
}

fn delete(rules: &Path, options: &Delete) -> Result<u8, ExitCode> {
    let pick = named(&options.words, Scope::Spool)?;
    let request = Request::Delete { pick: pick.clone(), forever: options.forever };
    work(&Asker::find(rules)?, "delete", &pick, &options.bulk, request)
}
