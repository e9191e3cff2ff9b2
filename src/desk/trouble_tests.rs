//! What goes wrong in the middle: a disk that is full or fails, an index that cannot be read, damaged files, and thousands
//! that exceptions keep.

use super::request::{Answer, Outcome, Request};
use super::stage::{NOW, RULES, Stage, folder, one};
use crate::mail::Id;
use crate::vault::{Item, Scope};
use crate::verdict::Direction;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The file of an item.
fn file_of(stage: &Stage, id: Id) -> PathBuf {
    stage.settled();
    let mut folders = vec![stage.dir.path().join("state/vault/items")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                folders.push(entry);
            } else if name.starts_with(&id.to_string()) {
                return entry;
            }
        }
    }
    panic!("{id} has no file");
}

async fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn works(stage: &Stage) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    (stop, tokio::spawn(Arc::clone(&stage.desk).work(stopped)))
}

/// The disk is full from the next end of data on.
fn full_at_dot(stage: &Stage) {
    let vault = Arc::clone(&stage.desk.vault);
    stage.script(|s| s.at_dot = Some(Box::new(move || vault.faults().full.store(true, SeqCst))));
}

fn room(stage: &Stage) {
    stage.script(|s| s.at_dot = None);
    stage.desk.vault.faults().full.store(false, SeqCst);
}

/// Audit lines of deliveries: message, first result, first reply, note.
fn deliveries(stage: &Stage) -> Vec<[String; 4]> {
    let audit = stage.world.audit.lock().unwrap();
    let of_delivery = audit.iter().filter(|line| line["kind"] == "delivery");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    of_delivery
        .map(|l| [&l["message"], &l["to"][0]["result"], &l["to"][0]["reply"], &l["note"]].map(word))
        .collect()
}

