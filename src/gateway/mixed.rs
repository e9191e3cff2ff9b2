//! One message, several ends: delivered for some of its recipients, kept for others.
//!
//! The order is that of promise P1. What is to be kept is made ready first; a copy of what loses parts becomes durable, for
//! nobody gets the rest before that; then the downstream hears the envelope again
//! with only those recipients that it is to be delivered to, then the message; after its 2yz what was made ready becomes
//! durable, and only then the client hears 250. Until the downstream has taken it, everything that fails is a temporary
//! refusal of the whole message, and nothing was done. Should the disk fail between the downstream's 2yz and ours, the
//! client hears 451 and some recipients may get the message twice: twice, not never. Other copies are nobody's mail: one
//! that cannot be kept is logged and changes nothing.

use super::dressing::Message;
use super::item::Purpose;
use super::party::{Judged, Party};
use super::session::Session;
use super::transaction::{Kept, Transaction};
use crate::body::Body;
use crate::config::model::QuarantineFolder;
use crate::content::Dress;
use crate::downstream::DownstreamError;
use crate::reply::{Class, Reply, catalogue};
use crate::smtp::client::Awaiting;
use crate::vault::Pending;
use crate::verdict::{Disposition, Finding};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Where a party's message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Downstream,
    /// Into a folder.
    Folder(Box<str>),
    /// A copy into a folder, beside what becomes of the message.
    Copy(Box<str>),
    Hold,
    /// Into the spool, for the downstream is away.
    Later,
    /// Into the spool, for others get it dressed otherwise.
    Rest,
}

/// One end, and for whom.
struct Leg<'j> {
    way: Way,
    party: &'j Party,
    decided: Option<&'j Finding>,
    members: Vec<usize>,
    dress: &'j Dress,
    /// What discards it, where it is held.
    discard: Option<&'j Finding>,
    /// A copy that must be there before anybody gets the message without the parts that are taken out.
    first: bool,
}

impl Leg<'_> {
    /// Whether mail of nobody depends on it.
    fn is_favour(&self) -> bool {
        matches!(self.way, Way::Copy(_)) && !self.first
    }

    fn purpose(&self) -> Purpose<'_> {
        match &self.way {
            Way::Hold => Purpose::Hold(self.discard),
            Way::Folder(folder) => Purpose::Folder(folder),
            Way::Copy(folder) => Purpose::Copy(folder),
            Way::Rest => Purpose::Rest,
            Way::Later | Way::Downstream => Purpose::Outage,
        }
    }

    /// Whether the message is kept in the folder of that copy, for the same recipients.
    fn keeps_for(&self, copy: &Self) -> bool {
        let same = matches!((&self.way, &copy.way), (Way::Folder(own), Way::Copy(other)) if own == other);
        same && copy.members.iter().all(|member| self.members.contains(member))
    }
}

/// The refusal that the whole message gets, where there is one: one for now of any party (nothing was done yet), one
/// that ends the session, or those of all parties.
fn refusal_of_all(dispositions: &[Disposition]) -> Option<Reply> {
    let refused = |d: &Disposition| match d {
        Disposition::Refuse(reply) | Disposition::Disconnect(reply) => Some(reply.clone()),
        Disposition::Deliver | Disposition::Hold | Disposition::Quarantine(_) | Disposition::Discard => None,
    };
    let ends = dispositions.iter().find(|d| matches!(d, Disposition::Disconnect(_))).and_then(refused);
    let for_now = || dispositions.iter().filter_map(refused).find(|r| r.class() == Class::Temporary);
    let all = || {
        let replies: Option<Vec<Reply>> = dispositions.iter().map(refused).collect();
        replies.and_then(|replies| replies.into_iter().next())
    };
    ends.or_else(for_now).or_else(all)
}

/// Where a party's message goes when that of others goes elsewhere. One that would be refused is kept: the others have
/// it, and no bounce is ever ours to write.
fn way(judged: &Judged, disposition: &Disposition, decided: Option<&Finding>) -> Way {
    match disposition {
        Disposition::Deliver => Way::Downstream,
        Disposition::Hold => Way::Hold,
        Disposition::Quarantine(folder) => Way::Folder((&*folder.0).into()),
        Disposition::Discard => Way::Folder(QuarantineFolder::DISCARDED.into()),
        Disposition::Refuse(_) | Disposition::Disconnect(_) => {
            Way::Folder((&*judged.weighed.folder_of_refusal(decided).0).into())
        }
    }
}

