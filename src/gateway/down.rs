//! MAIL and RCPT on their way down, and what stands for the downstream's replies where it has none.
//!
//! A session that dies before the message is replaced once, with the envelope said again. Where none can be had at all,
//! the client hears 451, or the message is taken for later (`gateway::outage`).

use super::session::Session;
use super::transaction::Transaction;
use crate::downstream::{Begun, DownstreamError, Session as Link};
use crate::reply::{Class, Reply, catalogue};
use crate::smtp::client::Awaiting;
use crate::smtp::command::Rcpt;
use std::collections::VecDeque;

impl Session {
    /// Sends MAIL (when `opens`) and `rcpts` down; one reply each, ours where the downstream has none.
    pub(super) async fn hand_down(&mut self, opens: bool, rcpts: &[Rcpt]) -> VecDeque<Reply> {
        let mut replies = VecDeque::with_capacity(rcpts.len() + 1);
        let mut sent = 0;
        if opens {
            match self.open_link(rcpts).await {
                Ok((first, already)) => {
                    sent = already;
                    let refused = first.is_refusal();
                    let first = self.shown(first);
                    if refused {
                        let rest = if first.class() == Class::Temporary {
                            first.clone()
                        } else {
                            catalogue::MAIL_FIRST.refusal(self.reference())
                        };
                        replies.push_back(first);
                        replies.resize(rcpts.len() + 1, rest);
                        self.skip_replies(already).await;
                        self.close_link();
                        return replies;
                    }
                    replies.push_back(first);
                }
                Err(error) => return self.without_downstream(&error, rcpts),
            }
        }
        if self.transaction.as_deref().is_some_and(Transaction::is_queued) {
            replies.extend(rcpts.iter().map(|rcpt| self.queue_recipient(rcpt)));
            return replies;
        }
        self.recipients_down(rcpts, sent, &mut replies).await;
        replies
    }

    /// The link of the transaction answers MAIL. Returns its reply and how many RCPTs went down with it.
    async fn open_link(&mut self, rcpts: &[Rcpt]) -> Result<(Reply, usize), DownstreamError> {
        let lines: Vec<&[u8]> = rcpts.iter().map(|r| &*r.line).collect();
        let Begun { session, first, sent } = self.begin(&lines).await?;
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.put_link(Box::new(session));
        }
        Ok((first, sent.saturating_sub(1)))
    }

    /// MAIL and `rcpts` where no session with the downstream can be had.
    fn without_downstream(&mut self, error: &DownstreamError, rcpts: &[Rcpt]) -> VecDeque<Reply> {
        let queued = !self.bound && error.is_outage() && self.queue_transaction();
        let reply = self.downstream_failed(error);
        let mut replies = VecDeque::with_capacity(rcpts.len() + 1);
        if queued {
            replies.push_back(catalogue::SENDER_OK.reply());
            replies.extend(rcpts.iter().map(|rcpt| self.queue_recipient(rcpt)));
        } else {
            replies.resize(rcpts.len() + 1, reply);
        }
        replies
    }

    /// A failure of the downstream, logged, as the client hears it.
    pub(super) fn downstream_failed(&mut self, error: &DownstreamError) -> Reply {
        // Many at once, each with its audit line; that there is pressure was told when it began.
        if matches!(error, DownstreamError::Shed { .. }) {
            tracing::debug!(session = %self.id, client = %self.client.ip, %error, "put off");
        } else {
            tracing::warn!(session = %self.id, client = %self.client.ip, %error, "downstream failed");
        }
        let reply = if self.bound && !matches!(error, DownstreamError::Lacks { .. }) {
            catalogue::DOWNSTREAM_LOST_CLOSING.reply()
        } else {
            Reply::from(error)
        };
        reply.with_reference(self.reference())
    }

    /// RCPTs, of which `sent` are on the way already. A session that dies is replaced once.
    async fn recipients_down(&mut self, rcpts: &[Rcpt], sent: usize, replies: &mut VecDeque<Reply>) {
        let (mut done, mut sent) = (0, sent);
        while done < rcpts.len() {
            let left = rcpts.get(done..).unwrap_or_default();
            match self.some_recipients_down(left, sent.saturating_sub(done), replies).await {
                Ok(()) => return,
                Err((answered, error)) => {
                    done += answered;
                    sent = done;
                    // Of this group too, whoever heard 250 is in the envelope that is said again.
                    let taken = replies.iter().skip(replies.len().saturating_sub(done));
                    let accepted = rcpts.iter().zip(taken).filter(|(_, reply)| reply.is_success());
                    let accepted: Vec<&[u8]> = accepted.map(|(rcpt, _)| &*rcpt.line).collect();
                    if let Err(error) = self.recover(error, &accepted).await {
                        let reply = self.downstream_failed(&error);
                        return replies.extend(rcpts.iter().skip(done).map(|_| reply.clone()));
                    }
                }
            }
        }
    }

    async fn some_recipients_down(
        &mut self,
        rcpts: &[Rcpt],
        sent: usize,
        replies: &mut VecDeque<Reply>,
    ) -> Result<(), (usize, DownstreamError)> {
        let Some(transaction) = self.transaction.as_deref_mut() else { return Ok(()) };
        let limit = transaction.entrance.pool.limits().command;
        let Some(mut link) = transaction.take_link() else { return Err((0, self.no_link())) };
        // What these RCPTs use was offered to the client; where this server lacks it, another may have it.
        if let Some(keyword) = transaction.needs.iter().find(|k| sent == 0 && !link.capabilities.has(k)) {
            return Err((0, DownstreamError::Lacks { address: link.address, keyword }));
        }
        if sent == 0 && !link.is_alive() {
            return Err((0, self.no_link()));
        }
        let pipelining = link.capabilities.has("PIPELINING");
        let mut queued = sent;
        for at in 0..rcpts.len() {
            let until = if pipelining { rcpts.len() } else { at + 1 };
            for rcpt in rcpts.iter().take(until).skip(queued) {
                link.queue(&rcpt.line, Awaiting::Command);
            }
            queued = queued.max(until);
            match link.reply("RCPT", limit).await {
                Ok(reply) => {
                    link.spoiled |= reply.is_refusal();
                    replies.push_back(self.shown(reply));
                }
                Err(error) => return Err((at, error)),
            }
        }
        self.return_link(link);
        Ok(())
    }

    fn return_link(&mut self, link: Box<Link>) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.put_link(link);
        }
    }

    /// A downstream's reply as the client sees it: as it is, unless its words are to be hidden.
    pub(super) fn shown(&self, reply: Reply) -> Reply {
        if !reply.is_refusal() || !self.entrance.pool.config().hide_text {
            return reply;
        }
        match reply.class() {
            Class::Permanent => catalogue::DOWNSTREAM_REJECT.refusal(self.reference()),
            Class::Temporary | Class::Success | Class::Intermediate => {
                catalogue::DOWNSTREAM_TEMPFAIL.refusal(self.reference())
            }
        }
    }
}
