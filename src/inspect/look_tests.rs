//! Who is waited for, by the policies of the recipients.

use super::look::{Request, inspect};
use super::octets::{places, write};
use crate::body::Budget;
use crate::config::model::{Engine, Policy, ScannerRules};
use crate::config::{Moment, Sources, parse_files};
use crate::scan::{Job, ScanFuture, ScanVerdict, Scanner, Scanners, Scored};
use crate::verdict::Envelope;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const GATEWAY: &str = "hostname = \"mx.example.net\"\nstate_dir = \"/s\"\n\
    listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" }]\n\
    downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n[relay]\ndomains = [\"example.net\"]\n";
const BRAVE: &str = "[[policy]]\nname = \"brave\"\nrecipient = \"brave@example.net\"\nmalware = false\n";

struct Late(u64, ScanVerdict, Arc<ScannerRules>);

impl Scanner for Late {
    fn rules(&self) -> &Arc<ScannerRules> {
        &self.2
    }
    fn scan<'a>(&'a self, _: Job<'a>) -> ScanFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(self.0)).await;
            self.1.clone()
        })
    }
}

fn scanners() -> Scanners {
    let scored = ScanVerdict::Scored(Box::new(Scored { total_milli: 7_000, ..Scored::default() }));
    let found = ScanVerdict::Infected("Eicar".into());
    let one = |name: &str, late, verdict, engine| -> Arc<dyn Scanner> {
        Arc::new(Late(late, verdict, Arc::new(ScannerRules::named(name, engine))))
    };
    let points = one("points", 3, scored, Engine::Rspamd(Vec::new()));
    Scanners::of(vec![points, one("malware", 1, found, Engine::Clamd(Vec::new()))])
}

fn policy(policies: &str) -> Arc<Policy> {
    let sources = Sources::of(&[("gateway.toml", GATEWAY), ("policies.toml", policies)]);
    let (policy, problems) = parse_files(&sources, Path::new("/rules"), Moment::at(0));
    Arc::new(policy.unwrap_or_else(|| panic!("{problems:?}")))
}

fn envelope(recipients: &[&str]) -> Arc<Envelope> {
    let recipients = recipients.iter().map(|name| format!("<{name}@example.net>"));
    Arc::new(Envelope { authenticated: true, ..Envelope::test("<>", recipients) })
}

#[tokio::test(start_paused = true)]
async fn points_are_waited_for_where_somebody_does_not_look_for_malware() {
    for (policies, recipients, waits) in [
        ("", &["alice", "bob"][..], false),
        (BRAVE, &["alice", "bob"], false),
        (BRAVE, &["alice", "brave"], true),
        ("[default]\nmalware = false\n", &["alice"], true),
        ("[default]\nmalware = false\n", &[], true),
    ] {
        let (policy, envelope, scanners) = (policy(policies), envelope(recipients), scanners());
        let budget = Budget::new(1 << 20, 0, PathBuf::new());
        let body = write(&budget, b"Subject: x\r\n\r\nbody\r\n").await.unwrap();
        let request = Request {
            body: &body,
            envelope: &envelope,
            policy: &policy,
            scanners: &scanners,
            lookup: None,
            places: &places(),
            budget: &budget,
            now: 0,
            finish_by: Instant::now() + Duration::from_secs(60),
        };
        let began = Instant::now();
        let found = inspect(&request).await;
        assert_eq!(found.contents.malware.len(), 1, "{policies} {recipients:?}");
        assert_eq!(!found.contents.symbols.is_empty(), waits, "{policies} {recipients:?}");
        assert_eq!(began.elapsed().as_secs(), if waits { 3 } else { 1 }, "{policies} {recipients:?}");
    }
}
