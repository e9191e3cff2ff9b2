//! Verbs on many messages, jobs, holds, retention, notices, import.

use super::edit::Decision;
use super::request::{Answer, Pick, Request};
use super::stage::{NOW, Stage, folder, one};
use crate::mail::Id;
use crate::query::parse;
use crate::scan::ScanVerdict;
use crate::vault::{Item, Progress, Scope, SpoolCause};
use base64::Engine as _;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const DAY: i64 = 86_400_000;

fn events(item: &Item) -> String {
    item.history.iter().map(|e| format!("{}: {}\n", e.by, e.what)).collect()
}

fn all(stage: &Stage, name: &str) -> Vec<Id> {
    let ids = stage.desk.vault.ids(&folder(name).query, Scope::Everything, i64::MIN, 10_000).unwrap();
    ids.into_iter().map(|(id, _)| id).filter(|id| stage.get(*id).unwrap().trash.is_none()).collect()
}

#[tokio::test]
async fn many_go_to_the_trash_in_steps_and_come_back_by_their_name() {
    let stage = Stage::new();
    stage.many("spam", 430).await;
    stage.many("policy", 20).await;
    let mut dry = folder("spam");
    dry.dry_run = true;
    let said = stage.ask(Request::Delete { pick: dry, forever: false }).await;
    assert!(matches!(said[..], [Answer::Count { items: 430, .. }]), "{said:?}");
    let done = stage.done(Request::Delete { pick: folder("spam"), forever: false }).await;
    assert_eq!((done.changed, all(&stage, "spam").len(), all(&stage, "policy").len()), (430, 0, 20));
    let batch = done.batch.unwrap();
    let other = stage.done(Request::Delete { pick: folder("policy"), forever: false }).await;
    let everything = || super::request::Pick { query: Default::default(), ..folder("x") };
    let back = Request::Undelete { pick: everything(), batch: Some(batch) };
    assert_eq!(stage.done(back).await.changed, 430);
    assert_eq!((all(&stage, "spam").len(), all(&stage, "policy").len()), (430, 0));
    assert_ne!(other.batch, None);
    let item = stage.get(all(&stage, "spam")[0]).unwrap();
    assert!(events(&item).contains("alice: deleted (delete-") && events(&item).contains("alice: taken out"));
    let done = stage.done(Request::Delete { pick: folder("spam"), forever: true }).await;
    assert_eq!((done.changed, done.batch), (430, None));
    assert!(
        stage.refused(Request::Delete { pick: folder("spam"), forever: true }).await.contains("no message")
    );
}

#[tokio::test]
async fn what_cannot_be_marked_is_written_and_what_is_under_way_stays() {
    let stage = Stage::new();
    stage.many("spam", 3).await;
    let (waits, busy) = (stage.outage(&["a@example.org"]), stage.item("spam", &["a@example.org"]));
    let waits = stage.put(Item { folder: "spam".into(), ..waits });
    let busy = stage.put(busy);
    let claim = stage.desk.under_way.claim(busy).unwrap();
    let done = stage.done(Request::Delete { pick: folder("spam"), forever: false }).await;
    assert_eq!((done.changed, done.skipped.len()), (4, 1), "{:?}", done.skipped);
    assert!(done.skipped[0].0.contains("under way"));
    drop(claim);
    let item = stage.get(waits).unwrap();
    assert!(item.trash.is_some() && item.spool.is_some());
    let back = Request::Undelete { pick: folder("spam"), batch: done.batch };
    assert_eq!(stage.done(back).await.changed, 4);
    assert_eq!(crate::vault::state_of(&stage.get(waits).unwrap()), crate::query::State::Spooled);
    assert_eq!(all(&stage, "spam").len(), 5);
}

