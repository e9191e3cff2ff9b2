//! Questions to DNS as values, and what is known of their answers. State: the answers of one message. Nothing here
//! asks: an evaluation that lacks an answer says which, and is begun again when it is there. What could not be found
//! out is [`Answer::Trouble`], which no evaluation takes for a "no".

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Longest name that is asked for, in octets without a final dot (RFC 1035 section 2.3.4).
pub(super) const NAME_OCTETS_MAX: usize = 253;
/// Longest label.
const LABEL_OCTETS_MAX: usize = 63;

/// Which records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Texts.
    Txt,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of an address.
    Ptr,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The whole name: lower case, no final dot, labels of 1 to 63 octets, at most 253 octets in all.
    pub name: Box<str>,
    /// Which of its records.
    pub kind: Kind,
}

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Of TXT: its strings, one behind the other.
    Text(Box<[u8]>),
    /// Of A and AAAA.
    Address(IpAddr),
    /// Of MX and PTR: lower case, no final dot; empty is the root.
    Name(Box<str>),
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// At least one record.
    Records(Arc<[Data]>),
    /// The name is there and has no such record.
    NoRecords,
    /// The name is not there.
    NoName,
    /// Nobody knows: no answer in time, or a server that failed.
    Trouble,
}

static TROUBLE: Answer = Answer::Trouble;
static NO_NAME: Answer = Answer::NoName;

impl Answer {
    /// The records; none where there are none, for whatever reason.
    #[must_use]
    pub fn records(&self) -> &[Data] {
        match self {
            Self::Records(records) => records,
            Self::NoRecords | Self::NoName | Self::Trouble => &[],
        }
    }

    /// Texts among the records.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.records().iter().filter_map(|data| match data {
            Data::Text(text) => Some(&**text),
            Data::Address(_) | Data::Name(_) => None,
        })
    }

    /// Addresses among the records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.records().iter().filter_map(|data| match data {
            Data::Address(ip) => Some(*ip),
            Data::Text(_) | Data::Name(_) => None,
        })
    }

    /// Names among the records.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records().iter().filter_map(|data| match data {
            Data::Name(name) => Some(&**name),
            Data::Text(_) | Data::Address(_) => None,
        })
    }
}

/// An answer is not there yet; the question was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing;

/// What is known, and what an evaluation wanted besides.
#[derive(Debug, Default)]
pub struct Known {
    answers: HashMap<Question, Answer>,
    wanted: RefCell<Vec<Question>>,
    closed: bool,
}

impl Known {
    /// The answer to a question. A name that cannot be asked for does not exist.
    ///
    /// # Errors
    /// It is not there yet.
    pub fn ask(&self, name: &str, kind: Kind) -> Result<&Answer, Missing> {
        let Some(name) = askable(name) else { return Ok(&NO_NAME) };
        let question = Question { name, kind };
        if let Some(answer) = self.answers.get(&question) {
            return Ok(answer);
        }
        if self.closed {
            return Ok(&TROUBLE);
        }
        let mut wanted = self.wanted.borrow_mut();
        if !wanted.contains(&question) {
            wanted.push(question);
        }
        Err(Missing)
    }

    /// Adds an answer.
    pub fn add(&mut self, question: Question, answer: Answer) {
        self.answers.insert(question, answer);
    }

    /// From now on whatever is not known is trouble.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Takes what was wanted.
    pub fn take_wanted(&self) -> Vec<Question> {
        self.wanted.take()
    }

    /// How many answers are known.
    pub(super) fn count(&self) -> usize {
        self.answers.len()
    }
}

/// The name in the form of questions, where it is one: its labels are of 1 to 63 printable octets, and a backslash,
/// which has a meaning of its own in the text form of names, is not among them.
pub(super) fn askable(name: &str) -> Option<Box<str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let good = |b: u8| b.is_ascii_graphic() && b != b'\\';
    let label = |label: &str| {
        (1..=LABEL_OCTETS_MAX).contains(&label.len()) && label.bytes().all(|b| good(b) || b == b' ')
    };
    let fits = (1..=NAME_OCTETS_MAX).contains(&name.len()) && name.split('.').all(label);
    fits.then(|| name.to_ascii_lowercase().into())
}
