//! DMARC (RFC 9989, which takes the place of RFC 7489): where the policy of an author's domain is, and whether two domains
//! belong together. Pure, over what is known of DNS. Organizational domains are found by the tree walk; where nobody
//! published anything, the public suffix list says. What of a record makes no sense is as if it were not there.

use super::ask::{Answer, Kind, Known, Missing};
use crate::verdict::Wish;

/// Most questions of one walk (RFC 9989 section 4.10).
const QUERIES_MAX: usize = 8;
/// Longest record in octets.
const RECORD_OCTETS_MAX: usize = 8192;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    wish: Wish,
    of_subdomains: Option<Wish>,
    of_nonexistent: Option<Wish>,
    /// Alignment is of whole names.
    pub strict_dkim: bool,
    /// Likewise.
    pub strict_spf: bool,
    /// `psd=`: y or n, where it is said.
    suffix: Option<bool>,
    testing: bool,
}

/// What the walk from one domain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    start: String,
    records: Vec<(String, Record)>,
    /// Not all could be looked up.
    pub trouble: bool,
    /// Nothing was to be looked up.
    unasked: bool,
}

/// The policy that holds for a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The record.
    pub record: Record,
    /// What its owner wishes for this very domain.
    pub wish: Wish,
}

impl Record {
    /// Reads a record; `None` is another kind of text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= RECORD_OCTETS_MAX)?;
        let mut tags = text.split(';').filter_map(|spec| {
            let (name, value) = spec.split_once('=')?;
            Some((name.trim_ascii().to_ascii_lowercase(), value.trim_ascii()))
        });
        if tags.next() != Some(("v".to_owned(), "DMARC1")) {
            return None;
        }
        let mut record = Self {
            wish: Wish::None,
            of_subdomains: None,
            of_nonexistent: None,
            strict_dkim: false,
            strict_spf: false,
            suffix: None,
            testing: false,
        };
        for (name, value) in tags {
            match name.as_str() {
                "p" => record.wish = wish(value).unwrap_or_default(),
                "sp" => record.of_subdomains = wish(value),
                "np" => record.of_nonexistent = wish(value),
                "adkim" => record.strict_dkim = value.eq_ignore_ascii_case("s"),
                "aspf" => record.strict_spf = value.eq_ignore_ascii_case("s"),
                "psd" if value.eq_ignore_ascii_case("y") => record.suffix = Some(true),
                "psd" if value.eq_ignore_ascii_case("n") => record.suffix = Some(false),
                "t" => record.testing = value.eq_ignore_ascii_case("y"),
                // Of RFC 7489: for none of the mail is what `t=y` says now.
                "pct" => record.testing |= value == "0",
                _ => {}
            }
        }
        Some(record)
    }

    fn softened(&self, wish: Wish) -> Wish {
        match (self.testing, wish) {
            (true, Wish::Reject) => Wish::Quarantine,
            (true, Wish::Quarantine | Wish::None) => Wish::None,
            (false, wish) => wish,
        }
    }
}

fn wish(text: &str) -> Option<Wish> {
    let words = [("none", Wish::None), ("quarantine", Wish::Quarantine), ("reject", Wish::Reject)];
    words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, wish)| *wish)
}

/// The names of a walk: the domain, then upwards, at most eight.
fn steps(domain: &str) -> Vec<&str> {
    let mut steps = vec![domain];
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.') {
        rest = parent;
        if rest.split('.').count() < QUERIES_MAX {
            steps.push(rest);
        }
    }
    steps.truncate(QUERIES_MAX);
    steps
}

/// Walks up from a domain. All names are asked for together.
///
/// # Errors
/// An answer is missing.
pub fn walk(known: &Known, domain: &str) -> Result<Walk, Missing> {
    let steps = steps(domain);
    let asked: Vec<_> = steps.iter().map(|name| known.ask(&format!("_dmarc.{name}"), Kind::Txt)).collect();
    let mut walk = Walk { start: domain.to_owned(), records: Vec::new(), trouble: false, unasked: false };
    for (name, answer) in steps.iter().zip(asked) {
        let answer = answer?;
        if matches!(answer, Answer::Trouble) {
            walk.trouble = true;
            break;
        }
        let mut records = answer.texts().filter_map(Record::parse);
        // More than one is as good as none.
        let (Some(record), None) = (records.next(), records.next()) else { continue };
        walk.records.push(((*name).to_owned(), record));
        // A domain that says whether it is a suffix ends the walk, but for where it begins.
        if record.suffix == Some(false) || (record.suffix == Some(true) && *name != domain) {
            break;
        }
    }
    Ok(walk)
}

