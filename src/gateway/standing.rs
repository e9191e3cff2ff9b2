//! What is known of a client and held against it, from its connection on: permits, facts, findings, and a
//! refusal that is still to be said.
//!
//! Owner: the session. It is made at the door, before there is a session, so that a client that is refused
//! there costs neither a task nor a buffer. Dropping it gives the permits back, also by a panic.

use super::clock::unix_ms;
use super::generation::{Entrance, Generation};
use super::state::Gateway;
use crate::checks;
use crate::limits::{Kind, Offence, Permit};
use crate::reply::Reply;
use crate::verdict::{
    Client, Conduct, Direction, Effect, Facts, Finding, Gathered, Needs, Stage, Verdict, kept, settle,
};

/// Findings that are kept of one session, beside those of its messages.
const FINDINGS_MAX: usize = 50;
/// Keywords that rules may hide from one client.
const HIDDEN_MAX: usize = 50;
/// Longest delay that one answer gets by rules and tarpit together.
const DELAY_MS_MAX: u32 = 60_000;

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) reply: Reply,
    /// The session ends with it.
    pub(super) farewell: bool,
    /// Nothing is said (at connect only).
    pub(super) silent: bool,
}

impl Refusal {
    /// The refusal of a finding; `None` lets the stage pass.
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        let refusal = |reply: &Reply, farewell| {
            Some(Self { reply: reply.clone(), farewell, silent: finding.effects.contains(&Effect::Silent) })
        };
        match &finding.verdict {
            Verdict::TempFail(reply) | Verdict::Reject(reply) => refusal(reply, false),
            Verdict::Disconnect(reply) => refusal(reply, true),
            Verdict::Continue
            | Verdict::Accept
            | Verdict::Hold
            | Verdict::Quarantine(_)
            | Verdict::Discard => None,
        }
    }
}

/// How far a client was looked at before its greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Door {
    /// Not at all.
    #[default]
    Unseen,
    /// Counted, and what the limits say is known.
    Counted,
    /// The stage Connect was judged.
    Judged,
}

/// See the module head.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) gathered: Gathered,
    pub(super) conduct: Conduct,
    /// Policy checks are not asked any more in this session.
    pub(super) allowed: bool,
    /// Free of limits: trusted, the balancer itself, or our own people on an outbound listener.
    pub(super) exempt: bool,
    /// How far the door looked at it.
    pub(super) door: Door,
    /// Its address made more errors than `limits.toml` allows, in this session and others.
    pub(super) over_errors: bool,
    /// A refusal of an earlier stage, said later.
    pub(super) pending: Option<Box<Finding>>,
    /// What takes every message of the session elsewhere than downstream, the strongest.
    pub(super) keeps: Option<Box<Finding>>,
    /// Findings of the session before any message.
    pub(super) findings: Vec<Finding>,
    /// EHLO keywords hidden from this client.
    pub(super) hidden: Vec<Box<str>>,
    /// How long the next answer waits, in milliseconds.
    pub(super) delay_ms: u32,
    /// The place among the connections of its address, prefix and listener.
    permit: Option<Permit>,
}

impl Standing {
    /// A client at the door: counted, and what the limits say of it.
    pub(super) fn at_door(
        gateway: &Gateway,
        generation: &Generation,
        entrance: &Entrance,
        client: &Client,
    ) -> Self {
        let policy = &generation.policy;
        let listener = &entrance.listener;
        let exempt = is_exempt(client, listener.direction);
        let mut standing = Self { exempt, door: Door::Counted, ..Self::default() };
        let now = unix_ms();
        let limits = &policy.limits;
        let most = listener.max_connections;
        let entered =
            gateway.limits.connections.enter(client.ip, &listener.name, most, &limits.connections, exempt);
        match entered {
            Ok(permit) => {
                standing.conduct.over = permit.over().cloned();
                standing.permit = Some(permit);
            }
            Err(over) => standing.conduct.over = Some(over),
        }
        if !exempt {
            let rate = || gateway.limits.rates.count(Kind::Connections, client.ip, 1, limits);
            standing.conduct.over = standing.conduct.over.take().or_else(rate);
            standing.conduct.ban = gateway.limits.bans.ban_of(client.ip, now / 1000);
        }
        if generation.needs_anywhere().has(Needs::COUNTRY) {
            standing.gathered.country = generation.lookup.country(client.ip);
        }
        standing
    }

