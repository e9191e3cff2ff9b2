//! Summaries: what lies in quarantine for each recipient, as text and as HTML.
//!
//! Everything in them is escaped; there are no links and nothing that a mail program fetches. Given back, or sent
//! through the spool to recipients of our own domains, where they wait for a downstream that is away. Failure: what cannot
//! be put there ends it, and it says at whom, in the order of their names: those before have theirs.

use super::jobs::Ticket;
use super::refusal::{Refusal, blocking};
use super::request::{Answer, Pick, Summary};
use super::service::Desk;
use super::summary::{html, plain};
use super::tally::Tally;
use crate::mail::{Mailbox, rfc3339};
use crate::message::report;
use crate::query::{Query, Term, Text, What};
use crate::vault::{PageRequest, Sort};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Recipients of one step.
const STEP: usize = 100;
/// Messages that are named to one recipient.
const ROWS_MAX: usize = 200;
/// Recipients whose summaries are given back.
const GIVEN_MAX: usize = 200;

impl Desk {
    /// Summaries of all that match.
    pub(super) async fn digest(
        self: &Arc<Self>,
        pick: &Pick,
        send: bool,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        if pick.dry_run {
            return self.preview(pick).await;
        }
        let ticket = self.ticket("digest", by, 0)?;
        let (mut given, mut tally) = (Vec::new(), Tally::default());
        let done = Box::pin(self.summaries(pick, send, (&ticket, answers), (&mut given, &mut tally))).await;
        match done {
            // What was sent by then is on its way, and who is behind can be seen.
            Err(refusal) if tally.outcome.changed > 0 => tally.stop(&refusal),
            done => done?,
        }
        if tally.outcome.cancelled || !tally.is_empty() {
            self.nudge();
            tracing::info!(by, recipients = tally.outcome.changed, "summaries sent");
            return Ok(self.conclude(&ticket, tally));
        }
        if given.is_empty() {
            return Err(Refusal::nothing("no message matches"));
        }
        Ok(Answer::Digests(given))
    }

    /// One after the other, sent or given.
    async fn summaries(
        self: &Arc<Self>,
        pick: &Pick,
        send: bool,
        (ticket, answers): (&Ticket, &Sender<Answer>),
        (given, tally): (&mut Vec<Summary>, &mut Tally),
    ) -> Result<(), Refusal> {
        let mut after = String::new();
        loop {
            let (vault, query, from) = (Arc::clone(&self.vault), pick.query.clone(), after.clone());
            let step = blocking(move || vault.recipients(&query, &from, STEP)).await;
            let step = step.and_then(|step| step.map_err(Refusal::from));
            let step = step.map_err(|why| if send { ends(&format!("behind {after}"), why) } else { why })?;
            let Some((last, _)) = step.last() else { return Ok(()) };
            after.clone_from(last);
            for (rcpt, items) in step {
                if ticket.is_cancelled() {
                    tally.outcome.cancelled = true;
                    return Ok(());
                }
                let at = format!("at {rcpt}");
                let summary = self.summary(&pick.query, rcpt, items).await;
                let summary = summary.map_err(|why| if send { ends(&at, why) } else { why })?;
                ticket.running().add(1);
                if send {
                    Box::pin(self.send_summary(&summary, tally)).await.map_err(|why| ends(&at, why))?;
                } else if given.len() < GIVEN_MAX {
                    given.push(summary);
                } else {
                    let text = format!(
                        "more than {GIVEN_MAX} recipients: narrow the query, or let --send mail the summaries"
                    );
                    return Err(Refusal::new(text));
                }
            }
            ticket.tell(answers);
            self.give_way().await;
        }
    }

    async fn summary(&self, query: &Query, rcpt: String, items: u64) -> Result<Summary, Refusal> {
        let mut query = query.clone();
        query.terms.push(Term { not: false, what: What::Rcpt(Text::Exact(rcpt.clone())) });
        let page = PageRequest { query, sort: Sort::Received, rows: ROWS_MAX, ..PageRequest::default() };
        let vault = Arc::clone(&self.vault);
        let rows = blocking(move || vault.page(&page)).await??.rows;
        let policy = self.world.policy();
        let text = plain(&policy.hostname, &rcpt, items, &rows);
        let html = html(&policy.hostname, &rcpt, items, &rows);
        Ok(Summary { rcpt, items, rows, text, html })
    }

    async fn send_summary(self: &Arc<Self>, summary: &Summary, tally: &mut Tally) -> Result<(), Refusal> {
        let (id, now, policy) = (self.ids.next(), self.now_ms(), self.world.policy());
        let ours = Mailbox::parse(summary.rcpt.as_bytes())
            .is_ok_and(|m| m.domain().is_some_and(|d| policy.relay.domains.contains(d)));
        if !ours {
            tally.skip(id, "not in relay.domains: a summary goes to our own recipients only");
            return Ok(());
        }
        let subject = format!("{} messages in quarantine ({})", summary.items, date(now));
        let text = report::summary(
            &policy.hostname,
            &summary.rcpt,
            id,
            now,
            &subject,
            [&summary.text, &summary.html],
        );
        let path = format!("<{}>", summary.rcpt);
        self.send_own(id, path.as_bytes(), &summary.rcpt, &self.notice_downstream(), &text).await?;
        tally.outcome.changed += 1;
        Ok(())
    }
}

/// Why no more are sent, and who has one.
fn ends(place: &str, why: Refusal) -> Refusal {
    let text = format!("{place}: {}; who comes before, in the order of names, has a summary", why.text);
    Refusal { text, ..why }
}

fn date(ms: i64) -> String {
    rfc3339(ms).chars().take(10).collect()
}
