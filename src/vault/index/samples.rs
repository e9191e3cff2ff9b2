//! Items for tests.

use crate::mail::{Id, Scramble};
use crate::vault::item::{
    ClientView, Delivery, EnvelopeView, HeaderView, Hold, Item, Priority, Progress, RecipientView, Spool,
    SpoolCause, Trash,
};

/// When the samples come: 2026-11-21, 10:00 UTC.
pub const NOW: i64 = 1_795_255_200_000;
pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

pub fn id(n: u64) -> Id {
    Scramble::new(7).id(n)
}

/// An item without anything special.
pub fn item(n: u64) -> Item {
    let received_ms = NOW - DAY + i64::try_from(n).unwrap() * 1000;
    Item {
        id: id(n),
        version: 1,
        order: received_ms * 1024,
        folder: "virus".into(),
        received_ms,
        rule: "clamav".into(),
        reason: "Eicar-Test".into(),
        source: String::new(),
        generation: 1,
        copy: false,
        size: 1000 + n,
        digest: format!("{:016x}{n:048x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        trace: Default::default(),
        client: ClientView {
            session: id(1_000_000 + n / 2).to_string(),
            ip: Some("192.0.2.7".parse().unwrap()),
            listener: "in".into(),
            ..ClientView::default()
        },
        envelope: EnvelopeView { from: format!("sender{n}@example.com"), ..EnvelopeView::default() },
        recipients: vec![rcpt("bob@example.net")],
        header: HeaderView {
            message_id: Some(format!("{n}@Example.com")),
            subject: Some(format!("Invoice number {n}")),
            from: Some("Boss@example.com".into()),
        },
        findings: Vec::new(),
        score_milli: 0,
        tags: Vec::new(),
        likeness: [0; 3],
        spool: None,
        hold: None,
        trash: None,
        history: Vec::new(),
    }
}

pub fn rcpt(address: &str) -> RecipientView {
    RecipientView { rcpt: address.into(), ..RecipientView::default() }
}

pub fn delivery(address: &str, progress: Progress) -> Delivery {
    Delivery { rcpt: address.into(), progress, ..Delivery::default() }
}

/// Released, with one recipient.
pub fn spool(progress: Progress, priority: Priority, next_ms: i64) -> Spool {
    Spool {
        cause: SpoolCause::Released,
        since_ms: NOW,
        downstream: "inside".into(),
        deliveries: vec![delivery("bob@example.net", progress)],
        next_ms,
        expires_ms: NOW + 5 * DAY,
        priority,
        ..Spool::default()
    }
}

pub fn hold(next_ms: i64) -> Box<Hold> {
    Box::new(Hold { scanner: "clamav".into(), next_ms, ..Hold::default() })
}

pub fn trash(at_ms: i64) -> Trash {
    Trash { at_ms, by: "root".into(), batch: "1".into() }
}
