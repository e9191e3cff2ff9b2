//! Reload: a new generation, or the old one and the reason. Never half of one.

use super::clock::unix_ms;
use super::generation::Generation;
use super::rules::load_rules;
use super::snapshot::Snapshot;
use super::state::Gateway;
use crate::config::model::Policy;
use crate::rules::Problem;
use std::sync::Arc;

/// What a reload came to.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct ReloadReport {
    /// The generation in force now.
    pub generation: u64,
    /// Whether it is a new one.
    pub reloaded: bool,
    /// Every problem, one line each, as `check` says them.
    pub problems: Vec<String>,
}

/// Reads the rules directory and swaps the new generation in, or keeps the old one. Reopens the audit log
/// and reads certificates anew either way the rules are good.
pub fn reload(gateway: &Gateway) -> ReloadReport {
    let old = gateway.current.load_full();
    let mut past = gateway.history.lock();
    let rules = &gateway.rules_dir;
    let (snapshot, (policy, problems)) = Snapshot::steady(rules, || load_rules(rules, Some(&old.policy)));
    past.saw(snapshot);
    let mut lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let built = policy.and_then(|policy| build(gateway, &old, policy, &mut lines));
    // Whoever rotated the log wants it opened anew whatever the rules say.
    let target = built.as_ref().map_or_else(|| old.policy.audit.clone(), |g| g.policy.audit.clone());
    gateway.audit.reopen(target);
    let reloaded = built.is_some();
    match built {
        Some(generation) => {
            let (numbered, trouble) = past.comes_into_force(rules, old.number + 1);
            lines.extend(trouble.map(|words| format!("{}: warning: {words}", rules.display())));
            tracing::info!(generation = numbered.number, at = unix_ms(), "rules reloaded");
            let generation = Arc::new(generation.numbered(numbered));
            gateway.current.store(Arc::clone(&generation));
            retire(&old, &generation);
        }
        None => tracing::error!(problems = %lines.join("; "), "reload refused, the old rules stay in force"),
    }
    if let Ok(mut last) = gateway.last_reload_error.lock() {
        *last = (!reloaded).then(|| lines.join("\n"));
    }
    ReloadReport { generation: gateway.current.load().number, reloaded, problems: lines }
}

/// What runs by a policy that was read without a mistake; `None` where it cannot, and why in `lines`.
fn build(gateway: &Gateway, old: &Generation, policy: Policy, lines: &mut Vec<String>) -> Option<Generation> {
    if let Some(what) = fixed_parts_changed(old, &policy) {
        lines.push(format!("gateway.toml: error: {what} cannot change at reload; restart the gateway"));
        return None;
    }
    lines.extend(set_at_start(&old.policy, &policy).map(|what| {
        format!("gateway.toml: warning: {what} is set at start; the new value holds after a restart")
    }));
    let built = Generation::build(Arc::new(policy), Some(old), &gateway.dial);
    built.map_err(|e| lines.push(format!("gateway.toml: error: {e}"))).ok()
}

/// Sockets and the state directory belong to the process, not to a generation.
fn fixed_parts_changed(old: &Generation, new: &Policy) -> Option<&'static str> {
    let same_listeners = old.policy.listeners.len() == new.listeners.len()
        && old
            .policy
            .listeners
            .iter()
            .zip(&new.listeners)
            .all(|(a, b)| a.name == b.name && a.address == b.address);
    if !same_listeners {
        return Some("the listeners (names, addresses, their order)");
    }
    if old.policy.state_dir != new.state_dir {
        return Some("state_dir");
    }
    if old.policy.user != new.user {
        return Some("user");
    }
    None
}

/// Values that the process took at its start.
fn set_at_start(old: &Policy, new: &Policy) -> impl Iterator<Item = &'static str> {
    [
        ("memory", old.memory_octets != new.memory_octets),
        ("disk", old.disk_octets != new.disk_octets),
        ("[log]", old.log != new.log),
    ]
    .into_iter()
    .filter_map(|(what, changed)| changed.then_some(what))
}

/// Connections at rest with downstreams that are no more.
fn retire(old: &Generation, new: &Generation) {
    for pool in &old.pools {
        if !new.pools.iter().any(|p| Arc::ptr_eq(p, pool)) {
            pool.retire();
        }
    }
}
