//! A scene judged stage by stage, as the gateway judges a session: the same checks, the same refusals that are pending,
//! the same recipients that they do not hold for.

use super::exempt::{is_exempt, is_spared};
use super::scene::{Scene, path};
use super::table::run;
use crate::config::model::{Mixed, Outcome, Policy};
use crate::mail::Path;
use crate::reply::{Entry, Reply, catalogue};
use crate::verdict::{Disposition, Facts, Finding, MessageFacts, Stage, Verdict, kept, merge, said, settle};

/// What happened at one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// The recipient, at stage Rcpt.
    pub recipient: Option<Box<str>>,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// What the client hears from us; `None` where we have nothing to say, or the downstream says it.
    pub reply: Option<Reply>,
    /// Where the message goes after this stage, unless a later one decides otherwise; `Deliver` is downstream.
    pub goes: Disposition,
}

/// What became of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The stages that were reached.
    pub steps: Vec<Step>,
    /// The worst that a recipient, or all of them, met with.
    pub outcome: Outcome,
    /// The finding that decided it: the refusal, or what let the session pass. `None` where nothing had to be said.
    pub decided_by: Option<Finding>,
}

/// Judges a scene under a policy. Where it names no sender or recipient the checks are asked without one, so that what
/// is refused whoever writes is refused here too.
#[must_use]
pub fn judge(scene: &Scene, policy: &Policy) -> Judgement {
    let client = scene.peer(policy);
    let tls = scene.tls();
    let message = scene.message();
    let sender = scene.sender.as_deref().map(path);
    let facts = Facts {
        tls: tls.as_ref(),
        gathered: &scene.gathered,
        conduct: &scene.conduct,
        now: scene.now,
        ..Facts::of(&client, &scene.listener, scene.direction(policy))
    };
    let mut walk = Walk {
        scene,
        policy,
        steps: Vec::new(),
        pending: None,
        kept: Vec::new(),
        group: None,
        allowed: false,
        worst: None,
        passed: None,
        open: false,
    };
    walk.session(facts, sender.as_ref(), &message);
    let Walk { steps, worst, passed, .. } = walk;
    match worst {
        Some((outcome, decided_by)) => Judgement { steps, outcome, decided_by },
        None => Judgement { steps, outcome: Outcome::Pass, decided_by: passed },
    }
}

struct Walk<'a> {
    scene: &'a Scene,
    policy: &'a Policy,
    steps: Vec<Step>,
    pending: Option<Finding>,
    /// What takes the message elsewhere, found before the recipients.
    kept: Vec<Finding>,
    /// What the first recipient that was taken decides for the message.
    group: Option<Group>,
    allowed: bool,
    /// The worst outcome so far, and what led to it.
    worst: Option<(Outcome, Option<Finding>)>,
    /// The first finding that let something pass.
    passed: Option<Finding>,
    /// Whether a recipient was taken for which a pending refusal holds.
    open: bool,
}

/// Where the message goes for the recipients that it has, and which finding says so.
struct Group {
    goes: Disposition,
    by: Option<Finding>,
}

impl<'a> Walk<'a> {
    /// `sender`: what the text of the sender, where there is one, was read as.
    fn session(&mut self, mut facts: Facts<'a>, sender: Option<&'a Option<Path>>, message: &'a MessageFacts) {
        if !self.stage(Stage::Connect, &facts) {
            return;
        }
        let hello = self.scene.hello.as_deref();
        facts.hello = hello.map(str::as_bytes);
        if hello.is_some() && !self.stage(Stage::Helo, &facts) {
            return;
        }
        if self.scene.authenticated || self.scene.user.is_some() {
            if !self.stage(Stage::Auth, &facts) {
                return;
            }
            facts.authenticated = true;
            facts.user = self.scene.user.as_deref();
        }
        facts.declared_octets = self.scene.declared_octets;
        if sender.is_some_and(Option::is_none) {
            return self.bad(Stage::Mail, None, catalogue::BAD_SENDER);
        }
        facts.sender = sender.and_then(Option::as_ref);
        if self.stage(Stage::Mail, &facts) && self.recipients(&facts) && self.stage(Stage::Data, &facts) {
            self.message(&Facts { message: Some(message), ..facts });
        }
    }

