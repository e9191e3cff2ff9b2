//! `[authentication]` of `content.toml`: every key, and what is said of each mistake.

use super::model::{Authentication, OnWish, Policy};
use super::several::read;
use crate::rules::Mode;
use std::time::Duration;

fn told(text: &str) -> (Option<Policy>, Vec<String>) {
    read(&[("content.toml", &format!("[authentication]\n{text}"))])
}

#[test]
fn every_key_is_read() {
    let (policy, problems) = told(
        "spf = false\ndkim = false\narc = false\ndmarc = \"on\"\non_reject = \"quarantine\"\non_quarantine = \"pass\"\n\
         on_unknown = \"tempfail\"\nfolder = \"policy\"\nauthor = \"off\"\ntrusted_sealers = [\"Lists.Example.org\"]\n\
         deadline = \"1s\"\nsignatures = 2\nmin_key_bits = 2048\npartial = true\nheader = false\nname = \"mx.example.net\"\n",
    );
    assert!(problems.is_empty(), "{problems:#?}");
    let domain = |text: &str| crate::mail::Domain::parse(text.as_bytes()).unwrap();
    let wanted = Authentication {
        spf: false,
        dkim: false,
        arc: false,
        dmarc: Mode::On,
        author: Mode::Off,
        on_reject: OnWish::Quarantine,
        on_quarantine: OnWish::Pass,
        wait: true,
        folder: "policy".into(),
        trusted_sealers: vec![domain("lists.example.org")],
        deadline: Duration::from_secs(1),
        signatures: 2,
        min_key_bits: 2048,
        partial: true,
        header: false,
        name: Some(domain("mx.example.net")),
    };
    let authentication = policy.unwrap().content.authentication;
    assert_eq!(authentication, wanted);
    assert!(authentication.trusts("a.lists.example.org") && !authentication.trusts("example.org"));
}

#[test]
fn without_a_table_the_defaults_hold() {
    for text in ["", "# nothing\n"] {
        let (policy, problems) = told(text);
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(policy.unwrap().content.authentication, Authentication::default());
    }
}

#[test]
fn mistakes_are_told() {
    for (text, wanted) in [
        (
            "deadline = \"3m\"",
            "content.toml:2:12: error: `deadline`: the most is \"2m\": the client waits for its answer",
        ),
        (
            "trusted_sealers = [\"a b\"]",
            "content.toml:2:20: error: `trusted_sealers`: expected a domain such as \"lists.example.org\", found \"a b\"",
        ),
        (
            "name = \"[192.0.2.1]\"",
            "content.toml:2:8: error: `name`: expected a domain such as \"lists.example.org\", found \"[192.0.2.1]\"",
        ),
        (
            "folder = \"spem\"",
            "content.toml:2:10: error: `folder`: there is no folder \"spem\"; did you mean \"spam\"?",
        ),
        (
            "dmarc = \"enforce\"",
            "content.toml:2:9: error: `dmarc`: expected \"on\", \"log\" or \"off\", found \"enforce\"",
        ),
    ] {
        assert_eq!(told(text).1, [wanted]);
    }
}
