//! `scanners.toml`: defaults, every key, and what is said of each mistake.

use super::model::{CommandLine, Engine, EngineAddress, Lane, OnInfected, Policy, ScannerRules, Scanning};
use super::several::read;
use crate::rules::Mode;
use crate::verdict::Folder;
use std::time::Duration;

const SCANNERS: &str = "scanners.toml";

fn good(text: &str) -> Policy {
    let (policy, problems) = read(&[(SCANNERS, text)]);
    assert!(problems.is_empty(), "{problems:#?}");
    policy.unwrap()
}

/// The problems of one text, without its name.
fn told(text: &str) -> Vec<String> {
    let strip = |problem: &String| problem.strip_prefix("scanners.toml:").unwrap_or(problem).to_owned();
    read(&[(SCANNERS, text)]).1.iter().map(strip).collect()
}

fn clamd() -> Engine {
    Engine::Clamd(vec![EngineAddress::Tcp("127.0.0.1:3310".parse().unwrap())])
}

#[test]
fn without_a_key_the_defaults_hold() {
    assert_eq!(good("").scanning, Scanning::default());
    let least = "[[scanner]]\nname = \"a\"\nengine = \"clamd\"\naddresses = [\"127.0.0.1:3310\"]\n";
    let want = ScannerRules { line: 1, ..ScannerRules::named("a", clamd()) };
    assert_eq!(*good(least).scanning.scanners[0], want);
    let rspamd = least.replace("clamd", "rspamd");
    assert_eq!(good(&rspamd).scanning.scanners[0].on_too_large, Lane::PassTagged);
    let command = "[[scanner]]\nname = \"a\"\nengine = \"command\"\ncommand = [\"/bin/true\"]\n";
    let Engine::Command(line) = &good(command).scanning.scanners[0].engine else { panic!() };
    assert_eq!(
        (&line.clean[..], &line.infected[..], &line.spam[..], line.spam_milli),
        (&[0][..], &[1][..], &[][..], 5_000)
    );
}

pub(super) const ALL: &str = r#"
deadline = "31s"
cache = 5
[[scanner]]
name = "one"
engine = "clamd"
mode = "log"
addresses = ["unix:/run/clamd", "[::1]:3310"]
timeout = "1s"
concurrency = 2
queue = 3
max_size = "4K"
on_infected = "quarantine"
folder = "spam"
on_error = "hold"
on_too_large = "tempfail"
factor = 0.5
score_most = 6
skip = ["A", "B*"]
breaker_failures = 7
breaker_pause = "8s"
[[scanner]]
name = "two"
engine = "spamd"
addresses = ["127.0.0.1:783"]
user = "anna@example.net"
on_infected = "discard"
on_error = "quarantine"
on_too_large = "pass-tagged"
[[scanner]]
name = "three"
engine = "command"
command = ["/bin/look", "-q"]
exit_clean = ["0", "4"]
exit_infected = ["1"]
exit_spam = ["2", "3"]
spam_score = 1.5
on_error = "pass-tagged"
"#;

#[test]
fn every_key_is_read() {
    let scanning = good(ALL).scanning;
    assert_eq!((scanning.deadline, scanning.cache), (Duration::from_secs(31), 5));
    let addresses =
        vec![EngineAddress::Unix("/run/clamd".into()), EngineAddress::Tcp("[::1]:3310".parse().unwrap())];
    let one = ScannerRules {
        name: "one".into(),
        engine: Engine::Clamd(addresses),
        mode: Mode::Log,
        timeout: Duration::from_secs(1),
        concurrency: Some(2),
        queue: 3,
        max_octets: 4096,
        on_infected: OnInfected::Quarantine(Folder("spam".into())),
        on_error: Lane::Hold,
        on_too_large: Lane::Tempfail,
        factor_milli: 500,
        score_most_milli: 6_000,
        skip: vec!["A".into(), "B*".into()],
        breaker_failures: 7,
        breaker_pause: Duration::from_secs(8),
        line: 4,
    };
    let two = Engine::Spamd {
        addresses: vec![EngineAddress::Tcp("127.0.0.1:783".parse().unwrap())],
        user: Some("anna@example.net".into()),
    };
    let two = ScannerRules {
        on_infected: OnInfected::Discard,
        on_error: Lane::Quarantine,
        line: 22,
        ..ScannerRules::named("two", two)
    };
    let three = Engine::Command(CommandLine {
        words: vec!["/bin/look".into(), "-q".into()],
        clean: vec![0, 4],
        infected: vec![1],
        spam: vec![2, 3],
        spam_milli: 1_500,
    });
    let three = ScannerRules { on_error: Lane::PassTagged, line: 30, ..ScannerRules::named("three", three) };
    assert_eq!(scanning.scanners.iter().map(|s| (**s).clone()).collect::<Vec<_>>(), [one, two, three]);
    assert!(scanning.scanner("two").is_some() && scanning.scanner("four").is_none());
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (text, want) in TABLE {
        let text = text.replace(
            "SC\n",
            "[[scanner]]\nname = \"a\"\nengine = \"clamd\"\naddresses = [\"127.0.0.1:1\"]\n",
        );
        let text =
            text.replace("CO\n", "[[scanner]]\nname = \"a\"\nengine = \"command\"\ncommand = [\"/bin/a\"]\n");
        assert_eq!(told(&text), *want, "{text}");
    }
}

