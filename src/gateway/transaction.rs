//! One transaction: from MAIL to its final reply, under one generation of the policy.

use super::generation::{Entrance, Generation};
use super::lines::Times;
use crate::config::model::MailPolicy;
use crate::downstream::tls::Outcome;
use crate::downstream::{Key, Pool, Session as Link};
use crate::mail::{Id, Path};
use crate::message::header::HeaderSummary;
use crate::reply::Reply;
use crate::smtp::command::Mail;
use crate::verdict::{Disposition, Finding};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// Where a message goes.
pub(super) enum Target {
    /// In the client's own session: its 250 is the downstream's 250.
    Downstream {
        /// The session with it; `None` before it is opened and after it died.
        link: Option<Box<Link>>,
        /// It died once and the envelope was said again.
        replayed: bool,
        /// It was lent to others while the client took its time; saying the envelope again is no replay.
        lent: bool,
    },
    /// No session with the downstream could be had, and mail is taken all the same (`on_outage = "queue"`): it waits in
    /// the spool. Also where the downstream comes back before the message is here.
    Queue,
}

/// Where the message goes for the recipients that it has, and which finding says so.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) goes: Disposition,
    pub(super) by: Option<Box<Finding>>,
    /// What the message is judged by.
    pub(super) policy: Arc<MailPolicy>,
}

impl Group {
    /// By the finding that keeps the message, if one does.
    pub(super) fn of(by: Option<Finding>, policy: &Arc<MailPolicy>) -> Self {
        Self { goes: Disposition::of(by.as_ref()), by: by.map(Box::new), policy: Arc::clone(policy) }
    }

    /// Whether a message may end otherwise for one of them.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.goes != other.goes || !Arc::ptr_eq(&self.policy, &other.policy)
    }
}

/// What became of a message that we kept, for its audit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// The folder.
    pub(super) folder: Box<str>,
    /// It is a copy; what became of the message says its verdict.
    pub(super) copy: bool,
}

/// The downstream session of a message that ended well, kept for the next of the same client.
pub(super) struct Parked {
    pub(super) link: Box<Link>,
    pub(super) key: Key,
    pub(super) pool: Arc<Pool>,
    pub(super) until: Instant,
}

/// A recipient that was asked for.
pub(super) struct Recipient {
    /// Its line as it was sent.
    pub(super) line: Box<[u8]>,
    /// Its path.
    pub(super) path: Path,
    /// What it was answered.
    pub(super) reply: Reply,
    /// How its mail is judged, where it was accepted.
    pub(super) group: Option<Box<Group>>,
    /// Its message goes elsewhere than that of the others.
    pub(super) aside: bool,
}

/// The transaction.
pub(super) struct Transaction {
    pub(super) id: Id,
    pub(super) generation: Arc<Generation>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) key: Key,
    pub(super) mail: Mail,
    /// MAIL as it goes down.
    pub(super) mail_line: Vec<u8>,
    /// The same without SIZE, for a server that does not offer it.
    pub(super) mail_line_without_size: Option<Vec<u8>>,
    pub(super) mail_reply: Option<Reply>,
    /// The answer to the whole message.
    pub(super) final_reply: Option<Reply>,
    pub(super) recipients: Vec<Recipient>,
    pub(super) target: Target,
    /// Extensions that were offered and used.
    pub(super) needs: Vec<&'static str>,
    pub(super) findings: Vec<Finding>,
    pub(super) began: Instant,
    pub(super) data_began: Option<Instant>,
    pub(super) last_down: Instant,
    pub(super) times: Times,
    pub(super) octets: u64,
    pub(super) header: Option<HeaderSummary>,
    /// The domain of the reverse-path, where SPF or DKIM prove it.
    pub(super) sender_proved: Option<Box<str>>,
    pub(super) downstream: Option<(Arc<str>, SocketAddr)>,
    pub(super) downstream_tls: Option<Arc<Outcome>>,
    pub(super) downstream_reply: Option<Reply>,
    pub(super) verdict: &'static str,
    pub(super) note: Option<String>,
    /// The message is going down: whether it was taken is known when the answer is here.
    pub(super) in_doubt: bool,
    /// A refusal found at MAIL, said later.
    pub(super) pending: Option<Box<Finding>>,
    /// What takes the message elsewhere than downstream, found at MAIL or DATA.
    pub(super) keeps: Vec<Finding>,
    /// What the first recipient that was accepted decides.
    pub(super) group: Option<Group>,
    /// Fields that go on top of the message, below our `Received`.
    pub(super) fields: String,
    /// Where it was kept.
    pub(super) kept: Option<Kept>,
    /// Policy checks are not asked any more.
    pub(super) allowed: bool,
    /// MAIL was answered by us and has not gone down.
    pub(super) held: bool,
    /// Recipients of the group in progress that go down before the one that is asked about.
    pub(super) unanswered: usize,
}

impl Transaction {
    /// Whether its message is taken for later delivery.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.target, Target::Queue)
    }

    /// Recipients that were accepted.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter(|r| r.reply.is_success())
    }

    /// Of these, those that the message is to be delivered to in this session.
    pub(super) fn delivering(&self) -> impl Iterator<Item = &Recipient> {
        self.accepted().filter(|r| !r.aside)
    }

    /// The last refusal before the message: of a recipient, else of MAIL.
    pub(super) fn last_refusal(&self) -> Option<&Reply> {
        let recipients = self.recipients.iter().rev().map(|r| &r.reply);
        recipients.chain(&self.mail_reply).find(|r| r.is_refusal())
    }

    /// The session with the downstream, taken out: whoever takes it gives it back or lets it die.
    pub(super) fn take_link(&mut self) -> Option<Box<Link>> {
        match &mut self.target {
            Target::Downstream { link, .. } => link.take(),
            Target::Queue => None,
        }
    }

    /// Puts the session back.
    pub(super) fn put_link(&mut self, session: Box<Link>) {
        self.last_down = Instant::now();
        self.downstream = Some((Arc::clone(&session.name), session.address));
        self.downstream_tls.clone_from(&session.tls);
        match &mut self.target {
            Target::Downstream { link, .. } => *link = Some(session),
            // Nobody opens one for it; one that comes all the same dies here.
            Target::Queue => {}
        }
    }

    /// Takes the session out to lend it to others.
    pub(super) fn take_link_to_lend(&mut self) -> Option<Box<Link>> {
        let Target::Downstream { link, lent, .. } = &mut self.target else { return None };
        let taken = link.take();
        *lent |= taken.is_some();
        taken
    }

    /// Whether there is one.
    pub(super) fn has_link(&self) -> bool {
        match &self.target {
            Target::Downstream { link, .. } => link.is_some(),
            Target::Queue => false,
        }
    }

    /// Whether the envelope may be said again on a fresh session: once.
    pub(super) fn may_replay(&mut self) -> bool {
        let Target::Downstream { replayed, lent, .. } = &mut self.target else { return false };
        std::mem::take(lent) || !std::mem::replace(replayed, true)
    }

    /// When NOOP is due below the downstream's idle time.
    pub(super) fn noop_at(&self) -> Option<Instant> {
        self.has_link().then(|| self.last_down + self.entrance.pool.config().idle_timeout / 2)
    }
}
