use super::model::{
    Address, AuditTarget, AuthMode, BareNewline, DownstreamTls, Identity, ListenerTls, OnOutage, Policy,
};
use super::{FILES, Section, parse};
use crate::mail::{Domain, Mailbox};
use crate::verdict::Direction;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const MINIMAL: &str = "\
hostname = \"mx.example.net\"
state_dir = \"/var/lib/portcullis\"
[[listener]]
name = \"in\"
address = \"127.0.0.1:25\"
direction = \"inbound\"
downstream = \"mail\"
[[downstream]]
name = \"mail\"
addresses = [\"10.0.0.5\"]
[relay]
domains = [\"example.net\"]
";

/// The tables of `gateway.toml`.
fn keys() -> &'static [Section] {
    FILES[0].sections
}

pub(super) fn read(text: &str, files: &[(&str, &str)]) -> (Option<Policy>, Vec<String>) {
    let files: HashMap<PathBuf, String> =
        files.iter().map(|(name, text)| (Path::new("/rules").join(name), (*text).to_owned())).collect();
    let open = |path: &Path| files.get(path).cloned().ok_or_else(|| io::Error::other("no such file"));
    let (policy, problems) = parse(text, Path::new("/rules"), &open);
    assert_eq!(policy.is_some(), !problems.iter().any(crate::rules::Problem::is_error), "{problems:?}");
    (policy, problems.iter().map(ToString::to_string).collect())
}

fn good(text: &str) -> Policy {
    let (policy, problems) = read(text, &[]);
    assert!(problems.is_empty(), "{problems:#?}\n{text}");
    policy.unwrap()
}

/// The minimal file with some lines put in: at the top, in the listener, the downstream, the relay table, or
/// behind it.
pub(super) fn with(place: &str, lines: &str) -> String {
    let anchor = match place {
        "top" => "state_dir",
        "listener" => "downstream = ",
        "downstream" => "addresses",
        "relay" => "domains",
        _ => return format!("{MINIMAL}{lines}\n"),
    };
    let mut out = String::new();
    for line in MINIMAL.lines() {
        out.push_str(line);
        out.push('\n');
        if line.starts_with(anchor) {
            out.push_str(lines);
            out.push('\n');
        }
    }
    out
}

#[test]
fn the_smallest_file_loads_with_all_defaults() {
    let policy = good(MINIMAL);
    assert_eq!(&*policy.hostname, "mx.example.net");
    assert_eq!(policy.state_dir, Path::new("/var/lib/portcullis"));
    assert_eq!((policy.max_message_octets, policy.max_connections), (50 << 20, 10_000));
    assert_eq!((policy.memory_octets, policy.disk_octets), (32 << 20, 2 << 30));
    assert_eq!((policy.drain, policy.user.as_deref()), (Duration::from_secs(30), None));
    assert_eq!(policy.timeouts.downstream_data_reply, Duration::from_secs(600));
    assert_eq!((policy.timeouts.command, policy.timeouts.min_rate), (Duration::from_secs(300), 500));
    assert_eq!(policy.audit, AuditTarget::File("/var/lib/portcullis/audit.jsonl".into()));
    assert_eq!((policy.log.level.as_str(), policy.log.json), ("info", false));
    assert!(
        policy.trusted.contains("127.9.9.9".parse().unwrap())
            && policy.trusted.contains("::1".parse().unwrap())
    );
    assert!(policy.relay.from.is_empty() && policy.relay.recipients.is_empty());
    let listener = &policy.listeners[0];
    assert_eq!(
        (listener.direction, listener.auth, &listener.tls),
        (Direction::Inbound, AuthMode::Off, &ListenerTls::Off)
    );
    assert_eq!((listener.max_recipients, listener.max_errors, listener.max_commands), (1000, 10, 1000));
    assert_eq!((&*listener.greeting, listener.bare_newline), ("ESMTP", BareNewline::Reject));
    let downstream = policy.downstream("mail").unwrap();
    assert_eq!(
        downstream.addresses,
        [Address { socket: "10.0.0.5:25".parse().unwrap(), priority: 0, weight: 1 }]
    );
    assert_eq!((&downstream.tls, downstream.identity), (&DownstreamTls::Opportunistic, Identity::Auto));
    assert_eq!((downstream.max_connections, downstream.max_messages_per_connection), (20, 100));
    assert_eq!((downstream.reuse, downstream.chunking, downstream.hide_text), (true, true, false));
    assert_eq!(
        (&*downstream.ehlo_name, downstream.idle_timeout),
        ("mx.example.net", Duration::from_secs(300))
    );
}

/// Every key with a value that is not its default.
const FULL: &str = r#"
hostname = "MX.example.net"
state_dir = "state"
max_message_size = "64K"
max_connections = 5
user = "portcullis"
memory = 65536
disk = "1G"
drain = "1m"
watch = false
timeouts = { greeting_tls = "1s", command = "2s", data = "3s", min_rate = 4, after_data = "5s", downstream_connect = "6s", downstream_command = "7s", downstream_data_reply = "1h", downstream_wait = "300ms" }
[[listener]]
name = "in"
address = "[::1]:465"
direction = "outbound"
downstream = "b"
tls = "implicit"
certificate = "c.pem"
key = "/k.pem"
auth = "plaintext"
auth_ntlm = true
bare_newline = "normalize"
normalize_from = ["10.0.0.0/8"]
proxy_protocol = ["10.0.0.1"]
xclient = ["10.0.0.2", "::ffff:10.0.0.3"]
xclient_login = true
hide = ["dsn", "AUTH=ntlm"]
max_recipients = 100
max_errors = 1
max_commands = 2
one_recipient_per_transaction = true
greeting = "ESMTP here"
max_connections = 7
[[downstream]]
name = "b"
addresses = ["10.0.0.5:26;priority=1;weight=2"]
tls = "pinned"
pins = ["sha256:00000000000000000000000000000000000000000000000000000000000000ff"]
ca = "ca.pem"
server_name = "Mail.example.net"
identity = "proxy"
max_connections = 3
idle_timeout = "4s"
max_messages_per_connection = 5
reuse = false
chunking = "off"
hide_text = true
ehlo_name = "[192.0.2.1]"
on_outage = "queue"
backpressure = false
[relay]
domains = [".example.net", "example.net"]
from = ["192.0.2.0/24"]
recipients = { "example.net" = ["info"] }
[trusted]
clients = []
[dns]
servers = ["127.0.0.1:5353"]
timeout = "1s"
cache = 10
reverse_names = false
[records]
entries = 1000
transcripts = 10
[audit]
file = "audit"
[log]
level = "warn,portcullis=debug"
format = "json"
"#;

#[test]
fn every_key_is_read() {
    let policy = good(FULL);
    for section in keys() {
        for key in section.keys {
            let line = format!("{} = ", key.name);
            assert!(FULL.contains(&line), "{} {}", section.title(), key.name);
        }
    }
    assert_eq!(
        (&*policy.hostname, policy.state_dir.as_path()),
        ("mx.example.net", Path::new("/rules/state"))
    );
    assert_eq!((policy.max_message_octets, policy.max_connections), (65_536, 5));
    assert_eq!((policy.user.as_deref(), policy.memory_octets), (Some("portcullis"), 65_536));
    let t = &policy.timeouts;
    let seconds =
        [t.greeting_tls, t.command, t.data, t.after_data, t.downstream_connect, t.downstream_command]
            .map(|d| d.as_secs());
    assert_eq!((seconds, t.min_rate, t.downstream_wait), ([1, 2, 3, 5, 6, 7], 4, Duration::from_millis(300)));
    let l = &policy.listeners[0];
    let ListenerTls::Implicit(files) = &l.tls else { panic!("{:?}", l.tls) };
    assert_eq!(
        (files.certificate.as_path(), files.key.as_path()),
        (Path::new("/rules/c.pem"), Path::new("/k.pem"))
    );
    assert_eq!((l.auth, l.auth_ntlm, l.bare_newline), (AuthMode::Plaintext, true, BareNewline::Normalize));
    assert!(
        l.xclient.contains("10.0.0.3".parse().unwrap()) && l.xclient_login && l.one_recipient_per_transaction
    );
    assert_eq!(
        (l.hide.join(" "), l.max_recipients, l.max_errors, l.max_commands),
        ("DSN AUTH=NTLM".into(), 100, 1, 2)
    );
    let d = &policy.downstreams[0];
    let DownstreamTls::Pinned(pins) = &d.tls else { panic!("{:?}", d.tls) };
    assert_eq!((pins[0][0], pins[0][31], d.ca.as_deref()), (0, 255, Some(Path::new("/rules/ca.pem"))));
    assert_eq!(
        (d.server_name.as_deref(), d.identity, d.reuse),
        (Some("mail.example.net"), Identity::Proxy, false)
    );
    assert_eq!((d.on_outage, d.backpressure), (OnOutage::Queue, false));
    assert_eq!((d.chunking, d.hide_text, &*d.ehlo_name), (false, true, "[192.0.2.1]"));
    assert!(
        policy.relay.domains.contains(&Domain::parse(b"a.example.net").unwrap()) && policy.trusted.is_empty()
    );
    assert!(policy.relay.recipients.has(&Mailbox::parse(b"INFO@example.net").unwrap()));
    assert_eq!((policy.audit, policy.log.json), (AuditTarget::File("/rules/audit".into()), true));
    assert_eq!((policy.watch, l.max_connections, d.backpressure), (false, 7, false));
    assert_eq!((&*policy.dns.servers, policy.dns.cache), (&["127.0.0.1:5353".parse().unwrap()][..], 10));
    assert_eq!((policy.dns.timeout, policy.dns.reverse_names), (Duration::from_secs(1), false));
    assert_eq!((policy.records.entries, policy.records.transcripts), (1000, 10));
}

/// `read` checks that there is a policy exactly if there is no error.
#[test]
fn a_damaged_file_is_told_and_never_panics() {
    for (at, c) in FULL.char_indices() {
        let (before, rest) = FULL.split_at(at);
        read(before, &[]);
        for other in ["", "\"", "]", "\n", "ü", "=", "0"] {
            read(&format!("{before}{other}{}", rest.strip_prefix(c).unwrap()), &[]);
        }
    }
}

#[test]
fn every_word_of_a_key_has_its_own_meaning() {
    let tls = |word| good(&with("downstream", word)).downstreams[0].tls.clone();
    assert_eq!(tls("tls = \"off\""), DownstreamTls::Off);
    assert_eq!(tls("tls = \"required\""), DownstreamTls::Required);
    for (word, want) in [
        ("identity = \"auto\"", Identity::Auto),
        ("identity = \"xclient\"", Identity::Xclient),
        ("identity = \"xforward\"", Identity::Xforward),
        ("identity = \"proxy\"", Identity::Proxy),
        ("identity = \"none\"", Identity::None),
    ] {
        let policy = good(&with("downstream", word));
        assert_eq!(
            (policy.downstreams[0].identity, policy.downstreams[0].reuse),
            (want, want != Identity::Proxy)
        );
    }
    let starttls = "tls = \"starttls\"\ncertificate = \"c\"\nkey = \"k\"\nauth = \"tls\"";
    let policy = good(&with("listener", starttls));
    assert!(
        matches!(policy.listeners[0].tls, ListenerTls::Starttls(_))
            && policy.listeners[0].auth == AuthMode::Tls
    );
    let outbound = good(&MINIMAL.replace("inbound", "outbound"));
    assert_eq!(
        (outbound.listeners[0].direction, outbound.listeners[0].auth),
        (Direction::Outbound, AuthMode::Tls)
    );
    assert_eq!(good(&with("end", "[audit]\nfile = \"-\"")).audit, AuditTarget::Stdout);
}
