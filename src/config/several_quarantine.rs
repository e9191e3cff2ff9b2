//! `quarantine.toml`: defaults, every key, what is said of each mistake; and folders in rules.

use super::model::{
    HoldRules, Notices, OnOutage, Overflow, Policy, Quarantine, QuarantineFolder, RuleAction, SpoolRules,
};
use super::several::read;
use super::tests::with;
use crate::verdict::Stage;
use std::time::Duration;

const QUARANTINE: &str = "quarantine.toml";

fn good(texts: &[(&str, &str)]) -> Policy {
    let (policy, problems) = read(texts);
    assert!(problems.is_empty(), "{problems:#?}");
    policy.unwrap()
}

/// The problems of one text, without its name.
fn told(text: &str) -> Vec<String> {
    let strip = |problem: &String| problem.strip_prefix("quarantine.toml:").unwrap_or(problem).to_owned();
    read(&[(QUARANTINE, text)]).1.iter().map(strip).collect()
}

#[test]
fn without_a_file_the_defaults_hold() {
    for texts in [&[][..], &[(QUARANTINE, "\u{feff}# nothing\n")]] {
        let policy = good(texts);
        assert_eq!(format!("{:?}", policy.quarantine), format!("{:?}", Quarantine::default()));
        assert_eq!(policy.downstreams[0].on_outage, OnOutage::Tempfail);
    }
    // A folder of one's own has the defaults of the table of keys.
    let policy = good(&[(QUARANTINE, "[[folder]]\nname = \"own\"\n")]);
    assert_eq!(**policy.quarantine.folders.last().unwrap(), QuarantineFolder::named("own"));
    assert!(policy.quarantine.folder("spool").is_none());
}

pub(super) const ALL: &str = r#"
trash = "1d"
disk = { warn = "2M", full = "1M" }
spool = { retry = ["1s", "2m"], expire = "3h", concurrency = 5, warn = "never", max_bytes = "6M", max_messages = 7 }
hold = { retry = "8s", max_age = "9m", concurrency = 10 }
notices = { admin = "anna@example.net", downstream = "mail", every = "11m", max_per_hour = 12 }
[[folder]]
name = "mine-2_b"
note = "look at it"
keep = "forever"
max_bytes = "13M"
max_messages = 14
overflow = "oldest"
release = ["anna", "@mail admins"]
rescan = true
[[folder]]
name = "virus"
keep = "1d"
"#;

#[test]
fn every_key_is_read() {
    let all = ALL.replace("mail admins", "mail-admins");
    let kept = good(&[(QUARANTINE, &all)]).quarantine;
    assert_eq!((kept.trash, kept.disk.warn, kept.disk.full), (Duration::from_hours(24), 2 << 20, 1 << 20));
    let retry = vec![Duration::from_secs(1), Duration::from_mins(2)];
    let spool = SpoolRules {
        retry,
        expire: Duration::from_hours(3),
        concurrency: 5,
        warn: None,
        max_octets: 6 << 20,
        max_items: 7,
    };
    assert_eq!(kept.spool, spool);
    let hold = HoldRules { retry: Duration::from_secs(8), max_age: Duration::from_mins(9), concurrency: 10 };
    assert_eq!(kept.hold, hold);
    let notices = Notices {
        admin: Some("anna@example.net".into()),
        downstream: Some("mail".into()),
        every: Duration::from_mins(11),
        max_per_hour: 12,
    };
    assert_eq!(kept.notices, notices);
    let own = QuarantineFolder {
        name: "mine-2_b".into(),
        note: "look at it".into(),
        keep: None,
        max_octets: 13 << 20,
        max_items: 14,
        overflow: Overflow::Oldest,
        release: vec!["anna".into(), "@mail-admins".into()],
        rescan: true,
    };
    assert_eq!(**kept.folders.last().unwrap(), own);
    // Of a built-in folder only what is given changes.
    let virus = QuarantineFolder::built_in().into_iter().find(|f| &*f.name == "virus").unwrap();
    let changed = QuarantineFolder { keep: Some(Duration::from_hours(24)), ..virus };
    assert_eq!(**kept.folder("virus").unwrap(), changed);
    assert_eq!(kept.folders.len(), 8);
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (text, want) in TABLE {
        assert_eq!(told(text), *want, "{text}");
    }
}

