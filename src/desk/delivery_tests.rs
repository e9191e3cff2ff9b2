//! Deliveries: what each reply leads to, when the rest is tried, who is told, and what a stop at any moment leaves.

use super::edit::Decision;
use super::request::Request;
use super::stage::{NOW, Stage, folder, one};
use crate::mail::Id;
use crate::vault::{Item, Priority, Progress, Scope};
use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn progress(item: &Item) -> Vec<Progress> {
    item.spool.as_ref().unwrap().deliveries.iter().map(|d| d.progress).collect()
}

fn said(item: &Item) -> String {
    item.history.iter().map(|e| format!("{}: {}\n", e.by, e.what)).collect()
}

#[tokio::test]
async fn delivered_to_all_is_gone_with_trace_and_body_down() {
    for slow in [false, true] {
        let stage = Stage::new();
        stage.script(|s| s.slow = slow);
        let id = stage.put(stage.outage(&["a@example.org", "b@example.org"]));
        let report = stage.desk.attempt(id, false).await;
        assert_eq!(report.said, "delivered: 250 2.0.0 queued as X");
        assert!(stage.get(id).is_none());
        stage.script(|s| {
            let lines =
                ["MAIL FROM:<sender@example.com>", "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"];
            assert_eq!(s.heard, lines);
            assert_eq!(s.messages, ["Received: from x\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n"]);
        });
        let audit = stage.world.audit.lock().unwrap();
        assert_eq!(
            (&audit[0]["kind"], &audit[0]["to"][0]["result"]),
            (&"delivery".into(), &"delivered".into())
        );
    }
}

#[tokio::test]
async fn each_recipient_has_its_own_fate() {
    let stage = Stage::new();
    stage.script(|s| {
        s.rcpt.insert("no@example.org".into(), "550 5.1.1 unknown".into());
        s.rcpt.insert("later@example.org".into(), "451 4.2.0 not now".into());
    });
    let id = stage.put(stage.outage(&["ok@example.org", "no@example.org", "later@example.org"]));
    let report = stage.desk.attempt(id, false).await;
    assert!(report.said.starts_with("delivered (1 of 3 recipients): 250"), "{}", report.said);
    assert!(report.said.contains("refused (1 of 3 recipients): 550 5.1.1 unknown"), "{}", report.said);
    let item = stage.get(id).unwrap();
    assert_eq!(progress(&item), [Progress::Delivered, Progress::Failed, Progress::Waiting]);
    let spool = item.spool.as_ref().unwrap();
    assert_eq!((spool.attempts, spool.next_ms, spool.in_doubt), (1, NOW + MINUTE, false));
    // Not before its time; then only the one that waits.
    assert_eq!(stage.desk.attempt(id, false).await.said, "not due");
    stage.script(|s| {
        s.rcpt.clear();
        s.heard.clear();
    });
    stage.forward(MINUTE);
    stage.desk.attempt(id, false).await;
    stage.script(|s| assert_eq!(s.heard, ["MAIL FROM:<sender@example.com>", "RCPT TO:<later@example.org>"]));
    // One failed, and nobody could be told: it is in `dead`, with everything that happened.
    let item = stage.get(id).unwrap();
    assert_eq!((&*item.folder, item.waiting()), ("dead", 0));
    assert!(said(&item).contains("refused for no@example.org: 550 5.1.1 unknown"), "{}", said(&item));
}

