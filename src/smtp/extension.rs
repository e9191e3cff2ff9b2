//! Service extensions: what a downstream said to EHLO, and what we offer a client because of it
//! (DESIGN.md section 3, "EHLO mirror" and "AUTH").
//!
//! Purpose: never offer what the gateway cannot carry and inspect, nor what the downstream will not take.
//! State: none; values in, values out. Nothing fails: a line that is no keyword is left out, and what is
//! unknown is not offered.

use super::response;
use crate::reply::Reply;

/// Room for trace headers that we take from the downstream's SIZE, in octets.
const TRACE_OCTETS: u64 = 16 * 1024;
/// Longest line of an EHLO reply of ours in octets without code and CRLF (RFC 5321 section 4.5.3.1.5).
const LINE_OCTETS_MAX: usize = 500;
/// Mechanisms that cannot pass a proxy: they add a security layer (RFC 4422 section 3.7), bind to the TLS
/// channel (RFC 5056), or name the TLS client certificate. `*-PLUS` is looked at by its ending.
const NEVER_AUTH: [&str; 6] =
    ["GSSAPI", "GSS-SPNEGO", "DIGEST-MD5", "KERBEROS_V4", "KERBEROS-V4", "EXTERNAL"];
/// Keywords that are handed through with their parameters as the downstream has them.
const MIRRORED: [&str; 7] =
    ["8BITMIME", "DSN", "SMTPUTF8", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "NO-SOLICITING"];
/// Attributes of our own XCLIENT (`crate::smtp::xclient` reads them).
const XCLIENT_ATTRIBUTES: [&str; 8] =
    ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];

/// What a server's answer to EHLO said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Keyword in upper case and its parameters; no keyword twice. At most 200, as a reply has lines.
    keywords: Vec<(String, String)>,
}

/// Limits of one session (RFC 9422 section 4); `None` where none is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Recipients of one transaction.
    pub rcpt_max: Option<u64>,
    /// Transactions of one session.
    pub mail_max: Option<u64>,
    /// Recipient domains of one transaction.
    pub rcpt_domain_max: Option<u64>,
}

impl Limits {
    fn parse(parameters: &str) -> Self {
        let value = |name: &str| {
            parameters.split_ascii_whitespace().find_map(|word| {
                let (key, value) = word.split_once('=')?;
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                (digits && key.eq_ignore_ascii_case(name)).then(|| value.parse().ok())?.filter(|&n| n > 0)
            })
        };
        Self {
            rcpt_max: value("RCPTMAX"),
            mail_max: value("MAILMAX"),
            rcpt_domain_max: value("RCPTDOMAINMAX"),
        }
    }