#[tokio::test]
async fn a_block_that_sweeps_does_so_as_long_as_it_stands() {
    let stage = Stage::new();
    let list = |text: &str| {
        let (list, problems) = crate::rules::List::parse("blocks", "lists/blocks.list", text, NOW / 1000);
        assert!(problems.is_empty(), "{problems:?}");
        stage.rules(|p| p.protocol.block = vec![Arc::new(list)]);
    };
    let from = |sender: &str, ip: &str| {
        let mut item = stage.item("spam", &["a@example.org"]);
        item.envelope.from = sender.into();
        item.client.ip = Some(ip.parse().unwrap());
        item
    };
    let gone = |id: Id| stage.get(id).unwrap().trash;
    let bad = stage.put(from("win@bad.example", "192.0.2.1"));
    let kept = stage.put(from("good@bad.example", "192.0.2.1"));
    let other = stage.put(from("x@other.example", "198.51.100.7"));
    let mut waits = stage.outage(&["a@example.org"]);
    waits.envelope.from = "win@bad.example".into();
    let waits = stage.put(waits);
    list("bad.example; sweep=delete\n!good@bad.example\n198.51.100.0/24; sweep=move:policy; mode=log\n");
    assert_eq!(stage.desk.sweep().await, 2);
    assert!(gone(bad).unwrap().batch.starts_with("sweep-") && gone(waits).is_some());
    assert!(gone(kept).is_none() && gone(other).is_none());
    // What comes later, what is taken out of the trash; nothing twice.
    let later = stage.put(from("new@bad.example", "192.0.2.1"));
    stage.done(Request::Undelete { pick: one(bad), batch: None }).await;
    assert_eq!(stage.desk.sweep().await, 2);
    assert!(gone(later).is_some() && gone(bad).is_some());
    assert_eq!(stage.desk.sweep().await, 0);
    // Into a folder; an allow entry keeps it.
    list("198.51.100.0/24; sweep=move:policy; until=2100-01-01\n");
    let (allow, _) = crate::rules::List::parse("allow", "lists/allow.list", "198.51.100.7\n", NOW / 1000);
    stage.rules(|p| p.protocol.allow = vec![Arc::new(allow)]);
    assert_eq!(stage.desk.sweep().await, 0);
    stage.rules(|p| p.protocol.allow.clear());
    stage.desk.look_after(false).await;
    stage.settled();
    assert_eq!((stage.get(other).unwrap().folder.as_str(), stage.desk.sweep().await), ("policy", 0));
    // It is over with the entry.
    stage.rules(|p| p.protocol.block.clear());
    stage.done(Request::Undelete { pick: one(bad), batch: None }).await;
    assert_eq!((stage.desk.sweep().await, gone(bad)), (0, None));
}