#[tokio::test]
async fn replies_to_mail_data_and_the_dot() {
    for (mail, data, dot, want) in [
        ("451 4.3.0 later", "", "", Progress::Waiting),
        ("550 5.7.1 never", "", "", Progress::Failed),
        ("", "451 4.3.0 later", "", Progress::Waiting),
        ("", "554 5.6.0 never", "", Progress::Failed),
        ("", "", "452 4.3.1 full", Progress::Waiting),
        ("", "", "554 5.7.1 no", Progress::Failed),
        ("421 4.3.2 bye", "", "", Progress::Waiting),
    ] {
        let stage = Stage::new();
        stage.script(|s| {
            s.mail = mail.into();
            s.data = data.into();
            s.dot.extend((!dot.is_empty()).then(|| dot.into()));
        });
        let id = stage.put(stage.outage(&["a@example.org"]));
        stage.desk.attempt(id, false).await;
        let item = stage.get(id).unwrap();
        let spool = item.spool.as_ref().unwrap();
        assert_eq!((progress(&item), spool.in_doubt), (vec![want], false), "{mail}{data}{dot}");
        let folder = if want == Progress::Failed { "dead" } else { "spool" };
        assert_eq!(item.folder, folder, "{mail}{data}{dot}");
        assert!(spool.last.is_some());
    }
}

#[tokio::test]
async fn a_connection_lost_at_the_dot_is_in_doubt_and_says_so() {
    let stage = Stage::new();
    stage.script(|s| s.dot.push_back("close".into()));
    let id = stage.put(stage.outage(&["a@example.org"]));
    let report = stage.desk.attempt(id, false).await;
    assert!(report.said.contains("next attempt at 2026-11-21T20:01:00"), "{}", report.said);
    let item = stage.get(id).unwrap();
    assert!(item.spool.as_ref().unwrap().in_doubt && said(&item).contains("may be delivered twice"));
    // Also after a restart.
    let stage = stage.reopen();
    stage.forward(MINUTE);
    stage.script(|s| s.dot.push_back("451 4.0.0 x".into()));
    stage.desk.attempt(id, false).await;
    let item = stage.get(id).unwrap();
    assert!(
        said(&item).contains("tried again although the last attempt may have arrived"),
        "{}",
        said(&item)
    );
    let audit = stage.world.audit.lock().unwrap();
    assert!(audit.iter().all(|line| line["note"] == "may be delivered twice"), "{audit:?}");
}

/// As after a power failure at its end, where the next attempts do not even get so far.
#[tokio::test]
async fn what_may_have_arrived_is_so_until_there_is_an_answer() {
    for what in ["down", "MAIL", "RCPT", "DATA", "no downstream"] {
        let stage = Stage::new();
        let mut item = stage.outage(&["a@example.org"]);
        item.folder = "policy".to_owned();
        let spool = item.spool.as_mut().unwrap();
        spool.in_doubt = true;
        if what == "no downstream" {
            spool.downstream = "gone".to_owned();
        }
        let id = stage.put(item);
        let later = "451 4.3.0 later".to_owned();
        stage.script(|s| match what {
            "down" => s.down = true,
            "MAIL" => s.mail = later,
            "RCPT" => drop(s.rcpt.insert("a@example.org".into(), later)),
            "DATA" => s.data = later,
            _ => {}
        });
        stage.desk.attempt(id, false).await;
        let item = stage.get(id).unwrap();
        assert!(item.waiting() == 1 && item.spool.as_ref().unwrap().in_doubt, "{what}");
        stage.script(|s| {
            (s.down, s.mail, s.data) = (false, String::new(), String::new());
            s.rcpt.clear();
        });
        stage
            .desk
            .edit(id, |item| {
                item.spool.as_mut().unwrap().downstream = "mail".to_owned();
                Decision::Write
            })
            .await
            .unwrap();
        stage.desk.attempt(id, true).await;
        let item = stage.get(id).unwrap();
        assert_eq!(
            (progress(&item), item.spool.as_ref().unwrap().in_doubt),
            (vec![Progress::Delivered], false)
        );
        assert!(said(&item).contains("may be delivered twice"), "{what}: {}", said(&item));
        let audit = stage.world.audit.lock().unwrap();
        assert_eq!(audit.last().unwrap()["note"], "may be delivered twice", "{what}: {audit:?}");
    }
}