    /// A stage for all recipients. False ends the walk.
    fn stage(&mut self, stage: Stage, facts: &Facts<'_>) -> bool {
        let facts = Facts { allowed: self.allowed, ..facts.clone() };
        let findings = run(stage, &facts, self.policy);
        let settled = settle(&findings, stage);
        if settled.allow {
            self.allowed = true;
            self.pending = None;
            self.kept.clear();
            self.let_pass(&findings);
        } else {
            self.kept.extend(settled.keep.cloned());
        }
        let goes = self.goes(settled.keep.filter(|_| !settled.allow));
        let held = stage != Stage::Data || self.open;
        let due = self.pending.as_ref().filter(|p| held && p.answer_at <= stage);
        let refusal = said(due, settled.refuse).cloned();
        self.pending = said(self.pending.as_ref(), settled.pending).cloned();
        let taken = || {
            // The downstream hears of MAIL when some recipient is to pass.
            let ours =
                stage == Stage::Mail && self.pending.as_ref().is_some_and(|p| p.answer_at <= Stage::Rcpt);
            ours.then(|| catalogue::SENDER_OK.reply())
        };
        let reply = refusal.as_ref().map_or_else(taken, |f| f.verdict.refusal().cloned());
        self.steps.push(Step { stage, recipient: None, findings, reply, goes });
        match refusal {
            Some(refusal) => {
                self.refused(refusal);
                false
            }
            None => true,
        }
    }

    /// Where the message goes by what was found so far, and by one more finding.
    fn goes(&self, more: Option<&Finding>) -> Disposition {
        match &self.group {
            Some(group) => group.goes.clone(),
            None => Disposition::of(kept(self.kept.iter().chain(more))),
        }
    }

    /// Every recipient. False where none was taken.
    fn recipients(&mut self, facts: &Facts<'_>) -> bool {
        if self.scene.recipients.is_empty() {
            return self.recipient(None, None, 0, facts) == Some(true);
        }
        let mut accepted = 0;
        for text in &self.scene.recipients {
            let Some(path) = path(text).filter(|path| *path != Path::Null) else {
                self.bad(Stage::Rcpt, Some(text), catalogue::BAD_RECIPIENT);
                continue;
            };
            match self.recipient(Some(text), Some(&path), accepted, facts) {
                Some(taken) => accepted += usize::from(taken),
                None => return false,
            }
        }
        accepted > 0
    }

    /// Whether a recipient is taken; `None` ends the session.
    fn recipient(
        &mut self,
        text: Option<&str>,
        path: Option<&Path>,
        accepted: usize,
        facts: &Facts<'_>,
    ) -> Option<bool> {
        let stage = Stage::Rcpt;
        let facts =
            Facts { recipient: path, accepted_recipients: accepted, allowed: self.allowed, ..facts.clone() };
        let findings = run(stage, &facts, self.policy);
        let settled = settle(&findings, stage);
        let spared = settled.allow || path.is_some_and(|path| is_exempt(path, self.policy));
        let due = self.pending.as_ref().filter(|p| !spared && p.answer_at <= stage);
        let refusal = said(due, settled.refuse).cloned();
        let reply = refusal.as_ref().and_then(|f| f.verdict.refusal().cloned());
        if settled.allow {
            self.let_pass(&findings);
        }
        let by = kept(self.kept.iter().chain(settled.keep)).filter(|_| !settled.allow).cloned();
        let group = Group { goes: Disposition::of(by.as_ref()), by };
        let recipient = text.map(Box::from);
        let Some(refusal) = refusal else {
            let Group { goes, by } = &group;
            let defers = self.policy.policies.mixed == Mixed::Defer;
            if defers && self.group.as_ref().is_some_and(|first| first.goes != *goes) {
                let reply = Some(catalogue::MIXED_RECIPIENTS.reply());
                let (goes, by) = (goes.clone(), by.clone());
                self.steps.push(Step { stage, recipient, findings, reply, goes });
                self.worse(Outcome::Tempfail, by);
                return Some(false);
            }
            self.steps.push(Step { stage, recipient, findings, reply, goes: goes.clone() });
            self.group.get_or_insert(group);
            self.open |= path.is_none_or(|path| !is_spared(path, &facts, self.policy));
            return Some(true);
        };
        self.steps.push(Step { stage, recipient, findings, reply, goes: group.goes });
        let ends = matches!(refusal.verdict, Verdict::Disconnect(_));
        self.refused(refusal);
        (!ends).then_some(false)
    }

