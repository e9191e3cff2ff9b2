//! Questions about bans and throttles over the control socket, as the commands and scripts ask them.

use crate::harness::{Downstream, Harness, Keys, Mode};
use portcullis::config::model::{Rate, Throttle, ThrottleBy};
use portcullis::control::{Answer, BansLifted, ControlSocket, Request, ask, ask_desk, serve};
use portcullis::desk;
use portcullis::limits::Traffic;
use portcullis::mail::Path as MailPath;
use portcullis::rules::Mode as RuleMode;
use portcullis::verdict::Direction;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

struct Served {
    harness: Harness,
    state_dir: PathBuf,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Served {
    fn start() -> Self {
        let harness = Harness::new(&Keys::default(), Downstream::new(Mode::Auto, &[]));
        let state_dir = harness.gateway.current.load().policy.state_dir.clone();
        let socket = ControlSocket::bind(&state_dir).unwrap();
        let (reloads, _) = mpsc::channel(1);
        let server = tokio::spawn(serve(Arc::clone(&harness.gateway), socket, reloads));
        Self { harness, state_dir, server }
    }

    async fn ask(&self, request: &str) -> Result<Answer, String> {
        let (dir, request) = (self.state_dir.clone(), serde_json::from_str::<Request>(request).unwrap());
        let asked = tokio::task::spawn_blocking(move || ask(&dir, &request).map_err(|e| e.to_string()));
        asked.await.unwrap()
    }

    async fn banned(&self) -> Vec<String> {
        match self.ask(r#"{"request":"bans"}"#).await {
            Ok(Answer::Bans(list)) if list.count == list.bans.len() => {
                list.bans.iter().map(|ban| format!("{} {}", ban.whom(), ban.why)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn lift(&self, request: &str) -> (usize, Option<String>) {
        match self.ask(request).await {
            Ok(Answer::BansLifted(BansLifted { lifted, around })) => (lifted, around.map(|n| n.to_string())),
            other => panic!("{other:?}"),
        }
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn bans_are_added_listed_and_lifted() {
    let s = Served::start();
    assert_eq!(s.banned().await, [""; 0]);
    for net in ["192.0.2.7", "198.51.100.0/24", "2001:db8::9"] {
        let add = format!(r#"{{"request":"bans-add","net":"{net}","seconds":60,"why":"test"}}"#);
        assert!(matches!(s.ask(&add).await, Ok(Answer::Banned(ban)) if ban.until == ban.since + 60));
    }
    let mut all = s.banned().await;
    all.sort();
    assert_eq!(all, ["192.0.2.7 test", "198.51.100.0/24 test", "2001:db8::/64 test"]);
    let bans = &s.harness.gateway.limits.bans;
    assert!(bans.ban_of("2001:db8::1".parse().unwrap(), now()).is_some());
    assert_eq!(
        s.lift(r#"{"request":"bans-lift","net":"198.51.100.4"}"#).await,
        (0, Some("198.51.100.0/24".into()))
    );
    assert_eq!(s.lift(r#"{"request":"bans-lift","net":"192.0.0.0/16"}"#).await, (1, None));
    assert_eq!(s.lift(r#"{"request":"bans-lift","net":"192.0.2.7"}"#).await, (0, None));
    assert_eq!(s.lift(r#"{"request":"bans-lift","all":true}"#).await, (2, None));
    assert_eq!(s.banned().await, [""; 0]);
    for (request, says) in [
        (r#"{"request":"bans-lift"}"#, "name either"),
        (r#"{"request":"bans-lift","net":"192.0.2.7","all":true}"#, "name either"),
        (r#"{"request":"bans-lift","net":"me"}"#, "expected an address"),
        (r#"{"request":"bans-add","net":"127.0.0.1","seconds":60}"#, "[trusted] clients"),
        (r#"{"request":"bans-add","net":"10.0.0.0/7","seconds":60}"#, "too large"),
        (r#"{"request":"bans-add","net":"192.0.2.7","seconds":0}"#, "one second"),
        (r#"{"request":"throttles-lift"}"#, "name either"),
        (r#"{"request":"throttles-lift","subject":"a","all":true}"#, "name either"),
    ] {
        let error = s.ask(request).await.unwrap_err();
        assert!(error.contains(says), "{request}: {error}");
    }
    s.server.abort();
}

#[tokio::test]
async fn throttles_are_listed_and_lifted() {
    let s = Served::start();
    let throttle = Arc::new(Throttle {
        name: "per-sender".into(),
        mode: RuleMode::On,
        by: ThrottleBy::Sender,
        direction: None,
        null_sender: false,
        messages: Some(Rate { count: 1, period: Duration::from_hours(1) }),
        recipients: None,
        octets: None,
        bounces: None,
        except: None,
        line: 1,
    });
    let (sender, _) = MailPath::parse(b"<bob@example.com>").unwrap();
    let client = "192.0.2.1".parse().unwrap();
    let traffic = Traffic { direction: Direction::Inbound, client, user: None, sender: &sender, octets: 9 };
    let throttles = &s.harness.gateway.limits.throttles;
    throttles.count(&traffic, &[&sender], &[Arc::clone(&throttle)], now());
    let listed = s.ask(r#"{"request":"throttles"}"#).await;
    let Ok(Answer::Throttles(list)) = listed else { panic!("{listed:?}") };
    assert_eq!(
        (&*list.throttles[0].subject, &*list.throttles[0].why),
        ("sender bob@example.com", "messages 1/1h")
    );
    assert!(throttles.check(&traffic, None, 0, &[Arc::clone(&throttle)], now()).is_some());
    for (lifted, subject) in [(0, "eve@example.com"), (1, "bob@example.com"), (0, "bob@example.com")] {
        let lift = format!(r#"{{"request":"throttles-lift","subject":"{subject}"}}"#);
        let answer = s.ask(&lift).await;
        assert!(matches!(&answer, Ok(Answer::ThrottlesLifted(all)) if all.len() == lifted), "{answer:?}");
    }
    assert!(throttles.check(&traffic, None, 0, &[throttle], now()).is_none());
    s.server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_answers_in_lines_and_names_who_asked() {
    let s = Served::start();
    let asked = async |request: desk::Request| {
        let dir = s.state_dir.clone();
        let work = move || ask_desk(&dir, request).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        tokio::task::spawn_blocking(work).await.unwrap()
    };
    let jobs = asked(desk::Request::Jobs {}).await;
    assert_eq!(jobs, [desk::Answer::Jobs(Vec::new())]);
    let mail = s.state_dir.join("m.eml");
    let text = format!("From: a@b.example\r\nSubject: x\r\n\r\n{}", "line of a long text\r\n".repeat(10_000));
    std::fs::write(&mail, &text).unwrap();
    let path = mail.to_str().unwrap().to_owned();
    let done = asked(desk::Request::Import { path, folder: "spam".into(), skip: 0 }).await;
    let Some(desk::Answer::Done(outcome)) = done.last() else { panic!("{done:?}") };
    assert_eq!(outcome.changed, 1);
    assert!(s.harness.gateway.vault.catch_up());
    let page = portcullis::vault::PageRequest { rows: 10, ..Default::default() };
    let rows = asked(desk::Request::List { page }).await;
    let [desk::Answer::Page(page)] = rows.as_slice() else { panic!("{rows:?}") };
    let id = page.rows[0].id.to_string();
    // Many lines, in their order.
    let part = asked(desk::Request::Part { id: id.clone(), part: 0, header_only: false }).await;
    let pieces = part.iter().filter(|answer| matches!(answer, desk::Answer::Octets(_))).count();
    assert!(pieces >= 3, "{pieces}");
    let shown = asked(desk::Request::Show { id }).await;
    let [desk::Answer::Shown(shown)] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!(shown.item.size, text.len() as u64);
    let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    assert!(shown.item.history.iter().any(|event| event.by == me), "{:?}", shown.item.history);
    let refused = asked(desk::Request::Cancel { job: 7 }).await;
    assert!(matches!(refused.as_slice(), [desk::Answer::Error { nothing: true, .. }]), "{refused:?}");
}
