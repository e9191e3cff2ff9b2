//! What is held is judged again as a whole: by rules of attachments, score and policies of now, and delivered as they say.

use super::envelope::envelope;
use super::request::Request;
use super::stage::{NOW, Stage, one};
use crate::mail::Id;
use crate::scan::ScanVerdict;
use crate::vault::{FindingView, Line};
use crate::verdict::Direction;

const MESSAGE: &[u8] =
    b"Subject: bill\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\r\nyou have won\r\n--b\r\nContent-Type: application/zip; name=list.zip\r\n\r\nPK\r\n--b--\r\n";
const LOTTERY: &str = "[[rule]]\nid = \"lottery\"\nscore = 9\ntext = \"you have won\"\n";
const NO_ZIP: &str = "[[rule]]\nid = \"no-zip\"\naction = \"reject\"\nextension = \"zip\"\n";
const STRIP: &str = "[[rule]]\nid = \"no-zip\"\naction = \"strip\"\nextension = \"zip\"\n";

fn held(stage: &Stage) -> Id {
    let mut item = stage.held(&["a@example.org"]);
    item.trace = Line(b"Received: from x\r\n\tby y\r\nX-Spam-Score: 99\r\n".to_vec());
    stage.put_octets(item, MESSAGE)
}

#[tokio::test]
async fn what_rules_object_to_is_kept_where_they_say() {
    for (files, folder, rule, source) in [
        (&[("attachments.toml", NO_ZIP)][..], "policy", "no-zip", "attachments.toml:1"),
        (&[("content.toml", LOTTERY)][..], "spam", "score", "policies.toml"),
        (
            &[("content.toml", LOTTERY), ("policies.toml", "[default]\nreject = 9\nfolder = \"policy\"\n")][..],
            "policy",
            "score",
            "policies.toml",
        ),
    ] {
        let stage = Stage::new();
        stage.files(files);
        let id = held(&stage);
        let said = stage.desk.look_again(id, false).await;
        assert!(said.ends_with(&format!("moved to {folder}")), "{said}");
        let item = stage.get(id).unwrap();
        assert_eq!((&*item.folder, &*item.rule, &*item.source), (folder, rule, source));
        assert!(item.hold.is_none() && item.spool.is_none() && !item.copy);
        assert!(item.findings.iter().any(|f| f.id == rule), "{:?}", item.findings);
        assert!(stage.script(|s| s.messages.is_empty()));
        assert_eq!(stage.desk.look_again(id, true).await, "not due");
    }
}

#[tokio::test]
async fn policies_of_now_hold_for_what_is_held() {
    let off =
        "[[policy]]\nname = \"abuse\"\nrecipient = \"a@example.org\"\nscore = false\nattachments = false\n";
    for (policies, allowed) in [(off, false), ("", true)] {
        let stage = Stage::new();
        let attachments = if allowed { "" } else { NO_ZIP };
        stage.files(&[
            ("content.toml", LOTTERY),
            ("attachments.toml", attachments),
            ("policies.toml", policies),
        ]);
        let mut item = stage.held(&["a@example.org"]);
        let accept = FindingView { id: "allow".into(), verdict: "accept".into(), ..FindingView::default() };
        item.findings = if allowed { vec![accept] } else { Vec::new() };
        let id = stage.put_octets(item, MESSAGE);
        assert!(stage.desk.look_again(id, false).await.starts_with("clean; delivered"));
        assert!(stage.get(id).is_none());
    }
}

#[tokio::test]
async fn lanes_of_policies_hold_for_what_is_held() {
    for (lane, delivered) in [("pass-tagged", true), ("hold", false), ("tempfail", false)] {
        let stage = Stage::new();
        let policies = format!("[default]\non_error = \"{lane}\"\n");
        stage.files(&[("content.toml", LOTTERY), ("policies.toml", &format!("{policies}quarantine = 50\n"))]);
        stage.says(ScanVerdict::Unavailable("refused".into()));
        let id = held(&stage);
        let said = stage.desk.look_again(id, false).await;
        assert_eq!(said.starts_with("clean; delivered"), delivered, "{lane}: {said}");
        assert_eq!(stage.get(id).is_none(), delivered);
        let message = stage.script(|s| s.messages.pop().unwrap_or_default());
        assert_eq!(message.contains("X-Portcullis-Unscanned: told\r\n"), delivered, "{message}");
    }
}

