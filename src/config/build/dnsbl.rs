//! `[reputation]` and `[[dnsbl]]`.

use crate::config::file::{Got, Table};
use crate::config::model::{Reputation, Zone, ZoneOf};
use crate::config::value::quoted;
use crate::mail::Domain;
use std::net::Ipv4Addr;

/// Answers of a list lie in this network (RFC 5782 section 2.1).
const ANSWER_NET: u8 = 127;

/// Builds both.
pub fn build(table: &Table<'_>, zones: &[Table<'_>]) -> Reputation {
    let reject = table.decimal("reject");
    let tempfail = table.decimal("tempfail");
    let defaults = Reputation::default();
    let reject_milli = reject.as_ref().map_or(defaults.reject_milli, |got| got.value);
    if let Some(got) = tempfail.as_ref().filter(|got| got.value >= reject_milli) {
        table.sink.warning(&got.span, "`tempfail` is not below `reject`, so nobody is ever put off");
    }
    let reputation = Reputation {
        mode: table.mode("mode"),
        reject_milli,
        tempfail_milli: tempfail.map(|got| got.value),
        deadline: table.duration("deadline").value,
        zones: all(zones),
    };
    table.finish();
    reputation
}

fn all(tables: &[Table<'_>]) -> Vec<Zone> {
    let mut out: Vec<Zone> = Vec::with_capacity(tables.len());
    for table in tables {
        let zone = zone(table);
        if let Some(first) = out.iter().find(|first| first.zone == zone.zone && first.of == zone.of)
            && !zone.zone.is_empty()
        {
            table.sink.error(
                &table.span,
                format!("`zone`: {} is already asked by the [[dnsbl]] in line {}", zone.zone, first.line),
            );
        }
        table.finish();
        out.push(zone);
    }
    out
}

fn zone(table: &Table<'_>) -> Zone {
    let of = match table.word("of").map(|word| word.value) {
        Some("sender_domain") => ZoneOf::SenderDomain,
        Some("hello") => ZoneOf::Hello,
        Some("reverse_name") => ZoneOf::ReverseName,
        _ => ZoneOf::Client,
    };
    let weight = table.decimal("weight");
    if let Some(got) = weight.as_ref().filter(|got| got.value == 0) {
        table.sink.warning(&got.span, "`weight`: a list of weight 0 is asked and never counts");
    }
    Zone {
        zone: name(table).unwrap_or_default().into(),
        of,
        weight_milli: weight.map_or(0, |got| got.value),
        answers: answers(table),
        line: table.sink.line(&table.span),
    }
}

fn name(table: &Table<'_>) -> Option<String> {
    let got = table.text("zone")?;
    match Domain::parse(got.value.as_bytes()) {
        Ok(domain) if domain.as_str().contains('.') => Some(domain.as_str().to_owned()),
        Ok(_) | Err(_) => {
            let found = quoted(&got.value);
            let message =
                format!("`zone`: expected the zone of a list such as \"zen.spamhaus.org\", found {found}");
            table.sink.error(&got.span, message);
            None
        }
    }
}

fn answers(table: &Table<'_>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut out = Vec::new();
    for item in table.list("answers").value {
        match range(&item) {
            Ok(range) => out.push(range),
            Err(error) => {
                table.sink.error(&item.span, format!("`answers`: {error}, found {}", quoted(&item.value)));
            }
        }
    }
    out
}

fn range(item: &Got<String>) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let (first, last) = item.value.split_once('-').unwrap_or((&item.value, &item.value));
    let address = |text: &str| {
        text.trim()
            .parse()
            .map_err(|_| "expected an address or a range such as \"127.0.0.2-127.0.0.11\"".to_owned())
    };
    let (first, last): (Ipv4Addr, Ipv4Addr) = (address(first)?, address(last)?);
    if [first, last].iter().any(|ip| ip.octets().first() != Some(&ANSWER_NET)) {
        return Err("lists answer with addresses in 127.0.0.0/8 (RFC 5782)".to_owned());
    }
    if last < first {
        return Err(format!("the range ends before it begins: write \"{last}-{first}\""));
    }
    Ok((first, last))
}
