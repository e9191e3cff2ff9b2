//! Signatures of malware in the octets of a message: parts in every reading, and members of archives.
//!
//! State: what was found so far, and how much time is left. Failure: a search that takes longer than `timeout` of
//! `[signatures]` is no pass: the message is put off, kept, or passed with a tag, as the admin says.

use crate::config::model::{QuarantineFolder, SignatureError, SignatureRules};
use crate::mail::escape_at_most;
use crate::reply::catalogue;
use crate::rules::{Mode, Signatures, Signed};
use crate::verdict::{Effect, Event, Finding, Folder, Source, Stage, Verdict};
use std::time::Duration;

/// Id of its findings.
const ID: &str = "signatures";
/// Most findings of one message.
const FINDINGS_MAX: usize = 10;
/// Longest name of a part in a reason, in characters.
const NAME_CHARS_MAX: usize = 60;

/// Looks for signatures in what it is given.
pub struct Collector<'p> {
    signatures: &'p Signatures,
    rules: &'p SignatureRules,
    /// Time since the message began to be looked at; time is not read here.
    elapsed: &'p dyn Fn() -> Duration,
    found: Vec<(Signed, Finding)>,
    given_up: bool,
}

impl<'p> Collector<'p> {
    /// For one message. `elapsed` is the time since it began to be looked at.
    #[must_use]
    pub fn new(
        signatures: &'p Signatures,
        rules: &'p SignatureRules,
        elapsed: &'p dyn Fn() -> Duration,
    ) -> Self {
        Self { signatures, rules, elapsed, found: Vec::new(), given_up: false }
    }

    /// One reading of the octets of a part, or a member of an archive in it, decoded. `name`: what the part or member
    /// calls itself.
    pub fn octets(&mut self, part: u32, name: Option<&str>, octets: &[u8]) {
        if self.rules.mode == Mode::Off || self.signatures.is_empty() || self.given_up {
            return;
        }
        if self.found.len() >= FINDINGS_MAX {
            return;
        }
        let left = self.rules.timeout.saturating_sub((self.elapsed)());
        if left.is_zero() {
            self.given_up = true;
            return;
        }
        match self.signatures.limited(left).search(octets) {
            Ok(found) => found.into_iter().for_each(|signed| self.add(signed, part, name)),
            Err(_) => self.given_up = true,
        }
    }

    fn add(&mut self, signed: Signed, part: u32, name: Option<&str>) {
        if self.found.iter().any(|(known, _)| *known == signed) {
            return;
        }
        let name = name
            .map_or(String::new(), |name| format!(" ({})", escape_at_most(name.as_bytes(), NAME_CHARS_MAX)));
        let what = escape_at_most(signed.name.as_bytes(), NAME_CHARS_MAX);
        let verdict = if self.rules.quarantine {
            Verdict::Quarantine(self.rules.folder.clone())
        } else {
            Verdict::Reject(catalogue::REJECTED.reply())
        };
        let source = Source { file: std::sync::Arc::clone(&signed.file), line: signed.line };
        let mut finding =
            Finding::new(ID, Stage::Message, verdict, source, format!("malware {what} in part {part}{name}"))
                .with(Effect::Count(Event::Virus));
        finding.tags.push("virus".into());
        self.found.push((signed, self.told(finding)));
    }

    /// What was found. None: nothing is known to be in the message, and all of it was looked at.
    #[must_use]
    pub fn finish(self) -> Vec<Finding> {
        let error = self.given_up.then(|| self.told(self.error()));
        self.found.into_iter().map(|(_, finding)| finding).chain(error).collect()
    }

    fn error(&self) -> Finding {
        let verdict = match self.rules.on_error {
            SignatureError::Tempfail => Verdict::TempFail(catalogue::SCANNER_DOWN.reply()),
            SignatureError::Quarantine => Verdict::Quarantine(Folder(QuarantineFolder::UNSCANNED.into())),
            SignatureError::PassTagged => Verdict::Continue,
        };
        let reason = format!("the search for signatures took longer than {:?}", self.rules.timeout);
        let mut finding = Finding::new(ID, Stage::Message, verdict, Source::built_in(), reason);
        finding.tags.push("unscanned".into());
        finding
    }

