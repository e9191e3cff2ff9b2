//! Several files: defaults, what is said of each mistake in `limits.toml` and `protocol.toml`, and lists.

use super::model::{Conditions, Limits, Policy, Protocol, ThrottleBy};
use super::tests::MINIMAL;
use super::{FILES, Moment, Sources, parse_files};
use crate::verdict::{Direction, Stage};
use std::path::Path;
use std::time::Duration;

/// Noon of a day in 2026.
const NOW: i64 = 1_784_000_000;

/// The minimal gateway with other files.
pub(super) fn read(texts: &[(&str, &str)]) -> (Option<Policy>, Vec<String>) {
    let mut all = vec![("gateway.toml", MINIMAL)];
    all.extend(texts);
    only(&all)
}

pub(super) fn only(texts: &[(&str, &str)]) -> (Option<Policy>, Vec<String>) {
    let (policy, problems) = parse_files(&Sources::of(texts), Path::new("/rules"), Moment::at(NOW));
    assert_eq!(policy.is_some(), !problems.iter().any(crate::rules::Problem::is_error), "{problems:?}");
    (policy, problems.iter().map(ToString::to_string).collect())
}

fn good(texts: &[(&str, &str)]) -> Policy {
    let (policy, problems) = read(texts);
    assert!(problems.is_empty(), "{problems:#?}");
    policy.unwrap()
}

/// The defaults of the key tables are those of the model.
#[test]
fn without_files_the_defaults_hold() {
    for policy in [good(&[]), good(&[("limits.toml", ""), ("protocol.toml", "\u{feff}# nothing\n")])] {
        assert_eq!(format!("{:?}", policy.limits), format!("{:?}", Limits::default()));
        assert_eq!(format!("{:?}", policy.protocol), format!("{:?}", Protocol::default()));
        assert_eq!(format!("{:?}", policy.dns), format!("{:?}", super::model::Dns::default()));
        assert_eq!(format!("{:?}", policy.records), format!("{:?}", super::model::Records::default()));
        assert!(policy.watch && policy.rules.is_empty() && policy.expects.is_empty());
        assert!(policy.lists.is_empty() && policy.listeners[0].max_connections == usize::MAX);
    }
    // Default lists are used as soon as they are there, whatever else is not.
    let policy = good(&[("lists/blocks.list", "192.0.2.1\n"), ("lists/allow.list", "")]);
    assert_eq!((policy.protocol.block.len(), policy.protocol.allow.len()), (1, 1));
}

const LIMITS: &str = r#"
connections = { mode = "log", per_ip = 1, per_prefix = 2, prefix_v4 = 20, prefix_v6 = 48 }
rates = { mode = "off", connections = "1/1s", messages = "off", recipients = "3/m", errors = "4/1h", auth_failures = "5/1d", prefix_factor = 9 }
greeting = { delay = "0s", early_talk = "log" }
tarpit = { after = 0, step = "0s", most = "5s" }
bans = { mode = "log", limit = 7, window = "2h", time = "1m", grow = 1.5, most = "2m" }
ban_points = { unknown_recipient = 0, relay_denied = 1, auth_failure = 2, early_talk = 3, protocol_error = 4, refused = 5, over_limit = 6, virus = 7 }
greylist = { mode = "on", only = "all", delay = "1m", window = "2m", lifetime = "3m", proven_after = 0, entries = 1000 }
[[throttle]]
name = "a"
mode = "log"
by = "sender_domain"
direction = "outbound"
null_sender = false
messages = "1/1m"
recipients = "2/1m"
bytes = "3K/1m"
bounces = "4/1m"
except = "example.com"
[[throttle]]
name = "b"
by = "client"
null_sender = true
messages = "1/1m"
"#;

