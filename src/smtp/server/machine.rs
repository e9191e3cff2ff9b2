//! Input: from octets to events.

use super::event::Event;
use super::state::{Ending, Greeted, Pace, State, Waiting};
use super::tolerance::Tolerance;
use super::transcript::Transcript;
use crate::reply::{Entry, Reply, catalogue};
use crate::smtp::command::Command;
use crate::smtp::line::{AUTH_OCTETS_MAX, COMMAND_OCTETS_MAX, Framed, LineFramer};
use std::collections::VecDeque;

/// Most commands looked at before their answers; a longer pipelined group is answered in parts.
const GROUP_MAX: usize = 100;

/// Input capacity that an idle session may keep: a command line or two.
const INPUT_KEPT: usize = 256;

/// First octet of a TLS record that carries a handshake (RFC 8446 section 5.1). No SMTP command has it.
const TLS_HANDSHAKE: u8 = 0x16;

/// The machine. See the module head for who calls what.
#[derive(Debug)]
pub struct Server {
    pub(super) state: State,
    pub(super) input: Vec<u8>,
    pub(super) at: usize,
    pub(super) output: Vec<u8>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) framer: LineFramer,
    held: Option<Command>,
    pub(super) greeted: Greeted,
    pub(super) authenticated: bool,
    pub(super) ending: Ending,
    /// What was said.
    pub(super) transcript: Transcript,
    secrets_near: bool,
    pub(super) tolerance: Tolerance,
    pub(super) pace: Pace,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            state: State::ExpectHello,
            input: Vec::new(),
            at: 0,
            output: Vec::new(),
            waiting: VecDeque::new(),
            framer: LineFramer::default(),
            held: None,
            greeted: Greeted::No,
            authenticated: false,
            ending: Ending::Open,
            transcript: Transcript::default(),
            secrets_near: false,
            tolerance: Tolerance::default(),
            pace: Pace::default(),
        }
    }
}

impl Server {
    /// Takes octets of the client.
    pub fn push(&mut self, octets: &[u8]) {
        self.compact();
        self.input.extend_from_slice(octets);
    }

    /// The input buffer itself, with room for at least `spare` more octets: message data is read straight
    /// into it. Only append.
    pub fn input_mut(&mut self, spare: usize) -> &mut Vec<u8> {
        self.compact();
        self.input.reserve(spare);
        &mut self.input
    }

