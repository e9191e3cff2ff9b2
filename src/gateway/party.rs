//! The recipients of one message, by how it is judged for them; and what it comes to for each group.
//!
//! Pure: values in, values out. Failure: a transaction without an accepted recipient has no party, and its message goes
//! nowhere.

use super::keep::Decision;
use super::transaction::Transaction;
use crate::config::model::MailPolicy;
use crate::content::{Dress, Found, Weighed};
use crate::verdict::{Disposition, Finding};
use std::sync::Arc;

/// Recipients who share a policy and what the stages before the message found.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) policy: Arc<MailPolicy>,
    /// What takes their mail elsewhere than downstream.
    pub(super) by: Option<Finding>,
    /// Their places among the recipients of the transaction, in order.
    pub(super) members: Vec<usize>,
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

    /// Whether the message ends for both alike. What is held is judged again by its policy, so each policy has an item of
    /// its own.
    pub(super) fn ends_like(&self, other: &Self) -> bool {
        let (own, others) = (self.decision(), other.decision());
        let held = own.disposition == Disposition::Hold;
        own.disposition == others.disposition
            && own.copy == others.copy
            && self.dress == other.dress
            && (!held || Arc::ptr_eq(&self.party.policy, &other.party.policy))
    }
}

impl Transaction {
    /// The accepted recipients by policy and by what was found for them, in the order of the first of each.
    pub(super) fn parties(&self) -> Vec<Party> {
        let mut parties: Vec<Party> = Vec::new();
        for (at, recipient) in self.recipients.iter().enumerate() {
            let Some(group) = recipient.group.as_deref().filter(|_| recipient.reply.is_success()) else {
                continue;
            };
            let same = |party: &&mut Party| {
                Arc::ptr_eq(&party.policy, &group.policy) && Disposition::of(party.by.as_ref()) == group.goes
            };
            match parties.iter_mut().find(same) {
                Some(party) => party.members.push(at),
                None => parties.push(Party {
                    policy: Arc::clone(&group.policy),
                    by: group.by.as_deref().cloned(),
                    members: vec![at],
                }),
            }
        }
        parties
    }
}
