//! Each address of each scanner that the rules switch on is asked whether it lives, all at the same time and each for
//! three seconds at most. Whatever is wrong there is a warning, as with a downstream that is away.

use super::report::Report;
use crate::config::model::{Policy, ScannerRules};
use crate::rules::Mode;
use crate::scan;

/// Asks all of them.
pub(super) fn check(report: &mut Report, policy: &Policy) {
    let has_address = |rules: &ScannerRules| rules.mode != Mode::Off && !rules.engine.addresses().is_empty();
    if !policy.scanning.scanners.iter().any(|rules| has_address(rules)) {
        return;
    }
    report.section("scanners");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.warning(format!("the scanners cannot be asked: {error}"));
            return;
        }
    };
    let asked = runtime.block_on(async {
        let scanners = scan::build(&policy.scanning, None);
        Box::pin(scan::ping(&scanners)).await
    });
    for (name, addresses) in asked {
        let Some(rules) = policy.scanning.scanner(&name) else { continue };
        for (address, said) in addresses {
            match said {
                Ok(version) => report.ok(format!("\"{name}\": {address} answers: {version}")),
                Err(words) => report.warning(format!(
                    "\"{name}\": {address}: {words}; does it run, is the address right, and may our user use it? Without an answer of this scanner mail gets on_error = \"{}\"",
                    rules.on_error.name()
                )),
            }
        }
    }
}
