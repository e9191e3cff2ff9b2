//! Finding out what the checks of a stage need: names and lists in DNS, limits, greylisting.
//!
//! Owner: the session; what was found stays in its standing. Everything here has a deadline, and what is not
//! there in time is unknown, never a listing and never a failure of the client's.

use super::clock::unix_ms;
use super::session::Session;
use crate::checks;
use crate::limits::{Kind, Traffic};
use crate::lookup::Subjects;
use crate::mail::{Domain, Path};
use crate::smtp::command::{Mail, Rcpt};
use crate::verdict::{Fact, Needs, Stage};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

impl Session {
    /// Starts what takes time, so that it is there when it is needed: the answers wait in the cache. Also the
    /// reverse name for `Received:`, for which nobody waits.
    pub(super) fn prefetch(&self) {
        if self.standing.allowed || self.client.balancer {
            return;
        }
        let needs = self.generation.needs_anywhere();
        let dns = &self.generation.policy.dns;
        let for_trace = dns.reverse_names && !self.client.ip.is_loopback();
        let reverse = needs.has(Needs::REVERSE_NAME) || for_trace;
        let listings = needs.has(Needs::LISTINGS) && !self.standing.exempt;
        if (!reverse || !self.client.name.is_not_asked()) && !listings {
            return;
        }
        let (generation, ip) = (Arc::clone(&self.generation), self.client.ip);
        tokio::spawn(async move {
            let lookup = &generation.lookup;
            let reputation = &generation.policy.protocol.reputation;
            let name = async {
                if reverse {
                    lookup.reverse(ip).await;
                }
            };
            let lists = async {
                if listings {
                    let subjects = Subjects { client: Some(ip), ..Subjects::default() };
                    lookup.listings(&reputation.zones, &subjects, reputation.deadline).await;
                }
            };
            tokio::join!(name, lists);
        });
    }

    /// Gathers what the checks of `stage` need, and at MAIL also what those of the later stages do.
    pub(super) async fn gather(&mut self, stage: Stage) {
        if self.standing.allowed {
            return;
        }
        let needs = self.generation.needs_at(stage);
        let reverse = needs.has(Needs::REVERSE_NAME) && self.client.name.is_not_asked();
        let hello = needs.has(Needs::HELLO_RESOLVES) && self.standing.gathered.hello_resolves.is_not_asked();
        // Before MAIL about its address alone.
        let early = stage < Stage::Mail && self.standing.gathered.listings.is_not_asked();
        let lists = early && needs.has(Needs::LISTINGS) && !self.standing.exempt;
        if lists {
            let (lookup, policy) = (Arc::clone(&self.generation.lookup), Arc::clone(&self.generation.policy));
            let reputation = &policy.protocol.reputation;
            let subjects = Subjects { client: Some(self.client.ip), ..Subjects::default() };
            let found = lookup.listings(&reputation.zones, &subjects, reputation.deadline).await;
            self.standing.gathered.listings = Fact::Known(found);
        }
        if !reverse && !hello {
            return;
        }
        let lookup = Arc::clone(&self.generation.lookup);
        let (ip, name) = (self.client.ip, self.hello_name());
        let find_reverse = async { if reverse { Some(lookup.reverse(ip).await) } else { None } };
        let find_hello = async {
            match name.filter(|_| hello) {
                Some(name) => Some(lookup.host_exists(&name).await),
                None => None,
            }
        };
        let (reverse, hello) = tokio::join!(find_reverse, find_hello);
        if let Some(reverse) = reverse {
            self.client.name = reverse.confirmed;
            self.standing.gathered.pointer = reverse.pointer;
        }
        if let Some(hello) = hello {
            self.standing.gathered.hello_resolves = hello;
        }
    }

    /// The HELO name, where it is one.
    fn hello_name(&self) -> Option<Domain> {
        Domain::parse(&self.hello.as_ref()?.name).ok()
    }

    /// Before MAIL is judged: the facts of the message's own checks too, the sender's domain, DNS lists, and
    /// what the limits say of one message more.
    pub(super) async fn gather_mail(&mut self, mail: &Mail, anew: bool) {
        self.standing.conduct.improper_pipelining = self.server.sent_ahead();
        self.standing.gathered.sender_domain = Fact::default();
        self.standing.gathered.listings = Fact::default();
        if anew {
            // New rules may ask earlier stages for what nobody needed before, and may allow nothing any more.
            self.standing.allowed = false;
            Box::pin(self.gather(Stage::Connect)).await;
            Box::pin(self.gather(Stage::Helo)).await;
        }
        if !self.standing.allowed {
            Box::pin(self.gather(Stage::Mail)).await;
            Box::pin(self.gather_sender(mail)).await;
        }
        self.take_reverse_name().await;
        if !self.standing.exempt {
            let policy = &self.generation.policy.limits;
            self.standing.conduct.ban = self.gateway.limits.bans.ban_of(self.client.ip, now());
            self.standing.conduct.over =
                self.gateway.limits.rates.count(Kind::Messages, self.client.ip, 1, policy);
        }
        let octets = mail.facts.declared_octets.unwrap_or(0);
        let traffic = self.traffic(&mail.path, octets);
        let throttled = self.gateway.limits.throttles.check(&traffic, None, 0, self.throttles(), now());
        self.standing.conduct.throttled = throttled;
    }

