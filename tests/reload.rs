//! Reloads: whole, or not at all, and always with the reason.

use crate::harness::{Downstream, Harness, Keys, Mode, paused};
use portcullis::gateway::reload;
use std::fs;
use std::sync::Arc;

const RULE: &str = "[[rule]]\nid = \"no-dsl\"\naction = \"reject\"\nreverse_name = \".dsl.example\"\n";
const EXPECT: &str = "[[expect]]\nclient = \"203.0.113.7\"\nreverse_name = \"a.dsl.example\"\nresult = \"reject\"\nrule = \"no-dsl\"\n";

#[test]
fn rules_whose_tests_fail_are_not_taken_over() {
    paused(async {
        let harness = Harness::new(&Keys::default(), Downstream::new(Mode::Auto, &[]));
        let gateway = &harness.gateway;
        let write = |name: &str, text: &str| fs::write(gateway.rules_dir.join(name), text).unwrap();
        write("protocol.toml", &format!("{RULE}{EXPECT}"));
        let report = reload(gateway);
        assert_eq!((report.reloaded, report.generation, report.problems), (true, 2, Vec::new()));
        assert_eq!(gateway.current.load().policy.rules.len(), 1);

        write("protocol.toml", &format!("{}{EXPECT}", RULE.replace("dsl.example\"", "dial.example\"")));
        let report = reload(gateway);
        assert_eq!((report.reloaded, report.generation), (false, 2));
        assert_eq!(
            report.problems,
            [
                "protocol.toml:5:1: error: this [[expect]] fails: expected reject by no-dsl, the outcome is pass"
            ]
        );

        write("protocol.toml", EXPECT);
        let report = reload(gateway);
        assert_eq!((report.reloaded, gateway.current.load().policy.rules.len()), (false, 1));
        let problems = gateway.last_reload_error.lock().unwrap().clone();
        assert!(problems.unwrap().starts_with("protocol.toml:1:1: error: this [[expect]] fails"));
    });
}

#[test]
fn a_list_that_did_not_change_is_not_read_anew() {
    paused(async {
        let harness = Harness::new(&Keys::default(), Downstream::new(Mode::Auto, &[]));
        let gateway = &harness.gateway;
        let write = |name: &str, text: &str| fs::write(gateway.rules_dir.join(name), text).unwrap();
        write("lists/blocks.list", "192.0.2.0/24\n");
        assert!(reload(gateway).reloaded);
        let before = Arc::clone(&gateway.current.load().policy);
        write("limits.toml", "[connections]\nper_ip = 5\n");
        assert!(reload(gateway).reloaded);
        let after = Arc::clone(&gateway.current.load().policy);
        assert_eq!((before.limits.connections.per_ip, after.limits.connections.per_ip), (20, 5));
        assert!(Arc::ptr_eq(&before.lists["blocks"], &after.lists["blocks"]));
        write("lists/blocks.list", "192.0.2.0/33\n");
        let report = reload(gateway);
        assert!(!report.reloaded && report.problems[0].starts_with("lists/blocks.list:1:1: error: "));
    });
}
