//! What several checks say alike: who is free of what, and findings of a switch.

use crate::config::model::Policy;
use crate::reply::Entry;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Facts, Finding, Source, Stage, Verdict};
use std::sync::Arc;

/// Name of the file with the protocol rules.
pub(super) const PROTOCOL: &str = "protocol.toml";
/// Name of the file with the limits.
pub(super) const LIMITS: &str = "limits.toml";

/// Free of limits, rates, bans, greeting delay, greylisting and DNS lists: trusted clients, the load balancer itself,
/// and those that may relay, on listeners for mail to the world.
pub(super) fn is_free(facts: &Facts<'_>) -> bool {
    let outbound = facts.direction == crate::verdict::Direction::Outbound;
    facts.client.trusted || facts.client.balancer || (outbound && may_relay(facts))
}

/// In `relay.from`, and not a load balancer that speaks for others.
pub(super) fn may_relay(facts: &Facts<'_>) -> bool {
    facts.client.may_relay && !facts.client.balancer
}

/// Nobody that we know: neither trusted nor allowed to relay nor authenticated.
pub(super) fn is_stranger(facts: &Facts<'_>) -> bool {
    !facts.client.trusted && !may_relay(facts) && !facts.authenticated
}

/// The place of a setting that has no line of its own.
pub(super) fn file(name: &str) -> Source {
    Source { file: Arc::from(name), line: 0 }
}

/// When a refusal found at `stage` is said: at `protocol.answer_at`, but a recipient's own always to that recipient.
pub(super) fn later(stage: Stage, policy: &Policy) -> Stage {
    if stage == Stage::Rcpt { stage } else { stage.max(policy.protocol.answer_at) }
}

/// What a reply is: for now or for good.
pub(super) fn verdict_of(entry: Entry) -> Verdict {
    if entry.code >= 500 { Verdict::Reject(entry.reply()) } else { Verdict::TempFail(entry.reply()) }
}

/// A finding of a switch of `protocol.toml`, said at `answer_at`. A refusal for good counts against the client.
/// `mode` is not Off: such a check is not asked.
pub(super) fn switch(
    id: &str,
    stage: Stage,
    policy: &Policy,
    mode: Mode,
    entry: Entry,
    reason: impl Into<Box<str>>,
) -> Finding {
    let finding =
        Finding::new(id, stage, verdict_of(entry), file(PROTOCOL), reason).answered_at(later(stage, policy));
    let finding = if entry.code >= 500 { finding.with(Effect::Count(Event::Refused)) } else { finding };
    in_mode(finding, mode)
}

/// The finding as its mode has it.
pub(super) fn in_mode(finding: Finding, mode: Mode) -> Finding {
    match mode {
        Mode::On => finding,
        Mode::Log | Mode::Off => finding.only_told(),
    }
}
