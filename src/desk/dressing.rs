//! What was held is kept as it came, and delivered as the policy of its recipients dresses it: parts taken out, a word in the
//! subject. That is done for each attempt anew, so that there is one item all along and nothing to be lost between two.
//!
//! Failure: a message that cannot be dressed is not delivered as it is; it waits.

use super::edit::Decision;
use super::envelope::envelope;
use super::judge::{Group, Judgement, Objection, Scanned, groups};
use super::service::Desk;
use super::spooling::SPOOL;
use super::views::finding_view;
use crate::body::Body;
use crate::config::model::{AttachmentAction, MailPolicy, Policy, QuarantineFolder, ScannerRules};
use crate::content::analyse::{Ask, analyse};
use crate::content::{Circles, Dress, authserv_id, put_on};
use crate::inspect::{Request, with_octets, write};
use crate::message::edit::Replace;
use crate::scan::{self, Input, Job};
use crate::vault::{FindingView, Item, SpoolCause};
use crate::verdict::{Authentication, Envelope, Finding, Verdict, merge};
use std::time::Instant as Clock;
use tokio::time::Instant;

/// Tag of what is marked as spam.
const SPAM: &str = "spam";

impl Desk {
    /// The message as it goes out.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn dressed(&self, item: &Item, body: Body) -> Result<Body, String> {
        let policy = self.world.policy();
        let rescanned = item.spool.as_ref().is_some_and(|spool| spool.cause == SpoolCause::Rescanned);
        let sent = envelope(item, &policy);
        let now = self.now_ms() / 1000;
        let groups = groups(&policy, &sent, &Circles::new(&policy, &sent, now), now);
        let Some(Group { mail, .. }) = groups.into_iter().next() else { return Ok(body) };
        let marked = item.tags.iter().any(|tag| tag == SPAM);
        let subject_tag = mail.subject_tag.clone().filter(|_| marked);
        if !rescanned || (subject_tag.is_none() && !strips(&policy, &mail)) {
            return Ok(body);
        }
        let finish_by = Instant::now() + policy.timeouts.after_data;
        let work = move |octets: &[u8]| {
            let replace =
                if strips(&policy, &mail) { parts(octets, &policy, &sent, now) } else { Vec::new() };
            let taken_out = !replace.is_empty();
            let dress = Dress { subject_tag, replace, ..Dress::default() };
            (put_on(&dress, octets, &authserv_id(&policy)), taken_out)
        };
        let held = with_octets(&self.places, &body, finish_by, work).await?;
        let (edited, taken_out) = &held.outcome;
        let edited = edited.as_ref().map_err(Clone::clone)?;
        if *taken_out && item.folder == SPOOL {
            // What is taken out is kept for certain, before anybody gets the rest.
            let kept = self.edit(item.id, |item| {
                QuarantineFolder::POLICY.clone_into(&mut item.folder);
                Decision::Write
            });
            kept.await.map_err(|refusal| refusal.text)?;
        }
        match edited {
            Some(octets) => self.written(octets).await,
            None => Ok(body),
        }
    }

    async fn written(&self, octets: &[u8]) -> Result<Body, String> {
        write(&self.budget, octets).await.map_err(|error| error.to_string())
    }

    /// Where parts are taken out, scanners look at the rest once more: what goes out is what was scanned.
    pub(super) async fn without_parts(
        &self,
        item: &Item,
        mut judged: Judgement,
        request: &Request<'_>,
    ) -> Judgement {
        if judged.dress.replace.is_empty() {
            return judged;
        }
        let (dress, name) = (judged.dress.clone(), authserv_id(request.policy));
        let work = move |octets: &[u8]| put_on(&dress, octets, &name);
        let edited = match with_octets(request.places, request.body, request.finish_by, work).await {
            Ok(held) => match &held.outcome {
                Ok(Some(octets)) => self.written(octets).await,
                Ok(None) => return judged,
                Err(error) => Err(error.clone()),
            },
            Err(error) => Err(error),
        };
        judged.scanned = match edited {
            Ok(body) => {
                let own = judged.dress.on_error;
                let job = Job {
                    input: Input::Message(&body),
                    envelope: Some(request.envelope),
                    deadline: request.finish_by,
                };
                let results = Box::pin(scan::scan(request.scanners, job)).await;
                let lane = |rules: &ScannerRules, too_large: bool| scan::lane(rules, too_large, own);
                bad(&scan::findings(&results, &lane)).unwrap_or(Scanned::Clean)
            }
            Err(error) => Scanned::Unknown(format!("{} cannot be edited: {error}", item.id)),
        };
        judged
    }
}

/// What is wrong with a message of which parts were taken out.
fn bad(findings: &[Finding]) -> Option<Scanned> {
    let decided = merge(findings).filter(|f| f.verdict != Verdict::Continue)?;
    let text = format!("without the part that was taken out: {}", decided.reason);
    if matches!(decided.verdict, Verdict::TempFail(_) | Verdict::Hold) {
        return Some(Scanned::Unknown(text));
    }
    let finding = FindingView { text, ..finding_view(decided) };
    Some(Scanned::Objected(Objection { folder: QuarantineFolder::POLICY.to_owned(), finding }))
}

/// Whether rules may take parts out for these.
fn strips(policy: &Policy, mail: &MailPolicy) -> bool {
    mail.attachments && policy.attachments.rules.iter().any(|rule| rule.action == AttachmentAction::Strip)
}

/// The parts that rules take out.
fn parts(octets: &[u8], policy: &Policy, sent: &Envelope, now: i64) -> Vec<Replace> {
    let began = Clock::now();
    let ask = Ask {
        policy,
        envelope: sent,
        authentication: &Authentication::default(),
        findings: &[],
        now,
        elapsed: &|| began.elapsed(),
    };
    analyse(octets, &ask).attachments(policy, sent, now).1
}
