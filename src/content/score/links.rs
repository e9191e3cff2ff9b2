//! All links of a message.

use super::addresses::{domain_of, is_host, registered, registered_of};
use super::html::Reference;
use super::link::{LONG, Target, Web, is_random};
use crate::config::model::{MessageFact, MessageFacts};
use base64::Engine as _;
use linkify::{LinkFinder, LinkKind};
use std::collections::HashSet;

/// The links that were found.
#[derive(Debug, Default)]
pub struct Links {
    /// Each address once.
    pub all: Vec<Web>,
    seen: HashSet<String>,
    max: usize,
    /// References and words that were looked at: equal ones count as well, so that the work is bounded.
    looked_at: usize,
}

impl Links {
    /// None yet, and so many at most.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Whether there may be more.
    fn has_room(&mut self) -> bool {
        self.looked_at += 1;
        self.all.len() < self.max && self.looked_at <= self.max.saturating_mul(20)
    }

    /// Those that stand in a text.
    pub fn add_text(&mut self, text: &str) {
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
        for link in finder.links(text) {
            if !self.has_room() {
                return;
            }
            let shown = link.as_str();
            if shown.contains("://") {
                self.add(Target::parse(shown));
            } else if is_host(shown.split(['/', '?', '#', ':']).next().unwrap_or_default()) {
                self.add(Target::parse(&format!("//{shown}")));
            }
        }
    }

    /// Those of a page; `from` is the address in From.
    pub fn add_references(&mut self, references: &[Reference], from: &str, facts: &mut MessageFacts) {
        for reference in references {
            if !self.has_room() {
                return;
            }
            let target = Target::parse(&reference.target);
            match &target {
                Target::Mail(address) => {
                    facts.add(MessageFact::Mailto, 1);
                    let foreign =
                        !domain_of(address).is_empty() && registered_of(address) != registered_of(from);
                    facts.add(MessageFact::MailtoForeign, usize::from(foreign));
                }
                Target::Data => facts.add(MessageFact::DataUrls, 1),
                Target::Script => facts.add(MessageFact::Handlers, 1),
                Target::Web(web) => {
                    if let Some(shown) = &reference.shown {
                        facts.add(MessageFact::Links, 1);
                        facts.add(MessageFact::UrlInsecure, usize::from(web.insecure));
                        let own = !from.is_empty() && web.domain == registered_of(from);
                        facts.add(MessageFact::UrlOwn, usize::from(own));
                        facts.add(MessageFact::UrlMismatch, usize::from(shows_another(shown, &web.domain)));
                    }
                }
                Target::Other => {}
            }
            self.add(target);
        }
    }

    fn add(&mut self, target: Target) {
        if let Target::Web(web) = target
            && self.seen.insert(web.text.clone())
        {
            self.all.push(web);
        }
    }

    /// What they come to.
    pub fn tell(&self, from: &str, recipients: &[String], facts: &mut MessageFacts) {
        let from = registered_of(from);
        let domains: HashSet<&str> = self.all.iter().map(|web| web.domain.as_str()).collect();
        let foreign = domains.iter().filter(|domain| **domain != from).count();
        let mut hosts = HashSet::new();
        let carried: Vec<[String; 2]> = recipients.iter().map(|address| forms(address)).collect();
        facts.add(MessageFact::Urls, self.all.len());
        facts.add(MessageFact::UrlDomains, domains.len());
        facts.add(MessageFact::UrlForeign, foreign);
        for web in &self.all {
            let mut count = |fact, yes: bool| facts.add(fact, usize::from(yes));
            count(MessageFact::UrlLong, web.text.len() > LONG);
            count(MessageFact::UrlInUrl, web.nested);
            count(MessageFact::UrlUser, web.user);
            count(MessageFact::UrlPort, web.port);
            count(MessageFact::UrlRecipient, carries(&web.text, &carried));
            if hosts.insert(web.host.as_str()) {
                count(MessageFact::UrlIp, web.ip);
                count(MessageFact::UrlNumeric, web.numeric);
                count(MessageFact::UrlIdn, web.idn);
                count(MessageFact::UrlEncodedHost, web.encoded_host);
                count(MessageFact::UrlRandom, !web.ip && is_random(&web.host, &web.domain));
                let labels = if web.ip { 0 } else { web.host.split('.').count() };
                let most = facts.get(MessageFact::UrlLabels).max(u32::try_from(labels).unwrap_or(u32::MAX));
                facts.set(MessageFact::UrlLabels, most);
            }
        }
    }
}

