//! Answers from a table in place of name servers: for the demo, and for tests, which then need no network and may use
//! a clock that they move themselves. State: the table. A name that is not in it does not exist.

use super::answer::{Answer, Data, Kind, Question};
use crate::verdict::Cause;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// The table: everything else of [`super::Lookup`] works as with servers.
#[derive(Debug, Default, Clone)]
pub struct Table {
    rows: HashMap<Question, (Answer, Duration)>,
}

impl Table {
    /// Adds an answer, or takes the place of one.
    #[must_use]
    pub fn with(self, kind: Kind, name: &str, answer: Answer) -> Self {
        self.late(kind, name, answer, Duration::ZERO)
    }

    /// An answer that comes after a while.
    #[must_use]
    pub fn late(mut self, kind: Kind, name: &str, answer: Answer, after: Duration) -> Self {
        self.rows.insert(Question { name: name.to_ascii_lowercase().into(), kind }, (answer, after));
        self
    }

    /// Addresses of a name, IPv4 and IPv6 in any mix.
    #[must_use]
    pub fn host(mut self, name: &str, addresses: &[IpAddr]) -> Self {
        for (kind, v4) in [(Kind::A, true), (Kind::Aaaa, false)] {
            let of_kind = addresses.iter().filter(|ip| ip.is_ipv4() == v4);
            let records: Vec<Data> = of_kind.map(|ip| Data::Address(*ip)).collect();
            let answer = if records.is_empty() { Answer::NoRecords } else { Answer::Records(records.into()) };
            self = self.with(kind, name, answer);
        }
        self.rows
            .entry(Question { name: name.to_ascii_lowercase().into(), kind: Kind::Mx })
            .or_insert((Answer::NoRecords, Duration::ZERO));
        self
    }

    /// Mail exchangers of a domain; `""` is the null MX.
    #[must_use]
    pub fn mx(self, domain: &str, exchanges: &[&str]) -> Self {
        self.with(Kind::Mx, domain, names(exchanges))
    }

    /// Texts of a name.
    #[must_use]
    pub fn texts(self, name: &str, texts: &[&str]) -> Self {
        let data = texts.iter().map(|text| Data::Text(text.as_bytes().into()));
        self.with(Kind::Txt, name, Answer::Records(data.collect()))
    }

    /// Names of an address.
    #[must_use]
    pub fn pointer(self, ip: IpAddr, to: &[&str]) -> Self {
        self.with(Kind::Ptr, &super::arpa::arpa(ip), names(to))
    }

    pub(super) async fn ask(&self, question: &Question) -> Answer {
        let (answer, after) = self.rows.get(question).cloned().unwrap_or((Answer::NoName, Duration::ZERO));
        if answer == Answer::Unknown(Cause::Timeout) {
            return std::future::pending().await;
        }
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        answer
    }
}

fn names(list: &[&str]) -> Answer {
    Answer::Records(list.iter().map(|name| Data::Name((*name).into())).collect())
}
