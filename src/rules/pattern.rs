//! One pattern: a network, a mailbox, a domain, `.domain`, a glob or a `/regex/`, written the same everywhere.
//!
//! Reading one says what it is and, for what is none, what was expected in that place. Patterns come out in the
//! form in which subjects are compared (see `canon`), so that comparing is comparing octets.

use super::canon::{Canon, NULL};
use super::glob::Glob;
use super::kind::Kind;
use super::nets::{Net, NetError};
use crate::mail::{Domain, Mailbox};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::net::IpAddr;

/// Longest pattern in octets: a mailbox has at most 256, an expression may be some lines of a screen.
const PATTERN_OCTETS_MAX: usize = 4096;
/// Longest glob in octets: more than any address has.
const GLOB_OCTETS_MAX: usize = 512;
/// Octets that a compiled expression may take, and its cache at run time.
const REGEX_OCTETS_MAX: usize = 1 << 20;

/// What a subject is compared with.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// Addresses.
    Net(IpNet),
    /// One of the keys of [`Canon::keys`].
    Key(String),
    /// With wildcards.
    Glob(Glob),
    /// An expression, found anywhere in the text.
    Regex(Box<Regex>),
}

/// Why a text is no pattern there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Mistakes of one class are counted together.
    pub class: &'static str,
    /// What was expected; for people.
    pub message: String,
}

impl Mistake {
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

impl Pattern {
    /// Reads a pattern of a kind, or of whatever kind it looks like. The second value is a warning.
    ///
    /// # Errors
    /// What was expected in that place.
    pub fn parse(kind: Option<Kind>, text: &str) -> Result<(Self, Option<Mistake>), Mistake> {
        if text.is_empty() {
            return Err(Mistake::new("empty", format!("expected {}", expected(kind))));
        }
        if text.len() > PATTERN_OCTETS_MAX {
            return Err(Mistake::new("long", format!("longer than {PATTERN_OCTETS_MAX} octets")));
        }
        match kind {
            Some(Kind::Address) => network(text),
            None if looks_like_address(text) => network(text),
            _ => word(kind, text).map(|pattern| (pattern, None)),
        }
    }

    /// Whether two patterns are the same one.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Net(a), Self::Net(b)) => a == b,
            (Self::Key(a), Self::Key(b)) => a == b,
            (Self::Glob(a), Self::Glob(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Net(_) | Self::Key(_) | Self::Glob(_) | Self::Regex(_), _) => false,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Key(key) => f.write_str(key),
            Self::Glob(glob) => f.write_str(glob.as_str()),
            Self::Regex(regex) => write!(f, "/{}/", regex.as_str()),
        }
    }
}

/// Digits, dots, colons and slashes: nothing that a host name could be.
fn looks_like_address(text: &str) -> bool {
    let inner = text.trim_start_matches('[');
    if inner.starts_with('/') || !inner.bytes().any(|b| b.is_ascii_digit() || b == b':') {
        return false;
    }
    let only = |more: &str| inner.bytes().all(|b| b.is_ascii_digit() || more.as_bytes().contains(&b));
    only("./*-:]")
        || (inner.contains(':') && inner.bytes().all(|b| b.is_ascii_hexdigit() || b":./]".contains(&b)))
}

fn network(text: &str) -> Result<(Pattern, Option<Mistake>), Mistake> {
    let net = Net::parse(text).map_err(|error| no_network(text, &error))?;
    let warning = net.host_bits.then(|| {
        Mistake::new("host bits", format!("host bits are set; this is {0}: write \"{0}\"", net.net))
    });
    Ok((Pattern::Net(net.net), warning))
}

fn no_network(text: &str, error: &NetError) -> Mistake {
    if let Some(net) = starred(text) {
        return Mistake::new("network", format!("networks have no wildcards: write \"{net}\""));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
    {
        return Mistake::new("network", range(first, last));
    }
    let name = Domain::parse(text.trim_start_matches(['.', '*', '@']).as_bytes()).is_ok()
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    let more = if name || text.contains('@') { "; names do not match addresses" } else { "" };
    Mistake::new("network", format!("{error}{more}"))
}

/// `192.0.2.*` is `192.0.2.0/24`.
fn starred(text: &str) -> Option<IpNet> {
    let (head, tail) = text.split_once('*')?;
    let octets: Vec<&str> = head.strip_suffix('.')?.split('.').collect();
    let plain_tail = tail.chars().all(|c| matches!(c, '.' | '*'));
    let length = u8::try_from(octets.len() * 8).ok().filter(|&n| n < 32 && plain_tail)?;
    let filled = octets.into_iter().chain(std::iter::repeat("0")).take(4).collect::<Vec<_>>().join(".");
    IpNet::new(filled.parse().ok()?, length).ok()
}

fn range(first: IpAddr, last: IpAddr) -> String {
    /// Networks that are worth a line.
    const SHOWN: usize = 4;
    let nets: Vec<IpNet> = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            ipnet::Ipv4Subnets::new(a, b, 0).map(IpNet::V4).take(SHOWN + 1).collect()
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            ipnet::Ipv6Subnets::new(a, b, 0).map(IpNet::V6).take(SHOWN + 1).collect()
        }
        _ => Vec::new(),
    };
    let shown: Vec<String> = nets.iter().take(SHOWN).map(|net| format!("\"{net}\"")).collect();
    let more = if nets.len() > SHOWN { " and more" } else { "" };
    if shown.is_empty() {
        "ranges are written as networks, each an entry of its own".to_owned()
    } else {
        format!("ranges are written as networks, each an entry of its own: {}{more}", shown.join(", "))
    }
}

