//! AUTH: an opaque dialogue between the client and the downstream; we only see who it was.
//!
//! The session with the downstream that says 235 belongs to this client until it leaves. Nothing of the
//! dialogue is ever logged.

use super::live::Doing;
use super::session::{End, Session};
use crate::downstream::{Begun, DownstreamError, Key, Wanted};
use crate::limits::Kind;
use crate::reply::{Class, Reply, catalogue};
use crate::smtp::client::Awaiting;
use crate::verdict::Event;
use crate::verdict::Stage;
use mail_parser::decoders::base64::base64_decode;

/// Longest user name that is kept, in octets.
const USER_OCTETS_MAX: usize = 256;

impl Session {
    /// AUTH with its mechanism: refused if it was not offered, else handed down.
    pub(super) async fn begin_auth(
        &mut self,
        mechanism: Box<str>,
        initial: Option<Box<[u8]>>,
        line: &[u8],
    ) -> Result<(), End> {
        self.unpark();
        let offered = self.offer.as_ref().is_some_and(|o| o.auth_has(&mechanism));
        if !offered {
            let entry = self.why_not_offered();
            self.refuse(entry);
            return Ok(());
        }
        if let Some(refusal) = self.judge_session(Stage::Auth) {
            self.answer_refusal(&refusal);
            return Ok(());
        }
        let line = if self.link.is_some() {
            line.to_vec()
        } else {
            return self.first_auth(mechanism, initial, line).await;
        };
        self.auth = Some(mechanism);
        self.place.state(Doing::Auth);
        self.note_user(initial.as_deref());
        self.auth_exchange(&line).await
    }

    fn why_not_offered(&self) -> crate::reply::Entry {
        use crate::config::model::AuthMode;
        match self.entrance.listener.auth {
            AuthMode::Off => catalogue::NOT_IMPLEMENTED,
            AuthMode::Tls if self.tls.is_none() => catalogue::ENCRYPTION_REQUIRED,
            AuthMode::Tls | AuthMode::Plaintext => catalogue::MECHANISM_NOT_OFFERED,
        }
    }

    /// The downstream session opens at AUTH.
    async fn first_auth(
        &mut self,
        mechanism: Box<str>,
        initial: Option<Box<[u8]>>,
        line: &[u8],
    ) -> Result<(), End> {
        let peer = self.peer();
        let key = self.key();
        let wanted = Wanted {
            key: &key,
            peer: &peer,
            needs: &["AUTH"],
            lines: &[line],
            awaiting: Awaiting::Auth,
            secured: true,
            first_without_size: None,
            priority: self.priority(),
        };
        match self.entrance.pool.begin(&wanted).await {
            Ok(Begun { mut session, first, .. }) => {
                // Credentials never go into a session that others share.
                session.spoiled = true;
                self.link = Some(Box::new(session));
                self.auth = Some(mechanism);
                self.note_user(initial.as_deref());
                self.after_auth(&first);
            }
            Err(error) => {
                tracing::warn!(session = %self.id, client = %self.client.ip, %error, "downstream failed");
                let reply = catalogue::AUTH_UNAVAILABLE.refusal(self.id);
                self.answer(&reply);
            }
        }
        Ok(())
    }

    /// A line of the dialogue.
    pub(super) async fn auth_line(&mut self, line: &[u8]) -> Result<(), End> {
        self.note_user(Some(line.trim_ascii()));
        self.auth_exchange(line).await
    }

    async fn auth_exchange(&mut self, line: &[u8]) -> Result<(), End> {
        let limit = self.entrance.pool.limits().command;
        let Some(mut link) = self.link.take() else {
            self.say_and_close(catalogue::DOWNSTREAM_LOST_CLOSING, End::DownstreamLost);
            return Ok(());
        };
        match link.command(line, Awaiting::Auth, "AUTH", limit).await {
            Ok(reply) => {
                self.link = Some(link);
                self.after_auth(&reply);
            }
            Err(error) => self.auth_lost(&error),
        }
        Ok(())
    }

    fn auth_lost(&mut self, error: &DownstreamError) {
        tracing::warn!(session = %self.id, client = %self.client.ip, %error, "downstream failed during AUTH");
        self.user = None;
        self.auth = None;
        let reply = catalogue::AUTH_UNAVAILABLE.refusal(self.id);
        self.answer(&reply);
    }

    fn after_auth(&mut self, reply: &Reply) {
        match reply.code() {
            334 => {}
            235 => {
                self.authenticated = true;
                self.bound = true;
                self.auth = None;
                self.counts.commands = 0;
            }
            _ => {
                self.user = None;
                self.auth = None;
                if reply.class() == Class::Permanent {
                    self.count_auth_failure();
                }
                self.give_up_link();
            }
        }
        let shown = if reply.code() == 334 { reply.clone() } else { self.shown(reply.clone()) };
        self.answer(&shown);
    }

    /// A wrong password, or a guess: an error, an event, and a rate of its own.
    fn count_auth_failure(&mut self) {
        self.count_error();
        self.count_event(Event::AuthFailure);
        let policy = &self.generation.policy.limits;
        if !self.standing.exempt {
            let over = self.gateway.limits.rates.count(Kind::AuthFailures, self.client.ip, 1, policy);
            self.over_errors |= over.is_some();
        }
    }

    /// The client is another (XCLIENT), or what it said was said in clear (RFC 3207 section 4.2): who it was by
    /// AUTH counts no more, and its session with the downstream ends.
    pub(super) fn forget_user(&mut self) {
        self.user = None;
        self.authenticated = false;
        self.bound = false;
        self.auth = None;
        self.give_up_link();
    }

    /// The session of an AUTH dialogue that came to nothing: it must not keep its place among
    /// `max_connections` while the client does something else, or nothing.
    fn give_up_link(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        link.spoiled = true;
        self.entrance.pool.give_back(&self.key(), *link);
    }

    fn key(&self) -> Key {
        Key { generation: self.generation.number, listener: self.entrance.listener.name.clone() }
    }

    /// PLAIN and LOGIN say who it is; other mechanisms keep it to themselves.
    fn note_user(&mut self, response: Option<&[u8]>) {
        let Some(response) = response else { return };
        // Only the first response is looked at: in LOGIN the second is the password.
        let mechanism = self.auth.take();
        let Some(decoded) = base64_decode(response) else { return };
        let name = match mechanism.as_deref() {
            Some("PLAIN") => decoded.split(|&b| b == 0).nth(1).unwrap_or_default().to_vec(),
            Some("LOGIN") => decoded,
            _ => return,
        };
        if !name.is_empty() && name.len() <= USER_OCTETS_MAX {
            self.user = Some(String::from_utf8_lossy(&name).into_owned().into());
        }
    }
}