    fn told(&self, finding: Finding) -> Finding {
        if self.rules.mode == Mode::Log { finding.only_told() } else { finding }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::content::{Limits, PartInfo, Reading, Visitor, visit};
    use crate::rules::SignatureText;

    /// Hands what a walk finds to a collector.
    struct Search<'p>(Collector<'p>);

    impl Visitor for Search<'_> {
        fn part(&mut self, _: &PartInfo) {}
        fn octets(&mut self, part: &PartInfo, _: Reading, octets: &[u8]) {
            self.0.octets(part.number, part.names.first().map(|name| &**name), octets);
        }
    }

    fn shipped() -> Signatures {
        let sums = include_str!("../../rules/signatures/local.sha256").replace("# 275a", "275a");
        let text = |file: &str, text| SignatureText { file: file.into(), text };
        let texts = [
            text("signatures/test.yar", include_str!("../../rules/signatures/test.yar").to_owned()),
            text("signatures/local.sha256", sums),
        ];
        let (signatures, problems) = Signatures::compile(&texts, None);
        assert_eq!(problems, []);
        signatures
    }

    fn findings(rules: &SignatureRules, message: &[u8], elapsed: Duration) -> Vec<Finding> {
        let signatures = shipped();
        let clock = || elapsed;
        let mut search = Search(Collector::new(&signatures, rules, &clock));
        visit(message, &Limits::default(), &mut search);
        search.0.finish()
    }

    fn infected() -> Vec<u8> {
        let parts = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTI", "VIRUS-TEST-FILE!", "$H+H*"];
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: x/y; name=\"a\tb.com\"\r\n\r\n{}\r\n--b--\r\n",
            parts.concat()
        )
        .into_bytes()
    }

    #[test]
    fn the_shipped_signatures_find_the_test_file() {
        let rules = SignatureRules::default();
        let found = findings(&rules, &infected(), Duration::ZERO);
        let told: Vec<String> =
            found.iter().map(|f| format!("{}:{} {}", f.source.file, f.source.line, f.reason)).collect();
        assert_eq!(
            told,
            [
                "signatures/local.sha256:5 malware EICAR_Test_File in part 3 (a\\x09b.com)",
                "signatures/test.yar:9 malware EICAR_Test_File in part 3 (a\\x09b.com)",
            ]
        );
        assert!(found.iter().all(|f| f.refuses() && f.effects == [Effect::Count(Event::Virus)]));
        assert_eq!(findings(&rules, b"Subject: x\r\n\r\nhello", Duration::ZERO), []);
        let kept = SignatureRules { quarantine: true, ..rules.clone() };
        let verdict = Verdict::Quarantine(Folder("virus".into()));
        assert!(findings(&kept, &infected(), Duration::ZERO).iter().all(|f| f.verdict == verdict));
        let log = SignatureRules { mode: Mode::Log, ..rules.clone() };
        assert!(findings(&log, &infected(), Duration::ZERO).iter().all(|f| !f.enforced));
        let off = SignatureRules { mode: Mode::Off, ..rules };
        assert_eq!(findings(&off, &infected(), Duration::ZERO), []);
    }

    #[test]
    fn a_search_that_is_given_up_is_no_pass() {
        for (on_error, name) in [
            (SignatureError::Tempfail, "tempfail"),
            (SignatureError::Quarantine, "quarantine"),
            (SignatureError::PassTagged, "continue"),
        ] {
            let rules = SignatureRules { on_error, ..SignatureRules::default() };
            let found = findings(&rules, b"Subject: x\r\n\r\nhello", Duration::from_secs(6));
            let told: Vec<&str> = found.iter().map(|f| f.verdict.name()).collect();
            assert_eq!(told, [name]);
            assert!(found.iter().all(|f| f.tags == [Box::from("unscanned")]));
        }
    }
}
