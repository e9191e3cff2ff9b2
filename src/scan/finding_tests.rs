//! Every verdict under every lane.

use super::finding::{findings, own_lane};
use super::run::Scanned;
use super::verdict::{ScanVerdict, Scored, Symbol};
use crate::config::model::{Engine, Lane, OnInfected, ScannerRules};
use crate::rules::Mode;
use crate::verdict::{Effect, Event, Finding, Folder, merge};
use std::sync::Arc;

fn rules() -> ScannerRules {
    ScannerRules { line: 7, ..ScannerRules::named("av", Engine::Clamd(Vec::new())) }
}

fn of(rules: ScannerRules, verdict: Option<ScanVerdict>) -> Vec<Finding> {
    findings(&[Scanned { rules: Arc::new(rules), verdict, part: None, ms: 0.0 }], &own_lane)
}

fn troubles() -> [ScanVerdict; 5] {
    let words = || "x".to_owned();
    [
        ScanVerdict::TooLarge,
        ScanVerdict::Failed(words()),
        ScanVerdict::Error(words()),
        ScanVerdict::TimedOut,
        ScanVerdict::Unavailable(words()),
    ]
}

#[test]
fn no_answer_is_what_the_lane_says_and_never_a_permanent_refusal() {
    for (lane, want) in [
        (Lane::Tempfail, "tempfail"),
        (Lane::Hold, "hold"),
        (Lane::PassTagged, "continue"),
        (Lane::Quarantine, "quarantine"),
    ] {
        for verdict in troubles() {
            let rules = ScannerRules { on_error: lane, on_too_large: lane, ..rules() };
            let found = of(rules, Some(verdict));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].verdict.name(), want);
            assert!(found[0].verdict.refusal().is_none_or(|reply| reply.code() < 500));
            assert_eq!(found[0].tags, ["unscanned".into(), Box::<str>::from("unscanned:av")]);
            assert_eq!(
                (&*found[0].id, &*found[0].source.file, found[0].source.line),
                ("av", "scanners.toml", 7)
            );
        }
    }
    // A policy may say otherwise.
    let result =
        Scanned { rules: Arc::new(rules()), verdict: Some(ScanVerdict::TimedOut), part: None, ms: 0.0 };
    assert_eq!(findings(&[result], &|_, _| Lane::Hold)[0].verdict.name(), "hold");
}

#[test]
fn what_was_found_is_what_the_rules_say() {
    let infected = || Some(ScanVerdict::Infected("Eicar".into()));
    for (on_infected, want) in [
        (OnInfected::Reject, "reject"),
        (OnInfected::Quarantine(Folder("virus".into())), "quarantine"),
        (OnInfected::Discard, "discard"),
    ] {
        let found = of(ScannerRules { on_infected, ..rules() }, infected());
        assert_eq!((found[0].verdict.name(), &*found[0].reason), (want, "infected: Eicar"));
        assert_eq!(found[0].effects, [Effect::Count(Event::Virus)]);
    }
    let logged = of(ScannerRules { mode: Mode::Log, ..rules() }, infected());
    assert!(!logged[0].enforced && merge(&logged).is_none());
    assert!(of(rules(), Some(ScanVerdict::Clean)).is_empty());
    let off = of(rules(), None);
    assert_eq!((off[0].verdict.name(), &*off[0].reason), ("continue", "switched off by an admin"));
    let part = Scanned { rules: Arc::new(rules()), verdict: infected(), part: Some(1), ms: 0.0 };
    assert_eq!(&*findings(&[part], &own_lane)[0].reason, "infected: Eicar (part 2)");
}

#[test]
fn points_add_up_to_the_total_of_the_engine() {
    let symbols = |list: &[(&str, i32)]| list.iter().map(|(n, m)| Symbol::new(n.as_bytes(), *m)).collect();
    for (total, parts, factor, most, skip, want) in [
        (7_000, &[("A", 5_000), ("B", 2_000)][..], 1_000, 15_000, "", 7_000),
        (7_000, &[("A", 5_000), ("B", 2_000)], 500, 15_000, "", 3_500),
        (7_000, &[("A", 5_000), ("B", 2_000)], 1_000, 15_000, "A", 2_000),
        (7_000, &[("A", 5_000), ("B", 2_000)], 1_000, 15_000, "*", 0),
        (40_000, &[("A", 39_000)], 1_000, 15_000, "", 15_000),
        (-40_000, &[("A", -40_000)], 1_000, 15_000, "", -15_000),
        (9_000, &[("A", 1_000)], 1_000, 15_000, "", 9_000),
        (3_000, &[("A", 0), ("B", 0)], 333, 15_000, "", 999),
    ] {
        let scored =
            Scored { total_milli: total, symbols: symbols(parts), advice: Some("add header".into()) };
        let skip: Vec<Box<str>> = if skip.is_empty() { Vec::new() } else { vec![skip.into()] };
        let rules = ScannerRules { factor_milli: factor, score_most_milli: most, skip, ..rules() };
        let found = of(rules, Some(ScanVerdict::Scored(Box::new(scored))));
        assert_eq!(found.iter().map(|f| f.score_milli).sum::<i32>(), want, "{total} {parts:?}");
        assert!(merge(&found).is_none(), "points decide nothing by themselves");
        assert!(found[0].reason.contains("it would: add header"));
        assert_eq!(&*found[1].id, "av/A");
    }
}