/// Everything but networks.
fn word(kind: Option<Kind>, text: &str) -> Result<Pattern, Mistake> {
    if let Some(rest) = text.strip_prefix('/') {
        return expression(rest);
    }
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(Mistake::new("control", format!("a control character ({})", c.escape_default())));
    }
    if text == NULL {
        return null(kind);
    }
    if let Some(kind) = kind
        && Net::parse(text).is_ok()
        && (text.contains('/') || kind != Kind::User)
    {
        return Err(address_there(kind, text));
    }
    if let Some(inner) = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
        return Err(Mistake::new(
            "brackets",
            format!("angle brackets are for \"<>\" alone: write \"{inner}\""),
        ));
    }
    if Glob::is_glob(text) && !text.starts_with('"') {
        return glob(kind, text);
    }
    exact(kind, text)
}

fn address_there(kind: Kind, text: &str) -> Mistake {
    let what = if text.contains('/') { "a network" } else { "an address" };
    let literal = if kind == Kind::Hello && !text.contains('/') {
        format!("; a client that names itself by its address writes \"[{text}]\"")
    } else {
        String::new()
    };
    let message = format!("{what} is compared with the client's address, not with {}{literal}", kind.words());
    Mistake::new("address", message)
}

fn null(kind: Option<Kind>) -> Result<Pattern, Mistake> {
    match kind {
        None | Some(Kind::Sender) => Ok(Pattern::Key(NULL.to_owned())),
        Some(kind) => {
            Err(Mistake::new("null", format!("\"<>\" is the null sender; {} is never null", kind.words())))
        }
    }
}

fn exact(kind: Option<Kind>, text: &str) -> Result<Pattern, Mistake> {
    let takes_mailbox = kind.is_none_or(|kind| kind.is_mailbox() || kind == Kind::User);
    if text.contains('@') {
        return if takes_mailbox { mailbox(text) } else { Err(no_mailbox(kind, text)) };
    }
    if let Some(name) = text.strip_prefix('.') {
        return domain(kind, name).map(|name| Pattern::Key(format!(".{name}")));
    }
    let literal = text.starts_with('[') && text.ends_with(']') && text.is_ascii();
    match kind {
        Some(kind @ (Kind::Hello | Kind::User)) if literal || Domain::parse(text.as_bytes()).is_err() => {
            odd_name(kind, text)
        }
        _ => domain(kind, text).map(Pattern::Key),
    }
}

/// Names that clients and users have and no host: `[192.0.2.1]`, `CORP\alice`.
fn odd_name(kind: Kind, text: &str) -> Result<Pattern, Mistake> {
    if text.contains(char::is_whitespace) {
        return Err(Mistake::new("blank", "a blank within: each one is an entry of its own"));
    }
    Ok(Pattern::Key(Canon::name(kind, text.as_bytes()).text().to_owned()))
}

fn mailbox(text: &str) -> Result<Pattern, Mistake> {
    if let Some(domain) = text.strip_prefix('@') {
        let what = if domain.contains('.') {
            format!("a whole domain is written without the @: \"{domain}\"")
        } else {
            "a list cannot name another list; the rule or [access] that uses it can name both".to_owned()
        };
        return Err(Mistake::new("mailbox", what));
    }
    if let Some(local) = text.strip_suffix('@') {
        return Err(Mistake::new(
            "mailbox",
            format!("the domain is missing; for every domain write \"{local}@*\""),
        ));
    }
    let mailbox = Mailbox::parse(text.as_bytes()).map_err(|error| {
        Mistake::new(
            "mailbox",
            format!("not a mail address ({error}); expected one such as \"user@example.net\""),
        )
    })?;
    Ok(Pattern::Key(Canon::mailbox(&mailbox).text().to_owned()))
}