#[test]
fn every_key_of_limits_is_read() {
    let limits = good(&[("limits.toml", LIMITS)]).limits;
    let shown = format!(
        "{:?}",
        (
            &limits.connections,
            &limits.rates,
            &limits.greeting,
            &limits.tarpit,
            &limits.bans,
            &limits.greylist
        )
    );
    let seconds = |s| format!("{:?}", Duration::from_secs(s));
    let rate = |count: u64, s| format!("Some(Rate {{ count: {count}, period: {} }})", seconds(s));
    assert_eq!(
        shown,
        format!(
            "(ConnectionLimits {{ mode: Log, per_ip: 1, per_prefix: 2, prefix_v4: 20, prefix_v6: 48 }}, \
             Rates {{ mode: Off, connections: {}, messages: None, recipients: {}, errors: {}, auth_failures: {}, prefix_factor: 9 }}, \
             Greeting {{ delay: {}, early_talk: Log }}, \
             Tarpit {{ after: 0, step: {}, most: {} }}, \
             Bans {{ mode: Log, limit: 7, window: {}, time: {}, grow_percent: 150, most: {}, points: BanPoints {{ \
             unknown_recipient: 0, relay_denied: 1, auth_failure: 2, early_talk: 3, protocol_error: 4, refused: 5, over_limit: 6, virus: 7 }} }}, \
             Greylist {{ mode: On, only: All, delay: {}, window: {}, lifetime: {}, proven_after: 0, entries: 1000 }})",
            rate(1, 1),
            rate(3, 60),
            rate(4, 3600),
            rate(5, 86_400),
            seconds(0),
            seconds(0),
            seconds(5),
            seconds(7200),
            seconds(60),
            seconds(120),
            seconds(60),
            seconds(120),
            seconds(180)
        )
    );
    let [a, b] = &limits.throttles[..] else { panic!() };
    assert_eq!((&*a.name, a.by, a.direction), ("a", ThrottleBy::SenderDomain, Some(Direction::Outbound)));
    let counts = [a.messages, a.recipients, a.octets, a.bounces].map(|rate| rate.unwrap().count);
    assert_eq!((counts, a.line, a.except.is_some()), ([1, 2, 3072, 4], 9, true));
    assert_eq!((b.by, b.direction, b.null_sender, b.line), (ThrottleBy::Client, None, true, 20));
}

const PROTOCOL: &str = r#"
answer_at = "data"
exempt_recipients = ["Abuse"]
syntax = { missing_brackets = "off", space_after_colon = "on", missing_hello = "off", unqualified_sender = "on", undeclared_8bit = "on", improper_pipelining = "off", unknown_command = "off" }
hello = { syntax = "off", own_name = "off", bare_address = "off", literal = "on", wrong_literal = "off", unqualified = "on", unresolvable = "on", reverse_mismatch = "on", no_reverse_name = "on" }
sender = { unresolvable = "on", null_sender = "off", null_recipients = 3, own_domain = "on" }
reputation = { mode = "log", reject = 2, tempfail = 0.5, deadline = "1s" }
country = { database = "c.mmdb" }
access = { block = ["bad"], allow = [] }
[[dnsbl]]
zone = "Zen.Example.org."
of = "hello"
weight = -1.25
answers = ["127.0.0.4", "127.0.1.2-127.0.1.9"]
[[rule]]
id = "one"
action = "reject"
mode = "log"
answer_at = "message"
text = "No"
code = 554
on_unknown = "pass"
points = 3
delay = "1500ms"
copy = "policy"
client = "192.0.2.0/24"
reverse_name = [".example.com"]
has_reverse_name = true
hello = "*.example.com"
sender = ["@bad", "<>"]
header_from = "a@example.com"
user = "anna"
listener = "in"
direction = "inbound"
tls = true
authenticated = false
size_over = "1K"
country = ["de", "AT"]
listed_from = 0.75
[[rule]]
id = "two"
action = "hide"
hide = ["chunking", "DSN"]
tls = false
[[rule]]
id = "three"
action = "tempfail"
recipient = "x@example.net"
[[rule]]
id = "four"
action = "continue"
answer_at = "connect"
points = 1
[[rule]]
id = "five"
action = "quarantine"
folder = "spam"
authenticated = false
[[expect]]
client = "::ffff:192.0.2.1"
reverse_name = "a.example.com"
listener = "in"
hello = "a.example.com"
tls = true
user = "anna"
sender = "<>"
recipient = "x@example.net"
header_from = "a@example.com"
size = "2K"
country = "de"
listed = -0.5
result = "tempfail"
rule = "three"
[[expect]]
client = "192.0.2.1"
sender = "a@example.com"
result = "pass"
"#;

