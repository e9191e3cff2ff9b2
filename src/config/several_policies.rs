//! `policies.toml`: defaults, every key, what is said of each mistake.

use super::model::{Lane, MailPolicy, Mixed, Policies};
use super::several::read;
use crate::verdict::{Direction, Folder};

const POLICIES: &str = "policies.toml";

fn told(text: &str) -> Vec<String> {
    let strip = |problem: &String| problem.strip_prefix("policies.toml:").unwrap_or(problem).to_owned();
    read(&[(POLICIES, text)]).1.iter().map(strip).collect()
}

#[test]
fn without_a_file_the_defaults_hold() {
    for texts in [&[][..], &[(POLICIES, "# nothing\n")]] {
        let (policy, problems) = read(texts);
        assert!(problems.is_empty(), "{problems:#?}");
        let policies = policy.unwrap().policies;
        assert_eq!(format!("{policies:?}"), format!("{:?}", Policies::default()));
    }
}

pub(super) const ALL: &str = r#"
mixed = "defer"
[default]
tag = 1.5
quarantine = 2.5
reject = 3.5
folder = "policy"
malware = true
on_error = "hold"
attachments = false
score = false
dmarc = false
subject_tag = "[SPAM]"
headers = false
[[policy]]
name = "one"
recipient = ["a@example.net", "*@b.example"]
sender = "c@example.com"
client = "192.0.2.0/24"
listener = ["in"]
direction = "outbound"
authenticated = true
tag = -1
score = true
subject_tag = ""
on_error = "scanner"
[[policy]]
name = "two"
on_error = "pass-tagged"
"#;

#[test]
fn every_key_is_read() {
    let (policy, problems) = read(&[(POLICIES, ALL)]);
    assert!(problems.is_empty(), "{problems:#?}");
    let policies = policy.unwrap().policies;
    let default = MailPolicy {
        tag_milli: 1_500,
        quarantine_milli: 2_500,
        reject_milli: 3_500,
        folder: Folder("policy".into()),
        on_error: Some(Lane::Hold),
        attachments: false,
        score: false,
        dmarc: false,
        subject_tag: Some("[SPAM]".into()),
        headers: false,
        ..MailPolicy::default()
    };
    assert_eq!((policies.mixed, &*policies.default), (Mixed::Defer, &default));
    let [one, two] = &policies.table[..] else { panic!("{policies:?}") };
    let want = MailPolicy {
        name: "one".into(),
        line: 15,
        tag_milli: -1_000,
        on_error: None,
        score: true,
        subject_tag: None,
        ..default.clone()
    };
    assert_eq!(*one.policy, want);
    assert!(one.recipient.is_some() && one.sender.is_some() && one.client.is_some());
    assert_eq!((one.direction, one.authenticated), (Some(Direction::Outbound), Some(true)));
    assert_eq!((one.listener.len(), one.line), (1, 15));
    assert_eq!(
        *two.policy,
        MailPolicy { name: "two".into(), line: 27, on_error: Some(Lane::PassTagged), ..default }
    );
    assert!(two.recipient.is_none() && two.direction.is_none());
}

#[test]
fn a_threshold_that_is_never_reached_is_told() {
    let tag = "which is then never reached: no message that goes on is marked as spam";
    let kept = "which is then never reached: what would be kept for its score is refused";
    for (text, want) in [
        ("[default]\nreject = 7\n", vec![format!("2:10: warning: `reject` is below `quarantine`, {kept}")]),
        ("[default]\ntag = 9\n", vec![format!("2:7: warning: `quarantine` is below `tag`, {tag}")]),
        (
            "[default]\ntag = 4\n[[policy]]\nname = \"a\"\nreject = 3\n",
            vec![
                format!("5:10: warning: `reject` is below `quarantine`, {kept}"),
                format!("5:10: warning: `reject` is below `tag`, {tag}"),
            ],
        ),
        // Told once, where it stands.
        (
            "[default]\nquarantine = 4\n[[policy]]\nname = \"a\"\nreject = 9\n",
            vec![format!("2:14: warning: `quarantine` is below `tag`, {tag}")],
        ),
        // In order, equal, and off.
        ("[default]\ntag = 1\nquarantine = 2\nreject = 3\n", vec![]),
        ("[default]\ntag = 8\nquarantine = 8\nreject = 8\n", vec![]),
        ("[default]\ntag = 1000.0\nquarantine = 1000\n", vec![]),
    ] {
        assert_eq!(told(text), want, "{text:?}");
    }
}

#[test]
fn mistakes_are_told() {
    for (text, want) in [
        ("mixed = \"splitt\"\n", "1:9: error: `mixed`: expected \"split\" or \"defer\""),
        (
            "[default]\nfolder = \"spm\"\n",
            "2:10: error: `folder`: there is no folder \"spm\"; did you mean \"spam\"?",
        ),
        ("[default]\nmalware = false\n", "2:11: warning: `malware`: infected mail is delivered"),
        (
            "[default]\nsubject_tag = \"gr\u{fc}n\"\n",
            "2:15: error: `subject_tag`: expected at most 40 printable",
        ),
        ("[default]\non_error = \"pass\"\n", "2:12: error: `on_error`: expected \"scanner\", \"tempfail\""),
        ("[[policy]]\ntag = 1\n", "error: `name` is missing"),
        (
            "[[policy]]\nname = \"a\"\n[[policy]]\nname = \"a\"\n",
            "4:8: error: `name`: \"a\" is already the name",
        ),
        ("[[policy]]\nname = \"a\"\nlistener = [\"inn\"]\n", "`listener`: no [[listener]]"),
        ("[[policy]]\nname = \"a\"\nrecipent = \"x@y\"\n", "did you mean `recipient`"),
        ("[[policy]]\nname = \"a\"\nrecipient = \"@nolist\"\n", "nolist"),
    ] {
        let told = told(text);
        assert!(told.iter().any(|line| line.contains(want)), "{text:?}: {told:#?}");
    }
}
