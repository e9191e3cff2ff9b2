//! MAIL and RCPT: judged here, answered by the downstream.
//!
//! A pipelined group is taken as a whole: what we refuse is answered by us, the rest goes down in one write
//! where the downstream takes it, and the replies come back as they are, in the client's order.

use super::generation::Generation;
use super::live::Doing;
use super::parameters;
use super::session::{End, Session};
use super::standing::{Refusal, is_exempt};
use super::transaction::{Group, Recipient, Target, Transaction};
use crate::checks;
use crate::config::model::{Mixed, OnOutage};
use crate::downstream::Key;
use crate::mail::escaped;
use crate::reply::{Class, Entry, Reply, catalogue};
use crate::smtp::command::{Command, Mail, Rcpt};
use crate::smtp::extension::Offer;
use crate::smtp::server::Event;
use crate::verdict::{Stage, said};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// Refused recipients of one transaction that are kept for its audit line.
const RECIPIENTS_KEPT: usize = 2000;

/// What becomes of one command of a group.
enum Step {
    /// Answered by us, and why it was asked if it was a recipient.
    Answer(Reply, Option<Rcpt>),
    /// The same, and the session ends with it.
    Farewell(Reply, Option<Rcpt>),
    /// MAIL, which opens the session with the downstream.
    Open,
    /// MAIL whose refusal is said at RCPT: taken by us, the downstream hears nothing.
    Hold,
    /// RCPT, handed down, and where the message goes for it.
    HandDown(Rcpt, Group),
}

/// Whether a recipient's mail would go another way than that of one before it in the same group.
fn disagrees(step: &Step, before: &VecDeque<Step>) -> bool {
    let Step::HandDown(_, group) = step else { return false };
    before.iter().any(|s| matches!(s, Step::HandDown(_, other) if other.differs(group)))
}

impl Session {
    /// Takes `first` and whatever of the envelope is here behind it.
    pub(super) async fn envelope(&mut self, first: Command) -> Result<(), End> {
        let mut steps = VecDeque::new();
        let mut next = Some(Event::Command(first));
        while let Some(event) = next {
            match event {
                Event::Command(Command::Mail(mail)) => {
                    let anew = self.refresh();
                    Box::pin(self.gather_mail(&mail, anew)).await;
                    steps.push_back(self.on_mail(mail, anew));
                }
                Event::Command(Command::Rcpt(rcpt)) => {
                    let step = self.on_rcpt(rcpt, &steps);
                    if self.defers() && disagrees(&step, &steps) && self.group().is_none() {
                        // Which of them decides for the message is known when those before it are answered.
                        self.carry_out(std::mem::take(&mut steps)).await?;
                    }
                    steps.push_back(self.keep_together(step));
                }
                Event::Refuse(entry) => steps.push_back(self.refused(entry, None)),
                // The machine holds everything else until the group is answered; a Drop ends the group.
                Event::Drop(entry) => {
                    steps.push_back(self.refused(entry, None));
                    break;
                }
                Event::Command(_) | Event::AuthLine(_) | Event::Chunk { .. } => break,
            }
            next = self.server.poll();
            self.counts.commands += u32::from(next.is_some());
        }
        self.carry_out(steps).await
    }

    fn refused(&mut self, entry: Entry, rcpt: Option<Rcpt>) -> Step {
        if entry.code >= 500 {
            self.count_protocol_error();
        }
        Step::Answer(entry.refusal(self.reference()), rcpt)
    }

