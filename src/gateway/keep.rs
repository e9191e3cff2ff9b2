//! A message that becomes ours: quarantined, discarded, held, or taken during an outage; and copies.
//!
//! The order is that of promise P1: the message is made ready in the vault, the downstream's transaction is reset, the
//! message is made durable, and only then the client hears 250. Owner of nothing. Failure: no space and full folders are
//! 452 4.3.1, everything else 451; a copy that cannot be kept is logged and changes nothing.

use super::clock::unix_ms;
use super::item::{Purpose, Seen, item};
use super::session::Session;
use super::transaction::{Kept, Transaction};
use crate::body::Body;
use crate::config::model::{Overflow, Policy, QuarantineFolder};
use crate::desk::is_asked_again;
use crate::reply::{Entry, Reply, catalogue};
use crate::vault::{Pending, VaultError};
use crate::verdict::{Disposition, Finding, Folder, Verdict};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// What the findings come to for a message whose recipients are taken.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    pub(super) disposition: Disposition,
    pub(super) decided: Option<&'a Finding>,
    /// The folder of a copy.
    pub(super) copy: Option<Folder>,
    /// What discards the message where nothing that is asked again of what is held says more.
    pub(super) discard: Option<&'a Finding>,
}

impl<'a> Decision<'a> {
    /// Of all findings, those of earlier stages that wait for the end first.
    pub(super) fn of(findings: &'a [Finding]) -> Self {
        let decided = crate::verdict::merge(findings);
        let disposition = Disposition::of(decided);
        // What is kept anyway needs no copy.
        let kept = decided.is_some_and(Finding::keeps);
        let mut copies = findings.iter().filter(|f| f.enforced && !kept).filter_map(|f| f.copy.clone());
        let discards = |f: &&Finding| f.enforced && f.verdict == Verdict::Discard;
        let discard = findings.iter().filter(discards).find(|f| !is_asked_again(&f.source.file));
        Self { disposition, decided, copy: copies.next(), discard }
    }
}

/// Whether one more message of `octets` fits: by the caps of the folder, unless the oldest go. `have`: messages and
/// octets that it holds.
fn fits(policy: &Policy, folder: &str, have: (u64, u64), octets: u64) -> bool {
    let rules = &policy.quarantine;
    let (most_items, most_octets) = match rules.folder(folder) {
        Some(folder) if folder.overflow == Overflow::Oldest => return true,
        Some(folder) => (folder.max_items, folder.max_octets),
        None if folder == QuarantineFolder::SPOOL => (rules.spool.max_items, rules.spool.max_octets),
        // A rule of an older generation may name a folder that is gone; the vault keeps it all the same.
        None => return true,
    };
    have.0 < most_items && have.1.saturating_add(octets) <= most_octets
}

