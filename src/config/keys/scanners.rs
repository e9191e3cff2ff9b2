//! The keys of `scanners.toml`.

use super::key::Fallback::{Required, Unset, Value};
use super::key::Kind::{Decimal, Duration, List, Number, OneOf, Size, Text};
use super::key::{MANY, Section, key};

/// No engine is asked more than this at once.
const CONCURRENCY_MAX: u64 = 1_000;

/// Its tables, the top first.
#[rustfmt::skip]
pub static SECTIONS: &[Section] = &[
    Section { name: "", repeated: false, doc: "Scanning engines: where they are, how long and how many at once, and what follows where one does not answer.", keys: &[
        key("deadline", Duration, Value("\"20s\""), "For all scanners of one message together, waiting for a place included."),
        key("cache", Number(0, MANY), Value("10000"), "Results that are remembered, by digest of the message and version of the signatures; 0 is none."),
    ] },
    Section { name: "scanner", repeated: true, doc: "An engine. All of them are asked at the same time.", keys: &[
        key("name", Text, Required("\"clamav\""), "Its name in logs, headers and on the command line."),
        key("engine", OneOf(&["clamd", "rspamd", "spamd", "command"]), Required("\"clamd\""), "What it is."),
        key("mode", OneOf(&["off", "log", "on"]), Value("\"on\""), "Off: not asked; log: asked, and nothing follows."),
        key("addresses", List("addresses"), Unset("no address; needed but for engine = \"command\""), "Where it listens, \"unix:/run/clamav/clamd.ctl\" or \"127.0.0.1:3310\"; several take turns, and stand in for each other."),
        key("timeout", Duration, Value("\"15s\""), "For one scan, from when it has its place."),
        key("concurrency", Number(1, CONCURRENCY_MAX), Unset("four times the cores of this machine"), "Scans at once."),
        key("queue", Number(0, MANY), Value("200"), "Messages that may wait for a place; beyond, `on_error`."),
        key("max_size", Size(1024), Value("\"50M\""), "Larger messages are not given to it: `on_too_large`. Not above its own limit (StreamMaxLength of clamd)."),
        key("on_infected", OneOf(&["reject", "quarantine", "discard"]), Value("\"reject\""), "What an infected message gets."),
        key("folder", Text, Unset("virus"), "Folder of infected messages, with on_infected = \"quarantine\"."),
        key("on_error", OneOf(&["tempfail", "hold", "pass-tagged", "quarantine"]), Value("\"tempfail\""), "What a message gets that it gave no answer to."),
        key("on_too_large", OneOf(&["tempfail", "pass-tagged", "quarantine"]), Unset("quarantine; pass-tagged for rspamd and spamd"), "What a message gets that is too large for it."),
        key("factor", Decimal(0, 100_000), Value("1.0"), "Its scores count so much."),
        key("score_most", Decimal(0, 1_000_000), Value("15.0"), "What it adds to the score, or takes from it, at most."),
        key("skip", List("symbols"), Value("[]"), "Symbols that count nothing: names, with * at the end for all that begin so."),
        key("user", Text, Unset("that of the daemon"), "Whose preferences, with engine = \"spamd\"."),
        key("command", List("words"), Unset("no program; needed with engine = \"command\""), "Program and arguments, without a shell: the message at its standard input."),
        key("exit_clean", List("exit codes"), Value("[\"0\"]"), "Exit codes of the program that say clean."),
        key("exit_infected", List("exit codes"), Value("[\"1\"]"), "Exit codes that say infected; the first line of its output is the name."),
        key("exit_spam", List("exit codes"), Value("[]"), "Exit codes that say spam. Every other code, and a signal, is no answer."),
        key("spam_score", Decimal(0, 1_000_000), Value("5.0"), "Score of spam that the program found, before `factor`."),
        key("breaker_failures", Number(1, MANY), Value("5"), "Failures in a row after which an address is left alone."),
        key("breaker_pause", Duration, Value("\"10s\""), "Until it is asked whether it is back."),
    ] },
];