#[tokio::test]
async fn the_schedule_runs_to_its_end_and_the_last_attempt_is_at_the_end() {
    let stage = Stage::new();
    stage.rules(|p| {
        p.quarantine.spool.retry = [1, 5, 30].iter().map(|m| Duration::from_secs(m * 60)).collect();
        p.quarantine.spool.expire = Duration::from_secs(3600);
    });
    stage.script(|s| s.mail = "451 4.3.0 later".into());
    let id = stage.put(stage.outage(&["a@example.org"]));
    let mut at = Vec::new();
    loop {
        stage.desk.attempt(id, false).await;
        let item = stage.get(id).unwrap();
        if item.waiting() == 0 {
            assert_eq!(item.folder, "dead");
            assert!(said(&item).contains("given up for a@example.org: 451 4.3.0 later"), "{}", said(&item));
            break;
        }
        let next = item.spool.as_ref().unwrap().next_ms;
        at.push((next - NOW) / MINUTE);
        stage.world.now.store(next, std::sync::atomic::Ordering::SeqCst);
    }
    assert_eq!(at, [1, 6, 36, 60]);
}

#[tokio::test]
async fn a_downstream_that_is_away_is_left_alone_and_everything_is_due_when_it_is_back() {
    let stage = Stage::new();
    stage.script(|s| s.down = true);
    let ids: Vec<Id> = (0..5).map(|_| stage.put(stage.outage(&["a@example.org"]))).collect();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    stage.rules(|p| p.quarantine.spool.concurrency = 1);
    let work = tokio::spawn(Arc::clone(&stage.desk).work(stopped));
    let put_off =
        |stage: &Stage| ids.iter().all(|id| stage.get(*id).is_some_and(|i| i.spool.unwrap().attempts == 1));
    while !put_off(&stage) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // One of them tried; the others were put off with it.
    assert!(stage.script(|s| s.dials) <= 2, "{}", stage.script(|s| s.dials));
    stage.script(|s| s.down = false);
    let report = stage.desk.attempt(ids[0], true).await;
    assert!(report.said.starts_with("delivered"), "{}", report.said);
    stage.desk.heard(&report);
    for _ in 0..1000 {
        if ids.iter().all(|id| stage.get(*id).is_none()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ids.iter().all(|id| stage.get(*id).is_none()));
    assert_eq!(stage.script(|s| s.messages.len()), 5);
    stop.send(true).unwrap();
    work.await.unwrap();
}

/// Polls a delivery `polls` times, with time for the threads and the server in between, then drops it.
async fn cut_after(stage: &Stage, id: Id, polls: usize) -> bool {
    let desk = Arc::clone(&stage.desk);
    let mut attempt = Box::pin(async move { desk.attempt(id, true).await });
    for _ in 0..polls {
        let mut cx = Context::from_waker(Waker::noop());
        if attempt.as_mut().poll(&mut cx).is_ready() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    false
}

#[tokio::test]
async fn a_stop_at_any_moment_loses_nothing_and_a_second_delivery_says_so() {
    let mut finished = false;
    let mut doubtful = 0;
    for polls in 1..60 {
        let stage = Stage::new();
        let mut item = stage.outage(&["a@example.org"]);
        // Stays when it is delivered, so that its history can be read.
        item.folder = "policy".to_owned();
        let id = stage.put(item);
        finished = cut_after(&stage, id, polls).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let stage = stage.reopen();
        let before = stage.get(id).unwrap();
        let doubt = before.spool.as_ref().unwrap().in_doubt;
        let first = stage.script(|s| s.messages.len());
        if before.waiting() > 0 {
            assert!(first == 0 || doubt, "{polls}: went down without a mark");
            let report = stage.desk.attempt(id, true).await;
            assert!(report.said.starts_with("delivered"), "{polls}: {}", report.said);
        }
        let after = stage.get(id).unwrap();
        assert_eq!(progress(&after), [Progress::Delivered], "{polls}");
        let times = stage.script(|s| s.messages.len());
        assert!(times == 1 || (times == 2 && doubt), "{polls}: {times}");
        if doubt {
            doubtful += 1;
            assert!(said(&after).contains("may be delivered twice"), "{polls}");
        }
        if finished {
            break;
        }
    }
    assert!(finished && doubtful > 0, "{doubtful}");
}

#[tokio::test]
async fn the_sender_is_told_where_it_may_be_and_the_admin_else() {
    // answerable, NOTIFY, sender, cause by folder: who is told.
    for (answerable, notify, from, folder, report) in [
        (true, None, "s@example.com", "spool", true),
        (true, Some("FAILURE,DELAY"), "s@example.com", "spool", true),
        (true, Some("NEVER"), "s@example.com", "spool", false),
        (true, Some("SUCCESS"), "s@example.com", "spool", false),
        (false, None, "s@example.com", "spool", false),
        (true, None, "", "spool", false),
        (true, None, "s@example.com", "spam", false),
    ] {
        let stage = Stage::new();
        stage.script(|s| drop(s.rcpt.insert("a@example.org".into(), "550 5.1.1 unknown".into())));
        let mut item = stage.outage(&["a@example.org"]);
        item.client.answerable = answerable;
        item.recipients[0].notify = notify.map(str::to_owned);
        item.envelope.from = from.to_owned();
        item.envelope.line = super::spooling::mail_line(from.as_bytes(), &[]);
        if folder == "spam" {
            item.folder = folder.to_owned();
            item.spool.as_mut().unwrap().cause = crate::vault::SpoolCause::Released;
        }
        let id = stage.put(item);
        stage.desk.attempt(id, false).await;
        stage.settled();
        let spooled = stage.ask(Request::Count { pick: self::folder("spool") }).await;
        let count = match &spooled[0] {
            super::request::Answer::Count { items, .. } => *items,
            other => panic!("{other:?}"),
        };
        assert_eq!(count, u64::from(report), "{answerable} {notify:?} {from} {folder}");
        let left = stage.get(id);
        match (report, folder) {
            (true, _) => assert!(left.is_none()),
            (false, "spool") => assert_eq!(left.unwrap().folder, "dead"),
            (false, _) => assert_eq!(left.unwrap().folder, folder),
        }
        if report {
            let stage_has =
                stage.desk.vault.ids(&self::folder("spool").query, Scope::Everything, i64::MIN, 9);
            let dsn = stage_has.unwrap()[0].0;
            stage.desk.attempt(dsn, false).await;
            stage.script(|s| {
                assert_eq!(s.heard[s.heard.len() - 2..], ["MAIL FROM:<>", "RCPT TO:<s@example.com>"]);
                let text = s.messages.last().unwrap();
                assert!(
                    text.contains("Final-Recipient: rfc822; a@example.org") && text.contains("Status: 5.1.1")
                );
                assert!(
                    text.contains("X-Portcullis-Notice: gw.example.net") && text.starts_with("Received: ")
                );
            });
        }
    }
}

#[tokio::test]
async fn reports_have_a_cap_and_a_report_never_makes_another() {
    let stage = Stage::new();
    stage.rules(|p| p.quarantine.notices.max_per_hour = 1);
    stage.script(|s| {
        for who in ["a@example.org", "s@example.com"] {
            s.rcpt.insert(who.into(), "550 5.1.1 unknown".into());
        }
        drop(s.rcpt.insert("sender@example.com".into(), "550 5.1.1 unknown".into()));
    });
    let put = || {
        let mut item = stage.outage(&["a@example.org"]);
        item.client.answerable = true;
        stage.put(item)
    };
    let (first, second) = (put(), put());
    stage.desk.attempt(first, false).await;
    stage.desk.attempt(second, false).await;
    assert!(stage.get(first).is_none());
    assert_eq!(stage.get(second).unwrap().folder, "dead");
    stage.settled();
    let reports = stage.desk.vault.ids(&folder("spool").query, Scope::Everything, i64::MIN, 9).unwrap();
    assert_eq!(reports.len(), 1);
    stage.forward(2 * HOUR);
    // The report itself is refused: it goes to `dead`, and nobody is told of it.
    stage.desk.attempt(reports[0].0, false).await;
    stage.settled();
    assert_eq!(stage.get(reports[0].0).unwrap().folder, "dead");
    assert!(stage.desk.vault.ids(&folder("spool").query, Scope::Everything, i64::MIN, 9).unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_cannot_be_read_waits_and_is_given_up_in_the_end() {
    let stage = Stage::new();
    let id = stage.put(stage.outage(&["a@example.org"]));
    let digest = stage.get(id).unwrap().digest;
    let state = stage.dir.path().join("state/vault/bodies");
    let body =
        state.join(digest.get(..2).unwrap()).join(digest.get(2..4).unwrap()).join(format!("{digest}.body"));
    std::fs::remove_file(&body).unwrap();
    let report = stage.desk.attempt(id, false).await;
    assert!(report.said.starts_with("the message cannot be read"), "{}", report.said);
    assert_eq!((stage.get(id).unwrap().waiting(), stage.script(|s| s.dials)), (1, 0));
    stage.forward(6 * 24 * HOUR);
    stage.desk.attempt(id, false).await;
    assert_eq!(stage.get(id).unwrap().folder, "dead");
}

#[tokio::test]
async fn a_delay_is_told_once() {
    let stage = Stage::new();
    stage.script(|s| s.mail = "451 4.3.0 later".into());
    let mut item = stage.outage(&["a@example.org"]);
    item.client.answerable = true;
    let id = stage.put(item);
    for hours in [0, 3, 5, 8] {
        stage.world.now.store(NOW + hours * HOUR, std::sync::atomic::Ordering::SeqCst);
        stage.desk.attempt(id, true).await;
    }
    stage.settled();
    let all = stage.desk.vault.ids(&folder("spool").query, Scope::Everything, i64::MIN, 9).unwrap();
    assert_eq!(all.len(), 2);
    let item = stage.get(id).unwrap();
    assert!(item.spool.unwrap().deliveries[0].told_delay);
}

#[tokio::test]
async fn retry_begins_anew_what_was_given_up_and_priority_is_kept() {
    let stage = Stage::new();
    stage.script(|s| s.mail = "550 5.7.1 never".into());
    let id = stage.put(stage.outage(&["a@example.org"]));
    stage.desk.attempt(id, false).await;
    assert_eq!(stage.get(id).unwrap().folder, "dead");
    let done = stage.done(Request::Try { pick: one(id), reset: false }).await;
    assert_eq!(done.changed, 0);
    stage.script(|s| s.mail = "451 4.3.0 later".into());
    let done = stage.done(Request::Try { pick: one(id), reset: true }).await;
    assert!(done.messages[0].1.contains("next attempt"), "{done:?}");
    let done = stage.done(Request::Prioritise { pick: one(id), priority: Priority::High }).await;
    assert_eq!(done.changed, 1);
    let item = stage.get(id).unwrap();
    assert_eq!((&*item.folder, item.spool.unwrap().priority), ("spool", Priority::High));
    stage.script(|s| s.mail.clear());
    let done = stage.done(Request::Try { pick: one(id), reset: false }).await;
    assert!(done.messages[0].1.starts_with("delivered"), "{done:?}");
    assert!(stage.get(id).is_none());
}

#[tokio::test]
async fn what_ended_while_nobody_could_be_told_is_ended_at_the_next_start() {
    let stage = Stage::new();
    let mut item = stage.outage(&["a@example.org"]);
    item.spool.as_mut().unwrap().deliveries[0].progress = Progress::Failed;
    let failed = stage.put(item);
    let mut item = stage.outage(&["a@example.org"]);
    item.spool.as_mut().unwrap().deliveries[0].progress = Progress::Delivered;
    let delivered = stage.put(item);
    stage.desk.settle_all().await.unwrap();
    assert_eq!(stage.get(failed).unwrap().folder, "dead");
    assert!(stage.get(delivered).is_none());
}
