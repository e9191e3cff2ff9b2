//! Keys of the score: `[score]`, `[[rule]]` and `[[expect]]` of `content.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Decimal, List, Number, OneOf, Size, Text, Texts};
use super::key::{Section, key};

/// Highest score of one rule, in thousandths.
const SCORE_MAX: i32 = 1_000_000;
const MODES: &[&str] = &["off", "log", "on"];

/// The table `[score]`.
#[rustfmt::skip]
pub const SCORE: Section = Section { name: "score", repeated: false, doc: "The sum of what the rules below find in a message. What follows from it is said in policies.toml.", keys: &[
    key("mode", OneOf(MODES), Value("\"on\""), "off: no rule is asked; log: what they find is told and counts nothing."),
    key("max_text", Size(1024), Value("\"256K\""), "Octets of text that are looked at, and as many of HTML and of the raw message."),
    key("max_urls", Number(0, 10_000), Value("300"), "Addresses of the web that are looked at."),
] };

/// The tables `[[rule]]`.
#[rustfmt::skip]
pub const RULE: Section = Section { name: "rule", repeated: true, doc: "Adds to the score where all conditions hold that are given. Items of a list are alternatives.", keys: &[
    key("id", Text, Required("\"lottery\""), "Its name, which stands in logs and headers."),
    key("score", Decimal(-SCORE_MAX, SCORE_MAX), Value("0"), "What it adds; a rule with 0 and no tags is only there for `all` and `any` of others."),
    key("note", Text, Value("\"\""), "What it means, for the admin."),
    key("mode", OneOf(MODES), Value("\"on\""), "off: not asked; log: told, and counts nothing."),
    key("tags", List("words"), Value("[]"), "Words for headers and searches."),
    key("text", Texts("phrases or /expressions/"), Unset("any"), "Subject and text as a reader sees them, HTML too; blanks and line ends are one blank."),
    key("subject", Texts("phrases or /expressions/"), Unset("any"), "The subject."),
    key("header", Texts("names of fields"), Unset("any"), "Fields in which `matches` looks; also \"from:name\", \"from:address\" and the same of to, cc, reply-to and sender."),
    key("matches", Texts("phrases or /expressions/"), Unset("any"), "What one of these fields has."),
    key("html", Texts("phrases or /expressions/"), Unset("any"), "HTML as it was sent."),
    key("raw", Texts("phrases or /expressions/"), Unset("any"), "The message as it was sent, its header too."),
    key("url", Texts("phrases or /expressions/"), Unset("any"), "An address of the web."),
    key("name", Texts("phrases or /expressions/"), Unset("any"), "A file name."),
    key("domain", Texts("domains"), Unset("any"), "The host of an address of the web."),
    key("client", Texts("addresses or networks"), Unset("any"), "The client."),
    key("reverse_name", Texts("names"), Unset("any"), "Its reverse name."),
    key("hello", Texts("names"), Unset("any"), "HELO or EHLO name."),
    key("sender", Texts("addresses or domains"), Unset("any"), "Envelope sender."),
    key("recipient", Texts("addresses or domains"), Unset("any"), "An envelope recipient."),
    key("header_from", Texts("addresses or domains"), Unset("any"), "A mailbox in From."),
    key("reply_to", Texts("addresses or domains"), Unset("any"), "A mailbox in Reply-To."),
    key("listener", Texts("names of listeners"), Unset("any"), "Listeners."),
    key("all", List("words"), Value("[]"), "All of these hold: ids of rules above, facts, \"spf=fail\", \"aligned\", \"field:list-id\", \"finding:ID\", \"odd:NAME\"; \"!\" in front is not."),
    key("any", List("words"), Value("[]"), "At least one of these holds."),
    key("at_least", Number(1, 100), Value("1"), "So many of `any`."),
] };

/// The tables `[[expect]]`.
#[rustfmt::skip]
pub const EXPECT: Section = Section { name: "expect", repeated: true, doc: "A test: a message, and what it must come to. `check` runs them, and rules that fail one are not taken.", keys: &[
    key("message", Text, Required("\"Subject: hi\\n\\nHello\""), "The message."),
    key("client", Text, Value("\"192.0.2.1\""), "Address of the client."),
    key("hello", Text, Unset("none"), "HELO name."),
    key("sender", Text, Unset("the null one"), "Envelope sender."),
    key("recipient", Text, Unset("nobody"), "Recipient."),
    key("auth", List("results"), Value("[]"), "What authentication says, such as \"spf=pass\"; none where not given."),
    key("symbols", List("ids of rules"), Value("[]"), "Rules that must match."),
    key("without", List("ids of rules"), Value("[]"), "Rules that must not."),
    key("score_from", Decimal(-SCORE_MAX, SCORE_MAX), Unset("any"), "Least score."),
    key("score_below", Decimal(-SCORE_MAX, SCORE_MAX), Unset("any"), "The score is below this."),
] };
