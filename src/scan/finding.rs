//! What the results of scanners mean for a message. Pure.
//!
//! Infected is what `on_infected` says; no answer is what the lane says, and never a permanent refusal; points are symbols
//! that others add up. Every scanner that was to look and did not leaves a finding, so that nothing passes unseen.

use super::run::Scanned;
use super::verdict::{ScanVerdict, Scored, points};
use crate::config::model::{Lane, OnInfected, ScannerRules};
use crate::content::lane_verdict;
use crate::reply::catalogue;
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Finding, Source, Stage, Verdict};
use std::sync::Arc;

/// The file that scanners stand in.
const FILE: &str = "scanners.toml";
/// Tag of what a scanner did not look at; with the scanner's name behind a colon.
const UNSCANNED: &str = "unscanned";

/// Findings of all results. `lane`: what follows where a scanner gave no answer or would not take the message, by its
/// rules and whether it was too large; a policy may have other lanes than `scanners.toml`.
#[must_use]
pub fn findings(results: &[Scanned], lane: &dyn Fn(&ScannerRules, bool) -> Lane) -> Vec<Finding> {
    results.iter().flat_map(|result| of_one(result, lane)).collect()
}

/// The lane that `scanners.toml` gives.
#[must_use]
pub fn own_lane(rules: &ScannerRules, too_large: bool) -> Lane {
    if too_large { rules.on_too_large } else { rules.on_error }
}

fn of_one(result: &Scanned, lane: &dyn Fn(&ScannerRules, bool) -> Lane) -> Vec<Finding> {
    let rules = &*result.rules;
    let where_ = result.part.map(|n| format!(" (part {})", n + 1)).unwrap_or_default();
    let mut findings = match &result.verdict {
        None => vec![unscanned(rules, Verdict::Continue, "switched off by an admin".to_owned())],
        Some(ScanVerdict::Clean) => Vec::new(),
        Some(ScanVerdict::Infected(name)) => vec![infected(rules, format!("infected: {name}{where_}"))],
        Some(ScanVerdict::Scored(scored)) => symbols(rules, scored),
        Some(verdict) => {
            let lane = lane(rules, matches!(verdict, ScanVerdict::TooLarge));
            vec![unscanned(rules, lane_verdict(lane), format!("{}{where_}", verdict.words()))]
        }
    };
    if rules.mode == Mode::Log {
        findings = findings.into_iter().map(Finding::only_told).collect();
    }
    findings
}

fn finding(rules: &ScannerRules, verdict: Verdict, reason: String) -> Finding {
    let source = Source { file: FILE.into(), line: rules.line };
    Finding { id: Arc::clone(&rules.name), ..Finding::new("", Stage::Message, verdict, source, reason) }
}

fn infected(rules: &ScannerRules, reason: String) -> Finding {
    let verdict = match &rules.on_infected {
        OnInfected::Reject => Verdict::Reject(catalogue::REJECTED.reply()),
        OnInfected::Quarantine(folder) => Verdict::Quarantine(folder.clone()),
        OnInfected::Discard => Verdict::Discard,
    };
    let finding = Finding { tags: vec!["infected".into()], ..finding(rules, verdict, reason) };
    finding.with(Effect::Count(Event::Virus))
}

fn unscanned(rules: &ScannerRules, verdict: Verdict, reason: String) -> Finding {
    let tags = vec![UNSCANNED.into(), format!("{UNSCANNED}:{}", rules.name).into()];
    Finding { tags, ..finding(rules, verdict, reason) }
}

/// Each symbol is a finding of its own, `NAME/SYMBOL`; what the engine counted beyond them, and what the bound takes off,
/// is in the one of the engine itself, so that all together are its total with its factor, within its bound.
fn symbols(rules: &ScannerRules, scored: &Scored) -> Vec<Finding> {
    let mut total = i64::from(scored.total_milli);
    let mut rest = total;
    let mut out = Vec::with_capacity(scored.symbols.len() + 1);
    for symbol in &scored.symbols {
        let skipped = rules.skip.iter().any(|pattern| matches(pattern, &symbol.name));
        rest -= i64::from(symbol.milli);
        if skipped {
            total -= i64::from(symbol.milli);
        }
        let score = if skipped { 0 } else { weighed(rules, i64::from(symbol.milli)) };
        let told = if skipped { " (skipped)" } else { "" };
        let reason = format!("{}{told}", points(symbol.milli));
        out.push(Finding {
            id: format!("{}/{}", rules.name, symbol.name).into(),
            score_milli: clamp(score),
            tags: vec![symbol.name.clone()],
            ..finding(rules, Verdict::Continue, reason)
        });
    }
    let most = i64::from(rules.score_most_milli);
    let all = weighed(rules, total).clamp(-most, most);
    let of_symbols: i64 = out.iter().map(|finding| i64::from(finding.score_milli)).sum();
    let advice = scored.advice.as_deref().map(|a| format!(", it would: {a}")).unwrap_or_default();
    let bound = if weighed(rules, total) == all { "" } else { ", more than it may count" };
    let cut = if rest == 0 { "" } else { ", symbols in part" };
    let reason = format!("score {}{advice}{cut}{bound}", points(scored.total_milli));
    let own = finding(rules, Verdict::Continue, reason);
    out.insert(0, Finding { score_milli: clamp(all - of_symbols), ..own });
    out
}

fn weighed(rules: &ScannerRules, milli: i64) -> i64 {
    milli * i64::from(rules.factor_milli) / 1000
}

fn clamp(milli: i64) -> i32 {
    i32::try_from(milli).unwrap_or(if milli < 0 { i32::MIN } else { i32::MAX })
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}