    /// The tighter of both, limit by limit.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let tighter = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            rcpt_max: tighter(self.rcpt_max, other.rcpt_max),
            mail_max: tighter(self.mail_max, other.mail_max),
            rcpt_domain_max: tighter(self.rcpt_domain_max, other.rcpt_domain_max),
        }
    }

    fn write(self) -> String {
        let named =
            [("RCPTMAX", self.rcpt_max), ("MAILMAX", self.mail_max), ("RCPTDOMAINMAX", self.rcpt_domain_max)];
        let words = named.iter().filter_map(|(name, value)| value.map(|n| format!("{name}={n}")));
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Capabilities {
    /// Reads the answer to EHLO; its first line is the greeting. An answer to HELO gives no keywords. The
    /// old form `AUTH=LOGIN PLAIN` counts as AUTH (mechanisms of both forms together).
    #[must_use]
    pub fn parse(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in response::lines(reply.relayed_lines().unwrap_or_default()).skip(1) {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            if !line.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic()) {
                continue;
            }
            let line = line.trim();
            let (keyword, parameters) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let keyword = keyword.to_ascii_uppercase();
            match keyword.strip_prefix("AUTH=") {
                Some(first) => found.add("AUTH".to_owned(), &format!("{first} {parameters}")),
                None if is_keyword(&keyword) => found.add(keyword, parameters),
                None => {}
            }
        }
        found
    }

    /// Adds a keyword. Of one that comes twice the first counts, but mechanisms of AUTH are collected.
    fn add(&mut self, keyword: String, parameters: &str) {
        let auth = keyword == "AUTH";
        let parameters = if auth { parameters.to_ascii_uppercase() } else { parameters.to_owned() };
        let words = parameters.split_ascii_whitespace();
        match self.keywords.iter_mut().find(|(known, _)| *known == keyword) {
            None => self.keywords.push((keyword, words.collect::<Vec<_>>().join(" "))),
            Some((_, known)) if auth => {
                for word in words {
                    if !known.split(' ').any(|k| k == word) {
                        known.push(' ');
                        known.push_str(word);
                    }
                }
            }
            Some(_) => {}
        }
    }

    /// All keywords in upper case with their parameters, in the order in which they came.
    pub fn keywords(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keywords.iter().map(|(keyword, parameters)| (keyword.as_str(), parameters.as_str()))
    }

    /// Whether the keyword was said, in any case.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        self.parameters(keyword).is_some()
    }

    /// SIZE (RFC 1870): `None` without the keyword, 0 where it states no limit.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let text = self.parameters("SIZE")?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        Some(if digits { text.parse().unwrap_or(u64::MAX) } else { 0 })
    }

    /// Mechanisms of AUTH in upper case.
    pub fn auth(&self) -> impl Iterator<Item = &str> {
        self.parameters("AUTH").unwrap_or_default().split_ascii_whitespace()
    }

    /// Parameters of a keyword, with single blanks between them; empty where it has none.
    #[must_use]
    pub fn parameters(&self, keyword: &str) -> Option<&str> {
        self.keywords.iter().find(|(known, _)| known.eq_ignore_ascii_case(keyword)).map(|(_, p)| p.as_str())
    }

    /// LIMITS.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.parameters("LIMITS").map(Limits::parse).unwrap_or_default()
    }

    /// What can be promised when either of two servers may take the message: keywords of both, the smaller
    /// SIZE, the mechanisms of both. A limit holds if one of them states it, for it promises nothing.
    /// DELIVERBY, FUTURERELEASE, MT-PRIORITY and NO-SOLICITING with different parameters are no common
    /// ground; of other keywords the parameters of both stay.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let mut keywords: Vec<(String, String)> = self
            .keywords
            .iter()
            .filter(|(keyword, _)| keyword != "LIMITS")
            .filter_map(|(keyword, ours)| {
                let theirs = other.parameters(keyword)?;
                let both = match keyword.as_str() {
                    "SIZE" => smaller_size(self.size()?, other.size()?),
                    _ if ours == theirs => ours.clone(),
                    "DELIVERBY" | "FUTURERELEASE" | "MT-PRIORITY" | "NO-SOLICITING" => return None,
                    _ => common_words(ours, theirs),
                };
                Some((keyword.clone(), both))
            })
            .collect();
        if self.has("LIMITS") || other.has("LIMITS") {
            keywords.push(("LIMITS".to_owned(), self.limits().min(other.limits()).write()));
        }
        Self { keywords }
    }
}

/// `ehlo-keyword` of RFC 5321 section 4.1.1.1, and the underscore that some servers use.
fn is_keyword(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn smaller_size(a: u64, b: u64) -> String {
    [a, b].into_iter().filter(|&n| n > 0).min().map_or_else(String::new, |n| n.to_string())
}

fn common_words(a: &str, b: &str) -> String {
    let both = a.split(' ').filter(|word| b.split(' ').any(|w| w.eq_ignore_ascii_case(word)));
    both.collect::<Vec<_>>().join(" ")
}

/// When a listener offers AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOffer {
    /// Never.
    Off,
    /// Over TLS only.
    Tls,
    /// Also without TLS.
    Plaintext,
}

/// Everything that decides what a client is offered.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of two legs and a listener")]
pub struct MirrorInput<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// What the downstream offers; `None` before the first probe.
    pub downstream: Option<&'a Capabilities>,
    /// Our own limit in octets; 0 = none.
    pub own_size_max: u64,
    /// The client leg has TLS.
    pub client_tls: bool,
    /// The downstream leg has TLS.
    pub downstream_tls: bool,
    /// The downstream's certificate is verified or pinned.
    pub downstream_verified: bool,
    /// The downstream is on this machine.
    pub downstream_loopback: bool,
    /// The listener has STARTTLS.
    pub offer_starttls: bool,
    /// When the listener offers AUTH.
    pub auth: AuthOffer,
    /// The listener hands NTLM through.
    pub ntlm: bool,
    /// Keywords that are never offered; `AUTH=NTLM` hides one mechanism, `XCLIENT=LOGIN` one attribute.
    pub hide: &'a [String],
    /// Most recipients that we take in one transaction; 0 = no limit.
    pub own_recipients_max: usize,
    /// The client has authenticated.
    pub authenticated: bool,
    /// The peer may use XCLIENT.
    pub xclient: bool,
}

