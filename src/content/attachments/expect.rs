//! `[[expect]]` of `attachments.toml`: the tests that stand beside the rules.

use super::carried::Carried;
use super::judge::{Outcome, judge};
use crate::config::model::{AttachmentExpect, AttachmentOutcome, Attachments};
use crate::mail::{Id, Path};
use crate::message::content::PartInfo;
use crate::message::files::{File, Mark, marks_of};
use crate::rules::{Position, Problem};
use crate::verdict::{Envelope, Finding, Verdict};
use std::sync::Arc;

/// Runs the tests of a policy; each that fails is an error at its line. `now`: seconds since 1970.
#[must_use]
pub fn run_all(policy: &Attachments, now: i64) -> Vec<Problem> {
    policy.expects.iter().filter_map(|expect| run(expect, policy, now)).collect()
}

fn run(expect: &AttachmentExpect, policy: &Attachments, now: i64) -> Option<Problem> {
    let envelope = envelope(expect)?;
    let odd: Vec<&str> = expect.odd.iter().map(|word| &**word).collect();
    let outcome = judge(&carried(expect), &odd, policy, &envelope, now);
    let (found, by) = came_to(&outcome);
    let ruled = |id: &str| outcome.findings.iter().any(|finding| *finding.id == *id);
    if found == expect.result && expect.rule.as_deref().is_none_or(ruled) {
        return None;
    }
    let wanted = match &expect.rule {
        Some(rule) => format!("{} with {rule}", word(expect.result)),
        None => word(expect.result).to_owned(),
    };
    let by = by.map(|f| format!(" by {} ({}:{}): {}", f.id, f.source.file, f.source.line, f.reason));
    let message = format!(
        "this [[expect]] fails: expected {wanted}, the outcome is {}{}",
        word(found),
        by.unwrap_or_default()
    );
    Some(Problem::error(&expect.file, Position { line: expect.line, column: 1 }, message))
}

/// The file that a test describes.
fn carried(expect: &AttachmentExpect) -> Carried {
    let name = expect.name.iter().cloned().collect::<Vec<_>>();
    let part = PartInfo {
        number: 1,
        kinds: vec![expect.declared.clone()],
        names: expect.inside.iter().cloned().chain(name.iter().cloned()).take(1).collect(),
        attachment: expect.attachment,
        ..PartInfo::default()
    };
    let inside = u32::from(expect.inside.is_some());
    let mut marks = marks_of(&name, expect.kind);
    marks.join(expect.marks);
    let (kind, octets) = (expect.kind, expect.octets);
    let file = File { number: inside, parent: None, depth: inside, names: name, kind, octets, marks };
    let mut carried = Carried::default();
    carried.part(&part);
    if expect.inside.is_some() && file.marks.has(Mark::Encrypted) {
        // So its archive says too.
        let archive =
            File { depth: 0, marks: Mark::Encrypted.into(), names: part.names.clone(), ..file.clone() };
        carried.file(&part, &archive);
    }
    carried.file(&part, &file);
    carried
}

fn envelope(expect: &AttachmentExpect) -> Option<Envelope> {
    let path = |text: &str| Path::parse(text.as_bytes()).ok().map(|(path, _)| path);
    Some(Envelope {
        id: Id::from_bits(0)?,
        client: expect.client,
        client_name: None,
        hello: None,
        user: expect.user.clone(),
        authenticated: expect.user.is_some(),
        may_relay: false,
        trusted: false,
        tls: None,
        sender: path(&expect.sender).unwrap_or(Path::Null),
        recipients: vec![path(expect.recipient.as_deref().unwrap_or("<somebody@recipient.invalid>"))?],
        listener: Arc::clone(&expect.listener.0),
        direction: expect.listener.1,
        hostname: Arc::from("localhost"),
        smtputf8: false,
    })
}

/// What becomes of a message, and the finding that says so.
fn came_to(outcome: &Outcome) -> (AttachmentOutcome, Option<&Finding>) {
    let find = |wanted: fn(&Verdict) -> bool| {
        outcome.findings.iter().find(|finding| finding.enforced && wanted(&finding.verdict))
    };
    if let Some(finding) = find(|verdict| matches!(verdict, Verdict::Reject(_))) {
        return (AttachmentOutcome::Reject, Some(finding));
    }
    if let Some(finding) = find(|verdict| matches!(verdict, Verdict::Quarantine(_))) {
        return (AttachmentOutcome::Quarantine, Some(finding));
    }
    match outcome.strips.first() {
        Some(strip) => {
            let by = outcome.findings.iter().find(|finding| finding.id == strip.rule);
            (AttachmentOutcome::Strip, by)
        }
        None => (AttachmentOutcome::Pass, None),
    }
}

fn word(outcome: AttachmentOutcome) -> &'static str {
    match outcome {
        AttachmentOutcome::Pass => "pass",
        AttachmentOutcome::Strip => "strip",
        AttachmentOutcome::Quarantine => "quarantine",
        AttachmentOutcome::Reject => "reject",
    }
}