impl Walk {
    /// A walk that asks nobody: only the public suffix list says what belongs together.
    pub fn unasked(domain: &str) -> Self {
        Self { start: domain.to_owned(), records: Vec::new(), trouble: false, unasked: true }
    }

    /// The organizational domain (RFC 9989 section 4.10.2).
    pub fn organization(&self) -> &str {
        for (name, record) in &self.records {
            match record.suffix {
                Some(false) => return name,
                Some(true) if *name != self.start => return below(&self.start, name),
                Some(true) | None => {}
            }
        }
        match self.records.last() {
            Some((name, _)) => name,
            None => psl::domain_str(&self.start).unwrap_or(&self.start),
        }
    }

    /// Whether no record says where an organization ends.
    fn is_open(&self) -> bool {
        self.records.iter().all(|(_, record)| record.suffix.is_none())
    }

    /// The policy (RFC 9989 section 4.10.1): the domain's own, else its organization's, else its suffix's.
    ///
    /// # Errors
    /// Whether the domain exists has to be known.
    pub fn policy(&self, known: &Known) -> Result<Option<Policy>, Missing> {
        let find = |name: &str| self.records.iter().find(|(of, _)| of == name);
        let suffix = || self.records.iter().find(|(_, record)| record.suffix == Some(true));
        let found = find(&self.start).or_else(|| find(self.organization())).or_else(suffix);
        let Some((name, record)) = found else { return Ok(None) };
        let wish = if *name == self.start {
            record.wish
        } else {
            let of_subdomains = record.of_subdomains.unwrap_or(record.wish);
            match record.of_nonexistent {
                Some(wish) if wish != of_subdomains && !exists(known, &self.start)? => wish,
                Some(_) | None => of_subdomains,
            }
        };
        Ok(Some(Policy { record: *record, wish: record.softened(wish) }))
    }
}

/// The name one label longer than its parent.
fn below<'a>(name: &'a str, parent: &str) -> &'a str {
    let above = name.len().saturating_sub(parent.len() + 1);
    let labels = name.get(..above).unwrap_or_default();
    let from = labels.rfind('.').map_or(0, |at| at + 1);
    name.get(from..).unwrap_or(name)
}

/// Whether a domain has any address or exchanger; trouble is a yes.
fn exists(known: &Known, domain: &str) -> Result<bool, Missing> {
    let asked = [Kind::A, Kind::Aaaa, Kind::Mx].map(|kind| known.ask(domain, kind));
    let mut exists = false;
    for answer in asked {
        exists |= matches!(answer?, Answer::Records(_) | Answer::Trouble);
    }
    Ok(exists)
}

/// Whether an identifier is aligned with the author's domain, whose walk this is; `None` is that nobody knows.
///
/// # Errors
/// An answer is missing.
pub fn aligned(known: &Known, author: &Walk, domain: &str, strict: bool) -> Result<Option<bool>, Missing> {
    if domain == author.start {
        return Ok(Some(true));
    }
    let registered = psl::domain_str(&author.start);
    let near = registered.is_some() && registered == psl::domain_str(domain);
    if strict || domain.is_empty() || !(near || is_under(domain, author.organization())) {
        // With trouble on the way the organization may be another one, further up.
        return Ok(if author.trouble && !strict { None } else { Some(false) });
    }
    let other = if author.unasked { Walk::unasked(domain) } else { walk(known, domain)? };
    if author.trouble || other.trouble {
        return Ok(None);
    }
    // Where nobody says with `psd=` where an organization ends, what was one for RFC 7489 still is: a record at the
    // subdomain alone, with mail signed by the domain above, is what that RFC allowed and many have.
    let open = author.is_open() && other.is_open();
    Ok(Some(other.organization() == author.organization() || (open && near)))
}