    /// The reverse name for `Received:`, where no check has waited for it: if it is remembered by now.
    async fn take_reverse_name(&mut self) {
        let wanted = self.generation.policy.dns.reverse_names && !self.client.ip.is_loopback();
        if !wanted || !self.client.name.is_not_asked() {
            return;
        }
        let lookup = Arc::clone(&self.generation.lookup);
        if let Ok(reverse) = timeout(Duration::ZERO, lookup.reverse(self.client.ip)).await {
            self.client.name = reverse.confirmed;
            self.standing.gathered.pointer = reverse.pointer;
        }
    }

    async fn gather_sender(&mut self, mail: &Mail) {
        let needs = self.generation.needs_at(Stage::Mail);
        let domain = mail.path.mailbox().and_then(|m| m.domain()).cloned();
        let wanted = domain.clone().filter(|_| needs.has(Needs::SENDER_DOMAIN));
        let lists = needs.has(Needs::LISTINGS) && !self.standing.exempt && !self.authenticated;
        if wanted.is_none() && !lists {
            return;
        }
        let (lookup, policy) = (Arc::clone(&self.generation.lookup), Arc::clone(&self.generation.policy));
        let reputation = &policy.protocol.reputation;
        let hello = self.hello_name();
        let reverse = self.client.name.known().and_then(|n| Domain::parse(n.as_bytes()).ok());
        let subjects = Subjects {
            client: Some(self.client.ip),
            sender_domain: domain.as_ref(),
            hello: hello.as_ref(),
            reverse_name: reverse.as_ref(),
        };
        let find_domain = async {
            match &wanted {
                Some(domain) => Some(lookup.mail_domain(domain).await),
                None => None,
            }
        };
        let find_lists = async {
            if lists {
                Some(lookup.listings(&reputation.zones, &subjects, reputation.deadline).await)
            } else {
                None
            }
        };
        let (domain, listings) = tokio::join!(find_domain, find_lists);
        if let Some(domain) = domain {
            self.standing.gathered.sender_domain = domain;
        }
        if let Some(listings) = listings {
            self.standing.gathered.listings = Fact::Known(listings);
        }
    }

    /// Before RCPT is judged. `pending`: it will be refused anyway, so nothing is remembered of it.
    pub(super) fn gather_rcpt(&mut self, rcpt: &Rcpt, pending: bool) {
        let policy = Arc::clone(&self.generation.policy);
        // Of another recipient.
        self.standing.gathered.grey = Fact::default();
        if !self.standing.exempt {
            self.standing.conduct.over =
                self.gateway.limits.rates.count(Kind::Recipients, self.client.ip, 1, &policy.limits);
        }
        let Some(transaction) = self.transaction.as_deref() else { return };
        let octets = transaction.mail.facts.declared_octets.unwrap_or(0);
        let traffic = self.traffic(&transaction.mail.path, octets);
        let accepted = (transaction.accepted().count() + transaction.unanswered) as u64;
        let throttles = &self.gateway.limits.throttles;
        let throttled = throttles.check(&traffic, Some(&rcpt.path), accepted, self.throttles(), now());
        let wanted = self.generation.needs_at(Stage::Rcpt).has(Needs::GREY) && !pending;
        if wanted && checks::greylist_concerns(&self.facts(Some(rcpt)), &policy) {
            let (sender, ip) = (&transaction.mail.path, self.client.ip);
            let grey = self.gateway.limits.greylist.ask(ip, sender, &rcpt.path, &policy.limits, now());
            self.standing.gathered.grey = Fact::Known(grey);
        }
        self.standing.conduct.throttled = throttled;
    }

    /// Before the message is judged: what the throttles say now, for others may have sent meanwhile.
    pub(super) fn gather_message(&mut self) {
        let Some(transaction) = self.transaction.as_deref() else { return };
        let throttles = self.throttles();
        let traffic =
            self.traffic(&transaction.mail.path, transaction.mail.facts.declared_octets.unwrap_or(0));
        let before = (transaction.accepted().count() as u64).saturating_sub(1);
        let ask =
            |recipient| self.gateway.limits.throttles.check(&traffic, recipient, before, throttles, now());
        let by_recipient = throttles.iter().any(|t| t.by.is_recipient());
        let each = transaction.accepted().filter(|_| by_recipient).find_map(|r| ask(Some(&r.path)));
        let throttled = ask(None).or(each);
        self.standing.conduct.throttled = throttled;
    }

    /// What throttles count of this message.
    pub(super) fn traffic<'a>(&'a self, sender: &'a Path, octets: u64) -> Traffic<'a> {
        Traffic {
            direction: self.entrance.listener.direction,
            client: self.client.ip,
            user: self.user.as_deref().filter(|_| self.authenticated),
            sender,
            octets,
        }
    }

    pub(super) fn throttles(&self) -> &[Arc<crate::config::model::Throttle>] {
        &self.generation.policy.limits.throttles
    }
}

fn now() -> i64 {
    unix_ms() / 1000
}
