//! The keys of `policies.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, Decimal, List, OneOf, Text, Texts};
use super::key::{Key, Section, key};

/// What a threshold may be, in thousandths: more than any message has turns it off.
const LEAST: i32 = -1_000_000;
const MOST: i32 = 1_000_000;
/// Lanes, and the word for those of scanners.toml.
const LANES: &[&str] = &["scanner", "tempfail", "hold", "pass-tagged", "quarantine"];

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "Whose mail is judged how.", keys: &[
        key("mixed", OneOf(&["split", "defer"]), Value("\"split\""), "Recipients of one message who are treated differently: \"split\" gives each group its own end, \"defer\" takes those like the first and puts the others off (452 4.5.3)."),
    ] },
    Section { name: "default", repeated: false, doc: "For whomever no [[policy]] is.", keys: DEFAULT },
    Section { name: "policy", repeated: true, doc: "The first whose conditions all hold is the recipient's; a key that it does not give is as in [default].", keys: POLICY },
];

#[rustfmt::skip]
static DEFAULT: &[Key] = &[
    key("tag", Decimal(LEAST, MOST), Value("5.0"), "A message of at least this score is marked as spam."),
    key("quarantine", Decimal(LEAST, MOST), Value("8.0"), "Of at least this: taken and kept in `folder`."),
    key("reject", Decimal(LEAST, MOST), Value("15.0"), "Of at least this: refused (550 5.7.1)."),
    key("folder", Text, Value("\"spam\""), "Folder of the quarantine for `quarantine`."),
    key("malware", Boolean, Value("true"), "Whether scanners count, and have to have answered."),
    key("on_error", OneOf(LANES), Value("\"scanner\""), "What they get where a scanner gives no answer: \"tempfail\", \"hold\", \"pass-tagged\", \"quarantine\"; \"scanner\": what scanners.toml says for each."),
    key("attachments", Boolean, Value("true"), "Whether attachments.toml counts."),
    key("score", Boolean, Value("true"), "Whether the score counts."),
    key("dmarc", Boolean, Value("true"), "Whether what DMARC asks for counts ([authentication] in content.toml)."),
    key("subject_tag", Text, Unset("none"), "Put in front of the subject of what is marked as spam."),
    key("headers", Boolean, Value("true"), "Whether X-Portcullis-* and X-Spam-* are put on top."),
];

#[rustfmt::skip]
static POLICY: &[Key] = &[
    key("name", Text, Required("\"abuse\""), "Its name: in headers and log."),
    key("recipient", Texts("recipients"), Unset("any"), "Recipients: addresses, domains, patterns, @lists."),
    key("sender", Texts("senders"), Unset("any"), "Envelope senders."),
    key("client", Texts("addresses"), Unset("any"), "Client addresses and prefixes."),
    key("listener", List("listeners"), Unset("any"), "Names of listeners."),
    key("direction", OneOf(&["inbound", "outbound"]), Unset("both"), "Direction."),
    key("authenticated", Boolean, Unset("either"), "Whether the client has logged in."),
    key("tag", Decimal(LEAST, MOST), Unset("as in [default]"), "As in [default]."),
    key("quarantine", Decimal(LEAST, MOST), Unset("as in [default]"), "As in [default]."),
    key("reject", Decimal(LEAST, MOST), Unset("as in [default]"), "As in [default]."),
    key("folder", Text, Unset("as in [default]"), "As in [default]."),
    key("malware", Boolean, Unset("as in [default]"), "As in [default]."),
    key("on_error", OneOf(LANES), Unset("as in [default]"), "As in [default]."),
    key("attachments", Boolean, Unset("as in [default]"), "As in [default]."),
    key("score", Boolean, Unset("as in [default]"), "As in [default]."),
    key("dmarc", Boolean, Unset("as in [default]"), "As in [default]."),
    key("subject_tag", Text, Unset("as in [default]"), "As in [default]; empty: none."),
    key("headers", Boolean, Unset("as in [default]"), "As in [default]."),
];