#[tokio::test]
async fn it_goes_out_as_its_policy_dresses_it() {
    let stage = Stage::new();
    let tag = "[default]\nsubject_tag = \"[SPAM]\"\nquarantine = 50\n";
    stage.files(&[("content.toml", LOTTERY), ("policies.toml", tag)]);
    let id = held(&stage);
    assert!(stage.desk.look_again(id, false).await.starts_with("clean; delivered"));
    assert!(stage.get(id).is_none(), "it was only ever to be delivered");
    let message = stage.script(|s| s.messages.pop().unwrap());
    assert!(message.contains("Subject: [SPAM] bill\r\n"), "{message}");
    assert!(message.starts_with("Received: from x\r\n\tby y\r\nX-Portcullis-Id: "), "{message}");
    assert!(message.contains("X-Spam-Score: 9.0\r\n") && !message.contains("X-Spam-Score: 99"), "{message}");
}

#[tokio::test]
async fn a_part_is_taken_out_of_what_was_held() {
    let stage = Stage::new();
    stage.files(&[("attachments.toml", STRIP)]);
    let id = held(&stage);
    // The downstream puts it off: each attempt dresses it anew.
    stage.script(|s| s.dot.push_back("451 4.3.0 later".to_owned()));
    stage.desk.look_again(id, false).await;
    assert_eq!(stage.get(id).unwrap().waiting(), 1);
    assert!(stage.desk.attempt(id, true).await.said.starts_with("delivered"));
    for message in stage.script(|s| std::mem::take(&mut s.messages)) {
        assert!(message.contains("you have won") && message.contains("no-zip"), "{message}");
        assert!(!message.contains("PK\r\n"), "{message}");
    }
    let item = stage.get(id).expect("the message as it came is kept");
    assert_eq!((&*item.folder, item.waiting(), item.hold.is_none()), ("policy", 0, true));
    let body = stage.desk.vault.body(&item, &stage.desk.budget).await.unwrap();
    assert_eq!(body.len(), MESSAGE.len() as u64);
}

#[tokio::test]
async fn what_is_left_without_a_part_ends_as_the_whole_would() {
    let off = "[default]\nmalware = false\n";
    for (policies, second, said, folder) in [
        ("", ScanVerdict::Infected("Eicar".into()), "infected: told: without the parts", Some("virus")),
        ("", ScanVerdict::TimedOut, "not scanned, still held: told: without the parts", Some("held")),
        (off, ScanVerdict::Infected("Eicar".into()), "clean; delivered", Some("policy")),
        ("", ScanVerdict::Clean, "clean; delivered", Some("policy")),
    ] {
        let stage = Stage::new();
        stage.files(&[("attachments.toml", STRIP), ("policies.toml", policies)]);
        let id = held(&stage);
        stage.says_then(second);
        let heard = stage.desk.look_again(id, false).await;
        assert!(heard.starts_with(said), "{policies}: {heard}");
        assert_eq!(stage.get(id).as_ref().map(|item| &*item.folder), folder, "{policies}: {heard}");
        let delivered = usize::from(said.starts_with("clean"));
        assert_eq!(stage.script(|s| s.messages.len()), delivered, "{policies}: {heard}");
    }
}

const THREE: &str = "[[policy]]\nname = \"whole\"\nrecipient = \"whole@example.org\"\nattachments = false\n\
    [[policy]]\nname = \"marked\"\nrecipient = \"marked@example.org\"\nattachments = false\ntag = 5\n\
    quarantine = 50\nsubject_tag = \"[SPAM]\"\n[default]\nquarantine = 50\n";

