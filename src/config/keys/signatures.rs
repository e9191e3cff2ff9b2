//! The keys of `[signatures]` in `attachments.toml`.

use super::key::Fallback::Value;
use super::key::Kind::{Duration, OneOf, Text};
use super::key::{Section, key};

/// The table.
#[rustfmt::skip]
pub const SECTION: Section = Section { name: "signatures", repeated: false, doc: "Malware that the files in `signatures/` know: YARA rules and digests. Looked for in every reading of every part, and in the members of archives.", keys: &[
    key("mode", OneOf(&["off", "log", "on"]), Value("\"on\""), "Whether they are looked for: `log` only tells."),
    key("action", OneOf(&["reject", "quarantine"]), Value("\"reject\""), "What becomes of the message: 550 5.7.1, or taken and kept in `folder`."),
    key("folder", Text, Value("\"virus\""), "Where it is kept."),
    key("timeout", Duration, Value("\"5s\""), "Longest search of all of one message."),
    key("on_error", OneOf(&["tempfail", "quarantine", "pass-tagged"]), Value("\"tempfail\""), "When the search takes longer: 451 4.3.0, kept in `unscanned`, or passed with a tag."),
] };