#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("trash = \"0s\"\n", &["1:9: error: `trash`: zero would mean that nothing is ever waited for"]),
    ("trsh = \"1d\"\n", &["1:1: error: unknown key `trsh` at the top of the file; did you mean `trash`?"]),
    ("[[foldr]]\nname = \"a\"\n", &["1:3: error: unknown table [foldr]; did you mean [[folder]]?"]),
    ("[folder]\nname = \"a\"\n", &["1:1: error: `folder` is written with two brackets: [[folder]]"]),
    ("[[folder]]\n", &["1:1: error: `name` is missing in [[folder]]; for example: name = \"suspects\""]),
    ("[[folder]]\nname = \"Big\"\n", &[
        "2:8: error: `name`: expected up to 32 lower-case letters, digits, `-` and `_`, found \"Big\"",
    ]),
    ("[[folder]]\nname = \"spool\"\n", &[
        "2:8: error: `name`: \"spool\" means something else on the command line: take another name",
    ]),
    ("[[folder]]\nname = \"a\"\n[[folder]]\nname = \"a\"\n", &[
        "4:8: error: `name`: \"a\" is already the name of the [[folder]] in line 2",
    ]),
    ("[[folder]]\nname = \"a\"\nkeep = \"for ever\"\n", &[
        "3:8: error: `keep`: expected a duration such as \"30d\", or \"forever\", found \"for ever\"; did you mean \"forever\"?",
    ]),
    ("[[folder]]\nname = \"a\"\nkeep = 30\n", &[
        "3:8: error: `keep`: the unit is missing: write \"30s\" for seconds or \"30m\" for minutes",
    ]),
    ("[[folder]]\nname = \"a\"\noverflow = \"oldst\"\n", &[
        "3:12: error: `overflow`: expected \"tempfail\" or \"oldest\", found \"oldst\"; did you mean \"oldest\"?",
    ]),
    ("[[folder]]\nname = \"held\"\noverflow = \"oldest\"\n", &[
        "3:12: error: `overflow`: mail in `held` is on its way to its recipients: what does not fit is put off, not thrown away",
    ]),
    ("[[folder]]\nname = \"a\"\nmax_bytes = \"1K\"\nmax_messages = 0\n", &[
        "3:13: error: `max_bytes`: \"1K\" is too small, the least is 1M",
        "4:16: error: `max_messages`: expected a whole number from 1 to 1000000000, found the number 0",
    ]),
    ("[[folder]]\nname = \"a\"\nrelease = [\"anna\", \"mail admins\", \"@\"]\n", &[
        "3:20: error: `release`: expected a user such as \"anna\" or a group such as \"@admins\", found \"mail admins\"",
        "3:35: error: `release`: expected a user such as \"anna\" or a group such as \"@admins\", found \"@\"",
    ]),
    ("[[folder]]\nname = \"a\"\nmax_mesages = 3\n", &[
        "3:1: error: unknown key `max_mesages` in [[folder]]; did you mean `max_messages`?",
    ]),
    ("[disk]\nwarn = \"1M\"\n", &["2:8: warning: `warn` is less than `full`, so nobody is warned before mail is put off"]),
    ("[spool]\nretry = []\n", &["2:9: error: `retry`: at least one pause is needed, for example [\"1m\", \"10m\", \"1h\"]"]),
    ("[spool]\nretry = [\"1m\", \"0s\", \"1 h\"]\n", &[
        "2:16: error: `retry`: the shortest pause is \"1s\", found \"0s\"",
        "2:22: error: `retry`: durations are written without a space, with ms, s, m, h or d, such as \"1h\", found \"1 h\"",
    ]),
    ("[spool]\nexpire = \"30s\"\nwarn = \"never\"\n", &[
        "2:10: warning: `expire`: there would be one attempt only, for the first pause is 60 seconds",
    ]),
    ("[spool]\nexpire = \"1d\"\nwarn = \"2d\"\n", &["3:8: warning: `warn` is not before `expire`, so nobody is ever warned"]),
    ("[hold]\nretry = \"5h\"\n", &["2:9: warning: `max_age` is less than `retry`, so the admin is told before the second scan"]),
    ("[notices]\nadmin = \"anna\"\ndownstream = \"mial\"\n", &[
        "2:9: error: `admin`: expected an address such as \"postmaster@example.net\", found \"anna\"",
        "3:14: error: `downstream`: no [[downstream]] of gateway.toml is named \"mial\"; did you mean \"mail\"?",
    ]),
];

fn rule(lines: &str) -> Vec<String> {
    let text = format!("[[rule]]\nid = \"r\"\n{lines}");
    let strip = |problem: &String| problem.strip_prefix("protocol.toml:").unwrap_or(problem).to_owned();
    read(&[("protocol.toml", &text)]).1.iter().map(strip).collect()
}

