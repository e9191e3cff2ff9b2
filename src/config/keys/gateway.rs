//! The keys of `gateway.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Boolean, Duration, List, Number, OneOf, Path, Recipients, Size, Text};
use super::key::{MANY, Section, key};

/// RFC 5321 section 4.5.3.1.7: a message of 64K octets must be taken.
const MESSAGE_MIN: u64 = 64 * 1024;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "The gateway as a whole.", keys: &[
        key("hostname", Text, Required("\"mx.example.net\""), "Our own name in greeting, EHLO and Received:."),
        key("state_dir", Path, Required("\"/var/lib/portcullis\""), "Where lock, control socket, audit log and temporary files live."),
        key("max_message_size", Size(MESSAGE_MIN), Value("\"50M\""), "Largest message; 552 5.3.4 beyond."),
        key("max_connections", Number(1, MANY), Value("10000"), "Client connections at once, all listeners together; 421 4.3.2 beyond."),
        key("user", Text, Unset("stay"), "User to become once the listeners are bound."),
        key("memory", Size(MESSAGE_MIN), Value("\"32M\""), "Message bodies held in memory, all sessions together; beyond it they go to files."),
        key("disk", Size(MESSAGE_MIN), Value("\"2G\""), "Message bodies held in temporary files, all sessions together; 452 4.3.1 beyond."),
        key("drain", Duration, Value("\"30s\""), "How long a stop waits for transactions in progress."),
        key("watch", Boolean, Value("true"), "Whether a change in the rules directory is a reload."),
    ] },
    Section { name: "timeouts", repeated: false, doc: "Deadlines.", keys: &[
        key("greeting_tls", Duration, Value("\"30s\""), "TLS handshake with a client, and the PROXY header."),
        key("command", Duration, Value("\"5m\""), "One command line of a client."),
        key("data", Duration, Value("\"3m\""), "Between two pieces of message data."),
        key("min_rate", Size(1), Value("\"500\""), "Octets a second of message data after the first minute."),
        key("after_data", Duration, Value("\"60s\""), "From the client's end of data to ours downstream."),
        key("downstream_connect", Duration, Value("\"10s\""), "TCP connect, and TLS handshake, with a downstream."),
        key("downstream_command", Duration, Value("\"5m\""), "Reply of a downstream to one command."),
        key("downstream_data_reply", Duration, Value("\"10m\""), "Reply of a downstream to the end of data (RFC 1047)."),
        key("downstream_wait", Duration, Value("\"30s\""), "Waiting for a free downstream connection."),
    ] },
    Section { name: "listener", repeated: true, doc: "An address that takes mail.", keys: &[
        key("name", Text, Required("\"in\""), "Its name in logs and audit lines."),
        key("address", Text, Required("\"0.0.0.0:25\""), "Address and port."),
        key("direction", OneOf(&["inbound", "outbound"]), Required("\"inbound\""), "From the world to our domains, or from our own people to the world."),
        key("downstream", Text, Required("\"mail\""), "Name of the [[downstream]] that gets its mail."),
        key("tls", OneOf(&["off", "starttls", "implicit"]), Value("\"off\""), "TLS with clients."),
        key("certificate", Path, Unset("none"), "PEM file: the chain, leaf first."),
        key("key", Path, Unset("none"), "PEM file: the private key."),
        key("auth", OneOf(&["off", "tls", "plaintext"]), Unset("off on inbound, tls on outbound"), "Whether AUTH is offered."),
        key("auth_ntlm", Boolean, Value("false"), "Whether AUTH NTLM may be offered."),
        key("bare_newline", OneOf(&["reject", "normalize"]), Value("\"reject\""), "What a bare CR or LF in message data leads to."),
        key("normalize_from", List("networks"), Value("[]"), "Peers whose bare newlines are repaired whatever bare_newline says."),
        key("proxy_protocol", List("networks"), Value("[]"), "Peers that must begin with a PROXY header (v1 or v2)."),
        key("xclient", List("networks"), Value("[]"), "Peers that may use XCLIENT."),
        key("xclient_login", Boolean, Value("false"), "Whether XCLIENT LOGIN is honoured."),
        key("hide", List("EHLO keywords"), Value("[]"), "EHLO keywords never offered; AUTH=NAME hides one mechanism."),
        key("max_recipients", Number(1, MANY), Value("1000"), "Recipients of one transaction; 452 4.5.3 beyond."),
        key("max_errors", Number(1, MANY), Value("10"), "Errors of one session; then 421 4.7.0."),
        key("max_commands", Number(1, MANY), Value("1000"), "Commands without a delivered message; then 421 4.7.0."),
        key("one_recipient_per_transaction", Boolean, Value("false"), "Take one recipient a transaction; the others hear 452 4.5.3."),
        key("greeting", Text, Value("\"ESMTP\""), "Text behind \"220 hostname\"."),
        key("max_connections", Number(1, MANY), Unset("no limit of its own"), "Client connections at once on this listener; 421 4.3.2 beyond."),
    ] },
    Section { name: "downstream", repeated: true, doc: "A mail server behind us.", keys: &[
        key("name", Text, Required("\"mail\""), "Its name in logs, audit lines and listeners."),
        key("addresses", List("addresses"), Required("[\"10.0.0.5:25\"]"), "Its addresses, with ;priority= and ;weight=."),
        key("tls", OneOf(&["off", "opportunistic", "required", "pinned"]), Value("\"opportunistic\""), "TLS towards it."),
        key("pins", List("pins"), Value("[]"), "With tls = \"pinned\": SHA-256 of the public keys that it may have."),
        key("ca", Path, Unset("none"), "PEM file of the certificates to verify against, with tls = \"required\"."),
        key("server_name", Text, Unset("none"), "Name in SNI and in its certificate."),
        key("identity", OneOf(&["auto", "xclient", "xforward", "proxy", "none"]), Value("\"auto\""), "How it learns who the client is."),
        key("max_connections", Number(1, MANY), Value("20"), "Connections to it at once."),
        key("idle_timeout", Duration, Value("\"300s\""), "Its own idle limit; we keep a session idle for half of it."),
        key("max_messages_per_connection", Number(1, MANY), Value("100"), "Messages over one connection."),
        key("reuse", Boolean, Value("true"), "Whether a session is used for more than one message."),
        key("chunking", OneOf(&["auto", "off"]), Value("\"auto\""), "Whether BDAT is used where it is offered."),
        key("hide_text", Boolean, Value("false"), "Replace the text of its refusals."),
        key("ehlo_name", Text, Unset("hostname"), "Our EHLO name towards it."),
        key("backpressure", Boolean, Value("true"), "Use fewer connections while it answers 4yz or slowly."),
        key("on_outage", OneOf(&["tempfail", "queue"]), Value("\"tempfail\""), "When no address of it can be reached: 451 4.4.1, or take mail for recipients that are known to exist and deliver it later."),
    ] },
    Section { name: "relay", repeated: false, doc: "Who may send where.", keys: &[
        key("domains", List("domains"), Value("[]"), "Recipient domains that anybody may send to."),
        key("from", List("networks"), Value("[]"), "Clients that may send anywhere."),
        key("recipients", Recipients, Unset("no table"), "Per domain the only accepted recipients."),
    ] },
    Section { name: "trusted", repeated: false, doc: "Clients free of limits.", keys: &[
        key("clients", List("networks"), Value("[\"127.0.0.0/8\", \"::1/128\"]"), "Clients free of limits, bans and delays; no right to relay."),
    ] },
    Section { name: "dns", repeated: false, doc: "How names are looked up.", keys: &[
        key("servers", List("name servers"), Value("[]"), "Name servers, with a port where it is not 53; none is those of the system."),
        key("timeout", Duration, Value("\"3s\""), "For one question, retries included."),
        key("cache", Number(1, MANY), Value("10000"), "Answers remembered."),
        key("reverse_names", Boolean, Value("true"), "Look up the reverse name of every client, also where no check needs it."),
    ] },
    Section { name: "records", repeated: false, doc: "What is remembered of sessions and messages.", keys: &[
        key("entries", Number(100, 10 * MANY), Value("200000"), "Sessions and messages."),
        key("transcripts", Number(1, MANY), Value("2000"), "Transcripts of refused sessions."),
    ] },
    Section { name: "audit", repeated: false, doc: "One line per connection and message.", keys: &[
        key("file", Path, Unset("audit.jsonl in state_dir"), "The audit log; \"-\" is standard output."),
    ] },
    Section { name: "log", repeated: false, doc: "The operational log on standard error.", keys: &[
        key("level", Text, Value("\"info\""), "error, warn, info, debug or trace; also per module: \"info,portcullis::gateway=debug\"."),
        key("format", OneOf(&["text", "json"]), Value("\"text\""), "Lines for people or JSON."),
    ] },
];