#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("deadline = \"0s\"\n", &["1:12: error: `deadline`: zero would mean that nothing is ever waited for"]),
    ("[[scaner]]\n", &["1:3: error: unknown table [scaner]; did you mean [[scanner]]?"]),
    ("[[scanner]]\nname = \"a\"\nengine = \"clam\"\naddresses = [\"127.0.0.1:1\"]\n", &[
        "3:10: error: `engine`: expected \"clamd\", \"rspamd\", \"spamd\" or \"command\", found \"clam\"; did you mean \"clamd\"?",
    ]),
    ("[[scanner]]\nname = \"a\"\nengine = \"clamd\"\n", &[
        "1:1: error: `addresses`: at least one address is needed, for example [\"unix:/run/clamav/clamd.ctl\"] or [\"127.0.0.1:3310\"]",
    ]),
    ("[[scanner]]\nname = \"a\"\nengine = \"clamd\"\naddresses = [\"localhost:1\", \"/run/c\", \"unix:c\", \"127.0.0.1:0\", \"127.0.0.1:1\", \"127.0.0.1:1\"]\n", &[
        "4:14: error: `addresses`: expected \"unix:\" and the path of a socket, or an address and port such as \"127.0.0.1:3310\" (host names are not looked up), found \"localhost:1\"",
        "4:29: error: `addresses`: a socket is written \"unix:/run/c\"",
        "4:39: error: `addresses`: the path of a socket begins with a slash, found \"unix:c\"",
        "4:49: error: `addresses`: nothing listens on port 0",
        "4:79: error: `addresses`: 127.0.0.1:1 is listed twice",
    ]),
    ("SC\non_eror = \"hold\"\n", &["5:1: error: unknown key `on_eror` in [[scanner]]; did you mean `on_error`?"]),
    ("SC\non_error = \"pass\"\n", &[
        "5:12: error: `on_error`: expected \"tempfail\", \"hold\", \"pass-tagged\" or \"quarantine\", found \"pass\"",
    ]),
    ("SC\non_too_large = \"hold\"\n", &[
        "5:16: error: `on_too_large`: expected \"tempfail\", \"pass-tagged\" or \"quarantine\", found \"hold\"",
    ]),
    ("SC\nfolder = \"spam\"\n", &["5:10: error: `folder` is for on_infected = \"quarantine\": take the line out"]),
    ("SC\non_infected = \"quarantine\"\nfolder = \"spma\"\n", &[
        "6:10: error: `folder`: there is no folder \"spma\"; did you mean \"spam\"?",
    ]),
    ("SC\nuser = \"x\"\n", &["5:8: error: `user` is for engine = \"spamd\": take the line out"]),
    ("SC\nspam_score = 2.0\n", &["5:14: error: `spam_score` is for engine = \"command\": take the line out"]),
    ("SC\nskip = [\"*A\"]\n", &[
        "5:9: error: `skip`: expected the name of a symbol, perhaps with * at its end, found \"*A\"",
    ]),
    ("SC\ntimeout = \"1m\"\n", &[
        "5:11: warning: `timeout` is longer than `deadline` at the top of the file, so it ends after 20 s",
    ]),
    ("SC\nSC\n", &["6:8: error: `name`: \"a\" is already the name of the [[scanner]] in line 2"]),
    ("CO\naddresses = [\"127.0.0.1:1\"]\n", &[
        "5:13: error: `addresses`: a program is started and not connected to: take the line out",
    ]),
    ("CO\nexit_spam = [\"1\", \"300\"]\n", &[
        "5:13: error: `exit_spam`: exit code 1 means something else already",
        "5:19: error: `exit_spam`: exit codes go from \"0\" to \"255\", found \"300\"",
    ]),
    ("[[scanner]]\nname = \"a\"\nengine = \"command\"\ncommand = [\"look\"]\n", &[
        "4:12: error: `command`: expected the whole path of a program, found \"look\"",
    ]),
    ("[[scanner]]\nname = \"a\"\nengine = \"command\"\n", &[
        "1:1: error: `command`: program and arguments are needed, for example [\"/usr/local/bin/look\", \"--mail\"]",
    ]),
    ("[[scanner]]\nname = \"a\"\nengine = \"spamd\"\naddresses = [\"127.0.0.1:1\"]\nuser = \"a b\"\n", &[
        "5:8: error: `user`: expected up to 64 letters, digits, and - _ . @ +, found \"a b\"",
    ]),
];
