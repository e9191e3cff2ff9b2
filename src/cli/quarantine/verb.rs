//! The table of verbs.

use super::{
    cancel, count, delete, digest, expire, export, folder, group, import, jobs, list, part, rebuild, release,
    rescan, stats, undelete,
};
use crate::cli::items;
use crate::vault::Scope;
use std::path::Path;
use std::process::ExitCode;

/// Options of the noun.
#[derive(Debug, clap::Args)]
#[command(after_long_help = QUERY_HELP)]
pub(in crate::cli) struct Options {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List messages, the newest first
    #[command(after_help = "Examples:\n  portcullis quarantine list folder:virus age:<2d\n  \
        portcullis quarantine list 'from:*@bad.example' --sort size --json")]
    List(list::Options),
    /// Look everywhere, also in the spool and among held messages, for words and terms
    #[command(after_help = "Examples:\n  portcullis quarantine search invoice rcpt:bob@our.example\n  \
        portcullis quarantine search ref:7F3K9QAB")]
    Search(list::Search),
    /// Say how many messages match, and how much they take
    Count(count::Options),
    /// Show one message: why it is here, what happened to it, its header, its parts, its text
    #[command(after_help = "Example:\n  portcullis quarantine show 7F3K")]
    Show(list::Show),
    /// Write one part of a message, decoded
    #[command(after_help = "Examples:\n  portcullis quarantine part 7F3K 2 --output invoice.pdf\n  \
        portcullis quarantine part 7F3K 3 | sha256sum")]
    Part(part::Options),
    /// Write a message as it came, octet by octet
    Raw(part::Raw),
    /// Write the header of a message, or of one of its parts
    Headers(part::Headers),
    /// Show near-identical messages together, the largest groups first
    #[command(after_help = "Example:\n  portcullis quarantine group folder:spam age:<1d\n  \
        portcullis quarantine delete like:7F3K9QAB")]
    Group(group::Options),
    /// Deliver messages after all
    #[command(after_help = "Examples:\n  portcullis quarantine release 7F3K9QAB\n  \
        portcullis quarantine release 7F3K --allow-sender --for 30d --note 'our printer'\n  \
        portcullis quarantine release from:@partner.example folder:spam --dry-run\n  \
        portcullis quarantine release 7F3K --to postmaster@our.example --again")]
    Release(release::Options),
    /// Scan messages now; what the outcome means is done
    Rescan(rescan::Options),
    /// Put messages into the trash; `undelete` takes them out again
    #[command(after_help = "Examples:\n  portcullis quarantine delete folder:spam 'age:>7d' --dry-run\n  \
        portcullis quarantine delete like:7F3K9QAB --yes")]
    Delete(delete::Options),
    /// Take messages out of the trash
    #[command(after_help = "Examples:\n  portcullis quarantine undelete 7F3K9QAB\n  \
        portcullis quarantine undelete --batch delete-7F3K9QAC")]
    Undelete(undelete::Options),
    /// Put messages into another folder
    #[command(after_help = "Example:\n  portcullis quarantine move folder:spam subject:invoice --to policy")]
    Move(folder::Relocate),
    /// Write messages into files
    #[command(after_help = "Examples:\n  portcullis quarantine export folder:virus --to /tmp/samples\n  \
        portcullis quarantine export like:7F3K9QAB --format mbox --to .\n\n\
        Files are this user's; with the gateway stopped and as root, those of the gateway's user. Nothing is overwritten.")]
    Export(export::Options),
    /// Take in messages from a file that the gateway can read: one message, or an mbox
    Import(import::Options),
    /// Apply the retention of the folders now
    Expire(expire::Options),
    /// Say what is there, by folder, rule and day, and when it will be full
    Stats(stats::Options),
    /// Write a summary for each recipient, or send it
    Digest(digest::Options),
    /// Make the index anew from the files
    Rebuild(rebuild::Options),
    /// List work in the background
    Jobs(jobs::Options),
    /// End work in the background; what was done stays done
    Cancel(cancel::Options),
}

/// The query language, for `--help`.
const QUERY_HELP: &str = "\
QUERY picks messages, the same way in every command:
  7F3K9QAB 7F3K            references, as in log, reply and header; 4 characters of one are enough
  from:*@bad.example       envelope sender; also @bad.example, .bad.example (names below), <> (the null sender)
  rcpt:bob@our.example     any recipient
  header-from: subject: message-id: helo: user: rule: listener: tag:
  client:192.0.2.0/24      address or network of the client
  folder:virus             virus, spam, policy, unscanned, held, discarded, dead, or one of your own
  state:trash              kept, held, spooled, released, failed, trash, copy
  like:7F3K9QAB            near-identical messages
  ref:7F3K9QAB             the session's or the message's reference
  digest:0123abcd          beginning of the SHA-256 of the message
  size:>1M  age:<2d  score:>=5  direction:in
  received:2026-11-21  received:>=2026-11-21T10:00  received:2026-11-01..2026-11-21
  invoice \"your invoice\"   words and phrases of subject and addresses
All terms hold together; -field:value and `not word` are the opposite; * stands for any characters. Quote what the
shell would take: 'age:<2d'. The trash is left out unless the query says state:trash.

Exit codes: 0 done, 1 nothing matched, 2 refused, 3 the gateway cannot be reached. With the gateway stopped, every
verb works all the same, on the state directory.";

/// Runs the verb.
pub(in crate::cli) fn run(rules: &Path, options: &Options) -> ExitCode {
    let done = match &options.what {
        What::List(options) => list::run(rules, options),
        What::Search(options) => list::search(rules, options),
        What::Count(options) => count::run(rules, options),
        What::Show(options) => items::show(rules, &options.id, options.json),
        What::Part(options) => part::run(rules, options),
        What::Raw(options) => part::raw(rules, options),
        What::Headers(options) => part::headers(rules, options),
        What::Group(options) => group::run(rules, options),
        What::Release(options) => release::in_scope(rules, options, Scope::Quarantine),
        What::Rescan(options) => rescan::run(rules, options),
        What::Delete(options) => delete::run(rules, options),
        What::Undelete(options) => undelete::run(rules, options),
        What::Move(options) => folder::relocate(rules, options, Scope::Quarantine),
        What::Export(options) => export::run(rules, options),
        What::Import(options) => import::run(rules, options),
        What::Expire(options) => expire::run(rules, options),
        What::Stats(options) => stats::run(rules, options),
        What::Digest(options) => digest::run(rules, options),
        What::Rebuild(options) => rebuild::run(rules, options),
        What::Jobs(options) => jobs::run(rules, options),
        What::Cancel(options) => cancel::run(rules, options),
    };
    done.map_or_else(|code| code, ExitCode::from)
}
