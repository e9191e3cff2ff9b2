//! The rules in file order, and for each stage what settles most of them at a glance.

use super::rule::{Conditions, Rule};
use crate::rules::{Fence, Hull, Matcher, Mode, Trail};
use crate::verdict::{Direction, Stage};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

/// The rules. As a slice they are all rules in file order.
#[derive(Debug, Default)]
pub struct RuleTable {
    rules: Vec<Arc<Rule>>,
    connect: Vec<Guard>,
    helo: Vec<Guard>,
    mail: Vec<Guard>,
    rcpt: Vec<Guard>,
    data: Vec<Guard>,
    message: Vec<Guard>,
}

/// Which of a session's subjects the rules of a stage look at, and their bits. What nobody asks is left absent.
#[derive(Debug, Clone, Copy)]
pub struct Trails {
    /// The client's address.
    pub client: IpAddr,
    /// HELO or EHLO name.
    pub hello: Trail,
    /// Sender.
    pub sender: Trail,
    /// Recipient; open while it is still to come.
    pub recipient: Trail,
    /// User.
    pub user: Trail,
    /// Reverse name; open where it is unknown.
    pub reverse_name: Trail,
    /// Direction.
    pub direction: Direction,
}

/// What a rule asks, in a few words of memory that lie side by side.
#[derive(Debug)]
struct Guard {
    rule: Arc<Rule>,
    client: Hull,
    direction: Option<Direction>,
    hello: Fence,
    sender: Fence,
    recipient: Fence,
    user: Fence,
    reverse_name: Fence,
}

impl Guard {
    fn of(rule: &Arc<Rule>) -> Self {
        let when: &Conditions = &rule.when;
        let fence = |matcher: &Option<Matcher>| matcher.as_ref().map_or(Fence::NONE, Matcher::fence);
        Self {
            rule: Arc::clone(rule),
            client: when.client.as_ref().map_or(Hull::ALL, Matcher::hull),
            direction: when.direction,
            hello: fence(&when.hello),
            sender: fence(&when.sender),
            recipient: fence(&when.recipient),
            user: fence(&when.user),
            reverse_name: fence(&when.reverse_name),
        }
    }

    fn lets(&self, trails: &Trails) -> bool {
        self.sender.lets(trails.sender)
            && self.client.lets(trails.client)
            && self.hello.lets(trails.hello)
            && self.recipient.lets(trails.recipient)
            && self.reverse_name.lets(trails.reverse_name)
            && self.user.lets(trails.user)
            && self.direction.is_none_or(|direction| direction == trails.direction)
    }
}

impl RuleTable {
    /// The table of rules in file order.
    #[must_use]
    pub fn new(rules: Vec<Arc<Rule>>) -> Self {
        let mut table = Self::default();
        for rule in rules.iter().filter(|rule| rule.mode != Mode::Off) {
            if let Some(guards) = table.of_stage_mut(rule.place()) {
                guards.push(Guard::of(rule));
            }
        }
        Self { rules, ..table }
    }

    /// Whether a stage has no rule.
    #[must_use]
    pub fn is_idle(&self, stage: Stage) -> bool {
        self.of_stage(stage).is_empty()
    }

    /// The rules of a stage that could match, in file order; not those that are switched off.
    pub fn candidates(&self, stage: Stage, trails: Trails) -> impl Iterator<Item = &Rule> {
        self.of_stage(stage).iter().filter(move |guard| guard.lets(&trails)).map(|guard| &*guard.rule)
    }

    fn of_stage(&self, stage: Stage) -> &[Guard] {
        match stage {
            Stage::Connect => &self.connect,
            Stage::Helo => &self.helo,
            Stage::Auth => &[],
            Stage::Mail => &self.mail,
            Stage::Rcpt => &self.rcpt,
            Stage::Data => &self.data,
            Stage::Message => &self.message,
        }
    }

    /// None for a stage at which no rule can be.
    fn of_stage_mut(&mut self, stage: Stage) -> Option<&mut Vec<Guard>> {
        match stage {
            Stage::Connect => Some(&mut self.connect),
            Stage::Helo => Some(&mut self.helo),
            Stage::Auth => None,
            Stage::Mail => Some(&mut self.mail),
            Stage::Rcpt => Some(&mut self.rcpt),
            Stage::Data => Some(&mut self.data),
            Stage::Message => Some(&mut self.message),
        }
    }
}

impl Deref for RuleTable {
    type Target = [Arc<Rule>];

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}