    /// Asks the checks of stage Connect. `Err` is a refusal to be said now.
    pub(super) fn judge_connect(
        &mut self,
        gateway: &Gateway,
        generation: &Generation,
        entrance: &Entrance,
        client: &Client,
    ) -> Result<(), Refusal> {
        self.door = Door::Judged;
        let findings = {
            let facts = Facts {
                gathered: &self.gathered,
                conduct: &self.conduct,
                allowed: self.allowed,
                now: unix_ms() / 1000,
                ..Facts::of(client, &entrance.listener.name, entrance.listener.direction)
            };
            checks::run(Stage::Connect, &facts, &generation.policy)
        };
        self.conduct.over = None;
        self.apply(gateway, generation, client, &findings);
        let refused = self.settle(&findings, Stage::Connect);
        self.keep(findings);
        refused.as_ref().and_then(Refusal::of).map_or(Ok(()), Err)
    }

    /// What the findings of a stage before any message come to: a refusal to be said now. One to be said later
    /// is kept, an allowance too.
    pub(super) fn settle(&mut self, findings: &[Finding], stage: Stage) -> Option<Finding> {
        let settled = settle(findings, stage);
        self.allowed |= settled.allow;
        if self.pending.is_none() {
            self.pending = settled.pending.cloned().map(Box::new);
        }
        if settled.allow {
            self.keeps = None;
        } else if let Some(strongest) = kept(self.keeps.as_deref().into_iter().chain(settled.keep)) {
            self.keeps = Some(Box::new(strongest.clone()));
        }
        settled.refuse.cloned()
    }

    /// The finding that decided the stage, for a client of which nothing else is told.
    pub(super) fn take_decisive(&mut self) -> Option<Finding> {
        let refuses = |f: &Finding| f.enforced && Refusal::of(f).is_some();
        let at = self.findings.iter().position(refuses)?;
        Some(self.findings.swap_remove(at))
    }

    /// Keeps findings for the audit line of the connection and of each message.
    pub(super) fn keep(&mut self, findings: Vec<Finding>) {
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
    }

    /// Does what enforced findings ask for besides an answer.
    pub(super) fn apply(
        &mut self,
        gateway: &Gateway,
        generation: &Generation,
        client: &Client,
        findings: &[Finding],
    ) {
        let limits = &generation.policy.limits;
        let counts = !self.exempt && !self.allowed;
        let offend = |offence| {
            gateway.limits.bans.offend(client.ip, offence, limits, unix_ms() / 1000);
        };
        for finding in findings.iter().filter(|f| f.enforced) {
            for effect in &finding.effects {
                match effect {
                    Effect::BanPoints(points) if counts => {
                        offend(Offence::Rule(*points));
                    }
                    Effect::Count(event) if counts => offend(Offence::Event(*event)),
                    Effect::BanPoints(_) | Effect::Count(_) | Effect::Silent => {}
                    Effect::DelayMs(ms) => {
                        self.delay_ms = self.delay_ms.saturating_add(*ms).min(DELAY_MS_MAX)
                    }
                    Effect::HideKeyword(keyword) => {
                        if self.hidden.len() < HIDDEN_MAX && !self.hidden.contains(keyword) {
                            self.hidden.push(keyword.clone());
                        }
                    }
                }
            }
        }
    }

    /// Gives the place among the connections back before another is taken.
    pub(super) fn leave(&mut self) {
        self.permit = None;
    }

    /// The next answer waits longer.
    pub(super) fn delay(&mut self, ms: u32) {
        self.delay_ms = self.delay_ms.saturating_add(ms).min(DELAY_MS_MAX);
    }
}

/// Whether a client is free of limits, bans, greet delay, greylisting and DNS lists.
pub(super) fn is_exempt(client: &Client, direction: Direction) -> bool {
    client.trusted || client.balancer || (direction == Direction::Outbound && client.may_relay)
}
