//! Receiving a message: DATA or BDAT into a body, within size, rate and space.

use super::clock::millis;
use super::incoming::Incoming;
use super::live::Doing;
use super::session::{End, Session};
use super::standing::Refusal;
use super::transaction::Transaction;
use crate::checks;
use crate::config::model::BareNewline;
use crate::downstream::Stream;
use crate::reply::{Class, Entry, catalogue};
use crate::smtp::data::LineEnds;
use crate::smtp::server::{BodyFacts, BodyStep, Server};
use crate::verdict::{Stage, said};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

/// Octets of message data read at once: a small message fits the first, a large one earns the second.
const READ_OCTETS_FIRST: usize = 8 * 1024;
const READ_OCTETS: usize = 64 * 1024;
/// Chunks of at least this many octets do not count as commands; smaller ones are no way to send a message.
const CHUNK_OCTETS_FREE: u64 = 1024;
/// An upload that takes longer than this lends its downstream session to whoever waits for one.
const SLOW: Duration = Duration::from_secs(1);
/// How long data may be slower than the minimum rate.
const RATE_GRACE: Duration = Duration::from_secs(60);

impl Session {
    /// DATA: 354 is ours, and the downstream hears nothing before the message is here.
    pub(super) fn data(&mut self) {
        if let Some(refusal) = self.judge_data() {
            self.answer_refusal(&refusal);
            return;
        }
        let line_ends = self.line_ends();
        self.server.go_ahead(&catalogue::DATA_GO_AHEAD.reply(), line_ends);
    }