impl Session {
    /// Keeps the message in quarantine, or for later delivery, and answers.
    pub(super) async fn keep(
        &mut self,
        body: &Body,
        purpose: Purpose<'_>,
        decided: Option<&Finding>,
        finish_by: Instant,
    ) -> Reply {
        let began = Instant::now();
        let kept = self.try_keep(body, purpose, decided, finish_by).await;
        let reference = self.reference();
        let reply = match kept {
            Ok(()) => {
                let words = format!("{} as {reference}", catalogue::TAKEN.text);
                catalogue::TAKEN.reply().with_text(&words)
            }
            Err(entry) => entry.refusal(reference),
        };
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.times.deliver = super::clock::millis(began.elapsed());
        }
        reply
    }

    async fn try_keep(
        &mut self,
        body: &Body,
        purpose: Purpose<'_>,
        decided: Option<&Finding>,
        finish_by: Instant,
    ) -> Result<(), Entry> {
        let pending = self.make_ready(body, purpose, decided, finish_by).await?;
        // The downstream forgets the recipients that it accepted; whoever waits for the connection may have it.
        if let Some(link) = self.transaction.as_deref_mut().and_then(Transaction::take_link) {
            self.give_back_reset(link).await;
        }
        self.set_in_doubt(true);
        let committed = pending.commit().await;
        self.set_in_doubt(false);
        committed.map_err(|error| self.not_kept(&error))?;
        let folder = purpose.folder().into();
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.kept = Some(Kept { folder, copy: false });
        }
        Ok(())
    }

    async fn make_ready(
        &mut self,
        body: &Body,
        purpose: Purpose<'_>,
        decided: Option<&Finding>,
        finish_by: Instant,
    ) -> Result<Pending, Entry> {
        self.make_item(body, purpose, decided, None, finish_by).await
    }

    /// The same for some of the recipients. `first`: the item that has the message's own reference.
    pub(super) async fn make_ready_for(
        &mut self,
        body: &Body,
        purpose: Purpose<'_>,
        decided: Option<&Finding>,
        (members, first): (&[usize], bool),
        finish_by: Instant,
    ) -> Result<Pending, Entry> {
        self.make_item(body, purpose, decided, Some((members, first)), finish_by).await
    }

    async fn make_item(
        &mut self,
        body: &Body,
        purpose: Purpose<'_>,
        decided: Option<&Finding>,
        some: Option<(&[usize], bool)>,
        finish_by: Instant,
    ) -> Result<Pending, Entry> {
        let Some(transaction) = self.transaction.as_deref() else { return Err(catalogue::INTERNAL) };
        let (vault, folder) = (Arc::clone(&self.gateway.vault), purpose.folder());
        if !fits(&transaction.generation.policy, folder, vault.folder(folder), body.len()) {
            self.note(format!("the folder {folder} is full"));
            return Err(catalogue::NO_SPACE);
        }
        let mut seen = self.seen(transaction, decided);
        if let Some((members, first)) = some {
            let all = transaction.recipients.iter().enumerate().filter(|(at, _)| members.contains(at));
            seen.recipients = all.map(|(_, r)| (&*r.line, r.path.to_string())).collect();
            if !first {
                seen.id = self.gateway.ids.next();
            }
        }
        let item = item(&seen, purpose);
        match timeout_at(finish_by, vault.put(item, body)).await {
            Ok(Ok(pending)) => Ok(pending),
            Ok(Err(error)) => Err(self.not_kept(&error)),
            Err(_elapsed) => {
                tracing::error!(session = %self.id, "the quarantine took too long, look at its disk");
                Err(catalogue::INTERNAL)
            }
        }
    }

    /// Makes a copy ready. Beside what becomes of the message, and never at its cost.
    pub(super) async fn copy(
        &mut self,
        body: &Body,
        folder: &Folder,
        decided: Option<&Finding>,
        finish_by: Instant,
    ) -> Option<Pending> {
        let pending = self.make_ready(body, Purpose::Copy(&folder.0), decided, finish_by).await;
        if pending.is_err() {
            tracing::warn!(session = %self.id, message = %self.reference(), %folder, "no copy was kept, see above or `status`");
            self.note(format!("no copy in {folder}"));
        }
        pending.ok()
    }

    /// Makes a copy durable; false where it could not be.
    pub(super) async fn commit_copy(&mut self, pending: Pending, folder: &Folder) -> bool {
        match pending.commit().await {
            Ok(_) => {
                if let Some(transaction) = self.transaction.as_deref_mut() {
                    transaction.kept = Some(Kept { folder: (&*folder.0).into(), copy: true });
                }
                true
            }
            Err(error) => {
                tracing::warn!(session = %self.id, message = %self.reference(), %folder, %error, "no copy was kept");
                self.note(format!("no copy in {folder}"));
                false
            }
        }
    }

    pub(super) fn not_kept(&mut self, error: &VaultError) -> Entry {
        tracing::warn!(session = %self.id, client = %self.client.ip, %error, "the message cannot be kept");
        self.note("it could not be kept".to_owned());
        match error {
            VaultError::NoSpace(_) => catalogue::NO_SPACE,
            VaultError::Missing(_)
            | VaultError::Conflict(_)
            | VaultError::Damaged { .. }
            | VaultError::Io { .. }
            | VaultError::Index { .. }
            | VaultError::Slow(_)
            | VaultError::Closed => catalogue::INTERNAL,
        }
    }

    pub(super) fn note(&mut self, words: String) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.note.get_or_insert(words);
        }
    }

    fn seen<'a>(&'a self, t: &'a Transaction, decided: Option<&'a Finding>) -> Seen<'a> {
        Seen {
            id: t.id,
            session: self.id,
            now_ms: unix_ms(),
            generation: t.generation.number,
            policy: &t.generation.policy,
            listener: &t.entrance.listener,
            client: &self.client,
            helo: self.hello.as_ref().map(|h| &*h.name),
            user: self.user.as_deref(),
            authenticated: self.authenticated,
            sender_proved: t.sender_proved.is_some(),
            tls: self.tls.as_deref(),
            mail: &t.mail,
            mail_line: t.mail_line_without_size.as_deref().unwrap_or(&t.mail_line),
            recipients: t.accepted().map(|r| (&*r.line, r.path.to_string())).collect(),
            needs: &t.needs,
            header: t.header.as_ref(),
            trace: self.trace(t),
            findings: self.standing.findings.iter().chain(&t.findings).collect(),
            decided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Moment, Sources, parse_files};
    use crate::verdict::{Source, Stage};
    use std::path::Path;

    fn finding(verdict: Verdict, copy: Option<&str>) -> Finding {
        let found = Finding::new("t", Stage::Message, verdict, Source::built_in(), "");
        Finding { copy: copy.map(|name| Folder(name.into())), ..found }
    }

    #[test]
    fn copies_are_of_what_is_not_kept_anyway() {
        let reject = || Verdict::Reject(catalogue::REJECTED.reply());
        let kept = || Verdict::Quarantine(Folder("spam".into()));
        for (findings, name, copy) in [
            (vec![], "continue", None),
            (vec![finding(reject(), Some("policy"))], "reject", Some("policy")),
            (vec![finding(Verdict::Continue, Some("a")), finding(reject(), Some("b"))], "reject", Some("a")),
            (vec![finding(Verdict::Continue, Some("a")), finding(kept(), None)], "quarantine", None),
            (vec![finding(reject(), Some("a")).only_told(), finding(reject(), None)], "reject", None),
        ] {
            let decision = Decision::of(&findings);
            assert_eq!(decision.decided.map_or("continue", |f| f.verdict.name()), name);
            assert_eq!(decision.copy.as_ref().map(|folder| &*folder.0), copy);
        }
    }

    #[test]
    fn caps_of_folders_and_spool() {
        let gateway = "hostname = \"mx.example.net\"\nstate_dir = \"/s\"\n\
            listener = [{ name = \"in\", address = \"127.0.0.1:25\", direction = \"inbound\", downstream = \"mx\" }]\n\
            downstream = [{ name = \"mx\", addresses = [\"127.0.0.1:2525\"] }]\n[relay]\ndomains = [\"example.net\"]\n";
        let rules = "[[folder]]\nname = \"policy\"\nmax_messages = 2\nmax_bytes = \"1M\"\n\
            [[folder]]\nname = \"spam\"\nmax_messages = 1\n[spool]\nmax_messages = 3\nmax_bytes = \"2M\"\n";
        let sources = Sources::of(&[("gateway.toml", gateway), ("quarantine.toml", rules)]);
        let (policy, problems) = parse_files(&sources, Path::new("/rules"), Moment::at(0));
        let policy = policy.unwrap_or_else(|| panic!("{problems:?}"));
        let mib = 1 << 20;
        for (folder, have, octets, want) in [
            ("policy", (1, 0), mib, true),
            ("policy", (2, 0), 1, false),
            ("policy", (1, 1), mib, false),
            ("policy", (0, u64::MAX), u64::MAX, false),
            ("spam", (9, 0), 1, true),
            ("spool", (2, mib), mib, true),
            ("spool", (3, 0), 1, false),
            ("spool", (0, mib), mib + 1, false),
            ("gone", (9, 9), 9, true),
        ] {
            assert_eq!(fits(&policy, folder, have, octets), want, "{folder} {have:?} {octets}");
        }
    }
}