#[test]
fn folders_of_rules_are_known_ones() {
    for (lines, want) in RULES {
        assert_eq!(rule(lines), *want, "{lines}");
    }
    // A folder of one's own is known, and where quarantine.toml has a mistake no name is doubted.
    let mine = "[[rule]]\nid = \"r\"\naction = \"quarantine\"\nfolder = \"mine\"\nclient = \"192.0.2.1\"\n";
    good(&[("protocol.toml", mine), (QUARANTINE, "[[folder]]\nname = \"mine\"\n")]);
    let (_, problems) = read(&[("protocol.toml", mine), (QUARANTINE, "[[folder]]\nname = \"Mine\"\n")]);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[rustfmt::skip]
const RULES: &[(&str, &[&str])] = &[
    ("action = \"quarantine\"\nfolder = \"spam\"\nclient = \"192.0.2.1\"\n", &[]),
    ("action = \"discard\"\nclient = \"192.0.2.1\"\n", &[]),
    ("action = \"continue\"\ncopy = \"spam\"\n", &[]),
    ("action = \"quarantine\"\nclient = \"192.0.2.1\"\n", &[
        "3:10: error: action = \"quarantine\" also needs `folder`, for example folder = \"policy\"",
    ]),
    ("action = \"quarantine\"\nfolder = \"spma\"\nclient = \"192.0.2.1\"\n", &[
        "4:10: error: `folder`: there is no folder \"spma\"; did you mean \"spam\"?",
    ]),
    ("action = \"quarantine\"\nfolder = \"something-else\"\nclient = \"192.0.2.1\"\n", &[
        "4:10: error: `folder`: there is no folder \"something-else\"; there are virus, spam, policy, unscanned, held, discarded, dead, and what quarantine.toml adds",
    ]),
    ("action = \"discard\"\nfolder = \"spam\"\nclient = \"192.0.2.1\"\n", &[
        "4:10: error: `folder`: what is discarded is kept in `discarded` for a while: take the line out, or write action = \"quarantine\"",
    ]),
    ("action = \"reject\"\nfolder = \"spam\"\nclient = \"192.0.2.1\"\n", &[
        "4:10: error: `folder` is for rules with action = \"quarantine\"; `copy` keeps a copy",
    ]),
    ("action = \"quarantine\"\nfolder = \"spam\"\ntext = \"no\"\nclient = \"192.0.2.1\"\n", &[
        "5:8: error: `text`: the client hears 250: a rule with this action gives no reply",
    ]),
    ("action = \"quarantine\"\nfolder = \"spam\"\ncopy = \"policy\"\nclient = \"192.0.2.1\"\n", &[
        "5:8: error: `copy`: a rule with this action keeps the message anyway: take the line out",
    ]),
    ("action = \"reject\"\ncopy = \"policy\"\nrecipient = \"a@example.net\"\n", &[
        "4:8: error: `copy`: a rule about `recipient` answers at RCPT, where there is no message to copy; write action = \"quarantine\"",
    ]),
    ("action = \"reject\"\ncopy = \"policy\"\nanswer_at = \"data\"\nclient = \"192.0.2.1\"\n", &[
        "5:13: error: `answer_at`: at \"data\" there is no message to copy yet: \"message\", or take `copy` out",
    ]),
    ("action = \"hide\"\nhide = \"DSN\"\ncopy = \"policy\"\nclient = \"192.0.2.1\"\n", &[
        "5:8: error: `copy`: when EHLO is answered there is no message to copy",
    ]),
];

#[test]
fn rules_that_keep_are_looked_at_where_they_see_most() {
    let text = r#"
answer_at = "connect"
[[rule]]
id = "a"
action = "quarantine"
folder = "spam"
client = "192.0.2.1"
[[rule]]
id = "b"
action = "discard"
header_from = "a@example.com"
[[rule]]
id = "c"
action = "quarantine"
folder = "policy"
answer_at = "connect"
client = "192.0.2.1"
[[rule]]
id = "d"
action = "reject"
client = "192.0.2.1"
copy = "policy"
"#;
    let policy = good(&[("protocol.toml", text)]);
    let seen: Vec<_> = policy.rules.iter().map(|rule| (rule.action, rule.answer_at)).collect();
    assert_eq!(
        seen,
        [
            (RuleAction::Quarantine, Stage::Rcpt),
            (RuleAction::Discard, Stage::Message),
            (RuleAction::Quarantine, Stage::Connect),
            (RuleAction::Reject, Stage::Message),
        ]
    );
    let folders: Vec<_> =
        policy.rules.iter().map(|rule| (rule.folder.as_ref(), rule.copy.as_ref())).collect();
    let names = |(folder, copy): &(Option<&crate::verdict::Folder>, Option<&crate::verdict::Folder>)| {
        (folder.map(ToString::to_string), copy.map(ToString::to_string))
    };
    let names: Vec<_> = folders.iter().map(names).collect();
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(names, [(some("spam"), None), (None, None), (some("policy"), None), (None, some("policy"))]);
}

#[test]
fn on_outage_is_a_word() {
    let read = |lines: &str| super::tests::read(&with("downstream", lines), &[]);
    assert_eq!(read("on_outage = \"queue\"").0.unwrap().downstreams[0].on_outage, OnOutage::Queue);
    let said = read("on_outage = \"quue\"").1;
    assert_eq!(
        said,
        [
            "gateway.toml:11:13: error: `on_outage`: expected \"tempfail\" or \"queue\", found \"quue\"; did you mean \"queue\"?"
        ]
    );
}
