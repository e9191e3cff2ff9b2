//! Records: what a session leaves is the line of the audit log, found by its reference, counted by its source.

use crate::harness::{Downstream, Harness, Keys, Mode, drain, paused};
use portcullis::records::{self, By, Kind, Record, Sort, Window};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// The raw lines, newest first, once there are so many.
fn lines(state_dir: &Path, least: usize) -> Vec<(Kind, String)> {
    let began = Instant::now();
    loop {
        let mut out = Vec::new();
        let seen = records::records(
            state_dir,
            |_| true,
            |record, line| {
                out.push((record.kind, String::from_utf8(line.to_vec()).unwrap()));
                ControlFlow::Continue(())
            },
        );
        assert_eq!(seen.unwrap().damaged, 0);
        if out.len() >= least || began.elapsed() > Duration::from_secs(10) {
            return out;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_session_leaves_its_audit_lines_as_records_and_is_counted() {
    paused(async {
        let downstream = Downstream::new(Mode::Auto, &["PIPELINING", "SIZE 1000000"]);
        let keys = Keys { listener: "greeting = \"x\"".into(), ..Keys::default() };
        let harness = Harness::new(&keys, downstream);
        harness.probe().await;
        let mut client = harness.connect("192.0.2.7:4711".parse().unwrap());
        drain(&mut client).await;
        for said in [
            "EHLO mx.example.com\r\n",
            "MAIL FROM:<a@example.com>\r\n",
            "RCPT TO:<b@example.net>\r\n",
            "RCPT TO:<c@elsewhere.example>\r\n",
            "DATA\r\n",
            "Message-ID: <1@example.com>\r\n\r\nx\r\n.\r\n",
            "QUIT\r\n",
        ] {
            client.write_all(said.as_bytes()).await.unwrap();
            drain(&mut client).await;
        }
        let state_dir = harness.gateway.current.load().policy.state_dir.clone();
        let found = lines(&state_dir, 2);
        let kinds: Vec<Kind> = found.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Connection, Kind::Message]);
        let message = Record::parse(found[1].1.as_bytes()).unwrap();
        assert_eq!(message.sender().as_deref(), Some("<a@example.com>"));
        let recipients: Vec<String> = message.to.iter().map(|to| to.path()).collect();
        assert_eq!(recipients, ["<b@example.net>", "<c@elsewhere.example>"]);
        let top = |by| harness.gateway.records.busiest(by, Window::FiveMinutes, 9, Sort::Messages).rows;
        let began = Instant::now();
        while top(By::Prefix).first().is_none_or(|r| r.counts.connections == 0) {
            assert!(began.elapsed() < Duration::from_secs(10), "not counted");
            std::thread::sleep(Duration::from_millis(5));
        }
        let prefix = &top(By::Prefix)[0];
        assert_eq!(
            (prefix.key.as_str(), prefix.counts.connections, prefix.counts.messages),
            ("192.0.2.0/24", 1, 1)
        );
        assert_eq!(top(By::SenderDomain)[0].key, "example.com");
        let refused: Vec<u32> = top(By::Recipient).iter().map(|r| r.counts.refused).collect();
        assert_eq!(refused, [0, 1]);
        assert_eq!(top(By::Rule)[0].key, "relay-control");
        let status = harness.gateway.status().records;
        assert_eq!((status.entries, status.lost, status.damaged), (2, 0, 0));
        let records: Vec<String> = found.into_iter().rev().map(|(_, line)| line).collect();
        assert_eq!(harness.audit(), records);
    });
}