impl MirrorInput<'_> {
    fn hides(&self, keyword: &str) -> bool {
        self.hide.iter().any(|entry| entry.trim().eq_ignore_ascii_case(keyword))
    }

    fn hides_item(&self, keyword: &str, item: &str) -> bool {
        self.hide
            .iter()
            .filter_map(|entry| entry.trim().split_once('='))
            .any(|(key, hidden)| key.eq_ignore_ascii_case(keyword) && hidden.eq_ignore_ascii_case(item))
    }

    /// The limit that we enforce: ours or the downstream's less the trace headers. 0 = none.
    fn size(&self) -> u64 {
        let theirs = self.downstream.and_then(Capabilities::size).filter(|&n| n > 0);
        let theirs = theirs.map(|n| n.saturating_sub(TRACE_OCTETS).max(1));
        theirs.into_iter().chain(Some(self.own_size_max).filter(|&n| n > 0)).min().unwrap_or(0)
    }

    /// Mechanisms that may be offered now; none where AUTH may not be.
    fn mechanisms(&self) -> String {
        let client_leg = match self.auth {
            AuthOffer::Off => false,
            AuthOffer::Tls => self.client_tls,
            AuthOffer::Plaintext => true,
        };
        let downstream_leg = self.downstream_tls || self.downstream_loopback;
        let (true, true, false, Some(downstream)) =
            (client_leg, downstream_leg, self.authenticated, self.downstream)
        else {
            return String::new();
        };
        let mut words = String::new();
        for word in downstream.auth() {
            let passes = is_keyword(word)
                && !NEVER_AUTH.contains(&word)
                && !word.ends_with("-PLUS")
                && (self.ntlm || word != "NTLM")
                && !self.hides_item("AUTH", word);
            if passes && words.len() + word.len() < LINE_OCTETS_MAX - 8 {
                words.push(' ');
                words.push_str(word);
            }
        }
        words
    }

    fn xclient_attributes(&self) -> Vec<&'static str> {
        XCLIENT_ATTRIBUTES.into_iter().filter(|name| !self.hides_item("XCLIENT", name)).collect()
    }
}

/// What one client is offered: the answer to its EHLO, and the yardstick for its parameters afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    hostname: String,
    lines: Vec<String>,
    size: u64,
}

/// Decides what a client is offered.
///
/// PIPELINING, ENHANCEDSTATUSCODES, STARTTLS and XCLIENT are per hop and ours. SIZE is ours too, but is not
/// said when the downstream, once probed, lacks it: clients would send a parameter that it refuses.
#[must_use]
pub fn mirror(input: &MirrorInput) -> Offer {
    let mut offer = Offer { hostname: input.hostname.to_owned(), lines: Vec::new(), size: input.size() };
    let mut add = |keyword: &str, parameters: &str| {
        if input.hides(keyword) || keyword.len() + parameters.len() >= LINE_OCTETS_MAX {
            return;
        }
        let parameters = parameters.trim();
        let blank = if parameters.is_empty() { "" } else { " " };
        offer.lines.push(format!("{keyword}{blank}{parameters}"));
    };
    add("PIPELINING", "");
    if input.downstream.is_none_or(|d| d.has("SIZE")) {
        add("SIZE", &Some(input.size()).filter(|&n| n > 0).map_or_else(String::new, |n| n.to_string()));
    }
    if input.offer_starttls && !input.client_tls {
        add("STARTTLS", "");
    }
    add("ENHANCEDSTATUSCODES", "");
    if let Some(downstream) = input.downstream {
        let mechanisms = input.mechanisms();
        if !mechanisms.is_empty() {
            add("AUTH", &mechanisms);
        }
        add("CHUNKING", "");
        mirror_downstream(input, downstream, &mut add);
    }
    if input.xclient {
        add("XCLIENT", &input.xclient_attributes().join(" "));
    }
    offer
}

