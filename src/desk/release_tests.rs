//! Release: once, by whom it may be, after a scan where one is asked for.

use super::request::{Answer, Grant, Outcome, Request};
use super::stage::{NOW, Stage, folder, one, release};
use crate::scan::ScanVerdict;
use crate::vault::{Item, PageRequest, Scope, SpoolCause};
use std::sync::Arc;

fn events(item: &Item) -> String {
    item.history.iter().map(|e| format!("{}: {}\n", e.by, e.what)).collect()
}

#[tokio::test]
async fn a_release_is_delivered_at_once_with_its_mark_and_stays_in_its_folder() {
    let stage = Stage::new();
    let id = stage.put(stage.item("spam", &["bob@example.org"]));
    let done = stage.done(release(one(id))).await;
    assert_eq!(done.changed, 1);
    assert_eq!(done.messages, [(id, "delivered: 250 2.0.0 queued as X".to_owned())]);
    let item = stage.get(id).unwrap();
    assert_eq!((&*item.folder, item.waiting()), ("spam", 0));
    assert_eq!(item.spool.as_ref().unwrap().cause, SpoolCause::Released);
    assert!(events(&item).starts_with("alice: released to bob@example.org\n"), "{}", events(&item));
    stage.script(|s| {
        let mark = format!("X-Portcullis-Released: {id}; folder=spam; by=alice;");
        assert!(
            s.messages[0].starts_with(&format!("Received: from x\r\n{mark}\r\n\tSat, 21 Nov")),
            "{}",
            s.messages[0]
        );
    });
    let audit = stage.world.audit.lock().unwrap().clone();
    assert_eq!((&audit[0]["verb"], &audit[0]["by"]), (&"release".into(), &"alice".into()));
    // A second time only where that is said.
    let done = stage.done(release(one(id))).await;
    assert_eq!((done.changed, &*done.skipped[0].0), (0, "released by alice at 2026-11-21T20:00:00.000Z"));
    let Request::Release { pick, .. } = release(one(id)) else { unreachable!() };
    let again = Request::Release {
        pick,
        to: vec!["carol@example.org".into()],
        again: true,
        unscanned: false,
        allow_sender: None,
        block_sender: None,
    };
    assert_eq!(stage.done(again).await.changed, 1);
    stage.script(|s| assert_eq!(s.heard.last().unwrap(), "RCPT TO:<carol@example.org>"));
}

#[tokio::test]
async fn what_the_downstream_refuses_for_good_is_not_released_and_says_so() {
    let stage = Stage::new();
    stage.script(|s| {
        s.rcpt.insert("no@example.org".into(), "550 5.1.1 unknown".into());
    });
    let id = stage.put(stage.item("spam", &["no@example.org"]));
    let done = stage.done(release(one(id))).await;
    assert_eq!((done.changed, done.failed), (0, 1), "{done:?}");
    assert_eq!(done.messages, [(id, "refused: 550 5.1.1 unknown".to_owned())]);
    // Nothing will be tried, and so there is no time of it.
    let page = PageRequest { scope: Scope::Spool, rows: 10, ..PageRequest::default() };
    let Answer::Page(page) = stage.ask(Request::List { page }).await.pop().unwrap() else { panic!() };
    let row = page.rows[0].spool.as_ref().unwrap();
    assert_eq!((&*row.status, row.next_ms), ("failed", None));
    // A second time: it was never delivered, and there is a way on.
    let done = stage.done(release(one(id))).await;
    let why = &*done.skipped[0].0;
    assert_eq!((done.changed, done.failed), (0, 0));
    assert!(why.starts_with("its delivery failed (550 5.1.1 unknown): `spool retry`"), "{why}");
    let again = |reset| Request::Try { pick: one(id), reset };
    let done = stage.done(again(false)).await;
    assert!(done.skipped[0].0.contains("`spool retry`"), "{done:?}");
    let done = stage.done(again(true)).await;
    assert_eq!((done.changed, done.failed), (0, 1), "refused again: {done:?}");
}

