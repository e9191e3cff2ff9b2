//! Message data: up to CRLF.CRLF, or as many octets as BDAT said.

use super::event::BodyFacts;
use super::machine::Server;
use super::state::{AfterSkip, State, Waiting};
use crate::smtp::data::{BodyCheck, Violation};

/// What became of the input that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyStep {
    /// It is all taken, and more belongs to the body.
    More,
    /// A chunk that is not the last is complete; it is to be answered.
    ChunkEnd,
    /// The octets of a refused chunk are gone and its reply is written.
    Skipped,
    /// The message is complete; it is to be answered.
    End(BodyFacts),
    /// No body is awaited.
    None,
}

impl Server {
    /// Takes what is here of the body and hands its octets to `sink`, dots unstuffed.
    pub fn body(&mut self, sink: &mut dyn FnMut(&[u8])) -> BodyStep {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::ExpectData(mut decoder) => {
                let input = self.input.get(self.at..).unwrap_or_default();
                let (consumed, end) = decoder.push(input, sink);
                self.at += consumed;
                if end {
                    self.message_end(decoder.octets(), decoder.violation(), decoder.has_8bit())
                } else {
                    self.state = State::ExpectData(decoder);
                    BodyStep::More
                }
            }
            State::ExpectOctets { left, last, body } => self.octets(left, last, body, sink),
            State::SkipOctets { left, reply, then } => {
                let taken = self.take(left);
                if taken < left {
                    self.state = State::SkipOctets { left: left - taken, reply, then };
                    return BodyStep::More;
                }
                self.say(&reply);
                self.state = match then {
                    AfterSkip::Hello => State::ExpectHello,
                    AfterSkip::Mail => State::ExpectMail,
                    AfterSkip::Reset => State::ExpectReset,
                };
                if reply.code() == 421 {
                    self.state = State::Closed;
                }
                BodyStep::Skipped
            }
            other @ (State::ExpectHello
            | State::ExpectMail
            | State::ExpectRcpt(_)
            | State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectChunk(_)
            | State::ExpectReset
            | State::ExpectVerdict
            | State::Closed) => {
                self.state = other;
                BodyStep::None
            }
        }
    }

    fn octets(
        &mut self,
        left: u64,
        last: bool,
        mut body: Box<BodyCheck>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> BodyStep {
        let start = self.at;
        let taken = self.take(left);
        body.push(self.input.get(start..self.at).unwrap_or_default(), sink);
        if taken < left {
            self.state = State::ExpectOctets { left: left - taken, last, body };
            return BodyStep::More;
        }
        if last {
            body.finish(sink);
            return self.message_end(body.octets(), body.violation(), body.has_8bit());
        }
        self.state = State::ExpectChunk(body);
        self.waiting.push_back(Waiting::ChunkEnd);
        BodyStep::ChunkEnd
    }

    /// Consumes up to `left` octets and says how many.
    fn take(&mut self, left: u64) -> u64 {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffered());
        self.at += here;
        here as u64
    }

    fn message_end(&mut self, octets: u64, violation: Option<Violation>, has_8bit: bool) -> BodyStep {
        self.state = State::ExpectVerdict;
        self.waiting.push_back(Waiting::Message);
        BodyStep::End(BodyFacts { octets, violation, has_8bit })
    }
}