#[test]
fn every_key_of_protocol_is_read() {
    let policy = good(&[("protocol.toml", PROTOCOL), ("lists/bad.list", "example.org\n")]);
    let p = &policy.protocol;
    assert_eq!((p.answer_at, &*p.exempt_recipients[0]), (Stage::Data, "abuse"));
    assert_eq!(
        format!("{:?} {:?}", p.syntax, p.hello),
        "Syntax { missing_brackets: Off, space_after_colon: On, missing_hello: Off, unqualified_sender: On, undeclared_8bit: On, \
         improper_pipelining: Off, unknown_command: Off } HelloRules { syntax: Off, own_name: Off, bare_address: Off, literal: On, \
         wrong_literal: Off, unqualified: On, unresolvable: On, reverse_mismatch: On, no_reverse_name: On }"
    );
    assert_eq!(
        format!("{:?} {:?}", p.sender, p.reputation),
        "SenderRules { unresolvable: On, null_sender: Off, null_recipients: 3, own_domain: On } \
         Reputation { mode: Log, reject_milli: 2000, tempfail_milli: Some(500), deadline: 1s, zones: [Zone { \
         zone: \"zen.example.org\", of: Hello, weight_milli: -1250, \
         answers: [(127.0.0.4, 127.0.0.4), (127.0.1.2, 127.0.1.9)], line: 10 }] }"
    );
    assert_eq!(p.country_database.as_deref(), Some(Path::new("/rules/c.mmdb")));
    assert_eq!((p.block.len(), p.allow.len(), &*p.block[0].name), (1, 0, "bad"));
    let [one, two, three, four, _] = &policy.rules[..] else { panic!() };
    assert_eq!(
        format!(
            "{:?}",
            (&one.id, &one.file, one.line, one.mode, one.action, one.answer_at, &one.text, one.code)
        ),
        "(\"one\", \"protocol.toml\", 15, Log, Reject, Message, Some(\"No\"), Some(554))"
    );
    assert_eq!(format!("{:?}", (one.on_unknown, one.points, one.delay_ms)), "(Pass, 3, 1500)");
    let Conditions { client, reverse_name, has_reverse_name, hello, sender, header_from, user, .. } =
        &one.when;
    assert!([client, reverse_name, hello, sender, header_from, user].iter().all(|matcher| matcher.is_some()));
    assert_eq!(*has_reverse_name, Some(true));
    let Conditions { listener, direction, tls, authenticated, size_over, country, listed_from_milli, .. } =
        &one.when;
    assert_eq!(
        format!("{:?}", (listener, direction, tls, authenticated, size_over, country, listed_from_milli)),
        "([\"in\"], Some(Inbound), Some(true), Some(false), Some(1024), [\"DE\", \"AT\"], Some(750))"
    );
    assert_eq!(
        (two.answer_at, two.hide.join(" "), two.when.tls),
        (Stage::Helo, "CHUNKING DSN".into(), Some(false))
    );
    // A rule about a recipient is not later than RCPT.
    assert_eq!((three.answer_at, three.when.recipient.is_some()), (Stage::Rcpt, true));
    assert_eq!((four.answer_at, four.points), (Stage::Connect, 1));
    assert_eq!(
        format!("{:?}", policy.expects[0]),
        "Expect { file: \"protocol.toml\", line: 59, client: 192.0.2.1, reverse_name: Some(\"a.example.com\"), listener: \"in\", \
         hello: Some(\"a.example.com\"), tls: true, user: Some(\"anna\"), sender: Some(\"<>\"), \
         recipient: Some(\"<x@example.net>\"), header_from: Some(\"a@example.com\"), size: Some(2048), country: Some(\"DE\"), \
         listed_milli: Some(-500), result: Tempfail, rule: Some(\"three\") }"
    );
    assert_eq!(policy.expects[1].sender.as_deref(), Some("<a@example.com>"));
}

/// Every key of the two files stands in the texts above, so that none is left out.
#[test]
fn no_key_is_left_out() {
    for (name, text) in [
        ("limits.toml", LIMITS),
        ("protocol.toml", PROTOCOL),
        ("quarantine.toml", super::several_quarantine::ALL),
        ("scanners.toml", super::several_scanners::ALL),
        ("policies.toml", super::several_policies::ALL),
    ] {
        let file = FILES.iter().find(|file| file.name == name).unwrap();
        for section in file.sections {
            for key in section.keys {
                assert!(text.contains(&format!("{} = ", key.name)), "{} {}", section.title(), key.name);
            }
        }
    }
}
