//! Requests about bans and throttles. Tables may be large: they are read off the network threads.

use super::protocol::{Answer, BanList, BansLifted, ThrottleList};
use crate::gateway::Gateway;
use crate::limits::Limits;
use crate::rules::Net;
use ipnet::IpNet;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Most bans or throttles in one answer: with 300 octets each they fit.
const LISTED_MAX: usize = 10_000;

fn now() -> i64 {
    Timestamp::now().as_second()
}

async fn off_the_network(gateway: &Gateway, work: impl FnOnce(&Limits) -> Answer + Send + 'static) -> Answer {
    let limits = Arc::clone(&gateway.limits);
    let done = tokio::task::spawn_blocking(move || work(&limits)).await;
    done.unwrap_or_else(|error| Answer::Error(format!("that failed ({error}), see the log")))
}

fn parse(net: &str) -> Result<IpNet, Answer> {
    Net::parse(net).map(|net| net.net).map_err(|error| Answer::Error(format!("{net}: {error}")))
}

pub(super) async fn bans(gateway: &Gateway) -> Answer {
    off_the_network(gateway, |limits| {
        let (bans, count) = limits.bans.list(now(), LISTED_MAX);
        Answer::Bans(BanList { bans, count })
    })
    .await
}

pub(super) fn ban(gateway: &Gateway, net: &str, seconds: u64, why: &str) -> Answer {
    let net = match parse(net) {
        Ok(net) => net,
        Err(answer) => return answer,
    };
    if gateway.current.load().policy.trusted.contains(net.addr()) {
        return Answer::Error(format!("{net} is in `[trusted] clients`, for which bans do not count"));
    }
    match gateway.limits.bans.ban(net, Duration::from_secs(seconds), why, now()) {
        Ok(ban) => {
            tracing::info!(whom = %ban.whom(), seconds, "banned by an admin");
            Answer::Banned(ban)
        }
        Err(error) => Answer::Error(error.to_string()),
    }
}

pub(super) async fn lift_bans(gateway: &Gateway, net: Option<String>, all: bool) -> Answer {
    let net = match (net, all) {
        (Some(net), false) => match parse(&net) {
            Ok(net) => Some(net),
            Err(answer) => return answer,
        },
        (None, true) => None,
        (Some(_), true) | (None, false) => {
            return Answer::Error("name either an address or network, or all".into());
        }
    };
    off_the_network(gateway, move |limits| {
        let lifted = match net {
            Some(net) => limits.bans.lift(net, now()).len(),
            None => limits.bans.lift_all(now()),
        };
        tracing::info!(
            whose = net.map_or("all".into(), |n| n.to_string()),
            lifted,
            "bans lifted by an admin"
        );
        let around = net.and_then(|net| limits.bans.around(net, now()));
        Answer::BansLifted(BansLifted { lifted, around })
    })
    .await
}

pub(super) async fn throttles(gateway: &Gateway) -> Answer {
    off_the_network(gateway, |limits| {
        let (throttles, count) = limits.throttles.list(now(), LISTED_MAX);
        Answer::Throttles(ThrottleList { throttles, count })
    })
    .await
}

pub(super) async fn lift_throttles(
    gateway: &Gateway,
    subject: Option<String>,
    throttle: Option<String>,
    all: bool,
) -> Answer {
    if all == (subject.is_some() || throttle.is_some()) {
        return Answer::Error("name either a subject, a throttle or both, or all".into());
    }
    off_the_network(gateway, move |limits| {
        let mut lifted = limits.throttles.lift(throttle.as_deref(), subject.as_deref(), now());
        tracing::info!(lifted = lifted.len(), "throttles lifted by an admin");
        lifted.truncate(LISTED_MAX);
        Answer::ThrottlesLifted(lifted)
    })
    .await
}
