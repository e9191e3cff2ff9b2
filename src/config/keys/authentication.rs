//! The keys of `[authentication]` in `content.toml`.

use super::key::Fallback::{Unset, Value};
use super::key::Kind::{self, Boolean, Duration, List, Number, OneOf, Text};
use super::key::{Section, key};

const MODE: Kind = OneOf(&["on", "log", "off"]);
const WISH: Kind = OneOf(&["reject", "quarantine", "pass"]);

/// The table.
#[rustfmt::skip]
pub const SECTION: Section = Section { name: "authentication", repeated: false, doc: "What senders can prove: SPF, DKIM, DMARC, ARC. Of mail from outside, from clients that did not authenticate.", keys: &[
    key("spf", Boolean, Value("true"), "Whether SPF is evaluated."),
    key("dkim", Boolean, Value("true"), "Whether DKIM signatures are verified."),
    key("arc", Boolean, Value("true"), "Whether ARC chains are verified."),
    key("dmarc", MODE, Value("\"log\""), "Whether what the owner of the author's domain wishes is done; off does not ask for it."),
    key("on_reject", WISH, Value("\"reject\""), "What is done on the wish to reject (550 5.7.1)."),
    key("on_quarantine", WISH, Value("\"quarantine\""), "What is done on the wish to quarantine."),
    key("on_unknown", OneOf(&["pass", "tempfail"]), Value("\"pass\""), "What is done while DNS does not say what DMARC makes of a message (451 4.4.3)."),
    key("folder", Text, Value("\"spam\""), "The folder of the quarantine."),
    key("author", MODE, Value("\"log\""), "Whether messages are refused that have no author with a domain, or authors of several domains (550 5.7.1)."),
    key("trusted_sealers", List("domains"), Value("[]"), "ARC sealers that are believed, with those below: mailing lists, forwarders."),
    key("deadline", Duration, Value("\"10s\""), "For all of it together; what is not known then is temperror."),
    key("signatures", Number(1, 100), Value("10"), "DKIM signatures that are looked at, those of the author's domain first."),
    key("min_key_bits", Number(1024, 4096), Value("1024"), "RSA keys below this prove nothing."),
    key("partial", Boolean, Value("false"), "Whether a signature over a part of the body (l=) counts."),
    key("header", Boolean, Value("true"), "Whether Authentication-Results is written. Incoming ones with our name are removed."),
    key("name", Text, Unset("`hostname` of gateway.toml"), "Our name in it."),
] };