impl Session {
    /// Does what the message comes to, party by party.
    pub(super) async fn dispose_mixed(
        &mut self,
        message: Message<'_>,
        judged: &[Judged],
        queued: bool,
    ) -> Reply {
        let dispositions: Vec<Disposition> = judged.iter().map(|j| j.decision().disposition).collect();
        if let Some(reply) = refusal_of_all(&dispositions) {
            if dispositions.iter().any(|d| matches!(d, Disposition::Disconnect(_))) {
                self.server.close_after_answer();
            }
            return reply.with_reference(self.reference());
        }
        let mut legs = legs(judged, &dispositions, queued);
        let copies: Vec<Leg<'_>> = judged.iter().filter_map(copy_of).collect();
        // What is kept there anyway needs no copy.
        let kept = |copy: &Leg<'_>| legs.iter().any(|leg| leg.keeps_for(copy));
        let copies: Vec<Leg<'_>> = copies.into_iter().filter(|copy| !kept(copy)).collect();
        legs.extend(copies);
        match Box::pin(self.go(message, &legs)).await {
            Ok(reply) | Err(reply) => reply,
        }
    }

    async fn go(&mut self, message: Message<'_>, legs: &[Leg<'_>]) -> Result<Reply, Reply> {
        let mut pending: Vec<(Pending, &Leg<'_>)> = Vec::new();
        for leg in legs.iter().filter(|leg| leg.way != Way::Downstream) {
            match Box::pin(self.make_leg_ready(message, leg, pending.is_empty())).await {
                Ok(ready) => pending.push((ready, leg)),
                Err(_) if leg.is_favour() => self.no_copy(leg),
                Err(reply) => return Err(reply),
            }
        }
        let downstream = legs.iter().find(|leg| leg.way == Way::Downstream);
        let dressed = match downstream {
            Some(leg) => self.dress(message, leg).await?,
            None => None,
        };
        // What is taken out is kept for certain, before anybody gets the rest.
        let (first, pending): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, leg)| leg.first);
        for (copy, leg) in first {
            let committed = copy.commit().await;
            committed.map_err(|error| self.not_kept(&error).refusal(self.reference()))?;
            self.note_kept(leg, false);
        }
        let reply = match downstream {
            Some(leg) => {
                let body = dressed.as_deref().unwrap_or(message.came);
                self.deliver_to(body, &leg.members, message.finish_by).await?
            }
            None => {
                if let Some(link) = self.transaction.as_deref_mut().and_then(Transaction::take_link) {
                    self.give_back_reset(link).await;
                }
                let words = format!("{} as {}", catalogue::TAKEN.text, self.reference());
                catalogue::TAKEN.reply().with_text(&words)
            }
        };
        self.commit_all(pending, downstream.is_some()).await.map(|()| reply)
    }

    /// `first`: the item that has the message's own reference.
    async fn make_leg_ready(
        &mut self,
        message: Message<'_>,
        leg: &Leg<'_>,
        first: bool,
    ) -> Result<Pending, Reply> {
        let dressed = self.dress(message, leg).await?;
        let body = dressed.as_deref().unwrap_or(message.came);
        let whom = (leg.members.as_slice(), first);
        let ready = self.make_ready_for(body, leg.purpose(), leg.decided, whom, message.finish_by).await;
        ready.map_err(|entry| entry.refusal(self.reference()))
    }

    /// The message as it goes out there; what is kept in a folder is kept as it came, but for what was forged.
    async fn dress(&mut self, message: Message<'_>, leg: &Leg<'_>) -> Result<Option<Arc<Body>>, Reply> {
        self.put_on_top(leg.dress);
        let plain = Dress::default();
        let dress = match &leg.way {
            Way::Downstream | Way::Later | Way::Rest => leg.dress,
            Way::Folder(_) | Way::Copy(_) | Way::Hold => &plain,
        };
        let dressed = Box::pin(self.dressed(message, dress)).await;
        dressed.map_err(|entry| entry.refusal(self.reference()))
    }

    /// Makes durable what was made ready.
    async fn commit_all(&mut self, pending: Vec<(Pending, &Leg<'_>)>, delivered: bool) -> Result<(), Reply> {
        self.set_in_doubt(true);
        let mut failed = None;
        for (pending, leg) in pending {
            match pending.commit().await {
                Ok(_) => self.note_kept(leg, delivered),
                Err(error) if leg.is_favour() => {
                    tracing::warn!(session = %self.id, client = %self.client.ip, %error, "the copy cannot be kept");
                    self.no_copy(leg);
                }
                Err(error) => failed = Some(self.not_kept(&error)),
            }
        }
        self.set_in_doubt(false);
        // Whatever follows from the spool follows now.
        self.gateway.desk.nudge();
        let Some(entry) = failed else { return Ok(()) };
        if delivered && let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.note = Some("may be delivered twice".into());
        }
        Err(entry.refusal(self.reference()))
    }

    /// A copy that nobody waits for.
    fn no_copy(&mut self, leg: &Leg<'_>) {
        let purpose = leg.purpose();
        let folder = purpose.folder();
        tracing::warn!(session = %self.id, message = %self.reference(), folder, "no copy was kept, see above or `status`");
        self.note_too(&format!("no copy in {folder}"));
    }

    /// Beside what is noted already.
    fn note_too(&mut self, words: &str) {
        let Some(transaction) = self.transaction.as_deref_mut() else { return };
        match &mut transaction.note {
            Some(note) => {
                note.push_str("; ");
                note.push_str(words);
            }
            None => transaction.note = Some(words.to_owned()),
        }
    }

    fn note_kept(&mut self, leg: &Leg<'_>, delivered: bool) {
        let purpose = leg.purpose();
        let folder = purpose.folder();
        self.note_too(&format!("{} of its recipients: {folder}", leg.members.len()));
        let Some(transaction) = self.transaction.as_deref_mut() else { return };
        // Of what was delivered to some, the others have a copy.
        let copy = delivered || matches!(leg.way, Way::Copy(_));
        transaction.kept.get_or_insert(Kept { folder: folder.into(), copy });
    }

    /// Delivers to these alone. Until the downstream has said 2yz nothing was done.
    async fn deliver_to(
        &mut self,
        body: &Body,
        members: &[usize],
        finish_by: Instant,
    ) -> Result<Reply, Reply> {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            for (at, recipient) in transaction.recipients.iter_mut().enumerate() {
                recipient.aside = !members.contains(&at);
            }
        }
        let narrowed = timeout_at(finish_by, self.narrow()).await;
        let narrowed = narrowed.unwrap_or_else(|_| Err(self.no_link()));
        if let Err(error) = narrowed {
            return Err(self.downstream_failed(&error));
        }
        let reply = self.deliver(body, finish_by).await;
        if reply.is_success() { Ok(reply) } else { Err(reply) }
    }

    /// Says the envelope again, with fewer recipients.
    async fn narrow(&mut self) -> Result<(), DownstreamError> {
        let Some(transaction) = self.transaction.as_deref_mut() else { return Err(self.no_link()) };
        let link = transaction.take_link().and_then(|mut link| link.is_alive().then_some(link));
        let Some(mut link) = link else {
            // A fresh one hears only those that are left.
            return self.recover(self.no_link(), &[]).await;
        };
        let mut lines: Vec<Vec<u8>> = vec![b"RSET\r\n".to_vec(), transaction.mail_line.clone()];
        lines.extend(transaction.delivering().map(|r| r.line.to_vec()));
        let limit = transaction.entrance.pool.limits().command;
        for line in &lines {
            if !link.command(line, Awaiting::Command, "the envelope, said again", limit).await?.is_success() {
                return Err(DownstreamError::Differs { address: link.address });
            }
        }
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.put_link(link);
        }
        Ok(())
    }
}