#[tokio::test]
async fn a_job_goes_on_without_listeners_is_listed_and_cancelled() {
    let stage = Stage::new();
    stage.many("spam", 2_000).await;
    let (tell, told) = mpsc::channel(1);
    let request = Request::Move { pick: folder("spam"), folder: "policy".into() };
    let desk = Arc::clone(&stage.desk);
    let served = tokio::spawn(async move { Box::pin(desk.serve(request, "alice", tell)).await });
    let job = loop {
        if let Some(job) = stage.desk.jobs.list().pop() {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!((&*job.verb, &*job.by, job.total), ("move", "alice", 2_000));
    // The client leaves: the work does not.
    served.abort();
    drop(told);
    while stage.desk.jobs.list().first().expect("it goes on").done < 400 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(stage.desk.jobs.cancel(job.job).is_some());
    while !stage.desk.jobs.list().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.settled();
    let moved = all(&stage, "policy").len();
    // Whole steps, small ones where the machine is busy.
    assert!((400..2_000).contains(&moved) && moved.is_multiple_of(25), "{moved}");
    assert!(stage.refused(Request::Cancel { job: job.job }).await.contains("no job"));
}

#[tokio::test]
async fn what_is_moved_out_of_the_spool_goes_to_nobody_who_has_it() {
    let stage = Stage::new();
    stage.script(|s| drop(s.rcpt.insert("b@example.org".into(), "451 later".into())));
    let id = stage.put(stage.outage(&["a@example.org", "b@example.org"]));
    stage.desk.attempt(id, false).await;
    stage.settled();
    let done = stage.done(Request::Move { pick: one(id), folder: "policy".into() }).await;
    assert_eq!(done.changed, 1);
    let item = stage.get(id).unwrap();
    assert!(item.spool.is_none() && item.recipients.len() == 1 && item.recipients[0].rcpt == "b@example.org");
    let text = stage.refused(Request::Move { pick: one(id), folder: "plicy".into() }).await;
    assert!(text.contains("did you mean policy?"), "{text}");
    assert!(stage.refused(Request::Move { pick: one(id), folder: "held".into() }).await.contains("held"));
}

#[tokio::test]
async fn who_may_not_release_from_a_folder_may_not_move_out_of_it() {
    let stage = Stage::new();
    stage.rules(|p| {
        for folder in p.quarantine.folders.iter_mut().filter(|f| &*f.name == "virus") {
            Arc::make_mut(folder).release = vec!["carol".into()];
        }
    });
    let id = stage.put(stage.item("virus", &["a@example.org"]));
    let moved = |folder: &str| Request::Move { pick: one(id), folder: folder.into() };
    let Some(Answer::Done(done)) = stage.ask_as("alice", moved("policy")).await.pop() else { panic!() };
    assert_eq!((done.changed, stage.get(id).unwrap().folder.as_str()), (0, "virus"));
    assert_eq!(done.skipped[0].0, "from virus only carol may move it, not alice");
    // Into it anybody may, and who may release may move.
    let Some(Answer::Done(done)) = stage.ask_as("carol", moved("policy")).await.pop() else { panic!() };
    assert_eq!((done.changed, stage.get(id).unwrap().folder.as_str()), (1, "policy"));
    let Some(Answer::Done(done)) = stage.ask_as("alice", moved("virus")).await.pop() else { panic!() };
    assert_eq!(done.changed, 1);
    // Nor by way of the trash.
    stage.done(Request::Delete { pick: one(id), forever: false }).await;
    let Some(Answer::Done(done)) = stage.ask_as("alice", moved("policy")).await.pop() else { panic!() };
    assert_eq!((done.changed, stage.get(id).unwrap().folder.as_str()), (0, "virus"));
}

#[tokio::test]
async fn what_would_expire_counts_the_trash() {
    let stage = Stage::new();
    let ids: Vec<Id> = (0..3).map(|_| stage.put(stage.item("policy", &["a@example.org"]))).collect();
    let [old, young, _] = ids[..] else { panic!() };
    let trash = |id| Request::Delete { pick: one(id), forever: false };
    stage.done(trash(old)).await;
    stage.forward(8 * DAY);
    stage.done(trash(young)).await;
    let said = stage.ask(Request::Expire { dry_run: true }).await;
    let size = stage.get(old).unwrap().size;
    assert!(
        size > 0 && matches!(said[..], [Answer::Count { items: 1, octets, .. }] if octets == size),
        "{said:?}"
    );
    assert!(ids.iter().all(|id| stage.get(*id).is_some()));
    assert_eq!(stage.done(Request::Expire { dry_run: false }).await.changed, 1);
    assert!(stage.get(old).is_none() && stage.get(young).is_some());
}

#[tokio::test]
async fn deliveries_of_a_released_message_end_when_it_is_moved_and_stop_when_it_is_infected() {
    let stage = Stage::new();
    let waits = || {
        let mut item = stage.outage(&["a@example.org", "b@example.org"]);
        item.folder = "spam".to_owned();
        let spool = item.spool.as_mut().unwrap();
        spool.cause = SpoolCause::Released;
        spool.deliveries[0].progress = Progress::Delivered;
        stage.put(item)
    };
    let (moved, infected) = (waits(), waits());
    assert_eq!(stage.done(Request::Move { pick: one(moved), folder: "policy".into() }).await.changed, 1);
    let item = stage.get(moved).unwrap();
    assert!(item.spool.is_none() && item.recipients.len() == 1 && item.recipients[0].rcpt == "b@example.org");
    stage.says(ScanVerdict::Infected("Eicar".into()));
    stage.done(Request::Rescan { pick: one(infected) }).await;
    let item = stage.get(infected).unwrap();
    assert_eq!((&*item.folder, item.spool.as_ref().unwrap().frozen), ("virus", true));
    assert_eq!(stage.desk.attempt(infected, false).await.said, "not due");
    assert!(stage.script(|s| s.messages.is_empty()));
}

#[tokio::test]
async fn what_was_deleted_from_the_spool_comes_back() {
    let stage = Stage::new();
    let id = stage.put(stage.outage(&["a@example.org"]));
    let done = stage.done(Request::Delete { pick: one(id), forever: false }).await;
    assert_eq!(done.changed, 1);
    stage.settled();
    // As the command asks: also in the list of the trash.
    let pick = Pick {
        scope: Scope::Quarantine,
        query: parse("state:trash", NOW, &TimeZone::UTC).unwrap(),
        ..one(id)
    };
    let listed = stage.ask(Request::Count { pick: pick.clone() }).await;
    assert!(matches!(listed[..], [Answer::Count { items: 1, .. }]), "{listed:?}");
    assert_eq!(stage.done(Request::Undelete { pick, batch: done.batch }).await.changed, 1);
    assert!(stage.get(id).unwrap().trash.is_none());
}

#[tokio::test]
async fn a_change_of_somebody_else_in_between_is_seen() {
    let stage = Stage::new();
    let id = stage.put(stage.item("spam", &["a@example.org"]));
    let mut asked = 0;
    let other = Arc::clone(&stage.desk);
    let (item, decision) = stage
        .desk
        .edit(id, |item| {
            asked += 1;
            if asked == 1 {
                let mut newer = item.clone();
                newer.tags.push("other".into());
                let change = crate::vault::Change::Write(Box::new(newer));
                assert!(other.vault.change_blocking(vec![change])[0].is_ok());
            }
            item.tags.push("mine".into());
            Decision::Write
        })
        .await
        .unwrap();
    assert_eq!((asked, decision), (2, Decision::Write));
    assert_eq!(item.tags, ["other", "mine"]);
}

#[tokio::test]
async fn holds_are_scanned_until_there_is_an_answer() {
    let stage = Stage::new();
    stage.rules(|p| p.quarantine.notices.admin = Some("root@example.org".into()));
    stage.says(ScanVerdict::Unavailable("refused".into()));
    let (clean, infected) =
        (stage.put(stage.held(&["a@example.org"])), stage.put(stage.held(&["a@example.org"])));
    for _ in 0..3 {
        assert!(stage.desk.look_again(clean, false).await.starts_with("not scanned"));
        assert_eq!(stage.desk.look_again(clean, false).await, "not due");
        stage.forward(60_000);
    }
    let item = stage.get(clean).unwrap();
    assert_eq!(item.hold.as_ref().unwrap().scans, 3);
    assert_eq!(events(&item).matches("could not be scanned").count(), 1);
    assert!(!stage.desk.notices.is_due(0, NOW));
    // Too long: told once.
    stage.forward(4 * 3_600_000);
    stage.desk.look_again(clean, false).await;
    stage.forward(60_000);
    stage.desk.look_again(clean, false).await;
    let (told, _) = stage.desk.notices.take(NOW);
    assert_eq!(told.len(), 1);
    assert!(told[0].text.starts_with("held for too long") && told[0].text.contains("refused"), "{told:?}");
    stage.says(ScanVerdict::Clean);
    stage.forward(60_000);
    assert_eq!(stage.desk.look_again(clean, false).await, "clean; delivered: 250 2.0.0 queued as X");
    assert!(stage.get(clean).is_none());
    stage.says(ScanVerdict::Infected("Eicar".into()));
    assert!(stage.desk.look_again(infected, false).await.contains("Eicar"));
    let item = stage.get(infected).unwrap();
    assert_eq!((&*item.folder, item.hold.is_none(), &*item.rule), ("virus", true, "told"));
    assert!(stage.desk.notices.take(NOW).0[0].text.contains("found after a hold"));
    assert_eq!(stage.script(|s| s.messages.len()), 1);
}

#[tokio::test]
async fn a_scan_on_request_moves_what_is_infected_and_releases_nothing() {
    let stage = Stage::new();
    let id = stage.put(stage.item("spam", &["a@example.org"]));
    let done = stage.done(Request::Rescan { pick: one(id) }).await;
    assert_eq!(done.messages, [(id, "clean".to_owned())]);
    assert!(stage.get(id).unwrap().spool.is_none());
    stage.says(ScanVerdict::Infected("Eicar".into()));
    stage.done(Request::Rescan { pick: one(id) }).await;
    assert_eq!(stage.get(id).unwrap().folder, "virus");
}

#[tokio::test]
async fn the_worker_delivers_scans_and_stops() {
    let stage = Stage::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let work = tokio::spawn(Arc::clone(&stage.desk).work(stopped));
    let (mail, held) =
        (stage.put(stage.outage(&["a@example.org"])), stage.put(stage.held(&["a@example.org"])));
    stage.desk.nudge();
    for _ in 0..500 {
        if stage.get(mail).is_none() && stage.get(held).is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(stage.get(mail).is_none() && stage.get(held).is_none());
    stop.send(true).unwrap();
    work.await.unwrap();
    let late = stage.put(stage.outage(&["a@example.org"]));
    stage.desk.nudge();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(stage.get(late).is_some());
}

#[tokio::test]
async fn retention_by_age_by_cap_and_of_the_trash() {
    let stage = Stage::new();
    let old = stage.put(stage.item("spam", &["a@example.org"]));
    let mut waits = stage.outage(&["a@example.org"]);
    waits.folder = "spam".into();
    let waits = stage.put(waits);
    stage.forward(15 * DAY);
    let new = stage.put(stage.item("spam", &["a@example.org"]));
    let trash = stage.put(stage.item("virus", &["a@example.org"]));
    stage.done(Request::Delete { pick: one(trash), forever: false }).await;
    let done = stage.done(Request::Expire { dry_run: false }).await;
    assert_eq!(done.changed, 1);
    assert!(stage.get(old).is_none() && stage.get(new).is_some() && stage.get(waits).is_some());
    assert!(stage.get(trash).is_some());
    stage.forward(8 * DAY);
    stage.desk.look_after(true).await;
    stage.settled();
    assert!(stage.get(trash).is_none() && stage.get(new).is_some());
    // Caps: the oldest go in a folder that says so, nothing in one that does not.
    stage.rules(|p| {
        for folder in &mut p.quarantine.folders {
            Arc::make_mut(folder).max_items = 3;
        }
    });
    let spam: Vec<Id> = (0..6).map(|_| stage.put(stage.item("virus", &["a@example.org"]))).collect();
    let policy: Vec<Id> = (0..6).map(|_| stage.put(stage.item("policy", &["a@example.org"]))).collect();
    stage.desk.look_after(false).await;
    stage.settled();
    let left: Vec<bool> = spam.iter().map(|id| stage.get(*id).is_some()).collect();
    assert_eq!(left, [false, false, false, true, true, true]);
    assert!(policy.iter().all(|id| stage.get(*id).is_some()));
}

#[tokio::test]
async fn the_admin_gets_one_digest_in_a_period_and_nobody_nothing() {
    let stage = Stage::new();
    stage.rules(|p| p.quarantine.notices.admin = Some("root@example.org".into()));
    for _ in 0..5 {
        stage.script(|s| s.mail = "550 5.7.1 never".into());
        let mut item = stage.outage(&["a@example.org"]);
        item.header.subject = Some("x\u{1b}[2J\r\nBcc: evil".into());
        let id = stage.put(item);
        stage.desk.attempt(id, false).await;
        stage.script(|s| s.mail.clear());
        stage.desk.look_after(false).await;
    }
    stage.settled();
    let notices = all(&stage, "spool");
    assert_eq!(notices.len(), 1);
    stage.desk.attempt(notices[0], false).await;
    stage.script(|s| {
        let text = s.messages.last().unwrap().replace("=\r\n", "");
        assert_eq!(s.heard.last().unwrap(), "RCPT TO:<root@example.org>");
        assert!(
            text.contains("1 events") && text.contains("not delivered: from sender@example.com"),
            "{text}"
        );
        assert!(!text.contains("\r\nBcc") && !text.contains('\u{1b}') && text.is_ascii(), "{text}");
    });
    stage.forward(3_700_000);
    stage.desk.look_after(false).await;
    stage.settled();
    let notices = all(&stage, "spool");
    assert_eq!(notices.len(), 1);
    stage.desk.attempt(notices[0], false).await;
    stage.script(|s| assert!(s.messages.last().unwrap().contains("4 events")));
}

#[tokio::test]
async fn an_mbox_is_taken_in_with_its_envelopes() {
    let stage = Stage::new();
    let path = stage.dir.path().join("old.mbox");
    let mut text = String::new();
    for n in 0..30 {
        let big = "x".repeat(70) + "\n";
        text.push_str(&format!(
            "From a@x.example Sat Nov 21\nReturn-Path: <s{n}@x.example>\nDelivered-To: bob@example.org\n\
             Subject: number {n}\n\n{}\n",
            big.repeat(n * 100)
        ));
    }
    std::fs::write(&path, text).unwrap();
    let import =
        |folder: &str| Request::Import { path: path.display().to_string(), folder: folder.into(), skip: 0 };
    assert_eq!(stage.done(import("policy")).await.changed, 30);
    let ids = all(&stage, "policy");
    let item = stage.get(ids[29]).unwrap();
    assert_eq!((&*item.envelope.from, &*item.recipients[0].rcpt), ("s29@x.example", "bob@example.org"));
    assert_eq!(item.header.subject.as_deref(), Some("number 29"));
    assert!(events(&item).starts_with("alice: imported from "));
    let text = stage.refused(import("nowhere")).await;
    assert!(text.contains("no folder nowhere"), "{text}");
    stage.rules(|p| p.max_message_octets = 10_000);
    let done = stage.done(import("spam")).await;
    assert_eq!((done.changed, done.skipped[0].1), (2, 28));
    let gone = Request::Import { path: "/no/such".into(), folder: "spam".into(), skip: 0 };
    assert!(stage.refused(gone).await.contains("/no/such cannot be read"));
}

#[tokio::test]
async fn show_and_parts_give_what_came() {
    let stage = Stage::new();
    let message = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nhello \x1b[2Jthere\r\n--b\r\nContent-Type: application/zip; name=\"../a.zip\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b--\r\n";
    let id = stage.put_octets(stage.item("spam", &["a@example.org"]), message);
    let shown =
        stage.ask(Request::Show { id: id.to_string().to_lowercase().chars().take(5).collect() }).await;
    let [Answer::Shown(shown)] = &shown[..] else { panic!("{shown:?}") };
    assert!(shown.text.contains("hello") && !shown.text.contains('\u{1b}') && shown.parts.len() == 3);
    let octets = async |part: u32, header_only: bool| {
        let id = id.to_string();
        let answers = stage.ask(Request::Part { id, part, header_only }).await;
        assert!(matches!(answers.last(), Some(Answer::Done(_))), "{answers:?}");
        let mut out = Vec::new();
        for answer in &answers {
            if let Answer::Octets(text) = answer {
                out.extend(base64::engine::general_purpose::STANDARD.decode(text).unwrap());
            }
        }
        out
    };
    assert_eq!(octets(0, false).await, message);
    assert_eq!(octets(3, false).await, [0, 1, 2, 3]);
    assert_eq!(
        octets(0, true).await,
        &message[..message.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4]
    );
    assert!(
        stage
            .refused(Request::Part { id: id.to_string(), part: 9, header_only: false })
            .await
            .contains("no part 9")
    );
    assert!(stage.refused(Request::Show { id: "0000".into() }).await.contains("there is no message 0000"));
    assert!(stage.refused(Request::Show { id: "!".into() }).await.contains("is no reference"));
}

#[tokio::test]
async fn a_beginning_that_several_have_names_them() {
    let stage = Stage::new();
    for id in ["ABCD0001", "ABCD0002", "ABCE0001"] {
        let mut item = stage.item("spam", &["a@example.org"]);
        item.id = id.parse().unwrap();
        stage.put(item);
    }
    let text = stage.refused(Request::Show { id: "abcd".into() }).await;
    assert_eq!(text, "ABCD may be ABCD0001, ABCD0002: type more of it");
    let shown = stage.ask(Request::Show { id: "abce".into() }).await;
    assert!(matches!(&shown[..], [Answer::Shown(s)] if s.item.id.to_string() == "ABCE0001"), "{shown:?}");
    // By the reference of its session too.
    let session = stage.get("ABCE0001".parse().unwrap()).unwrap().client.session;
    let shown = stage.ask(Request::Show { id: session }).await;
    assert!(matches!(&shown[..], [Answer::Shown(s)] if s.item.id.to_string() == "ABCE0001"), "{shown:?}");
}

#[tokio::test]
async fn a_large_message_comes_in_pieces_that_fit_together() {
    let stage = Stage::new();
    let message: Vec<u8> = (0..1_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let id = stage.put_octets(stage.item("spam", &["a@example.org"]), &message);
    let answers = stage.ask(Request::Part { id: id.to_string(), part: 0, header_only: false }).await;
    let text: String = answers
        .iter()
        .filter_map(|a| match a {
            Answer::Octets(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(base64::engine::general_purpose::STANDARD.decode(text).unwrap() == message);
}

#[tokio::test]
async fn summaries_are_given_back_or_sent_to_our_own_recipients() {
    let stage = Stage::new();
    for rcpt in ["bob@example.org", "carol@example.org", "somebody@elsewhere.example"] {
        for _ in 0..2 {
            let mut item = stage.item("spam", &[rcpt]);
            item.header.subject = Some("<script>x</script>".into());
            stage.put(item);
        }
    }
    let ask = |send| Request::Digest { pick: folder("spam"), send };
    let given = stage.ask(ask(false)).await;
    let Some(Answer::Digests(given)) = given.last() else { panic!("{given:?}") };
    assert_eq!(given.len(), 3);
    assert!(given.iter().all(|s| s.items == 2 && s.rows.len() == 2 && !s.html.contains("<script>")));
    let done = stage.done(ask(true)).await;
    assert_eq!((done.changed, done.skipped[0].1), (2, 1));
    let spooled = all(&stage, "spool");
    assert_eq!(spooled.len(), 2);
    for id in spooled {
        stage.desk.attempt(id, false).await;
    }
    stage.script(|s| {
        assert_eq!(
            s.heard,
            ["MAIL FROM:<>", "RCPT TO:<bob@example.org>", "MAIL FROM:<>", "RCPT TO:<carol@example.org>"]
        );
        assert!(
            s.messages
                .iter()
                .all(|m| m.contains("multipart/alternative") && m.lines().all(|l| l.len() <= 78))
        );
    });
}

#[tokio::test]
async fn figures_have_the_caps_of_the_rules_and_lists_their_bounds() {
    let stage = Stage::new();
    stage.many("spam", 20).await;
    let said = stage.ask(Request::Stats {}).await;
    let [Answer::Stats(stats)] = &said[..] else { panic!("{said:?}") };
    let spam = stats.folders.iter().find(|f| f.folder == "spam").unwrap();
    assert_eq!((spam.items, spam.max_items), (20, Some(1_000_000)));
    assert!(spam.max_octets.is_some());
    let page = crate::vault::PageRequest { rows: 0, ..Default::default() };
    let said = stage.ask(Request::List { page }).await;
    let [Answer::Page(page)] = &said[..] else { panic!("{said:?}") };
    assert!(page.rows.len() == 1 && page.next.is_some());
    let said = stage.ask(Request::Group { pick: folder("spam"), most: 0 }).await;
    assert!(matches!(&said[..], [Answer::Groups { of: 20, .. }]), "{said:?}");
    assert_eq!(stage.done(Request::Rebuild {}).await.changed, 20);
}

/// `cargo test --release --lib desk::verb_tests::measure -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure() {
    const ITEMS: usize = 20_000;
    let stage = Stage::new();
    let began = std::time::Instant::now();
    stage.many("spam", ITEMS).await;
    println!("put {ITEMS}: {:?}", began.elapsed());
    let everything = || super::request::Pick { query: Default::default(), ..folder("x") };
    for request in [
        Request::Delete { pick: folder("spam"), forever: false },
        Request::Undelete { pick: everything(), batch: None },
        Request::Move { pick: folder("spam"), folder: "policy".into() },
        super::stage::release(folder("policy")),
        Request::Delete { pick: folder("policy"), forever: true },
    ] {
        let what = format!("{request:?}").split(' ').next().unwrap_or_default().to_owned();
        let began = std::time::Instant::now();
        let done = stage.done(request).await;
        println!("{what} {}: {:?}", done.changed, began.elapsed());
    }
}