    fn message(&mut self, facts: &Facts<'_>) {
        let facts = Facts { allowed: self.allowed, ..facts.clone() };
        let findings = run(Stage::Message, &facts, self.policy);
        let settled = settle(&findings, Stage::Data);
        if settled.keep.is_none() && settled.refuse.is_none() {
            self.let_pass(&findings);
        }
        // What was found at DATA is for all recipients.
        let late = self.kept.iter().filter(|f| f.stage == Stage::Data).cloned();
        let earlier = self.group.iter().filter_map(|group| group.by.clone()).chain(late);
        let all: Vec<Finding> = earlier.filter(|_| !self.allowed).chain(findings.iter().cloned()).collect();
        let strongest = merge(&all).filter(|f| f.refuses() || f.keeps()).cloned();
        let reply = strongest
            .as_ref()
            .map(|f| f.verdict.refusal().cloned().unwrap_or_else(|| catalogue::TAKEN.reply()));
        let goes = Disposition::of(strongest.as_ref());
        self.steps.push(Step { stage: Stage::Message, recipient: None, findings, reply, goes });
        if let Some(decided) = strongest {
            self.refused(decided);
        }
    }

    fn let_pass(&mut self, findings: &[Finding]) {
        let accepts = |f: &&Finding| f.enforced && f.verdict == Verdict::Accept;
        if self.passed.is_none() {
            self.passed = findings.iter().find(accepts).cloned();
        }
    }

    /// A path that does not parse.
    fn bad(&mut self, stage: Stage, recipient: Option<&str>, entry: Entry) {
        let recipient = recipient.map(Box::from);
        let (reply, goes) = (Some(entry.reply()), Disposition::Deliver);
        self.steps.push(Step { stage, recipient, findings: Vec::new(), reply, goes });
        self.worse(Outcome::Reject, None);
    }

    /// A finding that refuses the message, or takes it elsewhere.
    fn refused(&mut self, refusal: Finding) {
        let outcome = match &refusal.verdict {
            Verdict::Disconnect(_) => Outcome::Drop,
            Verdict::Reject(_) => Outcome::Reject,
            Verdict::Quarantine(_) | Verdict::Hold => Outcome::Quarantine,
            Verdict::Discard => Outcome::Discard,
            Verdict::TempFail(_) | Verdict::Accept | Verdict::Continue => Outcome::Tempfail,
        };
        self.worse(outcome, Some(refusal));
    }

    fn worse(&mut self, outcome: Outcome, by: Option<Finding>) {
        let rank = |outcome: Outcome| match outcome {
            Outcome::Pass => 0,
            Outcome::Discard => 1,
            Outcome::Quarantine => 2,
            Outcome::Tempfail => 3,
            Outcome::Reject => 4,
            Outcome::Drop => 5,
        };
        if self.worst.as_ref().is_none_or(|(before, _)| rank(outcome) > rank(*before)) {
            self.worst = Some((outcome, by));
        }
    }
}
