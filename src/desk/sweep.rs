//! Entries of block lists that sweep: as long as one stands, what its source has in quarantine and spool goes into the
//! trash or into a folder, every minute; also what comes there later.
//!
//! A query finds what may be meant, and the lists decide on each message as they decide on mail: an exception, a narrower
//! entry, an allow entry keep it. Notices of our own stay. Each run has a name by which it is taken back, but as long
//! as the entry stands the next minute would take it again. Failure: told, and tried again.

use super::bulk::Run;
use super::edit::Decision;
use super::refusal::Refusal;
use super::request::Pick;
use super::service::Desk;
use super::spooling::OURSELVES;
use crate::config::model::Policy;
use crate::mail::{Id, Mailbox};
use crate::query::{Query, State, Term, Text, What};
use crate::rules::{Hit, Kind, List, Mode, Source, Subject, Sweep, Swept};
use crate::vault::{Deed, Item, Scope, SpoolCause};
use crate::verdict::Direction;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Steps for one entry at a time; the next minute goes on.
const STEPS_MAX: usize = 50;
/// Of these, so many that find nothing to do.
const IDLE_STEPS_MAX: usize = 5;

impl Desk {
    /// All entries of all block lists. Returns how many messages went.
    pub(super) async fn sweep(self: &Arc<Self>) -> u64 {
        let policy = self.world.policy();
        let mut gone = 0;
        for list in &policy.protocol.block {
            for swept in list.swept() {
                match Box::pin(self.sweep_one(&policy, list, swept)).await {
                    Ok(some) => gone += some,
                    Err(refusal) => {
                        let entry = format!("{}:{}", list.file, swept.line);
                        tracing::error!(entry, error = refusal.text, "its source could not be swept");
                    }
                }
            }
        }
        gone
    }

    async fn sweep_one(
        self: &Arc<Self>,
        policy: &Policy,
        list: &Arc<List>,
        swept: &Swept,
    ) -> Result<u64, Refusal> {
        if let Sweep::Move(folder) = &swept.sweep {
            self.check_folder(folder)?;
        }
        let pick = Pick { query: query(swept), scope: Scope::Everything, dry_run: false };
        let (answers, _) = mpsc::channel(1);
        let mut run = match self.begin("sweep", OURSELVES, &pick, &answers).await {
            Ok(run) => run,
            Err(refusal) if refusal.nothing => return Ok(0),
            Err(refusal) => return Err(refusal),
        };
        let batch = format!("sweep-{}", self.ids.next());
        let (mut done, mut idle) = (0, 0);
        for _ in 0..STEPS_MAX {
            let Some(places) = run.places().await? else { break };
            let items = run.read(places.clone()).await?;
            let now = self.now_ms() / 1000;
            let meant: Vec<Item> =
                items.into_iter().filter(|item| is_meant(policy, list, swept, item, now)).collect();
            if meant.is_empty() {
                idle += 1;
                if idle >= IDLE_STEPS_MAX {
                    break;
                }
                continue;
            }
            let step = self.sweep_step(&mut run, &swept.sweep, (meant, &places), &batch);
            done += Box::pin(step).await?;
        }
        if done == 0 {
            return Ok(0);
        }
        let entry = format!("{}:{}", list.file, swept.line);
        tracing::info!(entry, batch, messages = done, "swept");
        run.finish_batch(batch).await;
        Ok(done)
    }

    /// Returns how many were changed.
    async fn sweep_step(
        self: &Arc<Self>,
        run: &mut Run<'_>,
        sweep: &Sweep,
        (meant, places): (Vec<Item>, &[(Id, i64)]),
        batch: &str,
    ) -> Result<u64, Refusal> {
        let before = run.done();
        match sweep {
            Sweep::Move(folder) => self.put_step(run, meant, folder, OURSELVES).await,
            Sweep::Delete => {
                let meant: Vec<Id> = meant.iter().map(|item| item.id).collect();
                let places = places.iter().filter(|(id, _)| meant.contains(id)).copied().collect();
                let mark = self.mark(Deed::Trash { batch: batch.to_owned() }, OURSELVES);
                let act = |item: &mut Item| {
                    if self.under_way.has(item.id) || item.trash.is_some() {
                        return Decision::Leave("not now".into());
                    }
                    mark.apply(item);
                    Decision::Write
                };
                run.mark(places, &mark, act).await?;
            }
        }
        Ok(run.done() - before)
    }
}

/// What the source has outside the trash, and outside the folder that it goes to.
fn query(swept: &Swept) -> Query {
    let text = match &swept.source {
        Source::Net(_) | Source::Null => Text::Empty,
        Source::Exact(text) => Text::Exact(text.clone()),
        Source::Domain(domain) => Text::Domain(domain.clone()),
        Source::Below(domain) => Text::Below(domain.clone()),
        Source::Glob(glob) => Text::Glob(glob.clone()),
    };
    let what = match (&swept.source, swept.kind) {
        (Source::Net(net), _) => What::Client(*net),
        (_, Kind::HeaderFrom) => What::HeaderFrom(text),
        (_, Kind::Hello) => What::Helo(text),
        (_, Kind::User) => What::User(text),
        (_, Kind::Address | Kind::Sender | Kind::Recipient | Kind::ReverseName) => What::From(text),
    };
    let not = |what| Term { not: true, what };
    let mut terms = vec![Term { not: false, what }, not(What::State(State::Trash))];
    if let Sweep::Move(folder) = &swept.sweep {
        terms.push(not(What::Folder(folder.to_string())));
    }
    Query { terms }
}

/// Whether this entry is the one that would refuse it now.
fn is_meant(policy: &Policy, list: &List, swept: &Swept, item: &Item, now: i64) -> bool {
    if item.spool.as_ref().is_some_and(|spool| spool.cause == SpoolCause::Notice) {
        return false;
    }
    let on = |hit: &Hit<'_>| hit.attributes.mode == Mode::On;
    let meant = find(list, swept.kind, item, now).filter(on).is_some_and(|hit| hit.line == swept.line);
    let allows =
        |kind| policy.protocol.allow.iter().any(|list| find(list, kind, item, now).is_some_and(|h| on(&h)));
    let kinds = [Kind::Address, Kind::Sender, Kind::HeaderFrom, Kind::Hello, Kind::User];
    meant && !kinds.into_iter().any(allows)
}

/// What a list says of the source of a message.
fn find<'l>(list: &'l List, kind: Kind, item: &Item, now: i64) -> Option<Hit<'l>> {
    let client = &item.client;
    let dir = client.direction.unwrap_or(Direction::Inbound);
    let ask = |subject: Subject<'_>| list.find(kind, subject, dir, now);
    let mailbox = |text: &str| Mailbox::parse(text.trim().as_bytes()).ok();
    match kind {
        Kind::Address => ask(Subject::Address(client.ip?)),
        Kind::Sender if item.envelope.from.is_empty() => ask(Subject::Null),
        Kind::Sender => ask(Subject::Mailbox(&mailbox(&item.envelope.from)?)),
        Kind::HeaderFrom => {
            let authors = item.header.from.as_deref()?.split(", ").filter_map(mailbox);
            authors.into_iter().find_map(|author| ask(Subject::Mailbox(&author)))
        }
        Kind::Hello => ask(Subject::Name(client.helo.as_deref()?.as_bytes())),
        Kind::User => ask(Subject::Name(client.user.as_deref()?.as_bytes())),
        Kind::Recipient | Kind::ReverseName => None,
    }
}
