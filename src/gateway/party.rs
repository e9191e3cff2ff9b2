//! The recipients of one message, by how it is judged for them; and what it comes to for each group.
//!
//! Pure: values in, values out. Failure: a transaction without an accepted recipient has no party, and its message goes
//! nowhere.

use super::keep::Decision;
use super::transaction::Transaction;
use crate::config::model::MailPolicy;
use crate::content::{Circles, Dress, Found, Weighed};
use crate::verdict::{Disposition, Finding};
use std::sync::Arc;

/// Recipients who share a policy, a circle, and what the stages before the message found.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) policy: Arc<MailPolicy>,
    /// What takes their mail elsewhere than downstream.
    pub(super) by: Option<Finding>,
    /// Number of their circle: rules that name recipients treat them alike.
    pub(super) circle: usize,
    /// Their places among the recipients of the transaction, in order.
    pub(super) members: Vec<usize>,
}

impl Party {
    /// Whether what is held of both may be one item.
    pub(super) fn is_judged_like(&self, other: &Self) -> bool {
        self.circle == other.circle && Arc::ptr_eq(&self.policy, &other.policy)
    }
}

/// What a message comes to for a party.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) party: Party,
    pub(super) weighed: Weighed,
    /// As it goes out.
    pub(super) dress: Dress,
}

impl Judged {
    /// By everything that was found.
    pub(super) fn of(party: Party, found: &Found<'_>) -> Self {
        let weighed = Weighed::of(&party.policy, party.by.as_ref(), found);
        Self { party, weighed, dress: Dress::default() }
    }

    /// What follows.
    pub(super) fn decision(&self) -> Decision<'_> {
        Decision::of(&self.weighed.findings)
    }

    /// Whether the message ends for both alike. What is held is judged again by its policy and for its recipients, so
    /// each of these has an item of its own, and so has what a rule discards then.
    pub(super) fn ends_like(&self, other: &Self) -> bool {
        let (own, others) = (self.decision(), other.decision());
        let held = own.disposition == Disposition::Hold;
        own.disposition == others.disposition
            && own.copy == others.copy
            && self.dress == other.dress
            && (!held || own.discard == others.discard && self.party.is_judged_like(&other.party))
    }
}

impl Transaction {
    /// The accepted recipients by policy, circle, and what was found for them, in the order of the first of each.
    pub(super) fn parties(&self, circles: Option<&Circles>) -> Vec<Party> {
        let mut parties: Vec<Party> = Vec::new();
        let accepted = self.recipients.iter().enumerate().filter(|(_, r)| r.reply.is_success());
        for (place, (at, recipient)) in accepted.enumerate() {
            let circle = circles.map_or(0, |circles| circles.of(place));
            let Some(group) = recipient.group.as_deref() else { continue };
            let same = |party: &&mut Party| {
                party.circle == circle
                    && Arc::ptr_eq(&party.policy, &group.policy)
                    && Disposition::of(party.by.as_ref()) == group.goes
            };
            match parties.iter_mut().find(same) {
                Some(party) => party.members.push(at),
                None => parties.push(Party {
                    policy: Arc::clone(&group.policy),
                    by: group.by.as_deref().cloned(),
                    circle,
                    members: vec![at],
                }),
            }
        }
        parties
    }
}
