//! The keys of `protocol.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, Decimal, Delay, Duration, List, Number, OneOf, Path, Size, Text, Texts};
use super::key::{Kind, MANY, Section, key};

const MODE: Kind = OneOf(&["on", "log", "off"]);
/// Scores and weights: a thousand points are beyond any sum.
const SCORE_MAX: i32 = 1_000_000;
const SCORE: Kind = Decimal(1, SCORE_MAX);

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "The filter as a whole.", keys: &[
        key("answer_at", OneOf(&["connect", "mail", "rcpt", "data"]), Value("\"rcpt\""), "When a refusal is said that is known earlier."),
        key("exempt_recipients", List("local parts"), Value("[\"postmaster\"]"), "Recipients that such a refusal does not hold for."),
    ] },
    Section { name: "syntax", repeated: false, doc: "Violations of syntax and order.", keys: &[
        key("missing_brackets", MODE, Value("\"on\""), "MAIL FROM:a@b without angle brackets (501 5.1.7)."),
        key("space_after_colon", MODE, Value("\"off\""), "A blank between colon and path (501 5.1.7)."),
        key("missing_hello", MODE, Value("\"on\""), "MAIL before HELO or EHLO (503 5.5.1)."),
        key("unqualified_sender", MODE, Value("\"log\""), "A sender without a domain (553 5.1.7)."),
        key("undeclared_8bit", MODE, Value("\"log\""), "8-bit message data without BODY=8BITMIME (554 5.6.1)."),
        key("improper_pipelining", MODE, Value("\"on\""), "Commands sent ahead where that is not allowed (554 5.5.0)."),
        key("unknown_command", MODE, Value("\"on\""), "Commands that are none of SMTP."),
    ] },
    Section { name: "hello", repeated: false, doc: "HELO and EHLO names of strangers.", keys: &[
        key("syntax", MODE, Value("\"on\""), "Neither a host name nor an address literal (501 5.5.2)."),
        key("own_name", MODE, Value("\"on\""), "Our own name, one of our domains, or our address (550 5.7.1)."),
        key("bare_address", MODE, Value("\"on\""), "An address without brackets (550 5.7.1)."),
        key("literal", MODE, Value("\"off\""), "An address literal in place of a name (550 5.7.1)."),
        key("wrong_literal", MODE, Value("\"on\""), "A literal of another address than the client's (550 5.7.1)."),
        key("unqualified", MODE, Value("\"log\""), "A name without a dot (550 5.7.1)."),
        key("unresolvable", MODE, Value("\"off\""), "No A, AAAA or MX record (550 5.7.1). Needs DNS."),
        key("reverse_mismatch", MODE, Value("\"off\""), "Another name than the confirmed reverse name (550 5.7.1). Needs DNS."),
        key("no_reverse_name", MODE, Value("\"off\""), "The client has no confirmed reverse name (550 5.7.25). Needs DNS."),
    ] },
    Section { name: "sender", repeated: false, doc: "Senders.", keys: &[
        key("unresolvable", MODE, Value("\"off\""), "Its domain has no MX, A or AAAA record, or a null MX (550 5.1.8). Needs DNS."),
        key("null_sender", MODE, Value("\"on\""), "A message from `<>` for more than null_recipients (550 5.7.1)."),
        key("null_recipients", Number(1, MANY), Value("1"), "See there."),
        key("own_domain", MODE, Value("\"off\""), "One of our domains as sender, from a stranger that did not authenticate (550 5.7.1)."),
    ] },
    Section { name: "reputation", repeated: false, doc: "What the sum of the DNS lists leads to.", keys: &[
        key("mode", MODE, Value("\"on\""), "Whether it is in force."),
        key("reject", SCORE, Value("1.0"), "Sum of weights from which a client is refused (550 5.7.1)."),
        key("tempfail", SCORE, Unset("never"), "From which it is put off (450 4.7.1)."),
        key("deadline", Duration, Value("\"3s\""), "For all lists together; one that does not answer counts as not listed."),
    ] },
    Section { name: "dnsbl", repeated: true, doc: "A list in DNS (RFC 5782).", keys: &[
        key("zone", Text, Required("\"zen.spamhaus.org\""), "Its zone."),
        key("of", OneOf(&["client", "sender_domain", "hello", "reverse_name"]), Value("\"client\""), "What it is asked about."),
        key("weight", Decimal(-SCORE_MAX, SCORE_MAX), Value("1.0"), "Its share of the sum; below zero for lists of good senders."),
        key("answers", List("answers"), Value("[]"), "Answers that count; none is all but error codes (127.255.255.0/24)."),
    ] },
    Section { name: "country", repeated: false, doc: "The country of a client's address.", keys: &[
        key("database", Path, Unset("none"), "A database in MMDB form."),
    ] },
    Section { name: "access", repeated: false, doc: "Block and allow lists.", keys: &[
        key("block", List("names of lists"), Value("[\"blocks\"]"), "Lists whose entries are refused."),
        key("allow", List("names of lists"), Value("[\"allow\"]"), "Lists whose entries pass, before all blocks."),
    ] },
    Section { name: "rule", repeated: true, doc: "A rule: all its conditions must hold; the first that matches decides.", keys: &[
        key("id", Text, Required("\"no-dsl\""), "Its name in logs and `explain`."),
        key("action", OneOf(&["accept", "reject", "tempfail", "drop", "quarantine", "discard", "hide", "continue"]), Required("\"reject\""), "What it does."),
        key("mode", MODE, Value("\"on\""), "Whether it is in force."),
        key("answer_at", OneOf(&["connect", "helo", "mail", "rcpt", "data", "message"]), Unset("answer_at of the file, or as soon as its conditions can be known"), "When it is looked at and answers."),
        key("text", Text, Unset("the usual words"), "Text of the reply."),
        key("code", Number(400, 599), Unset("for reject 550, for tempfail 450, for drop 554"), "Code of the reply."),
        key("folder", Text, Unset("none"), "With action = \"quarantine\": which folder."),
        key("copy", Text, Unset("none"), "A folder that keeps a copy of the message; the rule answers at the message then."),
        key("on_unknown", OneOf(&["tempfail", "pass"]), Value("\"tempfail\""), "What a fact that DNS does not tell leads to."),
        key("points", Number(0, MANY), Value("0"), "Ban points for the client."),
        key("delay", Delay, Value("\"0s\""), "How long the answer waits."),
        key("hide", Texts("EHLO keywords"), Value("[]"), "With action = \"hide\": what is not offered."),
        key("client", Texts("networks"), Value("[]"), "Condition: address of the client."),
        key("reverse_name", Texts("host names"), Value("[]"), "Condition: its confirmed reverse name. Needs DNS."),
        key("has_reverse_name", Boolean, Unset("not asked"), "Condition: whether it has one. Needs DNS."),
        key("hello", Texts("names"), Value("[]"), "Condition: HELO or EHLO name."),
        key("sender", Texts("senders"), Value("[]"), "Condition: envelope sender; `<>` is the null one."),
        key("recipient", Texts("recipients"), Value("[]"), "Condition: recipient."),
        key("header_from", Texts("senders"), Value("[]"), "Condition: a mailbox of From:; the rule answers at the message."),
        key("user", Texts("users"), Value("[]"), "Condition: authenticated user."),
        key("listener", Texts("listeners"), Value("[]"), "Condition: name of the listener."),
        key("direction", OneOf(&["inbound", "outbound"]), Unset("both"), "Condition: direction of the listener."),
        key("tls", Boolean, Unset("not asked"), "Condition: whether the client uses TLS."),
        key("authenticated", Boolean, Unset("not asked"), "Condition: whether the client authenticated."),
        key("size_over", Size(0), Unset("not asked"), "Condition: declared size above this."),
        key("country", Texts("countries"), Value("[]"), "Condition: country of the client, two letters. Needs [country] database."),
        key("listed_from", SCORE, Unset("not asked"), "Condition: sum of the DNS lists from this. Needs [[dnsbl]]."),
    ] },
    Section { name: "expect", repeated: true, doc: "A test of the rules: a session, and what must become of it.", keys: &[
        key("client", Text, Required("\"203.0.113.7\""), "Address of the client."),
        key("reverse_name", Text, Unset("none"), "Its confirmed reverse name."),
        key("listener", Text, Unset("the first inbound one"), "Listener."),
        key("hello", Text, Unset("not said"), "EHLO name."),
        key("tls", Boolean, Value("false"), "Whether it uses TLS."),
        key("user", Text, Unset("not authenticated"), "Authenticated user."),
        key("sender", Text, Unset("not said: what is refused whoever writes"), "Envelope sender; `<>` is the null one."),
        key("recipient", Text, Unset("not said: what is refused whoever gets it"), "Recipient."),
        key("header_from", Text, Unset("none"), "Mailbox of From:."),
        key("size", Size(0), Unset("not declared"), "Declared size."),
        key("country", Text, Unset("none"), "Country of the client, two letters."),
        key("listed", Decimal(-SCORE_MAX, SCORE_MAX), Unset("not listed"), "Sum of the DNS lists."),
        key("result", OneOf(&["pass", "quarantine", "discard", "reject", "tempfail", "drop"]), Required("\"reject\""), "What must come out."),
        key("rule", Text, Unset("any"), "Id of the rule or check that must have decided."),
    ] },
];