/// Whether the words of a link are an address of another domain.
fn shows_another(shown: &str, domain: &str) -> bool {
    let mut words = shown.split_whitespace();
    let (Some(word), None) = (words.next(), words.next()) else { return false };
    let word = word.to_lowercase();
    let word = word.trim_start_matches("http://").trim_start_matches("https://");
    let host = word.split(['/', '?', '#', ':']).next().unwrap_or_default();
    !host.contains('@') && is_host(host) && registered(host) != domain
}

/// An address as links carry it: as it is, and in base64 without the last characters, which depend on what follows.
fn forms(address: &str) -> [String; 2] {
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(address);
    let whole = address.len() / 3 * 4;
    [address.to_owned(), encoded.get(..whole).unwrap_or_default().to_owned()]
}

fn carries(url: &str, carried: &[[String; 2]]) -> bool {
    if carried.is_empty() {
        return false;
    }
    let plain = super::link::percent(url).to_lowercase();
    carried.iter().any(|[address, encoded]| {
        address.len() > 5
            && (plain.contains(address.as_str()) || (encoded.len() > 8 && url.contains(encoded.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_text_and_page_are_told() {
        let mut facts = MessageFacts::default();
        let mut links = Links::new(10);
        links.add_text("see http://a.example.com/x, www.shop.com or shop.com/y but not main.c nor a@b.com (http://192.0.2.1:81/).");
        let reference = |target: &str, shown: Option<&str>| Reference {
            target: target.to_owned(),
            shown: shown.map(str::to_owned),
        };
        let page = [
            reference("https://evil.com/?e=bob%40example.net", Some("www.bank.com")),
            reference("https://evil.com/#Ym9iQGV4YW1wbGUubmV0", Some("click here")),
            reference("http://mine.org/", Some("mine.org")),
            reference("mailto:x@other.org", Some("mail")),
            reference("https://img.com/a.png", None),
            reference("https://img.com/a.png", None),
        ];
        links.add_references(&page, "me@mail.mine.org", &mut facts);
        links.tell("me@mail.mine.org", &["bob@example.net".to_owned()], &mut facts);
        for (fact, count) in [
            (MessageFact::Urls, 8),
            (MessageFact::Links, 3),
            (MessageFact::UrlDomains, 6),
            (MessageFact::UrlForeign, 5),
            (MessageFact::UrlOwn, 1),
            (MessageFact::UrlMismatch, 1),
            (MessageFact::UrlRecipient, 2),
            (MessageFact::UrlIp, 1),
            (MessageFact::UrlPort, 1),
            (MessageFact::UrlInsecure, 1),
            (MessageFact::Mailto, 1),
            (MessageFact::MailtoForeign, 1),
            (MessageFact::UrlLabels, 3),
        ] {
            assert_eq!(facts.get(fact), count, "{fact:?}");
        }
    }

    #[test]
    fn links_are_bounded() {
        let mut links = Links::new(5);
        links.add_text(&(0..100).map(|n| format!("http://a{n}.example/ ")).collect::<String>());
        assert_eq!(links.all.len(), 5);
        let mut links = Links::new(5);
        links.add_text(&"http://a.example/ ".repeat(1000));
        assert_eq!((links.all.len(), links.looked_at), (1, 101));
    }
}
