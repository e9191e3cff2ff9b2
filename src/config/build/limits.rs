//! `limits.toml`.

use super::common::{self, Others};
use super::throttle;
use crate::config::file::{Document, Got, Table};
use crate::config::model::{
    BanPoints, Bans, ConnectionLimits, Greeting, GreyFor, Greylist, Limits, Rate, Rates, Tarpit,
};
use std::sync::Arc;
use std::time::Duration;

/// Clients wait five minutes for a greeting (RFC 5321 section 4.5.3.2.1), many give up sooner.
const GREETING_DELAY_MAX: Duration = Duration::from_secs(30);
/// A slowed answer holds a connection of ours as well.
const TARPIT_MAX: Duration = Duration::from_mins(1);

/// Builds all of it.
pub fn build(document: &Document<'_>, others: &Others<'_>) -> Option<Limits> {
    document.top()?.finish();
    let points = points(&document.table("ban_points")?);
    Some(Limits {
        connections: connections(&document.table("connections")?),
        rates: rates(&document.table("rates")?),
        greeting: greeting(&document.table("greeting")?),
        tarpit: tarpit(&document.table("tarpit")?),
        bans: bans(&document.table("bans")?, points),
        greylist: greylist(&document.table("greylist")?),
        throttles: throttle::build(&document.tables("throttle"), others).into_iter().map(Arc::new).collect(),
    })
}

fn connections(table: &Table<'_>) -> ConnectionLimits {
    let (per_ip, per_prefix) = (table.number("per_ip"), table.number("per_prefix"));
    if per_prefix.value < per_ip.value {
        let span = if per_prefix.given { &per_prefix.span } else { &per_ip.span };
        table
            .sink
            .warning(span, "`per_prefix` is less than `per_ip`, so no address ever has `per_ip` connections");
    }
    let limits = ConnectionLimits {
        mode: table.mode("mode"),
        per_ip: common::count(table, "per_ip"),
        per_prefix: common::count(table, "per_prefix"),
        prefix_v4: bits(table, "prefix_v4"),
        prefix_v6: bits(table, "prefix_v6"),
    };
    table.finish();
    limits
}

fn bits(table: &Table<'_>, name: &str) -> u8 {
    u8::try_from(table.number(name).value).unwrap_or(u8::MAX)
}

fn rates(table: &Table<'_>) -> Rates {
    let rate = |name| table.rate(name).map(|got: Got<Rate>| got.value);
    let rates = Rates {
        mode: table.mode("mode"),
        connections: rate("connections"),
        messages: rate("messages"),
        recipients: rate("recipients"),
        errors: rate("errors"),
        auth_failures: rate("auth_failures"),
        prefix_factor: common::count(table, "prefix_factor"),
    };
    table.finish();
    rates
}

fn greeting(table: &Table<'_>) -> Greeting {
    let delay = table.delay("delay");
    if delay.value > GREETING_DELAY_MAX {
        table.sink.warning(
            &delay.span,
            "`delay`: many mail servers wait no longer than 30 seconds for a greeting and give up",
        );
    }
    let greeting = Greeting { delay: delay.value, early_talk: table.mode("early_talk") };
    table.finish();
    greeting
}

fn tarpit(table: &Table<'_>) -> Tarpit {
    let (step, most) = (table.delay("step"), table.duration("most"));
    if most.value < step.value {
        let span = if most.given { &most.span } else { &step.span };
        table.sink.warning(span, "`most` is less than `step`, so the first slow answer is the slowest");
    }
    if most.value > TARPIT_MAX {
        table.sink.warning(
            &most.span,
            "`most`: each slow answer holds one of our own connections; more than a minute helps the attacker",
        );
    }
    let tarpit = Tarpit { after: common::count(table, "after"), step: step.value, most: most.value };
    table.finish();
    tarpit
}

fn bans(table: &Table<'_>, points: BanPoints) -> Bans {
    let (time, most) = (table.duration("time"), table.duration("most"));
    if most.value < time.value {
        let span = if most.given { &most.span } else { &time.span };
        table.sink.warning(span, "`most` is less than `time`, so every ban lasts `most`");
    }
    let grow = table.decimal("grow").map_or(0, |got| got.value);
    let bans = Bans {
        mode: table.mode("mode"),
        limit: common::count(table, "limit"),
        window: table.duration("window").value,
        time: time.value,
        grow_percent: u32::try_from(grow / 10).unwrap_or_default(),
        most: most.value,
        points,
    };
    table.finish();
    bans
}

fn points(table: &Table<'_>) -> BanPoints {
    let points = BanPoints {
        unknown_recipient: common::count(table, "unknown_recipient"),
        relay_denied: common::count(table, "relay_denied"),
        auth_failure: common::count(table, "auth_failure"),
        early_talk: common::count(table, "early_talk"),
        protocol_error: common::count(table, "protocol_error"),
        refused: common::count(table, "refused"),
        over_limit: common::count(table, "over_limit"),
        virus: common::count(table, "virus"),
    };
    table.finish();
    points
}

fn greylist(table: &Table<'_>) -> Greylist {
    let (delay, window) = (table.duration("delay"), table.duration("window"));
    let lifetime = table.duration("lifetime");
    if window.value <= delay.value {
        let span = if window.given { &window.span } else { &delay.span };
        table.sink.error(
            span,
            "`window` must be longer than `delay`: a retry that comes in time would always be too late",
        );
    }
    if lifetime.value < window.value {
        let span = if lifetime.given { &lifetime.span } else { &window.span };
        table.sink.warning(span, "`lifetime` is less than `window`, so whoever passed is soon forgotten");
    }
    let only = match table.word("only").map(|word| word.value) {
        Some("all") => GreyFor::All,
        _ => GreyFor::Suspicious,
    };
    let greylist = Greylist {
        mode: table.mode("mode"),
        only,
        delay: delay.value,
        window: window.value,
        lifetime: lifetime.value,
        proven_after: common::count(table, "proven_after"),
        entries: common::count_usize(table, "entries"),
    };
    table.finish();
    greylist
}