/// The copy that a party's findings ask for.
fn copy_of(judged: &Judged) -> Option<Leg<'_>> {
    let decision = judged.decision();
    let way = Way::Copy((&*decision.copy?.0).into());
    let first = !judged.dress.replace.is_empty() && decision.disposition == Disposition::Deliver;
    let members = judged.party.members.clone();
    let (party, decided, dress) = (&judged.party, decision.decided, &judged.dress);
    Some(Leg { way, party, decided, members, dress, discard: None, first })
}

/// The legs: parties that go the same way in the same dress are one; what is held is one for each policy and circle, for it
/// is judged again by it, and for each rule that discards it then. In this session the downstream gets one of them; what
/// is dressed otherwise follows from the spool.
fn legs<'j>(judged: &'j [Judged], dispositions: &[Disposition], queued: bool) -> Vec<Leg<'j>> {
    let mut legs: Vec<Leg<'j>> = Vec::new();
    for (judged, disposition) in judged.iter().zip(dispositions) {
        let decision = judged.decision();
        let (decided, discard) = (decision.decided, decision.discard);
        let other = |leg: &Leg<'_>| leg.way == Way::Downstream && *leg.dress != judged.dress;
        let way = match way(judged, disposition, decided) {
            Way::Downstream if queued => Way::Later,
            Way::Downstream if legs.iter().any(other) => Way::Rest,
            way => way,
        };
        let party = &judged.party;
        let alike = |leg: &&mut Leg<'_>| match way {
            Way::Folder(_) | Way::Copy(_) => true,
            Way::Hold => leg.discard == discard && leg.party.is_judged_like(party),
            Way::Downstream | Way::Later | Way::Rest => *leg.dress == judged.dress,
        };
        match legs.iter_mut().filter(|leg| leg.way == way).find(alike) {
            Some(leg) => leg.members.extend_from_slice(&judged.party.members),
            None => {
                let members = judged.party.members.clone();
                let dress = &judged.dress;
                legs.push(Leg { way, party, decided, members, dress, discard, first: false });
            }
        }
    }
    legs
}
