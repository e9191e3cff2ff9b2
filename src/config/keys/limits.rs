//! The keys of `limits.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, ByteRate, Decimal, Delay, Duration, Number, OneOf, Rate, Text, Texts};
use super::key::{Kind, MANY, Section, key};

const MODE: Kind = OneOf(&["on", "log", "off"]);

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "Nothing stands at the top.", keys: &[] },
    Section { name: "connections", repeated: false, doc: "Connections at once; 421 4.7.0 beyond.", keys: &[
        key("mode", MODE, Value("\"on\""), "Whether these limits are in force."),
        key("per_ip", Number(1, MANY), Value("20"), "Of one address (IPv6: of one /64)."),
        key("per_prefix", Number(1, MANY), Value("60"), "Of one prefix."),
        key("prefix_v4", Number(8, 32), Value("24"), "Length of an IPv4 prefix in bits."),
        key("prefix_v6", Number(16, 128), Value("64"), "Length of an IPv6 prefix in bits."),
    ] },
    Section { name: "rates", repeated: false, doc: "What one address may do in a period; beyond it 421 4.7.0, 451 4.7.1 or 452 4.5.3.", keys: &[
        key("mode", MODE, Value("\"on\""), "Whether these limits are in force."),
        key("connections", Rate, Value("\"30/1m\""), "New connections."),
        key("messages", Rate, Value("\"100/1m\""), "Messages (MAIL)."),
        key("recipients", Rate, Value("\"200/5m\""), "Recipients (RCPT)."),
        key("errors", Rate, Value("\"50/5m\""), "Commands that were refused 5yz."),
        key("auth_failures", Rate, Value("\"10/10m\""), "Failed AUTH."),
        key("prefix_factor", Number(1, 1000), Value("3"), "A whole prefix may do so many times as much."),
    ] },
    Section { name: "greeting", repeated: false, doc: "Before the greeting.", keys: &[
        key("delay", Delay, Value("\"2s\""), "How long an unknown client waits for the greeting; \"0s\" is not at all."),
        key("early_talk", MODE, Value("\"on\""), "Whether a client that speaks before the greeting is refused (554 5.5.1)."),
    ] },
    Section { name: "tarpit", repeated: false, doc: "Slower answers to clients that make errors.", keys: &[
        key("after", Number(0, MANY), Value("3"), "Errors of a session that are free."),
        key("step", Delay, Value("\"1s\""), "Each one beyond makes the answers slower by so much; \"0s\" is no tarpit."),
        key("most", Duration, Value("\"10s\""), "Up to this."),
    ] },
    Section { name: "bans", repeated: false, doc: "Automatic bans; 421 4.7.0 at connect.", keys: &[
        key("mode", MODE, Value("\"on\""), "Whether bans are in force."),
        key("limit", Number(1, MANY), Value("100"), "Points that lead to a ban."),
        key("window", Duration, Value("\"1h\""), "Points older than this do not count."),
        key("time", Duration, Value("\"30m\""), "How long the first ban lasts."),
        key("grow", Decimal(1_000, 10_000), Value("2"), "Each further one lasts so many times as long."),
        key("most", Duration, Value("\"24h\""), "Up to this."),
    ] },
    Section { name: "ban_points", repeated: false, doc: "Points of each event; 0 does not count.", keys: &[
        key("unknown_recipient", Number(0, MANY), Value("5"), "A recipient that does not exist."),
        key("relay_denied", Number(0, MANY), Value("25"), "An attempt to relay."),
        key("auth_failure", Number(0, MANY), Value("20"), "AUTH that failed."),
        key("early_talk", Number(0, MANY), Value("40"), "Speaking before the greeting."),
        key("protocol_error", Number(0, MANY), Value("5"), "Wrong syntax or order of commands."),
        key("refused", Number(0, MANY), Value("10"), "A refusal by a check or rule."),
        key("over_limit", Number(0, MANY), Value("2"), "A connection or message over a limit."),
        key("virus", Number(0, MANY), Value("60"), "A message with malware."),
    ] },
    Section { name: "greylist", repeated: false, doc: "First tries of unknown senders are put off (450 4.7.1).", keys: &[
        key("mode", MODE, Value("\"off\""), "Whether it is in force."),
        key("only", OneOf(&["suspicious", "all"]), Value("\"suspicious\""), "For whom: clients without a confirmed reverse name or listed in a DNS list, or all."),
        key("delay", Duration, Value("\"15m\""), "How long a first try waits."),
        key("window", Duration, Value("\"6h\""), "How long a retry is awaited."),
        key("lifetime", Duration, Value("\"36d\""), "How long a triplet that passed is remembered after its last use."),
        key("proven_after", Number(0, MANY), Value("5"), "Messages after which client and sender domain pass unasked; 0 is never."),
        key("entries", Number(1_000, 10 * MANY), Value("500000"), "Triplets remembered."),
    ] },
    Section { name: "throttle", repeated: true, doc: "What one user, sender, domain, recipient or client may do in a period; 450 4.7.1 beyond.", keys: &[
        key("name", Text, Required("\"per-user\""), "Its name in logs and `throttles`."),
        key("mode", MODE, Value("\"on\""), "Whether it is in force."),
        key("by", OneOf(&["user", "sender", "sender_domain", "recipient", "recipient_domain", "client"]), Required("\"user\""), "Whose traffic is counted together."),
        key("direction", OneOf(&["inbound", "outbound", "both"]), Value("\"both\""), "On which listeners."),
        key("null_sender", Boolean, Value("false"), "Count only messages from `<>` (bounces)."),
        key("messages", Rate, Unset("no limit"), "Messages."),
        key("recipients", Rate, Unset("no limit"), "Recipients."),
        key("bytes", ByteRate, Unset("no limit"), "Octets of messages."),
        key("bounces", Rate, Unset("no limit"), "Messages from `<>` that the user, sender or domain gets."),
        key("except", Texts("entries"), Value("[]"), "Whom it does not count."),
    ] },
];
