//! The two machines, under a driver whose answers follow from the input.

use crate::stream::{cuts, pieces};
use portcullis::reply::Reply;
use portcullis::smtp::client::{Awaiting, Client};
use portcullis::smtp::command::Command;
use portcullis::smtp::data::LineEnds;
use portcullis::smtp::response;
use portcullis::smtp::server::{BodyStep, Event, Server};

fn reply(code: u16) -> Reply {
    Reply::relayed(code, format!("{code} x\r\n").as_bytes())
}

/// Marks the handshake: octets that came before it are thrown away.
const TIMED: &str = "handshake";

struct Drive {
    server: Server,
    seen: Vec<String>,
    output: Vec<u8>,
    body: Vec<u8>,
    /// What decides the answers: how many there were, not when they came.
    answers: u64,
    replies: usize,
}

impl Drive {
    fn new(seed: u64) -> Self {
        let (server, seen, output, body) = (Server::default(), Vec::new(), Vec::new(), Vec::new());
        Self { server, seen, output, body, answers: seed, replies: 0 }
    }

    fn chance(&mut self, of: u64) -> bool {
        self.answers =
            self.answers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.answers >> 40).is_multiple_of(of)
    }

    fn answer(&mut self, code: u16) {
        self.replies += 1;
        self.server.answer(&reply(code));
    }

    fn push(&mut self, octets: &[u8]) {
        self.server.push(octets);
        let most = self.server.buffered() * 3 + 20;
        for step in 0.. {
            assert!(step < most, "more steps than octets");
            if self.server.in_body() {
                if !self.body_step() {
                    break;
                }
                continue;
            }
            let Some(event) = self.server.poll() else { break };
            self.seen.push(format!("{event:?}"));
            self.on_event(event);
            if self.server.awaits_handshake() {
                assert_eq!(self.server.buffered(), 0, "octets in clear outlive STARTTLS");
                self.seen.push(TIMED.into());
                self.server.handshake_done();
            }
        }
        self.output.append(self.server.output());
        if !self.server.is_closed() {
            assert!(self.server.buffered() <= 12_288, "{} octets wait", self.server.buffered());
        }
    }

    fn body_step(&mut self) -> bool {
        let body = &mut self.body;
        match self.server.body(&mut |octets| body.extend_from_slice(octets)) {
            BodyStep::More => return false,
            BodyStep::ChunkEnd => {
                self.seen.push(format!("chunk, {} so far", self.body.len()));
                self.answer(250);
            }
            BodyStep::End(facts) => {
                self.seen.push(format!("{facts:?} {}", self.body.escape_ascii()));
                self.body.clear();
                let code = if self.chance(3) { 550 } else { 250 };
                self.answer(code);
            }
            BodyStep::Skipped => {
                self.replies += 1;
                self.seen.push("skipped".into());
            }
            BodyStep::None => panic!("a body that is none"),
        }
        true
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Command(Command::Data) => {
                if self.chance(4) {
                    self.answer(451);
                } else {
                    self.replies += 1;
                    let line_ends = if self.chance(2) { LineEnds::Reject } else { LineEnds::Normalize };
                    self.server.go_ahead(&reply(354), line_ends);
                }
            }
            Event::Command(command) => {
                let code = match command {
                    Command::Quit => 221,
                    Command::Auth { .. } if self.chance(2) => 334,
                    Command::Auth { .. } => 235,
                    Command::StartTls if !self.chance(4) => 454,
                    _ if self.chance(5) => 550,
                    _ => 250,
                };
                if matches!(command, Command::Rset | Command::Hello { .. }) {
                    self.body.clear();
                }
                self.answer(code);
            }
            Event::AuthLine(line) => {
                assert!(line.ends_with(b"\r\n") && line.len() <= 12_288);
                let code = if self.chance(2) { 334 } else { 235 };
                self.answer(code);
            }
            Event::Chunk { octets, refuse: Some(entry), .. } => {
                self.server.refuse_chunk(octets, entry.reply())
            }
            Event::Chunk { octets, last, refuse: None } => {
                if self.chance(4) {
                    self.body.clear();
                    self.server.refuse_chunk(octets, reply(552));
                } else {
                    self.server.accept_chunk(octets, last, LineEnds::Reject);
                }
            }
            Event::Refuse(entry) | Event::Drop(entry) => {
                self.replies += 1;
                self.server.answer(&entry.reply());
            }
        }
    }
}

fn drive(pieces: &[&[u8]], seed: u64) -> (Vec<String>, Vec<u8>) {
    let mut drive = Drive::new(seed);
    pieces.iter().for_each(|piece| drive.push(piece));
    let lines = drive.output.windows(2).filter(|w| w == b"\r\n").count();
    assert_eq!(lines, drive.replies, "one reply for each answer");
    (drive.seen, drive.output)
}

pub fn server(input: &[u8]) {
    // EHLO first, so that the first mutation does not close every door.
    let input = [b"EHLO fuzz.example\r\n", input].concat();
    let seed = input.len() as u64;
    let whole = drive(&[&input], seed);
    let cut = drive(&pieces(&input, &cuts(&input)), seed);
    let single = drive(&pieces(&input, &|_| true), seed);
    // Whether octets were there before our 354 or our handshake depends on when they came; everything before is
    // the same.
    let early = |seen: &[String]| seen.iter().position(|e| e.contains("before our go-ahead") || e == TIMED);
    if let Some(at) = early(&whole.0).into_iter().chain(early(&cut.0)).chain(early(&single.0)).min() {
        assert_eq!(cut.0[..at], whole.0[..at]);
        assert_eq!(single.0[..at], whole.0[..at]);
        return;
    }
    assert_eq!(cut, whole);
    assert_eq!(single, whole);
}

fn converse(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut client = Client::default();
    let kinds = [Awaiting::Command, Awaiting::GoAhead, Awaiting::Auth, Awaiting::Message, Awaiting::Command];
    let (mut seen, mut said, mut broken) = (Vec::new(), 0usize, false);
    (0..3).for_each(|n| client.expect(kinds[n]));
    for piece in pieces {
        client.push(piece);
        loop {
            assert!(!broken || !client.is_usable(), "usable after an error");
            match client.poll() {
                Ok(Some(reply)) => {
                    assert!(!broken || client.outstanding() < 4);
                    let raw = reply.relayed_lines().unwrap_or_default();
                    assert!(raw.len() <= response::REPLY_OCTETS_MAX && raw.ends_with(b"\r\n"));
                    let lines = raw.windows(2).filter(|w| w == b"\r\n").count();
                    assert!(lines <= response::REPLY_LINES_MAX);
                    assert!(raw.split_inclusive(|&o| o == b'\n').all(|l| l[..3] == raw[..3]));
                    seen.push(raw.escape_ascii().to_string());
                    client.expect(kinds[said % kinds.len()]);
                    said += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    broken = true;
                    break;
                }
            }
        }
        if broken {
            // Whoever drives it stops here.
            assert!(!client.is_usable());
            return (seen, true);
        }
    }
    (seen, false)
}

pub fn client(input: &[u8]) {
    let input = [b"220 hi\r\n", input].concat();
    let whole = converse(&[&input]);
    assert_eq!(converse(&pieces(&input, &cuts(&input))), whole);
    assert_eq!(converse(&pieces(&input, &|_| true)), whole);
}