fn mirror_downstream(input: &MirrorInput, downstream: &Capabilities, add: &mut dyn FnMut(&str, &str)) {
    let eight_bit = downstream.has("8BITMIME") && !input.hides("8BITMIME");
    for keyword in MIRRORED {
        match downstream.parameters(keyword) {
            // RFC 6531 section 3.1: SMTPUTF8 is never offered without 8BITMIME.
            Some(_) if keyword == "SMTPUTF8" && !eight_bit => {}
            Some(parameters) => add(keyword, parameters),
            None => {}
        }
    }
    if downstream.has("LIMITS") {
        let own = u64::try_from(input.own_recipients_max).ok().filter(|&n| n > 0);
        let limits = downstream.limits().min(Limits { rcpt_max: own, ..Limits::default() });
        add("LIMITS", &limits.write());
    }
    let verified = input.downstream_tls && input.downstream_verified;
    if input.client_tls && verified && downstream.has("REQUIRETLS") {
        add("REQUIRETLS", "");
    }
}

impl Offer {
    /// What a client that said HELO is offered: nothing.
    #[must_use]
    pub fn helo() -> Self {
        Self { hostname: String::new(), lines: Vec::new(), size: 0 }
    }

    /// The answer to EHLO.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let lines: Vec<&str> =
            std::iter::once(self.hostname.as_str()).chain(self.lines.iter().map(String::as_str)).collect();
        Reply::multi(250, &lines)
    }

    /// Whether the keyword was offered, in any case.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        self.line(keyword).is_some()
    }

    /// The limit that holds for this client's messages in octets, whether SIZE was said or not; 0 = none.
    /// 0 for HELO, too: the owner's own limit holds then.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether the mechanism was offered, in any case.
    #[must_use]
    pub fn auth_has(&self, mechanism: &str) -> bool {
        let words = self.line("AUTH").unwrap_or_default();
        words.split_ascii_whitespace().skip(1).any(|word| word.eq_ignore_ascii_case(mechanism))
    }

    fn line(&self, keyword: &str) -> Option<&str> {
        let first = |line: &str| line.split(' ').next().is_some_and(|k| k.eq_ignore_ascii_case(keyword));
        self.lines.iter().map(String::as_str).find(|line| first(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caps(lines: &[&str]) -> Capabilities {
        let all: Vec<&str> = std::iter::once("mx greets you").chain(lines.iter().copied()).collect();
        Capabilities::parse(&Reply::multi(250, &all))
    }

    fn input<'a>(downstream: Option<&'a Capabilities>, hide: &'a [String]) -> MirrorInput<'a> {
        MirrorInput {
            hostname: "mx.example",
            downstream,
            own_size_max: 1_000_000,
            client_tls: true,
            downstream_tls: true,
            downstream_verified: true,
            downstream_loopback: false,
            offer_starttls: true,
            auth: AuthOffer::Tls,
            ntlm: false,
            hide,
            own_recipients_max: 1000,
            authenticated: false,
            xclient: false,
        }
    }

    #[test]
    fn an_ehlo_reply_is_read() {
        let c = caps(&[
            "size 100",
            "AUTH=LOGIN plain",
            "Auth PLAIN xoauth2",
            "8BITMIME",
            "  DSN  ",
            "NO-SOLICITING net.example:ADV",
            "LIMITS mailmax=5 RCPTMAX=20 RCPTDOMAINMAX=0 FOO=1",
            "bad keyword\u{7f}",
            "gr\u{fc}n",
            "=x",
            "",
            "SIZE 7",
        ]);
        assert_eq!(c.size(), Some(100));
        assert_eq!(c.auth().collect::<Vec<_>>(), ["LOGIN", "PLAIN", "XOAUTH2"]);
        assert!(c.has("8bitmime") && c.has("DSN") && !c.has("BAD") && !c.has("mx"));
        assert_eq!(c.parameters("no-soliciting"), Some("net.example:ADV"));
        assert_eq!(c.limits(), Limits { rcpt_max: Some(20), mail_max: Some(5), rcpt_domain_max: None });
        assert_eq!(caps(&[]).size(), None);
        assert_eq!(caps(&["SIZE"]).size(), Some(0));
        assert_eq!(caps(&["SIZE x"]).size(), Some(0));
        assert_eq!(caps(&["SIZE 99999999999999999999999"]).size(), Some(u64::MAX));
        assert_eq!(Capabilities::parse(&Reply::relayed(250, b"250 mx SIZE\r\n")), Capabilities::default());
    }

    #[test]
    fn of_two_servers_only_the_common_ground_is_promised() {
        for (a, b, want) in [
            (&["SIZE 5", "DSN"][..], &["SIZE 7", "CHUNKING"][..], &["SIZE 5"][..]),
            (&["SIZE 5"], &["SIZE 0"], &["SIZE 5"]),
            (&["SIZE 0"], &["SIZE"], &["SIZE"]),
            (&["SIZE 5"], &[], &[]),
            (&["AUTH PLAIN LOGIN"], &["AUTH LOGIN NTLM"], &["AUTH LOGIN"]),
            (&["LIMITS RCPTMAX=5"], &["LIMITS RCPTMAX=3 MAILMAX=9"], &["LIMITS RCPTMAX=3 MAILMAX=9"]),
            (&["LIMITS RCPTMAX=5"], &[], &["LIMITS RCPTMAX=5"]),
            (&["DELIVERBY 5"], &["DELIVERBY 6"], &[]),
            (&["DELIVERBY 5"], &["DELIVERBY 5"], &["DELIVERBY 5"]),
            (&["XCLIENT NAME ADDR"], &["XCLIENT ADDR"], &["XCLIENT ADDR"]),
        ] {
            assert_eq!(caps(a).intersect(&caps(b)), caps(want), "{a:?} {b:?}");
            assert_eq!(caps(b).intersect(&caps(a)), caps(want), "{b:?} {a:?}");
        }
    }

    #[test]
    fn before_the_first_probe_only_what_is_ours_is_offered() {
        let hide = [];
        let offer = mirror(&MirrorInput { client_tls: false, ..input(None, &hide) });
        assert_eq!(offer.lines, ["PIPELINING", "SIZE 1000000", "STARTTLS", "ENHANCEDSTATUSCODES"]);
        assert_eq!(offer.hostname, "mx.example");
    }

    const EXCHANGE: [&str; 24] = [
        "SIZE 37748736",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "X-ANONYMOUSTLS",
        "AUTH NTLM GSSAPI LOGIN SCRAM-SHA-256-PLUS EXTERNAL",
        "X-EXPS GSSAPI NTLM",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "XEXCH50",
        "XRDST",
        "XSHADOWREQUEST",
        "SMTPUTF8",
        "REQUIRETLS",
        "XOORG",
        "ETRN",
        "BURL",
        "LIMITS RCPTMAX=5000 MAILMAX=7",
        "MT-PRIORITY MIXER",
        "VRFY",
        "XCLIENT ADDR",
        "HELP",
    ];

    #[test]
    fn the_mirror_shows_what_both_legs_carry_and_no_more() {
        let exchange = caps(&EXCHANGE);
        let hide = [];
        let all = input(Some(&exchange), &hide);
        assert_eq!(
            mirror(&all).lines,
            [
                "PIPELINING",
                "SIZE 1000000",
                "ENHANCEDSTATUSCODES",
                "AUTH LOGIN",
                "CHUNKING",
                "8BITMIME",
                "DSN",
                "SMTPUTF8",
                "MT-PRIORITY MIXER",
                "LIMITS RCPTMAX=1000 MAILMAX=7",
                "REQUIRETLS",
            ]
        );
        let offer = mirror(&MirrorInput { own_size_max: 50 << 20, ntlm: true, ..all });
        assert_eq!(offer.size(), 37_748_736 - 16 * 1024);
        assert!(
            offer.has("size")
                && offer.auth_has("ntlm")
                && !offer.auth_has("GSSAPI")
                && !offer.auth_has("AUTH")
        );
    }

    #[test]
    fn tls_auth_and_trust_decide_per_leg() {
        let (exchange, hide) = (caps(&EXCHANGE), []);
        let all = input(Some(&exchange), &hide);
        for (keyword, input) in [
            ("REQUIRETLS", MirrorInput { client_tls: false, ..all }),
            ("REQUIRETLS", MirrorInput { downstream_tls: false, ..all }),
            ("REQUIRETLS", MirrorInput { downstream_verified: false, ..all }),
            ("AUTH", MirrorInput { client_tls: false, ..all }),
            ("AUTH", MirrorInput { downstream_tls: false, ..all }),
            ("AUTH", MirrorInput { authenticated: true, ..all }),
            ("AUTH", MirrorInput { auth: AuthOffer::Off, ..all }),
            ("STARTTLS", all),
            ("STARTTLS", MirrorInput { client_tls: false, offer_starttls: false, ..all }),
            ("XCLIENT", all),
        ] {
            assert!(!mirror(&input).has(keyword), "{keyword} {input:?}");
        }
        for (keyword, input) in [
            ("AUTH", MirrorInput { client_tls: false, auth: AuthOffer::Plaintext, ..all }),
            ("AUTH", MirrorInput { downstream_tls: false, downstream_loopback: true, ..all }),
            ("STARTTLS", MirrorInput { client_tls: false, ..all }),
            ("XCLIENT", MirrorInput { xclient: true, ..all }),
        ] {
            assert!(mirror(&input).has(keyword), "{keyword} {input:?}");
        }
    }

    #[test]
    fn what_the_admin_hides_is_hidden() {
        let c = caps(&["SIZE 0", "DSN", "8BITMIME", "SMTPUTF8", "AUTH LOGIN PLAIN"]);
        let hide = ["dsn", "auth=login", "8BITMIME", "xclient=Login"].map(str::to_owned);
        let offer = mirror(&MirrorInput { xclient: true, ..input(Some(&c), &hide) });
        assert_eq!(
            offer.lines,
            [
                "PIPELINING",
                "SIZE 1000000",
                "ENHANCEDSTATUSCODES",
                "AUTH PLAIN",
                "CHUNKING",
                "XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT",
            ]
        );
        let hide = ["AUTH=LOGIN", "AUTH=PLAIN"].map(str::to_owned);
        assert!(!mirror(&input(Some(&c), &hide)).has("AUTH"));
    }

    #[test]
    fn sizes_never_wrap_to_no_limit() {
        for (own, theirs, said, size) in [
            (0, "SIZE", "SIZE", 0),
            (0, "SIZE 20000", "SIZE 3616", 3616),
            (100, "SIZE 16384", "SIZE 1", 1),
            (100, "SIZE 5", "SIZE 1", 1),
            (100, "SIZE 0", "SIZE 100", 100),
        ] {
            let (c, hide) = (caps(&[theirs]), []);
            let offer = mirror(&MirrorInput { own_size_max: own, ..input(Some(&c), &hide) });
            assert!(offer.lines.iter().any(|line| line == said), "{own} {theirs} {:?}", offer.lines);
            assert_eq!(offer.size(), size);
        }
        let (none, hide) = (caps(&[]), []);
        let offer = mirror(&input(Some(&none), &hide));
        assert!(!offer.has("SIZE") && offer.size() == 1_000_000);
    }

    #[test]
    fn the_reply_has_our_name_first() {
        let hide = [];
        let mut out = Vec::new();
        mirror(&input(None, &hide)).reply().write_to(&mut out);
        assert_eq!(
            out,
            b"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
        assert!(!Offer::helo().has("SIZE") && Offer::helo().size() == 0);
    }

    proptest! {
        #[test]
        fn what_is_offered_is_a_well_formed_reply_within_bounds(
            lines in proptest::collection::vec("[A-Z0-9=. -]{0,40}|AUTH( [A-Z-]{1,30}){0,60}|\\PC{0,30}", 0..20),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let (c, hide) = (caps(&lines), []);
            let mut out = Vec::new();
            mirror(&MirrorInput { xclient: true, ..input(Some(&c), &hide) }).reply().write_to(&mut out);
            let (used, _) = response::parse(&out).unwrap().unwrap();
            prop_assert_eq!(used, out.len());
            prop_assert!(out.split(|&b| b == b'\n').all(|line| line.len() < 512));
            let both = c.intersect(&c);
            prop_assert_eq!(both.intersect(&c), both);
        }
    }
}
