//! Output: what an answer means for the state.

use super::machine::Server;
use super::state::{AfterSkip, Ending, Greeted, State, Waiting};
use crate::reply::Reply;
use crate::smtp::data::{BodyCheck, DataDecoder, LineEnds};

impl Server {
    /// Answers the oldest event that has no answer yet. Without one the reply is not written: an answer
    /// too many must never shift the others.
    pub fn answer(&mut self, reply: &Reply) {
        let Some(waiting) = self.waiting.pop_front() else { return };
        self.say(reply);
        match waiting {
            Waiting::Other => {}
            Waiting::Hello { extended } => self.after_hello(reply, extended),
            Waiting::Mail => self.after_mail(reply),
            Waiting::Rcpt => self.after_rcpt(reply),
            Waiting::Reset => self.after_reset(),
            Waiting::Auth => self.after_auth(reply),
            Waiting::Handshake => {
                if reply.is_success() {
                    self.input.clear();
                    self.at = 0;
                    self.state = State::ExpectHandshake;
                }
            }
            Waiting::Xclient => {
                if reply.is_success() {
                    self.forget();
                }
            }
            // A DATA that is not answered 354 leaves the transaction as it was (RFC 5321 section 4.1.1.4);
            // 354 itself is written by `go_ahead`.
            Waiting::Data => {}
            // A chunk that ended well was already noted by `body`.
            Waiting::ChunkEnd => {}
            Waiting::Message => self.state = self.between(),
            Waiting::Quit => {
                self.ending = Ending::Quit;
                self.state = State::Closed;
            }
            Waiting::Drop => self.state = State::Closed,
        }
        if reply.code() == 421 || self.ending == Ending::AfterAnswer {
            self.state = State::Closed;
        }
    }

    /// Answers DATA with 354; message data comes next.
    pub fn go_ahead(&mut self, reply: &Reply, line_ends: LineEnds) {
        if self.waiting.front() == Some(&Waiting::Data) {
            self.waiting.pop_front();
            self.say(reply);
            self.framer.reset();
            self.state = State::ExpectData(Box::new(DataDecoder::new(line_ends)));
        }
    }

    /// Takes the octets of a chunk.
    pub fn accept_chunk(&mut self, octets: u64, last: bool, line_ends: LineEnds) {
        let body = match std::mem::replace(&mut self.state, State::Closed) {
            State::ExpectChunk(body) => body,
            State::ExpectRcpt(_) => Box::new(BodyCheck::new(line_ends)),
            // Never accepted out of order: `poll` named the refusal. Refusing the stream is the safe end.
            State::ExpectHello
            | State::ExpectMail
            | State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectReset
            | State::ExpectVerdict
            | State::Closed => return,
        };
        self.framer.reset();
        self.state = State::ExpectOctets { left: octets, last, body };
    }

    /// Throws the octets of a chunk away and then answers with `reply`. In a transaction nothing but RSET
    /// helps afterwards.
    pub fn refuse_chunk(&mut self, octets: u64, reply: Reply) {
        let then = match self.state {
            State::ExpectHello => AfterSkip::Hello,
            State::ExpectMail => AfterSkip::Mail,
            State::ExpectRcpt(_)
            | State::ExpectChunk(_)
            | State::ExpectReset
            | State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => AfterSkip::Reset,
        };
        self.framer.reset();
        self.state = State::SkipOctets { left: octets, reply: Box::new(reply), then };
    }

    fn after_hello(&mut self, reply: &Reply, extended: bool) {
        if reply.is_success() {
            self.greeted = if extended { Greeted::Ehlo } else { Greeted::Helo };
            self.state = State::ExpectMail;
            self.note_offer(reply, extended);
        }
    }

    fn after_mail(&mut self, reply: &Reply) {
        let State::ExpectRcpt(envelope) = &mut self.state else { return };
        if reply.is_success() {
            envelope.mail_accepted = true;
        } else {
            self.state = self.between();
        }
    }

    fn after_rcpt(&mut self, reply: &Reply) {
        let State::ExpectRcpt(envelope) = &mut self.state else { return };
        if reply.is_success() && envelope.mail_accepted {
            envelope.accepted += 1;
        }
    }

    fn after_reset(&mut self) {
        self.state = self.between();
    }

    fn after_auth(&mut self, reply: &Reply) {
        self.authenticated |= reply.code() == 235;
        self.state = if reply.code() == 334 { State::ExpectAuthLine } else { State::ExpectMail };
    }
}
