//! Scanners are connected to and given two messages: one without anything, and one with the EICAR test file.

use super::report::Report;
use crate::config::model::{Engine, Policy, ScannerRules};
use crate::scan::{self, TestReport};
use std::sync::Arc;

/// Tries each scanner that the rules switch on.
pub(super) fn check(report: &mut Report, policy: &Policy) {
    if policy.scanning.scanners.is_empty() {
        let fix = "with clamd: a [[scanner]] in scanners.toml; see its comments";
        report.warn("scanners", "no scanning engine is set up", fix);
        return;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let fix = "see the limits of processes and open files";
            report.bad("scanners", format!("cannot be asked: {error}"), fix);
            return;
        }
    };
    let switches = scan::Switches::default();
    switches.open(&policy.state_dir);
    let tried = runtime.block_on(async {
        let scanners = scan::build(&policy.scanning, None);
        Box::pin(scan::test(&scanners, None)).await
    });
    for test in &tried {
        if let Some(rules) = policy.scanning.scanner(&test.name) {
            tell(report, test, rules);
        }
        if switches.is_off(&test.name) {
            let fix = format!("`portcullis scanners enable {}`", test.name);
            report.warn("scanners", format!("\"{}\" is switched off by hand", test.name), fix);
        }
    }
}

fn tell(report: &mut Report, test: &TestReport, rules: &Arc<ScannerRules>) {
    let name = &test.name;
    for (address, said) in &test.addresses {
        match said {
            Ok(version) => report.ok("scanners", format!("\"{name}\": {address} answers: {version}")),
            Err(words) => {
                report.bad("scanners", format!("\"{name}\": {address}: {words}"), fix(&rules.engine))
            }
        }
    }
    if test.good {
        let found = test.eicar.as_ref().map(|said| format!("; the test file is {said}")).unwrap_or_default();
        report.ok("scanners", format!("\"{name}\": a message is {} ({} ms){found}", test.clean, test.ms));
    } else if test.addresses.iter().any(|(_, said)| said.is_ok()) || test.addresses.is_empty() {
        let found =
            test.eicar.as_ref().map(|said| format!("; the EICAR test file: {said}")).unwrap_or_default();
        report.bad(
            "scanners",
            format!("\"{name}\": a message without anything: {}{found}", test.clean),
            "has it its signatures (`freshclam`), and does it look for what scanners.toml says?",
        );
    }
}

fn fix(engine: &Engine) -> &'static str {
    match engine {
        Engine::Clamd(_) => {
            "`systemctl status clamav-daemon`; is it LocalSocket or TCPSocket of clamd.conf, and may our user use it (group of the socket)?"
        }
        Engine::Rspamd(_) => {
            "`systemctl status rspamd`; the address is that of its normal worker, port 11333"
        }
        Engine::Spamd { .. } => "`systemctl status spamd`; its port is 783 if nothing else is said",
        Engine::Command(_) => "is the program there, and may our user run it?",
    }
}