fn forms_of(stage: &Stage) -> Vec<(bool, bool, String)> {
    let forms = |s: &mut super::stage::Script| {
        let of = |m: &String| {
            let policy = m.split("X-Portcullis-Policy: ").nth(1).and_then(|rest| rest.lines().next());
            (m.contains("[SPAM] bill"), m.contains("\r\nPK\r\n"), policy.unwrap_or_default().to_owned())
        };
        s.messages.iter().map(of).collect()
    };
    stage.script(forms)
}

#[tokio::test]
async fn each_recipient_gets_what_was_held_as_his_policy_dresses_it() {
    let stage = Stage::new();
    let three = THREE.replace("name = \"whole\"", "quarantine = 50\nname = \"whole\"");
    stage.files(&[("attachments.toml", STRIP), ("content.toml", LOTTERY), ("policies.toml", &three)]);
    let item = stage.held(&["a@example.org", "whole@example.org", "marked@example.org", "b@example.org"]);
    let id = stage.put_octets(item, MESSAGE);
    // The first ones are put off: the others do not wait for them, and have no other form for it.
    stage.script(|s| s.dot.push_back("451 4.3.0 later".to_owned()));
    stage.desk.look_again(id, false).await;
    let spool = stage.get(id).unwrap().spool.unwrap();
    assert_eq!((spool.forms.len(), spool.attempts), (3, 0), "others are next, in the same attempt");
    for left in [3, 2] {
        stage.desk.attempt(id, false).await;
        assert_eq!(stage.get(id).unwrap().waiting(), left);
    }
    let spool = stage.get(id).unwrap().spool.unwrap();
    assert_eq!((spool.attempts, spool.next_ms > NOW), (1, true), "one round");
    assert_eq!(stage.desk.attempt(id, false).await.said, "not due");
    // What is known of it is not asked again: neither rules nor scanners.
    stage.files(&[("attachments.toml", ""), ("policies.toml", "")]);
    let stage = stage.reopen();
    stage.forward(600_000);
    stage.desk.attempt(id, false).await;
    let item = stage.get(id).expect("what was taken out is kept");
    assert_eq!((&*item.folder, item.waiting()), ("policy", 0));
    let seen = forms_of(&stage);
    let of = |tagged, whole, policy: &str| (tagged, whole, policy.to_owned());
    let want = [
        of(false, false, "default"),
        of(false, true, "whole"),
        of(true, true, "marked"),
        of(false, false, "default"),
    ];
    assert_eq!(seen, want);
    let heard =
        stage.script(|s| s.heard.iter().filter(|l| l.starts_with("RCPT")).cloned().collect::<Vec<_>>());
    let to = |names: &[&str]| names.iter().map(|n| format!("RCPT TO:<{n}@example.org>")).collect::<Vec<_>>();
    assert_eq!(heard, to(&["a", "b", "whole", "marked", "a", "b"]));
}

#[tokio::test]
async fn of_several_forms_the_one_in_doubt_is_tried_again_first() {
    let stage = Stage::new();
    stage.files(&[("attachments.toml", STRIP), ("policies.toml", THREE)]);
    let item = stage.held(&["a@example.org", "whole@example.org"]);
    let id = stage.put_octets(item, MESSAGE);
    stage.forward(1_000);
    // The first form is put off; the connection of the second is lost at its end.
    stage.script(|s| s.dot.extend(["451 4.3.0 later", "close"].map(str::to_owned)));
    stage.desk.look_again(id, false).await;
    stage.forward(1_000);
    stage.desk.attempt(id, false).await;
    assert!(stage.get(id).unwrap().spool.unwrap().in_doubt);
    let stage = stage.reopen();
    stage.script(|s| s.heard.clear());
    stage.forward(600_000);
    for _ in 0..2 {
        stage.desk.attempt(id, false).await;
    }
    let heard =
        stage.script(|s| s.heard.iter().filter(|l| l.starts_with("RCPT")).cloned().collect::<Vec<_>>());
    assert_eq!(heard, ["RCPT TO:<whole@example.org>", "RCPT TO:<a@example.org>"]);
    let item = stage.get(id).unwrap();
    let told = |e: &&crate::vault::Event| e.what.contains("may be delivered twice");
    assert_eq!((item.waiting(), item.history.iter().filter(told).count()), (0, 2), "{:?}", item.history);
}

