//! Whether a HELO name is there, and whether a domain takes mail. State: none of its own.

use super::answer::{Answer, Kind, any};
use super::service::Lookup;
use crate::mail::Domain;
use crate::verdict::Fact;

impl Lookup {
    /// Whether a host of that name can be found: `Known(true)` if it has an A, AAAA or MX record, `Absent` if it has
    /// none of them.
    pub async fn host_exists(&self, name: &Domain) -> Fact<bool> {
        let v4 = self.ask(name.as_str(), Kind::A).await;
        if matches!(v4, Answer::Records(_) | Answer::NoName) {
            return any(&[v4]);
        }
        let [v6, mx] = self.ask_two(name.as_str(), Kind::Aaaa, Kind::Mx).await;
        any(&[v4, v6, mx])
    }

    /// Whether mail for that domain has a place to go: `Known(true)` if it has an MX, or no MX and an A or AAAA record
    /// (RFC 5321 section 5.1); `Absent` if it has neither, does not exist, or says that it takes no mail (RFC 7505).
    /// Where the exchangers themselves are is not asked.
    pub async fn mail_domain(&self, domain: &Domain) -> Fact<bool> {
        let mx = self.ask(domain.as_str(), Kind::Mx).await;
        match mx {
            Answer::Records(_) if mx.names().all(str::is_empty) => Fact::Absent,
            Answer::Records(_) => Fact::Known(true),
            Answer::NoName => Fact::Absent,
            Answer::Unknown(cause) => Fact::Unknown(cause),
            Answer::NoRecords => any(&self.ask_two(domain.as_str(), Kind::A, Kind::Aaaa).await),
        }
    }
}
