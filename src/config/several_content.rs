//! `content.toml`: defaults, every key of rules and tests, what is said of each mistake.

use super::FILES;
use super::model::{Asked, MessageFact, Method, Place, Policy, Score, Term, Word};
use super::several::read;
use crate::verdict::AuthResult;

const CONTENT: &str = "content.toml";

fn good(text: &str) -> Policy {
    let mut texts = vec![(CONTENT, text)];
    if text.contains("@mine") {
        texts.push(("lists/mine.list", "a.example\n"));
    }
    let (policy, problems) = read(&texts);
    assert!(problems.is_empty(), "{problems:#?}");
    policy.unwrap()
}

#[test]
fn without_a_file_the_defaults_hold() {
    assert_eq!(format!("{:?}", good("").content.score), format!("{:?}", Score::default()));
}

const ALL: &str = r#"
score = { mode = "log", max_text = "2K", max_urls = 7 }
[[rule]]
id = "base"
text = "a phrase"
[[rule]]
id = "one"
score = -1.25
note = "why"
mode = "log"
tags = ["t-1"]
text = ["two words", '/\bx+y\b/']
subject = "s"
header = ["X-Mailer", "from:name"]
matches = "m"
html = "h"
raw = "r"
url = "u"
name = "n"
domain = [".example.com", "@mine"]
client = "192.0.2.0/24"
reverse_name = ".example.com"
hello = "a.example"
sender = "a.example"
recipient = "a.example"
header_from = "a.example"
reply_to = "a.example"
listener = "in"
all = ["base", "!spf=fail", "urls<3", "field:List-Id"]
any = ["aligned", "html", "finding:x*", "odd:y"]
at_least = 2
[[expect]]
message = "A: b\n\nc"
client = "::ffff:192.0.2.1"
hello = "a.example"
sender = "<>"
recipient = "x@example.net"
auth = ["dkim=pass"]
symbols = ["base"]
without = ["one"]
score_from = -1
score_below = 2.5
"#;

#[test]
fn every_key_is_read() {
    let score = good(ALL).content.score;
    assert_eq!((score.max_text, score.max_urls), (2048, 7));
    let rule = &score.rules[1];
    let shown = (&*rule.id, rule.line, rule.score_milli, &*rule.note, rule.tags.join(" "), rule.at_least);
    assert_eq!(shown, ("one", 6, -1250, "why", "t-1".to_owned(), 2));
    assert_eq!(rule.texts.iter().map(|text| text.place).collect::<Vec<_>>(), Place::EACH);
    assert_eq!(
        (&*rule.texts[0].expressions, rule.texts[2].fields.join(" ")),
        (&[1, 2][..], "x-mailer from:name".into())
    );
    let asked: Vec<Asked> = rule.matchers.iter().map(|(asked, _)| *asked).collect();
    assert_eq!((asked.len(), asked[0], rule.listeners.len()), (8, Asked::Domain, 1));
    let word = |negated, term| Word { negated, term };
    let all = [
        word(false, Term::Rule(0)),
        word(true, Term::Method(Method::Spf, AuthResult::Fail)),
        word(false, Term::Fact(MessageFact::Urls, 0, 2)),
        word(false, Term::Field("list-id".into())),
    ];
    assert_eq!(rule.all, all);
    let any = [
        Term::Aligned,
        Term::Fact(MessageFact::Html, 1, u32::MAX),
        Term::Finding("x*".into()),
        Term::Odd("y".into()),
    ];
    assert_eq!(rule.any, any.map(|term| word(false, term)));
    let expect = &score.expects[0];
    assert_eq!((&*expect.message, expect.line), (&b"A: b\r\n\r\nc"[..], 32));
    assert_eq!((expect.client.to_string(), expect.sender.as_deref()), ("192.0.2.1".to_owned(), Some("<>")));
    assert_eq!((expect.score_from, expect.score_below, expect.auth.len()), (Some(-1000), Some(2500), 1));
    // Every key stands in the text above; those of authentication have a text of their own.
    let file = FILES.iter().find(|file| file.name == CONTENT).unwrap();
    for section in file.sections.iter().filter(|section| section.name != "authentication") {
        for key in section.keys {
            assert!(ALL.contains(&format!("{} = ", key.name)), "{} {}", section.title(), key.name);
        }
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (lines, want) in TABLE {
        let (_, problems) = read(&[(CONTENT, &format!("[[rule]]\nid = \"r\"\n{lines}"))]);
        let told: Vec<&str> = problems.iter().filter_map(|told| told.strip_prefix("content.toml:")).collect();
        assert_eq!(told, *want, "{lines}");
    }
}

#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("", &["1:1: error: this [[rule]] has no condition, so it is for every message"]),
    ("txt = \"a\"\ntext = \"a\"\n", &["3:1: error: unknown key `txt` in [[rule]]; did you mean `text`?"]),
    ("text = '/(a/'\n", &["3:8: error: `text`: the expression is no good: unclosed group, found \"/(a/\""]),
    ("text = [\"a\", \"\"]\n", &["3:14: error: `text`: expected a phrase or a \"/regex/\", found nothing, found \"\""]),
    ("header = \"X-Mailer\"\nall = [\"html\"]\n", &[
        "3:10: error: `header` names the fields in which `matches` looks: give that too, or write all = [\"field:NAME\"] for any value",
    ]),
    ("matches = \"a\"\n", &["3:11: error: `matches` needs `header`, for example header = \"X-Mailer\""]),
    ("all = [\"urlz>=3\"]\n", &["3:8: error: `all`: no fact or rule is named \"urlz>=3\"; did you mean \"urls\"?"]),
    ("all = [\"urls>=x\"]\n", &["3:8: error: `all`: expected a comparison such as \"urls>=3\", found \"urls>=x\""]),
    ("all = [\"r\"]\n", &["3:8: error: `all`: \"r\" is this rule itself"]),
    ("all = [\"spf=bad\"]\n", &[
        "3:8: error: `all`: expected one of none, pass, fail, softfail, neutral, policy, temperror, permerror, found \"bad\"",
    ]),
    ("any = [\"html\"]\nat_least = 2\n", &["4:12: error: `at_least`: 2 of 1 words in `any` can never hold"]),
    ("text = \"a\"\n[[rule]]\nid = \"html\"\ntext = \"a\"\n", &["5:6: error: `id`: \"html\" is the name of a fact: take another name"]),
    ("text = \"a\"\n[[rule]]\nid = \"r\"\ntext = \"a\"\n", &["5:6: error: `id`: \"r\" is already the id of the [[rule]] in line 2"]),
    ("text = \"a\"\n[[expect]]\nmessage = \"A: b\"\n", &[
        "4:1: error: this [[expect]] asks for nothing: give `symbols`, `without`, `score_from` or `score_below`",
    ]),
    ("text = \"a\"\n[[rule]]\nid = \"lottery\"\ntext = \"b\"\n[[expect]]\nmessage = \"A: b\"\nsymbols = [\"lotery\"]\nauth = [\"spf\"]\n", &[
        "9:12: error: `symbols`: there is no [[rule]] \"lotery\"; did you mean \"lottery\"?",
        "10:9: error: `auth`: expected a result such as \"spf=pass\", found \"spf\"",
    ]),
];
