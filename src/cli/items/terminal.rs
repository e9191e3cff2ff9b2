//! The terminal, if there is one.

use crate::message::mime::neutral;
use std::fs::File;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

/// Columns where nobody says how many there are.
const USUAL: u16 = 100;
/// Fewer are not believed.
const FEWEST: u16 = 40;

/// Columns of the terminal that standard output is; `None`: it is none, lines may be as long as they are.
pub(crate) fn width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    Some(columns.or_else(asked).unwrap_or(USUAL).max(FEWEST))
}

/// `stty size` says `24 80`.
fn asked() -> Option<u16> {
    let terminal = File::open("/dev/tty").ok()?;
    let said =
        Command::new("stty").arg("size").stdin(Stdio::from(terminal)).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}

/// Text of strangers on one line.
pub(crate) fn plain(text: &str) -> String {
    neutral(text).replace(['\n', '\t'], " ")
}