    fn on_mail(&mut self, mail: Mail, anew: bool) -> Step {
        // Without a greeting it came through only where the policy lets it: then nothing was offered.
        let offer = Arc::clone(self.offer.get_or_insert_with(|| Arc::new(Offer::helo())));
        let violations = mail.violations;
        if self.gateway.space.is_full() {
            return self.refused(catalogue::NO_SPACE, None);
        }
        let needs = match parameters::of_mail(&mail, &offer, self.authenticated) {
            Ok(needs) => needs,
            Err(entry) => return self.refused(entry, None),
        };
        let transaction = self.new_transaction(mail, needs);
        self.place.state(Doing::Envelope);
        self.place.sender(Some(&escaped(transaction.mail.path.to_string().as_bytes())));
        self.transaction = Some(Box::new(transaction));
        self.tell_violations(violations, Stage::Mail);
        let refusal = if anew { self.judge_anew() } else { None };
        let refusal = refusal.or_else(|| self.judge_sender());
        self.standing.conduct.over = None;
        if let Some(refusal) = refusal {
            self.after_mail(&refusal.reply);
            let step = self.count_refusal(refusal, None);
            self.drop_transaction();
            return step;
        }
        if self.pending(Stage::Rcpt).is_none() {
            return Step::Open;
        }
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.held = true;
        }
        Step::Hold
    }

    /// A new transaction sees the newest generation (P7), in open sessions too. Whether it is another than before.
    fn refresh(&mut self) -> bool {
        let newest = self.gateway.current.load_full();
        if newest.number == self.generation.number {
            return false;
        }
        let Some(entrance) = newest.entrance(&self.entrance.listener.name) else { return false };
        self.entrance = Arc::clone(entrance);
        self.client.trusted = newest.policy.trusted.contains(self.client.ip);
        self.client.may_relay = newest.policy.relay.from.contains(self.client.ip);
        self.standing.exempt = is_exempt(&self.client, self.entrance.listener.direction);
        self.server.tolerate(newest.policy.protocol.syntax.tolerance());
        self.generation = newest;
        true
    }

    fn new_transaction(&self, mail: Mail, needs: Vec<&'static str>) -> Transaction {
        let now = Instant::now();
        Transaction {
            id: self.gateway.ids.next(),
            generation: Arc::<Generation>::clone(&self.generation),
            entrance: Arc::clone(&self.entrance),
            key: Key {
                generation: self.generation.number,
                listener: Arc::clone(&self.entrance.listener.name),
            },
            mail_line: parameters::mail_line(&mail, self.authenticated),
            mail_line_without_size: parameters::without_size(&mail, self.authenticated),
            mail,
            mail_reply: None,
            final_reply: None,
            recipients: Vec::new(),
            target: Target::Downstream { link: None, replayed: false, lent: false },
            needs,
            findings: Vec::new(),
            began: now,
            data_began: None,
            last_down: now,
            times: super::lines::Times::default(),
            octets: 0,
            header: None,
            sender_proved: None,
            downstream: None,
            downstream_tls: None,
            downstream_reply: None,
            verdict: "continue",
            note: None,
            in_doubt: false,
            pending: None,
            keeps: Vec::new(),
            group: None,
            fields: String::new(),
            kept: None,
            allowed: false,
            held: false,
            unanswered: 0,
        }
    }

    fn on_rcpt(&mut self, rcpt: Rcpt, before: &VecDeque<Step>) -> Step {
        let offer = self.offer.clone();
        let (Some(transaction), Some(offer)) = (self.transaction.as_deref_mut(), offer) else {
            return self.refused(catalogue::MAIL_FIRST, Some(rcpt));
        };
        match parameters::of_rcpt(&rcpt, &offer, self.authenticated) {
            Ok(needs) => needs.into_iter().for_each(|need| {
                if !transaction.needs.contains(&need) {
                    transaction.needs.push(need);
                }
            }),
            Err(entry) => return self.refused(entry, Some(rcpt)),
        }
        let listener = &transaction.entrance.listener;
        let pending = before.iter().filter(|s| matches!(s, Step::HandDown(..))).count();
        let taken = transaction.accepted().count() + pending;
        let most = if listener.one_recipient_per_transaction { 1 } else { listener.max_recipients };
        if taken >= most {
            return self.refused(catalogue::TOO_MANY_RECIPIENTS, Some(rcpt));
        }
        transaction.unanswered = pending;
        self.judge_recipient(rcpt)
    }

    fn judge_recipient(&mut self, rcpt: Rcpt) -> Step {
        self.tell_violations(rcpt.violations, Stage::Rcpt);
        let exempt = checks::is_exempt(&rcpt.path, &self.generation.policy);
        let pending = self.pending(Stage::Rcpt).filter(|_| !exempt);
        self.gather_rcpt(&rcpt, pending.is_some());
        let judged = self.judge(Stage::Rcpt, Some(&rcpt));
        self.standing.conduct.over = None;
        let pending = pending.filter(|_| !judged.allow);
        let group = self.group_of(&judged, &rcpt);
        let refusal = said(pending.as_ref(), judged.refuse.as_ref()).and_then(|f| self.refusal(f));
        match refusal {
            Some(refusal) => self.count_refusal(refusal, Some(rcpt)),
            None => Step::HandDown(rcpt, group),
        }
    }

    /// Whether recipients whose mail may end otherwise than that of the first are put off.
    fn defers(&self) -> bool {
        self.transaction.as_deref().is_some_and(|t| t.generation.policy.policies.mixed == Mixed::Defer)
    }

    fn group(&self) -> Option<&Group> {
        self.transaction.as_deref()?.group.as_ref()
    }

    /// With `mixed = "defer"` a message goes one way: recipients whose mail would go another hear 452, and it comes again for them. That is no
    /// mistake of the client's.
    fn keep_together(&self, step: Step) -> Step {
        let Step::HandDown(rcpt, group) = step else { return step };
        if self.transaction.is_none() {
            return Step::Answer(catalogue::MAIL_FIRST.refusal(self.reference()), Some(rcpt));
        }
        match self.group() {
            Some(first) if self.defers() && first.differs(&group) => {
                Step::Answer(catalogue::MIXED_RECIPIENTS.refusal(self.reference()), Some(rcpt))
            }
            Some(_) | None => Step::HandDown(rcpt, group),
        }
    }

    /// The first recipient that is accepted decides where the message goes.
    fn note_accepted(&mut self, rcpt: &Rcpt, reply: &Reply, group: &Group) {
        if !reply.is_success() {
            return;
        }
        let Some(transaction) = self.transaction.as_deref_mut() else { return };
        transaction.group.get_or_insert_with(|| group.clone());
        let config = transaction.entrance.pool.config();
        if config.on_outage == OnOutage::Queue
            && !transaction.is_queued()
            && let Some(mailbox) = rcpt.path.mailbox()
        {
            self.gateway.accepted.note(&config.name, mailbox);
        }
    }

    fn count_refusal(&mut self, refusal: Refusal, rcpt: Option<Rcpt>) -> Step {
        if refusal.reply.class() == Class::Permanent {
            self.count_error();
        }
        if refusal.farewell { Step::Farewell(refusal.reply, rcpt) } else { Step::Answer(refusal.reply, rcpt) }
    }

    async fn carry_out(&mut self, mut steps: VecDeque<Step>) -> Result<(), End> {
        let mut lines: VecDeque<Rcpt> = VecDeque::new();
        let mut replies: VecDeque<Reply> = VecDeque::new();
        let opens = matches!(steps.front(), Some(Step::Open));
        if opens || steps.iter().any(|s| matches!(s, Step::HandDown(..))) {
            lines.extend(steps.iter().filter_map(|s| match s {
                Step::HandDown(rcpt, _) => Some(rcpt.clone()),
                Step::Answer(..) | Step::Farewell(..) | Step::Open | Step::Hold => None,
            }));
            let late = self.transaction.as_deref_mut().is_some_and(|t| std::mem::take(&mut t.held));
            replies = self.hand_down(opens || late, lines.make_contiguous()).await;
            if late {
                self.after_late_mail(&mut replies);
            }
        }
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Answer(reply, rcpt) => {
                    self.note_recipient(rcpt, &reply);
                    self.answer(&reply);
                }
                Step::Farewell(reply, rcpt) => {
                    self.note_recipient(rcpt, &reply);
                    self.server.close_after_answer();
                    self.answer(&reply);
                    break;
                }
                Step::Open => {
                    let reply = replies.pop_front().unwrap_or_else(|| catalogue::INTERNAL.reply());
                    self.after_mail(&reply);
                    self.answer(&reply);
                }
                Step::Hold => {
                    let reply = catalogue::SENDER_OK.reply();
                    self.after_mail(&reply);
                    self.answer(&reply);
                }
                Step::HandDown(rcpt, group) => {
                    let reply = replies.pop_front().unwrap_or_else(|| catalogue::INTERNAL.reply());
                    self.note_accepted(&rcpt, &reply, &group);
                    self.note_downstream_refusal(&reply);
                    self.note_group(rcpt, &reply, Some(group));
                    self.answer(&reply);
                }
            }
        }
        self.end_refused_transaction();
        Ok(())
    }

    /// MAIL went down late, for a recipient that the pending refusal does not hold for. The client has its 250
    /// already; a refusal of MAIL is the answer to each recipient then.
    fn after_late_mail(&mut self, replies: &mut VecDeque<Reply>) {
        let Some(first) = replies.pop_front() else { return };
        if first.is_refusal() {
            replies.iter_mut().for_each(|reply| *reply = first.clone());
            // The next recipient that may pass tries again.
            if let Some(transaction) = self.transaction.as_deref_mut() {
                transaction.held = true;
            }
        }
    }

    /// A recipient that does not exist: a few are mistakes, many are a harvest of addresses.
    fn note_downstream_refusal(&mut self, reply: &Reply) {
        if reply.class() == Class::Permanent && reply.relayed_lines().is_some() {
            self.count_error();
            self.count_event(crate::verdict::Event::UnknownRecipient);
        }
    }

    fn note_recipient(&mut self, rcpt: Option<Rcpt>, reply: &Reply) {
        if let Some(rcpt) = rcpt {
            self.note_group(rcpt, reply, None);
        }
    }

    fn note_group(&mut self, rcpt: Rcpt, reply: &Reply, group: Option<Group>) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            // A long list of recipients is no abuse; only what leads nowhere counts against the session.
            self.counts.commands = self.counts.commands.saturating_sub(u32::from(reply.is_success()));
            if reply.is_success() || transaction.recipients.len() < RECIPIENTS_KEPT {
                transaction.recipients.push(Recipient {
                    line: rcpt.line,
                    path: rcpt.path,
                    reply: reply.to_keep(),
                    group: group.filter(|_| reply.is_success()).map(Box::new),
                    aside: false,
                });
            }
        }
    }

    fn after_mail(&mut self, reply: &Reply) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.mail_reply = Some(reply.clone());
        }
    }

    /// MAIL was refused: the transaction never was.
    fn end_refused_transaction(&mut self) {
        let refused = |t: &Transaction| t.mail_reply.as_ref().is_some_and(Reply::is_refusal);
        if self.transaction.as_deref().is_some_and(refused) {
            self.drop_transaction();
        }
    }
}