    /// Octets that are here and not looked at yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.input.len().saturating_sub(self.at)
    }

    /// What is to be written to the client; the driver clears it when it is written.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the session is over once the output is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether message data or octets of a chunk come next: then [`Server::body`] is to be called.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self.state, State::ExpectData(_) | State::ExpectOctets { .. } | State::SkipOctets { .. })
    }

    /// Whether the TLS handshake comes next. Input that came before it was thrown away.
    #[must_use]
    pub fn awaits_handshake(&self) -> bool {
        matches!(self.state, State::ExpectHandshake)
    }

    /// Whether nothing of a command is here and no answer is outstanding.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.held.is_none() && self.output.is_empty()
    }

    /// Whether the session ended by QUIT.
    #[must_use]
    pub fn quit_was_said(&self) -> bool {
        self.ending == Ending::Quit
    }

    /// Gives back memory that an idle session does not need.
    pub fn rest(&mut self) {
        if self.buffered() == 0 && self.input.capacity() > INPUT_KEPT && !self.in_body() {
            self.input = Vec::new();
            self.at = 0;
        }
        if self.output.is_empty() && self.output.capacity() > 1024 {
            self.output = Vec::new();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 8 {
            self.waiting = VecDeque::new();
        }
    }

    /// Writes the greeting. Anything but 220 closes the session.
    pub fn greet(&mut self, greeting: &Reply) {
        self.say(greeting);
        if !greeting.is_success() {
            self.state = State::Closed;
        }
    }

    /// Ends the session with a reply that no command asked for (421).
    pub fn close(&mut self, farewell: &Reply) {
        if !self.is_closed() {
            self.say(farewell);
            self.state = State::Closed;
        }
    }

    /// The next answer ends the session, whatever it says.
    pub fn close_after_answer(&mut self) {
        self.ending = Ending::AfterAnswer;
    }

    /// The handshake is done: everything learned before it is forgotten (RFC 3207 section 4.2).
    pub fn handshake_done(&mut self) {
        self.input.clear();
        self.at = 0;
        self.forget();
    }

    /// What was said.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The same, for its clock and notes.
    pub fn transcript_mut(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        let from = self.output.len();
        reply.write_to(&mut self.output);
        self.transcript.server(self.output.get(from..).unwrap_or_default());
    }

    pub(super) fn forget(&mut self) {
        self.state = State::ExpectHello;
        self.greeted = Greeted::No;
        self.authenticated = false;
        self.pace.pipelining = false;
        self.framer = LineFramer::default();
    }

    /// The next thing the client did, if it is all here. `None`: more input is needed, or an answer is
    /// outstanding that must come first, or a body is to be read.
    pub fn poll(&mut self) -> Option<Event> {
        if !self.reads_lines() {
            return None;
        }
        if let Some(command) = self.held.take() {
            return self.admit(command);
        }
        if self.waiting.len() >= GROUP_MAX || self.waiting.iter().any(|w| !w.lets_envelope_pass()) {
            return None;
        }
        self.next_line()
    }

    fn reads_lines(&self) -> bool {
        match self.state {
            State::ExpectHello
            | State::ExpectMail
            | State::ExpectRcpt(_)
            | State::ExpectAuthLine
            | State::ExpectChunk(_)
            | State::ExpectReset => true,
            State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => false,
        }
    }

    fn next_line(&mut self) -> Option<Event> {
        let input = self.input.get(self.at..).unwrap_or_default();
        let line_begins = !self.framer.is_skipping();
        if self.greeted == Greeted::No && line_begins && input.first() == Some(&TLS_HANDSHAKE) {
            return Some(self.drop_with(catalogue::FOREIGN_PROTOCOL));
        }
        let in_auth = matches!(self.state, State::ExpectAuthLine);
        let bound = if in_auth || is_auth(input) { AUTH_OCTETS_MAX } else { COMMAND_OCTETS_MAX };
        let (consumed, framed) = self.framer.next(input, bound);
        let raw = input.get(..consumed).unwrap_or_default();
        let event = match framed {
            Framed::Incomplete => None,
            Framed::TooLong if in_auth => Some(Err(catalogue::AUTH_LINE_TOO_LONG)),
            Framed::TooLong => Some(Ok(Command::Bad(catalogue::LINE_TOO_LONG))),
            // What comes next would be taken for the answer to a challenge.
            Framed::BareCrOrNul if in_auth => Some(Err(catalogue::BARE_LINE_END)),
            Framed::BareCrOrNul => Some(Ok(Command::Bad(catalogue::BARE_LINE_END))),
            Framed::BareLf => Some(Err(catalogue::BARE_LINE_END)),
            Framed::Line(_) if in_auth => {
                self.transcript.client(REDACTED);
                let line = raw.into();
                self.at += consumed;
                self.look_behind_auth_line();
                self.waiting.push_back(Waiting::Auth);
                return Some(Event::AuthLine(line));
            }
            Framed::Line(line) => {
                let command = Command::parse(line, raw);
                // A client whose AUTH was refused may go on with its credentials all the same.
                let secret = self.secrets_near && command == Command::Bad(catalogue::UNKNOWN_COMMAND);
                self.secrets_near = secret || is_auth(line);
                self.transcript.client(if secret { REDACTED } else { without_credentials(line) });
                Some(Ok(command))
            }
        };
        if let Framed::TooLong | Framed::BareCrOrNul | Framed::BareLf = framed {
            self.transcript.note("a line that is too long, or has a bare CR, bare LF or NUL");
        }
        self.at += consumed;
        match event? {
            Ok(command) => self.admit(self.tolerance.strictly(command)),
            Err(entry) => Some(self.drop_with(entry)),
        }
    }

    /// Lets a command through when it is its turn, holds it while an earlier answer must come first.
    fn admit(&mut self, command: Command) -> Option<Event> {
        let passes = match &command {
            // Whether it is nested depends on the answer to the one before.
            Command::Mail(_) => !self.waiting.contains(&Waiting::Mail),
            Command::Rcpt(_) | Command::Bad(_) => true,
            Command::Hello { .. }
            | Command::Data
            | Command::Bdat { .. }
            | Command::Rset
            | Command::Noop
            | Command::Quit
            | Command::Vrfy
            | Command::Expn(_)
            | Command::Help
            | Command::Etrn(_)
            | Command::Auth { .. }
            | Command::StartTls
            | Command::Xclient(_)
            | Command::BadBdat
            | Command::Foreign => false,
        };
        if !self.waiting.is_empty() && !passes {
            self.held = Some(command);
            return None;
        }
        Some(self.order(command))
    }

    pub(super) fn drop_with(&mut self, entry: Entry) -> Event {
        self.waiting.push_back(Waiting::Drop);
        Event::Drop(entry)
    }

    pub(super) fn refuse_with(&mut self, entry: Entry) -> Event {
        self.waiting.push_back(Waiting::Other);
        Event::Refuse(entry)
    }

    fn compact(&mut self) {
        if self.at == 0 {
            return;
        }
        if self.at >= self.input.len() {
            self.input.clear();
        } else {
            self.input.drain(..self.at);
        }
        self.at = 0;
    }
}

/// Stands for credentials.
const REDACTED: &[u8] = b"***";

/// AUTH up to its mechanism: what follows is a secret.
fn without_credentials(line: &[u8]) -> &[u8] {
    if !is_auth(line) {
        return line;
    }
    let mechanism = line.iter().skip(5).position(|&b| b == b' ').map_or(line.len(), |at| at + 5);
    line.get(..mechanism).unwrap_or(line)
}

/// AUTH may carry its initial response on the command line, up to the same bound as the dialogue.
fn is_auth(input: &[u8]) -> bool {
    input.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"AUTH "))
}
