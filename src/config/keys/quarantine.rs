//! The keys of `quarantine.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, Duration, DurationOr, List, Number, OneOf, Size, Text};
use super::key::{MANY, Section, key};

/// Largest count of messages of a folder or of the spool.
const ITEMS_MAX: u64 = 1_000 * MANY;
/// A cap below this would not even hold a few messages.
const CAP_MIN: u64 = 1 << 20;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "The quarantine as a whole.", keys: &[
        key("trash", Duration, Value("\"7d\""), "How long a deleted message can be taken back."),
    ] },
    Section { name: "folder", repeated: true, doc: "A folder. With the name of a built-in one it changes the keys that it gives, and the others stay.", keys: &[
        key("name", Text, Required("\"suspects\""), "Its name: lower-case letters, digits, `-` and `_`."),
        key("note", Text, Value("\"\""), "What it is for; lists of folders show it."),
        key("keep", DurationOr("forever"), Value("\"30d\""), "How long messages are kept."),
        key("max_bytes", Size(CAP_MIN), Value("\"10G\""), "Octets of messages at most."),
        key("max_messages", Number(1, ITEMS_MAX), Value("1000000"), "Messages at most."),
        key("overflow", OneOf(&["tempfail", "oldest"]), Value("\"tempfail\""), "When it is full: new mail is put off (452 4.3.1), or the oldest messages go."),
        key("release", List("users"), Value("[]"), "Who may release: users of this machine, @group; none is everybody who may speak with the gateway."),
        key("rescan", Boolean, Value("false"), "Whether a message is released only after a scan that finds nothing."),
    ] },
    Section { name: "disk", repeated: false, doc: "Watermarks of every volume that is written to.", keys: &[
        key("warn", Size(0), Value("\"1G\""), "Less free than this: `status` warns."),
        key("full", Size(0), Value("\"200M\""), "Less free than this: MAIL is put off (452 4.3.1), so that log and commands still work."),
    ] },
    Section { name: "spool", repeated: false, doc: "Mail that is ours to deliver: released, scanned again, taken during an outage.", keys: &[
        key("retry", List("durations"), Value("[\"1m\", \"5m\", \"10m\", \"20m\", \"30m\", \"1h\", \"2h\", \"4h\"]"), "Pauses between attempts; the last one repeats."),
        key("expire", Duration, Value("\"5d\""), "After so long a delivery is given up."),
        key("concurrency", Number(1, 1000), Value("4"), "Deliveries at once."),
        key("warn", DurationOr("never"), Value("\"4h\""), "After so long a sender that may be told hears that its mail waits."),
        key("max_bytes", Size(CAP_MIN), Value("\"5G\""), "Octets of messages at most; beyond, mail of an outage is put off."),
        key("max_messages", Number(1, ITEMS_MAX), Value("100000"), "Messages at most."),
    ] },
    Section { name: "hold", repeated: false, doc: "Messages that a scanner could not look at: kept, and scanned again by themselves.", keys: &[
        key("retry", Duration, Value("\"1m\""), "Pause between scans."),
        key("max_age", Duration, Value("\"4h\""), "After so long the admin is told."),
        key("concurrency", Number(1, 1000), Value("4"), "Scans at once."),
    ] },
    Section { name: "notices", repeated: false, doc: "Mail of our own: to the admin, and to senders whose mail could not be delivered.", keys: &[
        key("admin", Text, Unset("nobody"), "Address that hears of viruses in held mail, of dead mail, of what is full."),
        key("downstream", Text, Unset("the first [[downstream]]"), "Through which downstream."),
        key("every", Duration, Value("\"1h\""), "One digest in so long at most."),
        key("max_per_hour", Number(1, MANY), Value("20"), "Messages of our own in an hour, those to senders included."),
    ] },
];