/// Whatever puts it off meanwhile: which form may have arrived is known until there is an answer to that one.
#[tokio::test]
async fn the_form_in_doubt_stays_so_until_it_is_answered() {
    let stage = Stage::new();
    stage.files(&[("attachments.toml", STRIP), ("policies.toml", THREE)]);
    let id = stage.put_octets(stage.held(&["a@example.org", "whole@example.org"]), MESSAGE);
    stage.forward(1_000);
    // The first form is put off; the connection of the second is lost at its end.
    stage.script(|s| s.dot.extend(["451 4.3.0 later", "close"].map(str::to_owned)));
    stage.desk.look_again(id, false).await;
    stage.forward(1_000);
    stage.desk.attempt(id, false).await;
    let in_doubt = |when: &str| {
        let spool = stage.get(id).unwrap().spool.unwrap();
        let doubted: Vec<_> = spool.forms.iter().filter(|f| f.in_doubt).map(|f| f.rcpts.join(" ")).collect();
        assert_eq!((spool.in_doubt, doubted), (true, vec!["whole@example.org".to_owned()]), "{when}");
        spool.attempts
    };
    assert_eq!(in_doubt("lost"), 1);
    // Nobody answers; it is put off without being tried; and the envelope is put off, which is for each form to hear.
    stage.forward(3_600_000);
    stage.script(|s| s.down = true);
    stage.desk.attempt(id, false).await;
    assert_eq!(in_doubt("away"), 2);
    stage.forward(3_600_000);
    stage.desk.put_off(vec![id]).await;
    assert_eq!(in_doubt("put off"), 3);
    stage.forward(3_600_000);
    stage.script(|s| (s.down, s.mail) = (false, "451 4.3.0 later".to_owned()));
    for attempts in [3, 4] {
        stage.desk.attempt(id, false).await;
        assert_eq!(in_doubt("MAIL"), attempts);
    }
    // What is said to the other says nothing of it.
    stage.forward(3_600_000);
    stage.script(|s| {
        s.mail.clear();
        s.rcpt.insert("whole@example.org".to_owned(), "452 4.2.2 full".to_owned());
    });
    stage.desk.attempt(id, false).await;
    stage.desk.attempt(id, false).await;
    in_doubt("RCPT");
    assert_eq!(stage.get(id).unwrap().waiting(), 1);
    stage.forward(3_600_000);
    stage.script(|s| s.rcpt.clear());
    stage.desk.attempt(id, false).await;
    let item = stage.get(id).unwrap();
    let told = |e: &&crate::vault::Event| e.what.contains("may be delivered twice");
    assert_eq!((item.waiting(), item.history.iter().filter(told).count()), (0, 2), "{:?}", item.history);
    assert!(!item.spool.unwrap().in_doubt);
    let audit = stage.world.audit.lock().unwrap();
    for line in audit.iter().filter(|line| line["kind"] == "delivery") {
        let doubted = line["to"][0]["rcpt"] == "whole@example.org";
        assert_eq!(line["note"] == "may be delivered twice", doubted, "{line}");
    }
}

/// One who is named twice keeps nobody else from his turn, and is not tried without a pause.
#[tokio::test]
async fn a_recipient_who_is_there_twice_waits_like_others() {
    let stage = Stage::new();
    stage.files(&[("attachments.toml", STRIP), ("policies.toml", THREE)]);
    let item = stage.held(&["a@example.org", "a@example.org", "whole@example.org"]);
    let id = stage.put_octets(item, MESSAGE);
    stage.forward(1_000);
    stage.script(|s| s.mail = "451 4.3.0 later".to_owned());
    stage.desk.look_again(id, false).await;
    for _ in 0..2 {
        stage.forward(1_000);
        stage.desk.attempt(id, false).await;
    }
    let spool = stage.get(id).unwrap().spool.unwrap();
    let tried = spool.deliveries.iter().filter(|d| d.at_ms > 0).count();
    let last = spool.last.as_ref().unwrap().at_ms;
    assert_eq!((tried, spool.attempts, spool.next_ms > last + 10_000), (3, 1, true), "{spool:?}");
}

