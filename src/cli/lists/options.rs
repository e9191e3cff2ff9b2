//! Options of the verbs.

use crate::rules::{Attributes, BlockAction, Mode, Sweep, parse_duration, parse_until};
use crate::verdict::Direction;
use jiff::Timestamp;
use nix::unistd::User;
use std::time::Duration;

/// What an entry may be, for `--help`.
const ENTRY: &str = "An address or network, a sender's address or domain, or with a prefix another field: rcpt:, ehlo:, user:, rdns:, header-from:. `.example.net` is every name below; `*` and `?` are wildcards; /…/ is a regular expression; `!` in front makes an exception";

/// Which list, and whether for real.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Place {
    /// The list: lists/NAME.list in the rules directory
    #[arg(long, value_name = "NAME", value_parser = list_name)]
    pub list: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What stands behind a new entry.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Terms {
    /// Only for this direction
    #[arg(long, value_parser = ["in", "out", "both"], default_value = "both", hide_possible_values = true, value_name = "in|out|both")]
    dir: String,
    /// For so long: 2h, 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "until")]
    lasting: Option<Duration>,
    /// Until then: 2026-12-31 (to its end, UTC) or 2026-12-31T18:00Z
    #[arg(long, value_name = "DATE", value_parser = parse_until)]
    until: Option<i64>,
    /// Why, for those who read the list
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// `log` only tells it in the audit log
    #[arg(long, value_parser = ["on", "log"], default_value = "on", hide_possible_values = true, value_name = "on|log")]
    mode: String,
}

/// `portcullis block`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Block {
    #[arg(value_name = "ENTRY", help = ENTRY)]
    pub entry: String,
    #[command(flatten)]
    pub terms: Terms,
    /// What is done: refuse for good, refuse for now, close the connection, or take it into the folder `policy`
    #[arg(long, value_parser = ["reject", "tempfail", "drop", "quarantine"], default_value = "reject", hide_possible_values = true, value_name = "reject|tempfail|drop|quarantine")]
    pub action: String,
    /// As long as the entry stands: put what the source has in quarantine and spool, and what still comes there, into the trash or into a folder
    #[arg(long, value_name = "delete|move=FOLDER", value_parser = Sweep::parse)]
    pub sweep: Option<Sweep>,
    /// Also where it blocks clients that are [trusted] or may relay
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub place: Place,
}

/// `portcullis allow`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Allow {
    #[arg(value_name = "ENTRY", help = ENTRY)]
    pub entry: String,
    #[command(flatten)]
    pub terms: Terms,
    /// A sender counts also where nothing proves it: for anybody who claims that address
    #[arg(long)]
    pub auth_any: bool,
    #[command(flatten)]
    pub place: Place,
}

/// `portcullis unblock`, `portcullis unallow`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Remove {
    /// The entry as the list has it, without its attributes
    #[arg(value_name = "ENTRY")]
    pub entry: String,
    #[command(flatten)]
    pub place: Place,
}

/// `portcullis blocks list`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Only entries whose time is over
    #[arg(long)]
    pub expired: bool,
}

impl Terms {
    /// The attributes of an entry that is added now.
    ///
    /// # Errors
    /// A time that is over.
    pub fn attributes(&self, now: Timestamp) -> Result<Attributes, String> {
        let now = now.as_second();
        let lasting = self.lasting.map(|time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        let until = self.until.or_else(|| lasting.map(|seconds| now.saturating_add(seconds)));
        if until.is_some_and(|until| until <= now) {
            return Err("--until is in the past, or --for is no time at all".to_owned());
        }
        Ok(Attributes {
            until,
            created: Some(now),
            note: self.note.as_deref().filter(|note| !note.is_empty()).map(Into::into),
            by: Some(who().into()),
            dir: match self.dir.as_str() {
                "in" => Some(Direction::Inbound),
                "out" => Some(Direction::Outbound),
                _ => None,
            },
            mode: if self.mode == "log" { Mode::Log } else { Mode::On },
            ..Attributes::default()
        })
    }
}

/// The action that an option names.
pub(super) fn action(word: &str) -> BlockAction {
    match word {
        "tempfail" => BlockAction::Tempfail,
        "drop" => BlockAction::Drop,
        "quarantine" => BlockAction::Quarantine,
        _ => BlockAction::Reject,
    }
}

/// Who runs this command: the one who became root, where it runs as root.
fn who() -> String {
    let user = nix::unistd::getuid();
    let before = std::env::var("SUDO_USER").ok().filter(|name| user.is_root() && !name.is_empty());
    before
        .or_else(|| User::from_uid(user).ok().flatten().map(|user| user.name))
        .unwrap_or_else(|| format!("uid {user}"))
}

fn list_name(name: &str) -> Result<String, String> {
    let name = name.trim_start_matches('@');
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || name.ends_with(".list") || !name.bytes().all(good) {
        return Err("expected the name of a list, such as \"blocks\" for lists/blocks.list".to_owned());
    }
    Ok(name.to_owned())
}