#[tokio::test]
async fn two_at_once_release_once() {
    for _ in 0..10 {
        let stage = Arc::new(Stage::new());
        let id = stage.put(stage.item("spam", &["bob@example.org"]));
        let both = ["alice", "bob"].map(|by| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.ask_as(by, release(one(id))).await.pop().unwrap() })
        });
        let mut changed = 0;
        for answer in both {
            let super::request::Answer::Done(done) = answer.await.unwrap() else { panic!() };
            changed += done.changed;
            if done.changed == 0 {
                assert!(done.skipped[0].0.starts_with("released by "), "{done:?}");
            }
        }
        assert_eq!(changed, 1);
        assert_eq!(stage.script(|s| s.messages.len()), 1);
        let item = stage.get(id).unwrap();
        assert_eq!(events(&item).matches("released to").count(), 1);
    }
}

#[tokio::test]
async fn while_the_downstream_is_away_the_message_waits_in_the_spool() {
    let stage = Stage::new();
    stage.script(|s| s.down = true);
    let id = stage.put(stage.item("spam", &["bob@example.org"]));
    let done = stage.done(release(one(id))).await;
    let said = &done.messages[0].1;
    assert!(said.starts_with("in the spool, next attempt at 2026-11-21T20:01:00"), "{said}");
    assert!(said.contains("the downstream is away"), "{said}");
    assert_eq!(stage.get(id).unwrap().spool.unwrap().next_ms, NOW + 60_000);
}

#[tokio::test]
async fn a_folder_that_wants_a_scan_gets_one() {
    for (verdict, unscanned, released, said) in [
        (ScanVerdict::Clean, false, true, "delivered"),
        (ScanVerdict::Infected("Eicar".into()), false, false, "infected: told: infected: Eicar"),
        (ScanVerdict::Error("down".into()), false, false, "could not be scanned (told: error: down)"),
        (ScanVerdict::Error("down".into()), true, true, "delivered"),
        (ScanVerdict::TimedOut, false, false, "--unscanned"),
    ] {
        let stage = Stage::new();
        stage.says(verdict.clone());
        let id = stage.put(stage.item("virus", &["bob@example.org"]));
        let mut request = release(one(id));
        if let Request::Release { unscanned: asked, .. } = &mut request {
            *asked = unscanned;
        }
        let done = stage.done(request).await;
        assert_eq!(done.changed == 1, released, "{verdict:?} {done:?}");
        assert!(done.messages[0].1.contains(said), "{done:?}");
        let item = stage.get(id).unwrap();
        assert_eq!(item.spool.is_some(), released);
        assert!(!released || !unscanned || events(&item).contains("unscanned"));
        assert!(released || events(&item).contains("alice: not released"), "{}", events(&item));
        assert_eq!(stage.script(|s| s.messages.len()), usize::from(released));
    }
}

#[tokio::test]
async fn who_may_and_what_may_be_released() {
    let stage = Stage::new();
    let held = stage.put(stage.held(&["bob@example.org"]));
    stage.says(ScanVerdict::Error("down".into()));
    assert_eq!(stage.done(release(one(held))).await.changed, 0);
    stage.says(ScanVerdict::Clean);
    assert_eq!(stage.done(release(one(held))).await.changed, 1);
    assert!(stage.get(held).unwrap().hold.is_none());

    let mut copy = stage.item("spam", &["bob@example.org"]);
    copy.copy = true;
    let copy = stage.put(copy);
    let done = stage.done(release(one(copy))).await;
    assert!(done.skipped[0].0.contains("--again"), "{done:?}");

    let nobody = stage.put(stage.item("spam", &[]));
    let done = stage.done(release(one(nobody))).await;
    assert!(done.skipped[0].0.contains("--to"), "{done:?}");

    stage.rules(|p| {
        for folder in &mut p.quarantine.folders {
            Arc::make_mut(folder).release = vec!["carol".into()];
        }
    });
    let id = stage.put(stage.item("spam", &["bob@example.org"]));
    let done = stage.done(release(one(id))).await;
    assert_eq!(done.skipped[0].0, "from spam only carol may release, not alice");
    let answer = stage.ask_as("carol", release(one(id))).await.pop().unwrap();
    assert!(matches!(answer, super::request::Answer::Done(d) if d.changed == 1));
    let bad = Request::Release {
        pick: one(id),
        to: vec!["bob@example.org> NOTIFY=NEVER".into()],
        again: true,
        unscanned: false,
        allow_sender: None,
        block_sender: None,
    };
    assert!(stage.refused(bad).await.contains("is no mailbox"));
}