fn no_mailbox(kind: Option<Kind>, text: &str) -> Mistake {
    let words = kind.map_or("this", Kind::words);
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    Mistake::new("mailbox", format!("{words} is a host name and has no @: write \"{host}\""))
}

fn domain(kind: Option<Kind>, name: &str) -> Result<String, Mistake> {
    match Domain::parse(name.as_bytes()) {
        Ok(domain) => Ok(domain.as_str().to_owned()),
        Err(error) => {
            let more =
                if name.contains(',') { "; each one is an entry of its own, without commas" } else { "" };
            Err(Mistake::new("name", format!("expected {} ({error}){more}", expected(kind))))
        }
    }
}

/// A glob; one that means a domain or the names below it is that.
fn glob(kind: Option<Kind>, text: &str) -> Result<Pattern, Mistake> {
    if text.len() > GLOB_OCTETS_MAX {
        return Err(Mistake::new("long", format!("a pattern of over {GLOB_OCTETS_MAX} octets")));
    }
    if let Some(net) = starred(text)
        && kind.is_none_or(Kind::is_mailbox)
    {
        return Err(Mistake::new("network", format!("networks have no wildcards: write \"{net}\"")));
    }
    if text.contains('@') && matches!(kind, Some(Kind::Hello | Kind::ReverseName)) {
        return Err(no_mailbox(kind, text));
    }
    if let Some(space) = text.chars().find(|c| c.is_whitespace()) {
        return Err(Mistake::new("blank", format!("{space:?} within: each one is an entry of its own")));
    }
    let (local, host) = text.rsplit_once('@').map_or((None, text), |(local, host)| (Some(local), host));
    let whole_domain = local.is_none_or(|local| local == "*");
    if let Ok(domain) = Domain::parse(host.as_bytes()) {
        let domain = domain.as_str();
        return Ok(match local {
            Some(local) if !whole_domain => {
                Pattern::Glob(Glob::new(&format!("{}@{domain}", local.to_lowercase())))
            }
            _ => Pattern::Key(domain.to_owned()),
        });
    }
    if whole_domain
        && let Some(parent) = host.strip_prefix("*.")
        && let Ok(parent) = Domain::parse(parent.as_bytes())
    {
        return Ok(Pattern::Key(format!(".{}", parent.as_str())));
    }
    if !host.is_ascii() && kind != Some(Kind::User) {
        let message = "a domain with wildcards stands in its ASCII form (xn--…) or without wildcards";
        return Err(Mistake::new("name", message));
    }
    Ok(Pattern::Glob(Glob::new(&text.to_lowercase())))
}

/// `rest` is what follows the first slash.
fn expression(rest: &str) -> Result<Pattern, Mistake> {
    let Some(source) = rest.strip_suffix('/') else {
        let message = "the closing / of the expression is missing, or something stands behind it; case is ignored anyway";
        return Err(Mistake::new("expression", message));
    };
    if source.is_empty() {
        return Err(Mistake::new(
            "expression",
            "an empty expression matches everything: write \"*\" if that is meant",
        ));
    }
    let built = RegexBuilder::new(source)
        .case_insensitive(true)
        .size_limit(REGEX_OCTETS_MAX)
        .dfa_size_limit(REGEX_OCTETS_MAX)
        .build();
    built.map(|regex| Pattern::Regex(Box::new(regex))).map_err(|error| no_expression(&error))
}

fn no_expression(error: &regex::Error) -> Mistake {
    match error {
        regex::Error::CompiledTooBig(_) => Mistake::new(
            "expression",
            "the expression is too large: compiled it takes over 1 MB; shorten it or make several of it, and keep counts such as {1,500} small",
        ),
        other => {
            // The last line says what; those above draw the place.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            let what = last.trim().trim_start_matches("error: ");
            Mistake::new("expression", format!("not a regular expression: {what}"))
        }
    }
}

/// What may stand there, for people.
fn expected(kind: Option<Kind>) -> &'static str {
    match kind {
        None => {
            "an address, a network, a mail address, a domain such as \"example.net\" or \".example.net\", a pattern with * or ?, or a /regex/"
        }
        Some(Kind::Address) => {
            "an address or a network such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\""
        }
        Some(Kind::Sender | Kind::HeaderFrom | Kind::Recipient) => {
            "a mail address, a domain such as \"example.net\" or \".example.net\", a pattern with * or ?, or a /regex/"
        }
        Some(Kind::Hello) => {
            "a host name, \".example.net\" for every name below it, a pattern with * or ?, or a /regex/"
        }
        Some(Kind::ReverseName) => {
            "a host name such as \"mx.example.net\", \".example.net\" for every name below it, a pattern with * or ?, or a /regex/"
        }
        Some(Kind::User) => "a user, a domain of users, a pattern with * or ?, or a /regex/",
    }
}
