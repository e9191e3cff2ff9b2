//! The keys of `attachments.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, Decimal, Number, OneOf, Size, Text, Texts};
use super::key::{Kind, MANY, Section, key};
use super::signatures;

const MODE: Kind = OneOf(&["on", "log", "off"]);
/// Points of a rule: a thousand are beyond any threshold.
const POINTS_MAX: i32 = 1_000_000;
/// Less memory would not hold the members of common archives.
const MEMORY_MIN: u64 = 1 << 20;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "What a message may carry.", keys: &[] },
    Section { name: "archives", repeated: false, doc: "How far archives and documents are opened, for one message. What is over a bound is a mark that rules decide on.", keys: &[
        key("depth", Number(1, 16), Value("8"), "Archives in archives; members at this depth are seen, and not opened."),
        key("members", Number(1, MANY), Value("10000"), "Members of all archives together."),
        key("unpacked", Size(MEMORY_MIN), Value("\"128M\""), "Octets of all members together, unpacked."),
        key("memory", Size(MEMORY_MIN), Value("\"48M\""), "Unpacked octets in memory at once; a larger member is not seen as a whole."),
        key("ratio", Number(10, MANY), Value("250"), "A member that becomes so many times larger (and over 4 MiB) is a bomb."),
    ] },
    Section { name: "rule", repeated: true, doc: "A rule about files: parts of a message and members of archives. All its conditions must hold; of the rules that match a file the first with \"reject\", \"quarantine\", \"strip\" or \"accept\" ends it.", keys: &[
        key("id", Text, Required("\"programs\""), "Its name in logs and `explain`."),
        key("action", OneOf(&["reject", "quarantine", "strip", "score", "log", "accept"]), Required("\"quarantine\""), "What it does."),
        key("mode", MODE, Value("\"on\""), "Whether it is in force."),
        key("folder", Text, Unset("policy"), "With \"quarantine\": which folder."),
        key("text", Text, Unset("the usual words"), "With \"reject\": text of the reply. With \"strip\": words of the note."),
        key("score", Decimal(-POINTS_MAX, POINTS_MAX), Unset("none"), "Points for the score of the message, whatever the action."),
        key("tag", Texts("words"), Value("[]"), "Words for the headers of the message and for searches."),
        key("name", Texts("names"), Value("[]"), "Condition: its name, in any reading."),
        key("extension", Texts("extensions"), Value("[]"), "Condition: the extension of its name, in any reading."),
        key("type", Texts("types"), Value("[]"), "Condition: what it is by its content."),
        key("declared", Texts("media types"), Value("[]"), "Condition: the media type that the part declares."),
        key("mark", Texts("marks"), Value("[]"), "Condition: one of these is to be said of it."),
        key("without", Texts("marks"), Value("[]"), "Condition: none of these is."),
        key("attachment", Boolean, Unset("not asked"), "Condition: it is an attachment by declaration or name, or a member; or it is text of the message."),
        key("member", Boolean, Unset("not asked"), "Condition: it is in an archive or document."),
        key("depth_over", Number(0, 16), Unset("not asked"), "Condition: it is in more than so many archives."),
        key("size_over", Size(0), Unset("not asked"), "Condition: its octets, unpacked, above this."),
        key("odd", Texts("facts"), Value("[]"), "Condition: one of these is wrong with the structure of the message."),
        key("client", Texts("networks"), Value("[]"), "Condition: address of the client."),
        key("sender", Texts("senders"), Value("[]"), "Condition: envelope sender; `<>` is the null one."),
        key("recipient", Texts("recipients"), Value("[]"), "Condition: one of the recipients."),
        key("user", Texts("users"), Value("[]"), "Condition: authenticated user."),
        key("listener", Texts("listeners"), Value("[]"), "Condition: name of the listener."),
        key("direction", OneOf(&["inbound", "outbound"]), Unset("both"), "Condition: direction of the listener."),
        key("authenticated", Boolean, Unset("not asked"), "Condition: whether the client authenticated."),
    ] },
    Section { name: "expect", repeated: true, doc: "A test of the rules: one file, and what must become of its message.", keys: &[
        key("name", Text, Unset("none"), "Its name."),
        key("type", Text, Value("\"unknown\""), "What it is by its content."),
        key("declared", Text, Value("\"application/octet-stream\""), "Media type of its part."),
        key("mark", Texts("marks"), Value("[]"), "What is to be said of it. Marks of its name are found by themselves."),
        key("inside", Text, Unset("a part of its own"), "Name of the archive that it is in."),
        key("attachment", Boolean, Value("true"), "Whether its part is an attachment."),
        key("size", Size(0), Value("\"1K\""), "Its octets, unpacked."),
        key("odd", Texts("facts"), Value("[]"), "What is wrong with the structure of the message."),
        key("client", Text, Value("\"203.0.113.7\""), "Address of the client."),
        key("sender", Text, Value("\"<>\""), "Envelope sender."),
        key("recipient", Text, Unset("somebody in no domain of ours"), "Recipient."),
        key("user", Text, Unset("not authenticated"), "Authenticated user."),
        key("listener", Text, Unset("the first inbound one"), "Listener."),
        key("result", OneOf(&["pass", "reject", "quarantine", "strip"]), Required("\"quarantine\""), "What must become of the message."),
        key("rule", Text, Unset("any"), "Id of a rule that must have matched."),
    ] },
    signatures::SECTION,
];