fn is_under(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::ask::{Data, Question};

    fn known(records: &[(&str, &str)]) -> Known {
        let mut known = Known::default();
        for (name, text) in records {
            let answer = match *text {
                "?" => Answer::Trouble,
                text => Answer::Records([Data::Text(text.as_bytes().into())].into()),
            };
            known.add(Question { name: format!("_dmarc.{name}").into(), kind: Kind::Txt }, answer);
        }
        // Everything else is trouble from here on, so that names that are not there have to be said.
        known
    }

    /// All names of a walk that have no record.
    fn fill(known: &mut Known, domain: &str) {
        let _ = walk(known, domain);
        for question in known.take_wanted() {
            known.add(question, Answer::NoName);
        }
    }

    fn walked(records: &[(&str, &str)], domain: &str) -> (Known, Walk) {
        let mut known = known(records);
        fill(&mut known, domain);
        let walk = walk(&known, domain).unwrap();
        (known, walk)
    }

    #[test]
    fn records_are_read_kindly() {
        let record =
            Record::parse(b"v=DMARC1; P = Reject ; sp=quarantine; aspf=s; fo=x; rua=??; t=y").unwrap();
        assert_eq!((record.wish, record.of_subdomains), (Wish::Reject, Some(Wish::Quarantine)));
        assert!(record.strict_spf && !record.strict_dkim && record.testing);
        assert_eq!(Record::parse(b"v=DMARC1; p=nonsense").unwrap().wish, Wish::None);
        for text in [&b"v=DMARC2; p=reject"[..], b"p=reject; v=DMARC1", b"v=dmarc1; p=reject", b"", b"\xff"] {
            assert!(Record::parse(text).is_none());
        }
    }

    #[test]
    fn the_policy_of_a_domain_is_its_own_or_that_of_its_organization() {
        let records = [("example.com", "v=DMARC1; p=reject; sp=quarantine")];
        for (domain, wish) in [("example.com", Wish::Reject), ("a.b.example.com", Wish::Quarantine)] {
            let (known, walk) = walked(&records, domain);
            assert_eq!(walk.organization(), "example.com");
            assert_eq!(walk.policy(&known).unwrap().unwrap().wish, wish, "{domain}");
        }
        let (known, walk) = walked(&[], "a.example.co.uk");
        assert_eq!((walk.organization(), walk.policy(&known).unwrap()), ("example.co.uk", None));
    }

    #[test]
    fn a_domain_that_does_not_exist_has_a_policy_of_its_own() {
        let records = [("example.com", "v=DMARC1; p=none; np=reject")];
        let (mut known, walk) = walked(&records, "no.example.com");
        assert_eq!(walk.policy(&known), Err(Missing));
        for question in known.take_wanted() {
            known.add(question, Answer::NoName);
        }
        assert_eq!(walk.policy(&known).unwrap().unwrap().wish, Wish::Reject);
        known.add(Question { name: "no.example.com".into(), kind: Kind::Aaaa }, Answer::Trouble);
        assert_eq!(walk.policy(&known).unwrap().unwrap().wish, Wish::None, "trouble is no proof");
    }

    #[test]
    fn suffixes_and_their_opposite_end_the_walk() {
        let records = [("bank.example", "v=DMARC1; p=reject; psd=y")];
        let (mut known, walk) = walked(&records, "www.giant.bank.example");
        assert_eq!(walk.organization(), "giant.bank.example");
        assert_eq!(walk.policy(&known).unwrap().unwrap().wish, Wish::Reject);
        fill(&mut known, "mega.bank.example");
        assert_eq!(aligned(&known, &walk, "mega.bank.example", false), Ok(Some(false)));
        fill(&mut known, "giant.bank.example");
        assert_eq!(aligned(&known, &walk, "giant.bank.example", false), Ok(Some(true)));
        assert_eq!(aligned(&known, &walk, "giant.bank.example", true), Ok(Some(false)));
        let records = [("mail.example.com", "v=DMARC1; psd=n"), ("example.com", "v=DMARC1; p=reject")];
        let (_, walk) = walked(&records, "a.mail.example.com");
        assert_eq!(walk.organization(), "mail.example.com");
    }

    #[test]
    fn what_one_organization_was_without_the_walk_still_is() {
        let (mut known, walk) = walked(&[("my.example.com", "v=DMARC1; p=reject")], "my.example.com");
        assert_eq!(walk.organization(), "my.example.com");
        fill(&mut known, "example.com");
        assert_eq!(aligned(&known, &walk, "example.com", false), Ok(Some(true)));
        let (mut known, walk) = walked(&[("my.example.com", "v=DMARC1; p=reject; psd=n")], "my.example.com");
        fill(&mut known, "example.com");
        assert_eq!(aligned(&known, &walk, "example.com", false), Ok(Some(false)));
        assert_eq!(aligned(&known, &walk, "example.net", false), Ok(Some(false)));
    }

    #[test]
    fn trouble_is_neither_aligned_nor_not() {
        let (mut known, walk) = walked(&[("example.com", "?")], "a.example.com");
        assert!(walk.trouble);
        fill(&mut known, "b.example.com");
        assert_eq!(aligned(&known, &walk, "b.example.com", false), Ok(None));
        assert_eq!(aligned(&known, &walk, "a.example.com", false), Ok(Some(true)));
    }

    #[test]
    fn a_walk_is_short_however_long_the_name() {
        let long = format!("{}.example.com", ["x"; 50].join("."));
        let steps = steps(&long);
        assert_eq!((steps.len(), steps[0], steps[1]), (8, &*long, "x.x.x.x.x.example.com"));
        assert_eq!(*steps.last().unwrap(), "com");
    }
}
