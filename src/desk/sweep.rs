//! Entries of block lists that sweep: as long as one stands, what its source has in quarantine and spool goes into the
//! trash or into a folder, every minute; also what comes there later.
//!
//! A query finds what may be meant, and the lists decide on each message as they decide on mail: an exception, a narrower
//! entry, an allow entry keep it. Of many each minute looks at some: at what is new, and at what was there before from
//! where the last minute stopped. Notices of our own stay. Each run has a name by which it is taken back, but as long
//! as the entry stands it would be taken again. Failure: told, and tried again.

use super::bulk::Run;
use super::edit::Decision;
use super::refusal::Refusal;
use super::request::Pick;
use super::service::Desk;
use super::spooling::OURSELVES;
use super::sweeps::{Place, name};
use crate::config::model::Policy;
use crate::mail::{Id, Mailbox};
use crate::query::{Query, State, Term, Text, What};
use crate::rules::{Hit, Kind, List, Mode, Source, Subject, Sweep, Swept};
use crate::vault::{Deed, Item, Scope, SpoolCause};
use crate::verdict::Direction;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages for one entry at a time, of what is new and again of what was there before; the next minute goes on.
const LOOKED_MAX: usize = 10_000;
/// Of these, so many in steps that find nothing to do.
const IDLE_MAX: usize = 1_000;

/// One entry.
struct Entry<'p> {
    policy: &'p Policy,
    list: &'p Arc<List>,
    swept: &'p Swept,
    batch: String,
}

impl Desk {
    /// All entries of all block lists. Returns how many messages went.
    pub(super) async fn sweep(self: &Arc<Self>) -> u64 {
        let policy = self.world.policy();
        let (mut before, mut places) = (self.sweeps.places(&policy), HashMap::new());
        let mut gone = 0;
        for list in &policy.protocol.block {
            for swept in list.swept() {
                // The same source may stand in several entries, for one direction each.
                let name = name(list, swept);
                let name = (0..).map(|n| format!("{name} {n}")).find(|name| !places.contains_key(name));
                let Some(name) = name else { continue };
                let mut place = before.remove(&name).unwrap_or_default();
                let batch = format!("sweep-{}", self.ids.next());
                let entry = Entry { policy: &policy, list, swept, batch };
                match Box::pin(self.sweep_one(&entry, &mut place)).await {
                    Ok(some) => gone += some,
                    Err(refusal) => {
                        let entry = format!("{}:{}", list.file, swept.line);
                        tracing::error!(entry, error = refusal.text, "its source could not be swept");
                    }
                }
                places.insert(name, place);
            }
        }
        self.sweeps.keep(places);
        gone
    }

    async fn sweep_one(self: &Arc<Self>, entry: &Entry<'_>, place: &mut Place) -> Result<u64, Refusal> {
        let Entry { list, swept, batch, .. } = entry;
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
        // What is new; then what was there before, for it may have come back, and what kept it may be over.
        let before = place.seen;
        Box::pin(self.sweep_behind(&mut run, entry, &mut place.seen, i64::MAX)).await;
        if Box::pin(self.sweep_behind(&mut run, entry, &mut place.again, before)).await {
            place.again = i64::MIN;
        }
        let done = run.done();
        if done == 0 && !run.is_stopped() {
            return Ok(0);
        }
        let entry = format!("{}:{}", list.file, swept.line);
        tracing::info!(entry, batch, messages = done, "swept");
        run.finish_batch(batch.clone()).await;
        Ok(done)
    }

    /// Some messages behind `place`, which moves with them, up to `until`. Returns whether that was all.
    async fn sweep_behind(
        self: &Arc<Self>,
        run: &mut Run<'_>,
        entry: &Entry<'_>,
        place: &mut i64,
        until: i64,
    ) -> bool {
        run.go_on_behind(*place);
        let (mut looked, mut idle) = (0, 0);
        while looked < LOOKED_MAX && idle < IDLE_MAX {
            if *place >= until {
                return true;
            }
            let Some(places) = run.step().await else { return !run.is_stopped() && !run.is_cancelled() };
            let items = run.read(places.clone()).await;
            let now = self.now_ms() / 1000;
            let meant: Vec<Item> = items.into_iter().filter(|item| is_meant(entry, item, now)).collect();
            if meant.is_empty() {
                idle += places.len();
            } else {
                Box::pin(self.sweep_step(run, &entry.swept.sweep, (meant, &places), &entry.batch)).await;
            }
            // What could not be read is looked at again.
            if run.is_stopped() {
                return false;
            }
            if let Some((_, last)) = places.last() {
                *place = *last;
            }
            looked += places.len();
        }
        false
    }

    async fn sweep_step(
        self: &Arc<Self>,
        run: &mut Run<'_>,
        sweep: &Sweep,
        (meant, places): (Vec<Item>, &[(Id, i64)]),
        batch: &str,
    ) {
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
                run.mark(places, &mark, act).await;
            }
        }
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
fn is_meant(entry: &Entry<'_>, item: &Item, now: i64) -> bool {
    let Entry { policy, list, swept, .. } = entry;
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
