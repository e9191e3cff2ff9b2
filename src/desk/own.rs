//! Messages of our own: put into the spool like any other, from the null sender, with a mark by which we know them.

use super::notices::Happening;
use super::refusal::{Refusal, blocking};
use super::service::Desk;
use super::spooling::{SPOOL, mail_line, millis, spool};
use crate::mail::{Id, Mailbox};
use crate::message::report;
use crate::message::trace::{Trace, received};
use crate::vault::{
    BodyKind, ClientView, Delivery, EnvelopeView, HeaderView, Item, Line, RecipientView, SpoolCause,
};
use crate::verdict::Direction;
use std::net::Ipv4Addr;
use std::sync::Arc;

impl Desk {
    /// Whether one more message of our own may go out in this hour.
    pub(super) fn may_send_one(&self) -> bool {
        let most = self.world.policy().quarantine.notices.max_per_hour;
        self.notices.may_send(most, self.now_ms())
    }

    /// Puts a message of our own into the spool; durable on return. `path` has its brackets.
    pub(super) async fn send_own(
        self: &Arc<Self>,
        id: Id,
        path: &[u8],
        shown: &str,
        downstream: &str,
        text: &[u8],
    ) -> Result<(), Refusal> {
        let item = self.own_item(id, path, shown, downstream);
        let (vault, text) = (Arc::clone(&self.vault), text.to_vec());
        blocking(move || vault.put_octets(item, &text)?.commit_blocking()).await??;
        self.nudge();
        Ok(())
    }

    fn own_item(&self, id: Id, path: &[u8], shown: &str, downstream: &str) -> Item {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let trace = Trace {
            helo: Some(policy.hostname.as_bytes()),
            client_ip: Ipv4Addr::LOCALHOST.into(),
            client_name: None,
            hostname: &policy.hostname,
            protocol: "SMTP",
            tls: None,
            id,
            only_recipient: None,
            unix_ms: now,
        };
        let line = Line([b"RCPT TO:", path, b"\r\n"].concat());
        let utf8 = !path.is_ascii();
        let parameters: &[&str] = if utf8 { &["SMTPUTF8"] } else { &[] };
        let delivery = Delivery { rcpt: shown.to_owned(), line: line.clone(), ..Delivery::default() };
        let rules = &policy.quarantine.spool;
        let mut item = Item {
            id,
            version: 0,
            order: 0,
            folder: SPOOL.to_owned(),
            received_ms: now,
            rule: "notice".to_owned(),
            reason: "a message of the gateway itself".to_owned(),
            source: String::new(),
            generation: 0,
            copy: false,
            size: 0,
            digest: String::new(),
            trace: Line(received(&trace, &self.trace_key)),
            client: ClientView {
                session: id.to_string(),
                direction: Some(Direction::Outbound),
                downstream: downstream.to_owned(),
                ..ClientView::default()
            },
            envelope: EnvelopeView {
                line: mail_line(b"", parameters),
                body: BodyKind::SevenBit,
                smtputf8: utf8,
                needs: if utf8 { vec!["SMTPUTF8".to_owned()] } else { Vec::new() },
                ..EnvelopeView::default()
            },
            recipients: vec![RecipientView { rcpt: shown.to_owned(), line, ..RecipientView::default() }],
            header: HeaderView::default(),
            findings: Vec::new(),
            score_milli: 0,
            tags: Vec::new(),
            likeness: [0; 3],
            spool: Some(spool(SpoolCause::Notice, vec![delivery], downstream.to_owned(), now, rules)),
            hold: None,
            trash: None,
            history: Vec::new(),
        };
        item.happened(now, super::spooling::OURSELVES, "written");
        item
    }

    /// One digest in a period to the admin, if there is one and something to say.
    pub(super) async fn tell_admin(self: &Arc<Self>) -> Result<(), Refusal> {
        let (now, policy) = (self.now_ms(), self.world.policy());
        let notices = &policy.quarantine.notices;
        let Some(admin) = notices.admin.as_deref() else {
            self.notices.forget();
            return Ok(());
        };
        if !self.notices.is_due(millis(notices.every), now) || !self.may_send_one() {
            return Ok(());
        }
        let path = format!("<{admin}>");
        if Mailbox::parse(admin.as_bytes()).is_err() {
            return Err(Refusal::new(format!("[notices] admin `{admin}` is no mailbox")));
        }
        let (events, lost) = self.notices.take(now);
        let id = self.ids.next();
        let lines: Vec<report::Line<'_>> =
            events.iter().map(|e| report::Line { at_ms: e.at_ms, id: e.id, text: &e.text }).collect();
        let text = report::notice(&policy.hostname, admin, id, now, &lines, lost);
        let sent = self.send_own(id, path.as_bytes(), admin, &self.notice_downstream(), &text).await;
        if sent.is_err() {
            // The next digest has them.
            events.into_iter().for_each(|event: Happening| self.notices.note(event));
        }
        sent
    }

    /// Where messages of our own go.
    pub(super) fn notice_downstream(&self) -> String {
        let policy = self.world.policy();
        let named = policy.quarantine.notices.downstream.as_deref();
        let first = || policy.downstreams.first().map(|d| &*d.name);
        named.or_else(first).unwrap_or_default().to_owned()
    }
}
