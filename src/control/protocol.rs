//! What is said on the socket: one request, a JSON object on one line; then lines of answers, and the end of
//! the stream. A request that has several answers, which those to the desk may have, gets a line for each.

use crate::desk;
use crate::gateway::{LiveReport, ReloadReport, Status};
use crate::limits::{BanReport, ThrottleReport};
use crate::records::{By, LoopReport, Sort, TopReport, Window};
use crate::scan::{ScannerReport, TestReport};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Longest request line in octets, with its line end.
pub(super) const REQUEST_OCTETS_MAX: usize = 64 * 1024;
/// Longest answer line in octets that a client takes.
pub(super) const ANSWER_OCTETS_MAX: u64 = 16 << 20;

/// What is asked: `{"request":"status"}`. An option that this version does not know is refused: it may say
/// not to do something. (With braces, for serde looks for unknown fields only there.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How the gateway is.
    Status {},
    /// Read the rules again.
    Reload {},
    /// The busiest sources.
    Top {
        /// Told apart by.
        by: By,
        /// Counted over.
        window: Window,
        /// Sorted by.
        sort: Sort,
        /// How many at most.
        rows: usize,
    },
    /// Mail loops.
    Loops {},
    /// Open sessions, oldest first.
    Who {},
    /// End sessions.
    Kick {
        /// An address, a prefix, or the beginning of a reference.
        who: String,
    },
    /// Keep the rule files that lie there as a generation, for a rollback is about to replace them: changes there are
    /// no reload by themselves for a minute.
    Keep {},
    /// The bans in force.
    Bans {},
    /// Ban an address or network by hand.
    BansAdd {
        /// Whom: `192.0.2.1`, `192.0.2.0/24`.
        net: String,
        /// How long.
        seconds: u64,
        /// Why, in the admin's words.
        #[serde(default)]
        why: String,
    },
    /// End bans: of a network and all within it, or all.
    BansLift {
        /// Whose.
        #[serde(default)]
        net: Option<String>,
        /// All there are.
        #[serde(default)]
        all: bool,
    },
    /// The throttles in force.
    Throttles {},
    /// Forget what throttles counted: of a subject, of a throttle, or all.
    ThrottlesLift {
        /// Whose: `alice`, or `user alice`.
        #[serde(default)]
        subject: Option<String>,
        /// Of this throttle only.
        #[serde(default)]
        throttle: Option<String>,
        /// All there are.
        #[serde(default)]
        all: bool,
    },
    /// The scanners, and how they are.
    Scanners {},
    /// Switch a scanner on or off, until it is switched again.
    ScannersSwitch {
        /// Which.
        name: String,
        /// On or off.
        enabled: bool,
    },
    /// Give scanners a message without anything and one with the EICAR test file.
    ScannersTest {
        /// Which; nothing is all of them.
        #[serde(default)]
        name: Option<String>,
    },
    /// Messages that we own: `{"request":"desk","desk":"stats"}`. Several answers.
    Desk(desk::Request),
}

/// What is answered: `{"status":{…}}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `status`.
    Status(Box<Status>),
    /// To `reload`.
    Reload(ReloadReport),
    /// To `top`.
    Top(TopReport),
    /// To `loops`.
    Loops(LoopReport),
    /// To `who`.
    Who(Vec<LiveReport>),
    /// To `kick`: who is asked to end.
    Kick(Vec<LiveReport>),
    /// To `keep`: the number of that generation.
    Kept(u64),
    /// To `bans`.
    Bans(BanList),
    /// To `bans-add`.
    Banned(BanReport),
    /// To `bans-lift`.
    BansLifted(BansLifted),
    /// To `throttles`.
    Throttles(ThrottleList),
    /// To `throttles-lift`: those that were in force.
    ThrottlesLifted(Vec<ThrottleReport>),
    /// To `scanners`, and to `scanners-switch`: as they are then.
    Scanners(Vec<ScannerReport>),
    /// To `scanners-test`.
    ScannersTested(Vec<TestReport>),
    /// To `desk`, one of several.
    Desk(desk::Answer),
    /// To `desk`: the work goes on, and there is nothing new to say of it.
    Busy {},
    /// The request was not served; a sentence for people.
    Error(String),
}

/// Bans in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanList {
    /// The last ones, newest first.
    pub bans: Vec<BanReport>,
    /// How many there are, which may be more than are listed.
    pub count: usize,
}

/// Throttles in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleList {
    /// The last ones, newest first.
    pub throttles: Vec<ThrottleReport>,
    /// How many there are, which may be more than are listed.
    pub count: usize,
}

/// What became of bans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BansLifted {
    /// How many were in force.
    pub lifted: usize,
    /// A ban that stays: of a larger network, which covers what was named.
    pub around: Option<IpNet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_scripts_write_them() {
        for (text, want) in [
            (r#"{"request":"status"}"#, Some(Request::Status {})),
            (r#"{ "request" : "reload" }"#, Some(Request::Reload {})),
            (r#"{"request":"keep"}"#, Some(Request::Keep {})),
            (r#"{"request":"kick"}"#, None),
            (r#"{"request":"kick","who":"192.0.2.7"}"#, Some(Request::Kick { who: "192.0.2.7".into() })),
            (r#"{"request":"block"}"#, None),
            (
                r#"{"request":"top","by":"sender-domain","window":"5m","sort":"growth","rows":20}"#,
                Some(Request::Top {
                    by: By::SenderDomain,
                    window: Window::FiveMinutes,
                    sort: Sort::Growth,
                    rows: 20,
                }),
            ),
            (r#"{"request":"status","more":1}"#, None),
            (r#"{"request":"bans"}"#, Some(Request::Bans {})),
            (r#"{"request":"bans-lift","all":true}"#, Some(Request::BansLift { net: None, all: true })),
            (r#"{"request":"bans-lift","adress":"192.0.2.1"}"#, None),
            (
                r#"{"request":"throttles-lift","subject":"alice"}"#,
                Some(Request::ThrottlesLift { subject: Some("alice".into()), throttle: None, all: false }),
            ),
            (r#"{"request":"scanners"}"#, Some(Request::Scanners {})),
            (
                r#"{"request":"scanners-switch","name":"clamav","enabled":false}"#,
                Some(Request::ScannersSwitch { name: "clamav".into(), enabled: false }),
            ),
            (r#"{"request":"scanners-test"}"#, Some(Request::ScannersTest { name: None })),
            (r#"{"request":"desk","desk":"stats"}"#, Some(Request::Desk(desk::Request::Stats {}))),
            (
                r#"{"request":"desk","desk":"show","id":"7F3K"}"#,
                Some(Request::Desk(desk::Request::Show { id: "7F3K".into() })),
            ),
            (r#"{"request":"desk","desk":"show","id":"7F3K","dry_run":true}"#, None),
            (r#"{"request":"desk"}"#, None),
            ("status", None),
            ("", None),
        ] {
            assert_eq!(serde_json::from_str::<Request>(text).ok(), want, "{text}");
        }
        assert_eq!(serde_json::to_string(&Request::Status {}).unwrap(), r#"{"request":"status"}"#);
        let stats = Request::Desk(desk::Request::Stats {});
        assert_eq!(serde_json::to_string(&stats).unwrap(), r#"{"request":"desk","desk":"stats"}"#);
    }
}