#[tokio::test]
async fn what_a_rule_discards_is_not_delivered_when_it_is_clean() {
    for (verdict, folder) in [
        (ScanVerdict::Clean, Some("discarded")),
        (ScanVerdict::Infected("Eicar".into()), Some("virus")),
        (ScanVerdict::TimedOut, Some("held")),
    ] {
        let stage = Stage::new();
        let mut item = stage.held(&["a@example.org"]);
        let discard = FindingView {
            id: "drop".into(),
            file: "protocol.toml".into(),
            line: 7,
            ..FindingView::default()
        };
        item.hold.as_mut().unwrap().discard = Some(discard);
        let id = stage.put_octets(item, MESSAGE);
        stage.says(verdict);
        stage.desk.look_again(id, false).await;
        let item = stage.get(id);
        assert_eq!(item.as_ref().map(|item| &*item.folder), folder);
        assert!(stage.script(|s| s.messages.is_empty()));
        if folder == Some("discarded") {
            let item = item.unwrap();
            assert_eq!((&*item.rule, &*item.source, item.hold.is_none()), ("drop", "protocol.toml:7", true));
        }
    }
}

#[tokio::test]
async fn a_look_on_request_tells_what_the_rules_of_now_say() {
    let stage = Stage::new();
    stage.files(&[("content.toml", LOTTERY)]);
    let id = stage.put_octets(stage.item("policy", &["a@example.org"]), MESSAGE);
    let done = stage.done(Request::Rescan { pick: one(id) }).await;
    assert!(done.messages[0].1.starts_with("no malware; the rules of now: score: score 9.0"), "{done:?}");
    let item = stage.get(id).unwrap();
    assert_eq!((&*item.folder, &*item.rule), ("policy", "r1"));
    assert!(item.history.iter().any(|e| e.what.contains("(spam)")), "{:?}", item.history);
    // Malware is malware, whatever the policy.
    stage.files(&[("policies.toml", "[default]\nmalware = false\n")]);
    stage.says(ScanVerdict::Infected("Eicar".into()));
    stage.done(Request::Rescan { pick: one(id) }).await;
    assert_eq!(stage.get(id).unwrap().folder, "virus");
}

#[tokio::test]
async fn the_envelope_is_that_of_the_item() {
    let stage = Stage::new();
    let mut item = stage.item("held", &["a@example.org", "b@example.org"]);
    item.client.name = Some("mx.example.com".into());
    item.client.helo = Some("hello".into());
    item.client.tls = Some("TLSv1.3 AES".into());
    item.client.listener = "in".into();
    item.client.direction = Some(Direction::Outbound);
    item.client.user = Some("anna".into());
    item.client.may_relay = true;
    let policy = stage.world.policy.lock().unwrap().clone();
    let sent = envelope(&item, &policy);
    assert_eq!((sent.id, sent.client.to_string(), sent.trusted), (item.id, "192.0.2.7".into(), false));
    assert_eq!((sent.client_name.as_deref(), sent.hello.as_deref()), (Some("mx.example.com"), Some("hello")));
    assert_eq!((sent.user.as_deref(), sent.authenticated, sent.may_relay), (Some("anna"), true, true));
    let tls = sent.tls.unwrap();
    assert_eq!((tls.version, &*tls.cipher), ("TLSv1.3", "AES"));
    assert_eq!((&*sent.listener, sent.direction), ("in", Direction::Outbound));
    let to: Vec<String> = sent.recipients.iter().map(ToString::to_string).collect();
    assert_eq!(
        (sent.sender.to_string(), to),
        ("sender@example.com".into(), vec!["a@example.org".into(), "b@example.org".into()])
    );
    item.client.ip = None;
    assert!(envelope(&item, &policy).trusted, "nobody knows who brought it");
}