#[tokio::test]
async fn what_a_full_disk_keeps_from_being_noted_is_delivered_once_and_told() {
    let stage = Stage::new();
    full_at_dot(&stage);
    let id = stage.put(stage.outage(&["a@example.org", "b@example.org"]));
    let report = stage.desk.attempt(id, false).await;
    let said = "delivered: 250 2.0.0 queued as X; that cannot be noted yet: ";
    assert!(report.said.starts_with(said) && !report.failed, "{report:?}");
    let line = || [id.to_string(), "delivered".into(), "250 2.0.0 queued as X".into(), String::new()];
    assert_eq!(deliveries(&stage), [line()]);
    let told = stage.desk.unnoted();
    let first = &told.first[0];
    assert_eq!((told.count, first.message, first.since_unix_ms), (1, id, NOW));
    assert!(!first.why.is_empty());
    // A crash now leaves it in doubt.
    let item = stage.get(id).unwrap();
    assert!(item.waiting() == 2 && item.spool.unwrap().in_doubt);
    // Neither the worker, nor force, nor another verb takes it.
    let (stop, work) = works(&stage);
    stage.forward(3_600_000);
    stage.desk.nudge();
    let again = stage.desk.attempt(id, true).await.said;
    assert!(again.starts_with("it was delivered at 2026-11-21T20:00:00.000Z, and that"), "{again}");
    let (tell, mut told) = mpsc::channel(10);
    let delete = Request::Delete { pick: one(id), forever: true };
    Box::pin(Arc::clone(&stage.desk).serve(delete, "alice", tell)).await;
    let done = told.recv().await;
    assert!(format!("{done:?}").contains("under way"), "{done:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(stage.script(|s| s.messages.len()), 1);
    room(&stage);
    wait_for("it is noted", || stage.desk.unnoted().count == 0).await;
    assert!(stage.get(id).is_none());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((stage.script(|s| s.messages.len()), deliveries(&stage)), (1, vec![line()]));
    stop.send(true).unwrap();
    work.await.unwrap();
}

#[tokio::test]
async fn other_mail_goes_on_while_one_delivery_cannot_be_noted() {
    let stage = Stage::new();
    stage.rules(|p| p.quarantine.spool.concurrency = 1);
    let id = stage.put(stage.outage(&["a@example.org"]));
    let path = file_of(&stage, id);
    let (whole, vault, damaged) = (path.clone(), Arc::clone(&stage.desk.vault), path.clone());
    // In doubt by then, and that in its file.
    let (keep, kept) = std::sync::mpsc::sync_channel(1);
    stage.script(|s| {
        s.at_dot = Some(Box::new(move || {
            if vault.catch_up() && keep.try_send(std::fs::read(&damaged).unwrap()).is_ok() {
                std::fs::write(&damaged, b"damaged").unwrap();
            }
        }));
    });
    let (stop, work) = works(&stage);
    wait_for("it cannot be noted", || stage.desk.unnoted().count == 1).await;
    stage.script(|s| s.at_dot = None);
    let others: Vec<Id> = (0..3).map(|_| stage.put(stage.outage(&["b@example.org"]))).collect();
    stage.desk.nudge();
    wait_for("the others go", || others.iter().all(|id| stage.get(*id).is_none())).await;
    assert_eq!((stage.script(|s| s.messages.len()), stage.desk.unnoted().count), (4, 1));
    std::fs::write(&whole, kept.recv().unwrap()).unwrap();
    wait_for("it is noted", || stage.desk.unnoted().count == 0).await;
    assert!(stage.get(id).is_none() && stage.script(|s| s.messages.len()) == 4);
    stop.send(true).unwrap();
    work.await.unwrap();
}

#[tokio::test]
async fn a_stop_tries_to_note_and_what_is_left_is_in_doubt() {
    for freed in [true, false] {
        let stage = Stage::new();
        full_at_dot(&stage);
        let id = stage.put(stage.outage(&["a@example.org"]));
        stage.desk.attempt(id, false).await;
        // Long enough that the pauses are long.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let (stop, work) = works(&stage);
        stop.send(true).unwrap();
        if freed {
            room(&stage);
        }
        work.await.unwrap();
        assert_eq!(stage.get(id).is_none(), freed);
        if freed {
            continue;
        }
        stage.script(|s| s.at_dot = None);
        let stage = stage.reopen();
        assert_eq!(stage.desk.unnoted().count, 0);
        let report = stage.desk.attempt(id, true).await;
        assert!(report.said.starts_with("delivered"), "{report:?}");
        let notes: Vec<String> = deliveries(&stage).into_iter().map(|[_, _, _, note]| note).collect();
        assert_eq!(notes, ["", "may be delivered twice"]);
        assert_eq!(stage.script(|s| s.messages.len()), 2);
    }
}

#[tokio::test]
async fn the_worker_goes_on_with_the_rest_when_some_cannot_be_read() {
    let stage = Stage::new();
    stage.rules(|p| p.quarantine.spool.concurrency = 1);
    let ids: Vec<Id> = (0..4).map(|_| stage.put(stage.outage(&["a@example.org"]))).collect();
    let (damaged, whole) = ids.split_at(2);
    for id in damaged {
        std::fs::write(file_of(&stage, *id), b"damaged").unwrap();
    }
    let (stop, work) = works(&stage);
    wait_for("the rest goes", || whole.iter().all(|id| stage.get(*id).is_none())).await;
    assert_eq!(stage.script(|s| s.messages.len()), 2);
    stop.send(true).unwrap();
    work.await.unwrap();
}

fn list(stage: &Stage, text: &str) {
    let (list, problems) = crate::rules::List::parse("blocks", "lists/blocks.list", text, NOW / 1000);
    assert!(problems.is_empty(), "{problems:?}");
    // Other rules, as after a reload.
    stage.files(&[("gateway.toml", RULES)]);
    stage.rules(|p| p.protocol.block = vec![Arc::new(list)]);
}

#[tokio::test]
async fn a_sweep_sees_what_lies_behind_thousands_that_an_exception_keeps() {
    let stage = Stage::new();
    stage.many("spam", 1_200).await;
    let from = |sender: &str| {
        let mut item = stage.item("spam", &["a@example.org"]);
        item.envelope.from = sender.into();
        stage.put(item)
    };
    let gone = |id: Id| stage.get(id).unwrap().trash.is_some();
    let kept = stage.desk.vault.ids(&folder("spam").query, Scope::Everything, i64::MIN, 1).unwrap()[0].0;
    let bad = from("win@example.com");
    list(&stage, "example.com; sweep=delete\n!sender@example.com\n");
    let swept: Vec<u64> = vec![stage.desk.sweep().await, stage.desk.sweep().await];
    assert_eq!((swept, gone(bad)), (vec![0, 1], true));
    // What is new, at once.
    let new = from("new@example.com");
    assert_eq!((stage.desk.sweep().await, gone(new)), (1, true));
    // What was there before, also from behind the thousand, in its turn; and again and again.
    for _ in 0..2 {
        stage.done(Request::Undelete { pick: one(bad), batch: None }).await;
        let mut minutes = 0;
        while !gone(bad) {
            assert!(minutes < 3, "{minutes}");
            stage.desk.sweep().await;
            stage.settled();
            minutes += 1;
        }
    }
    // After a reload the lists decide anew, from the oldest on.
    list(&stage, "example.com; sweep=delete\n");
    stage.desk.sweep().await;
    stage.settled();
    assert!(gone(kept));
    list(&stage, "");
    assert_eq!(stage.desk.sweep().await, 0);
    assert!(stage.desk.sweeps.places(&stage.world.policy.lock().unwrap().clone()).is_empty());
}

/// One source may stand in several entries: how far one has got says nothing of another.
#[tokio::test]
async fn entries_of_one_source_have_a_place_each() {
    for entries in [
        "example.com; sweep=delete; dir=in\nexample.com; sweep=delete; dir=out\n!sender@example.com\n",
        "192.0.2.0/24; sweep=delete; dir=in\n192.0.2.0/24; sweep=delete; dir=out\n!192.0.2.7\n",
    ] {
        let stage = Stage::new();
        stage.many("spam", 1_200).await;
        let bad = [Direction::Inbound, Direction::Outbound].map(|direction| {
            let mut item = stage.item("spam", &["a@example.org"]);
            item.envelope.from = "win@example.com".into();
            item.client.ip = Some([192, 0, 2, 9].into());
            item.client.direction = Some(direction);
            stage.put(item)
        });
        list(&stage, entries);
        let mut swept = 0;
        for _ in 0..2 {
            swept += stage.desk.sweep().await;
            stage.settled();
        }
        let gone = bad.map(|id| stage.get(id).unwrap().trash.is_some());
        assert_eq!((gone, swept), ([true; 2], 2), "{entries}");
        let places = stage.desk.sweeps.places(&stage.world.policy.lock().unwrap().clone());
        let newest = bad.map(|id| stage.get(id).unwrap().order).into_iter().max().unwrap();
        assert!(places.len() == 2 && places.values().all(|place| place.seen == newest), "{places:?}");
    }
}

/// Work during which the index gets blind, when so many are done.
async fn blinded(stage: &Stage, at: u64, request: Request) -> Outcome {
    let desk = Arc::clone(&stage.desk);
    let blinding = tokio::spawn(async move {
        while desk.jobs.list().first().is_none_or(|job| job.done < at) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        desk.vault.faults().blind.store(true, SeqCst);
    });
    let done = stage.done(request).await;
    blinding.await.unwrap();
    stage.desk.vault.faults().blind.store(false, SeqCst);
    let audit = stage.world.audit.lock().unwrap();
    let line = audit.last().unwrap();
    let why = done.stopped.as_deref().expect("it was stopped");
    assert!(why.contains("blind") && line["error"] == why, "{done:?} {line}");
    assert_eq!((&line["kind"], &line["changed"]), (&"desk".into(), &done.changed.into()));
    assert_eq!(line["batch"].as_str(), done.batch.as_deref());
    done
}

#[tokio::test]
async fn work_that_stops_in_the_middle_tells_what_was_done_and_its_name() {
    let stage = Stage::new();
    stage.many("spam", 2_100).await;
    let done = blinded(&stage, 200, Request::Delete { pick: folder("spam"), forever: false }).await;
    assert_eq!(done.changed, 2_000);
    let back = Request::Undelete { pick: folder("spam"), batch: done.batch };
    assert_eq!(blinded(&stage, 200, back.clone()).await.changed, 2_000);
    let moved = Request::Move { pick: folder("spam"), folder: "policy".into() };
    assert_eq!(blinded(&stage, 200, moved).await.changed, 2_000);
    // Retention, in steps of 500.
    stage.forward(400 * 86_400_000);
    let gone = blinded(&stage, 500, Request::Expire { dry_run: false }).await.changed;
    assert!((500..2_100).contains(&gone), "{gone}");
}

/// Work during which the disk gets full, some steps on; there is room again behind it.
async fn filled(stage: &Stage, request: Request) -> Outcome {
    let faults = stage.desk.vault.faults();
    faults.full_from.store(faults.steps() + 150, SeqCst);
    let (tell, mut told) = mpsc::channel(10_000);
    Box::pin(Arc::clone(&stage.desk).serve(request, "alice", tell)).await;
    faults.full_from.store(0, SeqCst);
    let mut last = None;
    while let Some(answer) = told.recv().await {
        last = Some(answer);
    }
    wait_for("files follow", || stage.desk.vault.catch_up()).await;
    let Some(Answer::Done(done)) = last else { panic!("{last:?}") };
    let audit = stage.world.audit.lock().unwrap();
    let line = audit.last().unwrap();
    let why = done.stopped.as_deref().expect("it was stopped");
    assert!(why.contains("no space for messages in ") && line["error"] == why, "{done:?} {line}");
    assert_eq!(line["changed"], done.changed);
    done
}

fn in_folder(stage: &Stage, name: &str) -> Vec<Item> {
    let ids = stage.desk.vault.ids(&folder(name).query, Scope::Everything, i64::MIN, 10_000).unwrap();
    ids.into_iter().map(|(id, _)| stage.get(id).unwrap()).collect()
}

#[tokio::test]
async fn an_import_that_stops_in_the_middle_says_where_and_another_goes_on_there() {
    let stage = Stage::new();
    stage.rules(|p| p.max_message_octets = 1_000);
    let path = stage.dir.path().join("old.mbox");
    // The second one is too large, which stops nothing.
    let message = |n: usize| {
        let text = "x".repeat(if n == 2 { 2_000 } else { 100 });
        format!("From a@x.example Sat Nov 21\nTo: bob@example.org\nSubject: number {n}\n\n{text}\n\n")
    };
    std::fs::write(&path, (1..=60).map(message).collect::<String>()).unwrap();
    let path = path.display().to_string();
    let import = |skip| Request::Import { path: path.clone(), folder: "policy".into(), skip };
    let done = filled(&stage, import(0)).await;
    let left_out = done.skipped.iter().map(|(_, count, _)| *count).collect::<Vec<_>>();
    assert!((2..59).contains(&done.changed) && left_out == [1], "{done:?}");
    let before = done.changed + 1;
    let why = done.stopped.unwrap();
    assert!(why.starts_with(&format!("message {} of {path}: no space", before + 1)), "{why}");
    assert!(why.ends_with(&format!("; `--skip {before}` goes on with it")), "{why}");
    assert_eq!(in_folder(&stage, "policy").len() as u64, done.changed);
    let rest = stage.done(import(before)).await;
    assert_eq!((rest.changed, rest.stopped), (60 - before, None));
    let subjects = in_folder(&stage, "policy").into_iter().map(|item| item.header.subject.unwrap());
    let want = (1..=60).filter(|n| *n != 2).map(|n| format!("number {n}"));
    assert_eq!(subjects.collect::<Vec<_>>(), want.collect::<Vec<_>>(), "each once, in order");
    // Nothing is left; and nothing at all can be taken.
    assert!(stage.refused(import(60)).await.ends_with("has no message behind the first 60"));
    stage.desk.vault.faults().full.store(true, SeqCst);
    let text = stage.refused(import(0)).await;
    stage.desk.vault.faults().full.store(false, SeqCst);
    assert!(
        text.starts_with(&format!("message 1 of {path}: no space")) && !text.contains("--skip"),
        "{text}"
    );
}

#[tokio::test]
async fn summaries_that_stop_in_the_middle_say_at_whom_and_the_next_ones_go_to_all() {
    let stage = Stage::new();
    let names: Vec<String> = (0..60).map(|n| format!("r{n:02}@example.org")).collect();
    for name in &names {
        stage.put(stage.item("spam", &[name]));
    }
    let digest = || Request::Digest { pick: folder("spam"), send: true };
    let done = filled(&stage, digest()).await;
    let sent = usize::try_from(done.changed).unwrap();
    assert!((1..60).contains(&sent), "{done:?}");
    let why = done.stopped.unwrap();
    assert!(why.starts_with(&format!("at {}: no space", names[sent])), "{why}");
    assert!(why.ends_with("; who comes before, in the order of names, has a summary"), "{why}");
    let to = |items: &[Item]| items.iter().map(|item| item.recipients[0].rcpt.clone()).collect::<Vec<_>>();
    assert_eq!(to(&in_folder(&stage, "spool")), names[..sent]);
    assert_eq!(stage.done(digest()).await.changed, 60);
    assert_eq!(to(&in_folder(&stage, "spool")), [&names[..sent], &names[..]].concat());
}

/// They are in the spool by then: nobody who has his gets it again, and nobody goes without.
#[tokio::test]
async fn summaries_wait_for_a_downstream_that_goes_away_between_them() {
    let stage = Stage::new();
    let names: Vec<String> = (0..5).map(|n| format!("r{n}@example.org")).collect();
    for name in &names {
        stage.put(stage.item("spam", &[name]));
    }
    let done = stage.done(Request::Digest { pick: folder("spam"), send: true }).await;
    assert_eq!((done.changed, &done.stopped, done.skipped.len()), (5, &None, 0));
    let summaries: Vec<Id> = in_folder(&stage, "spool").iter().map(|item| item.id).collect();
    for (n, id) in summaries.iter().enumerate() {
        if n == 2 {
            stage.script(|s| (s.down, s.mail) = (true, "421 4.3.2 bye".to_owned()));
        }
        stage.desk.attempt(*id, false).await;
    }
    assert_eq!(in_folder(&stage, "spool").len(), 3);
    stage.script(|s| {
        (s.down, s.mail) = (false, String::new());
        s.heard.truncate(4);
    });
    stage.forward(3_600_000);
    for id in &summaries {
        stage.desk.attempt(*id, false).await;
    }
    stage.settled();
    assert_eq!(in_folder(&stage, "spool").len(), 0);
    let mut heard = stage.script(|s| std::mem::take(&mut s.heard));
    heard.retain(|line| line.starts_with("RCPT"));
    assert_eq!(heard, names.iter().map(|name| format!("RCPT TO:<{name}>")).collect::<Vec<_>>());
}