#[tokio::test]
async fn the_sender_is_entered_in_a_list_that_the_rules_load_with() {
    let stage = Stage::new();
    let rules = stage.dir.path().join("rules");
    std::fs::create_dir_all(rules.join("lists")).unwrap();
    std::fs::write(rules.join("gateway.toml"), super::stage::RULES).unwrap();
    std::fs::write(rules.join("lists/allow.list"), "# ours\nfrom:old@example.com\n").unwrap();
    for from in ["a@x.example", "b@x.example", ""] {
        let mut item = stage.item("spam", &["bob@example.org"]);
        item.envelope.from = from.to_owned();
        stage.put(item);
    }
    let ask = |grant: Grant, block: bool| Request::Release {
        pick: folder("spam"),
        to: Vec::new(),
        again: true,
        unscanned: false,
        allow_sender: Some(grant.clone()).filter(|_| !block),
        block_sender: Some(grant).filter(|_| block),
    };
    let until = Some("2027-01-01".into());
    let grant = Grant { domain: false, auth_any: false, until, note: "said \"so\"".into() };
    let done = stage.done(ask(grant.clone(), false)).await;
    assert_eq!(done.changed, 3);
    let text = std::fs::read_to_string(rules.join("lists/allow.list")).unwrap();
    assert!(
        text.starts_with("# ours\nfrom:old@example.com\nfrom:a@x.example; until=2027-01-02T00:00Z; "),
        "{text}"
    );
    assert!(text.contains("note=\"said \\\"so\\\"\"; by=alice; created=2026-11-21T20:00Z\n"), "{text}");
    assert_eq!(text.lines().count(), 4);
    assert!(done.messages.iter().any(|(_, m)| m.contains("the null sender")), "{done:?}");
    // The entry alone does not let the next one pass, and that is said as `allow` says it.
    let warns = |done: &Outcome| done.messages.iter().filter(|(_, m)| m.starts_with("warning: ")).count();
    assert_eq!(warns(&done), 1, "{done:?}");
    assert!(done.messages.last().unwrap().1.contains("SPF or DKIM prove the sender; --auth-any"), "{done:?}");
    let done = stage.done(ask(Grant { auth_any: true, ..grant.clone() }, false)).await;
    assert_eq!(warns(&done), 0, "{done:?}");
    let text = std::fs::read_to_string(rules.join("lists/allow.list")).unwrap();
    assert_eq!(text.matches("auth=any").count(), 2, "{text}");
    let grant = Grant { domain: true, auth_any: true, ..grant };
    assert_eq!(warns(&stage.done(ask(grant.clone(), true)).await), 0);
    let text = std::fs::read_to_string(rules.join("lists/blocks.list")).unwrap();
    assert!(text.starts_with("from:x.example; until=") && !text.contains("auth=any"), "{text}");
    assert_eq!(text.lines().count(), 1);
    let bad = Grant { until: Some("tomorrow".into()), ..grant };
    assert!(stage.refused(ask(bad.clone(), false)).await.contains("expected a date"));
    // Rules that do not load are not edited.
    std::fs::write(rules.join("gateway.toml"), "hostname = 5\n").unwrap();
    let plain = Grant { domain: false, until: None, ..bad };
    let done = stage.done(ask(plain, false)).await;
    assert!(done.messages.iter().any(|(_, m)| m.contains("allow is unchanged")), "{done:?}");
}