    /// The last word before the message: the checks of stage Data, and what was to be said here.
    fn judge_data(&mut self) -> Option<Refusal> {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.unanswered = 0;
        }
        let own = self.judge(Stage::Data, None).refuse;
        // One for RCPT does not hold for the recipients that passed it, and none for those that are spared.
        let pending = self.pending(Stage::Data).filter(|f| f.answer_at == Stage::Data);
        let pending = pending.filter(|_| !self.all_spared());
        said(pending.as_ref(), own.as_ref()).and_then(|f| self.refusal(f))
    }

    /// Whether a refusal that was pending holds for no recipient.
    fn all_spared(&self) -> bool {
        let (facts, policy) = (self.facts(None), &self.generation.policy);
        let spared = |t: &Transaction| t.accepted().all(|r| checks::is_spared(&r.path, &facts, policy));
        self.transaction.as_deref().is_some_and(spared)
    }

    fn line_ends(&self) -> LineEnds {
        let listener = &self.entrance.listener;
        let listed = listener.normalize_from.contains(self.client.ip);
        match listener.bare_newline {
            BareNewline::Reject if !listed => LineEnds::Reject,
            BareNewline::Reject | BareNewline::Normalize => LineEnds::Normalize,
        }
    }

    /// BDAT: its octets come whatever is said.
    pub(super) fn chunk(&mut self, octets: u64, last: bool, refuse: Option<Entry>) {
        let most = self.generation.policy.max_message_octets;
        let sofar = self.incoming.as_ref().map_or(0, |i| i.octets);
        let space = self.incoming.as_ref().and_then(|i| i.problem);
        let entry = match refuse.or(space) {
            None if octets > most.saturating_mul(2) => Some(catalogue::DATA_ENDLESS),
            None if sofar.saturating_add(octets) > most => Some(catalogue::TOO_BIG),
            other => other,
        };
        let first = entry.is_none() && self.incoming.is_none();
        if let Some(refusal) = first.then(|| self.judge_data()).flatten() {
            if refusal.reply.class() == Class::Permanent {
                self.count_error();
            }
            if refusal.farewell {
                self.server.close_after_answer();
            }
            self.last_refusal = Some(refusal.reply.to_log().into());
            self.server.refuse_chunk(octets, refusal.reply);
            return;
        }
        match entry {
            Some(entry) if entry == catalogue::DATA_ENDLESS => self.say_and_close(entry, End::Protocol),
            Some(entry) => {
                if refuse.is_some() {
                    self.count_protocol_error();
                }
                let reply = entry.refusal(self.reference());
                self.last_refusal = Some(reply.to_log().into());
                self.incoming = None;
                self.server.refuse_chunk(octets, reply);
            }
            None => {
                // Some clients send a large message in chunks of 8 KB: size and rate bound them, not their number.
                self.counts.commands =
                    self.counts.commands.saturating_sub(u32::from(octets >= CHUNK_OCTETS_FREE));
                let line_ends = self.line_ends();
                self.server.accept_chunk(octets, last, line_ends);
            }
        }
    }

    /// Reads until the body, or this chunk of it, is complete.
    pub(super) async fn receive(&mut self) -> Result<(), End> {
        self.begin_incoming();
        loop {
            match self.take_body() {
                BodyStep::More => {}
                BodyStep::None | BodyStep::Skipped => {
                    self.incoming = None;
                    return Ok(());
                }
                BodyStep::ChunkEnd => {
                    self.spill().await;
                    self.chunk_end();
                    return Ok(());
                }
                BodyStep::End(facts) => {
                    self.spill().await;
                    return self.complete(facts).await;
                }
            }
            self.spill().await;
            if self.is_endless() {
                self.say_and_close(catalogue::DATA_ENDLESS, End::Protocol);
                return Ok(());
            }
            if self.incoming.as_ref().is_some_and(|i| i.began.elapsed() > SLOW) {
                self.lend();
            }
            self.flush().await?;
            self.read_data().await?;
        }
    }

    fn begin_incoming(&mut self) {
        if let Some(incoming) = self.incoming.as_deref_mut() {
            incoming.go_on(Instant::now());
        }
        if self.incoming.is_some() {
            return;
        }
        let now = Instant::now();
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.data_began = Some(now);
            transaction.times.envelope = millis(now - transaction.began);
        }
        self.place.state(Doing::Data);
        self.incoming = Some(Box::new(Incoming::new(Arc::clone(&self.gateway.budget), now)));
    }

    fn take_body(&mut self) -> BodyStep {
        let most = self.generation.policy.max_message_octets;
        let Some(incoming) = self.incoming.as_deref_mut() else { return self.server.body(&mut |_| ()) };
        let before = self.server.buffered();
        let step = self.server.body(&mut |octets| incoming.take(octets, most));
        incoming.came += before.saturating_sub(self.server.buffered()) as u64;
        step
    }

    /// Moves the body to its file when it has outgrown memory.
    async fn spill(&mut self) {
        let Some(incoming) = self.incoming.as_deref_mut() else { return };
        if incoming.problem.is_none()
            && incoming.writer.wants_spill()
            && let Err(error) = incoming.writer.spill().await
        {
            incoming.failed(&error);
        }
    }

    fn is_endless(&self) -> bool {
        let most = self.generation.policy.max_message_octets.saturating_mul(2);
        self.incoming.as_ref().is_some_and(|i| i.octets > most)
    }

    fn chunk_end(&mut self) {
        if let Some(incoming) = self.incoming.as_deref_mut() {
            incoming.pause(Instant::now());
        }
        // What cannot be kept is said at the next BDAT, or at LAST.
        self.answer(&catalogue::CHUNK_OK.reply());
    }

    /// Reads straight into the machine's buffer, within the pause and the rate that are allowed. A NOOP to the
    /// downstream in between is no word of the client's: its time goes on.
    async fn read_data(&mut self) -> Result<(), End> {
        let timeouts = &self.generation.policy.timeouts;
        let pause_by = Instant::now() + timeouts.data;
        let by = match self.incoming.as_deref() {
            Some(incoming) => {
                let earned = Duration::from_secs(incoming.came / timeouts.min_rate.max(1));
                pause_by.min(incoming.began + RATE_GRACE + earned)
            }
            None => pause_by,
        };
        let spare = match self.incoming.as_deref() {
            Some(incoming) if incoming.octets >= READ_OCTETS_FIRST as u64 => READ_OCTETS,
            Some(_) | None => READ_OCTETS_FIRST,
        };
        loop {
            let wake = self.look_at().map_or(by, |at| at.min(by));
            let Self { stream, server, place, .. } = self;
            let read = tokio::select! {
                biased;
                () = place.kicked() => return self.kicked().await,
                read = read_into(&mut **stream, server, spare) => Some(read),
                () = sleep_until(wake) => None,
            };
            match read {
                Some(Ok(0) | Err(_)) => return Err(End::ClosedByClient),
                Some(Ok(_)) => return Ok(()),
                None if Instant::now() >= by => return self.time_out().await,
                None => self.take_time().await,
            }
        }
    }

    async fn complete(&mut self, facts: BodyFacts) -> Result<(), End> {
        let Some(incoming) = self.incoming.take() else { return Ok(()) };
        Box::pin(self.end_of_data(*incoming, facts)).await
    }
}

async fn read_into(stream: &mut dyn Stream, server: &mut Server, spare: usize) -> std::io::Result<usize> {
    stream.read_buf(server.input_mut(spare)).await
}
