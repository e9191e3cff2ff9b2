//! The machine.

use crate::reply::{Class, Reply};
use crate::smtp::response::{self, ResponseError};
use std::collections::VecDeque;

/// What the next reply answers, as far as it decides which classes are possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaiting {
    /// The greeting: 220, or a refusal.
    Greeting,
    /// Any command whose reply is 2yz, 4yz or 5yz.
    Command,
    /// DATA: 354 or a refusal; 2yz is nonsense.
    GoAhead,
    /// AUTH and its lines: 3yz too.
    Auth,
    /// The end of the message: 2yz, 4yz, 5yz.
    Message,
}

/// Why a server's answers cannot be trusted any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It does not parse.
    #[error("a reply that does not parse: {0}")]
    Malformed(#[from] ResponseError),
    /// Nothing awaits a reply.
    #[error("a reply that answers no command")]
    Surplus,
    /// A class that this command cannot have, such as 250 to DATA.
    #[error("reply {code} to {awaiting:?}, which it cannot be")]
    Impossible {
        /// What was awaited.
        awaiting: Awaiting,
        /// What came.
        code: u16,
    },
    /// 421: the server ends the session.
    #[error("421, the server closes")]
    Closing(Box<Reply>),
}

/// The machine. Begins by awaiting the greeting.
#[derive(Debug)]
pub struct Client {
    input: Vec<u8>,
    output: Vec<u8>,
    awaiting: VecDeque<Awaiting>,
    broken: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            input: Vec::new(),
            output: Vec::new(),
            awaiting: VecDeque::from([Awaiting::Greeting]),
            broken: false,
        }
    }
}

impl Client {
    /// Queues a line, with its CRLF, and awaits a reply to it.
    pub fn send(&mut self, line: &[u8], awaiting: Awaiting) {
        self.look_for_surplus();
        self.output.extend_from_slice(line);
        self.awaiting.push_back(awaiting);
    }

    /// Awaits a reply to something that the caller writes itself: a body, a PROXY header's greeting.
    pub fn expect(&mut self, awaiting: Awaiting) {
        self.look_for_surplus();
        self.awaiting.push_back(awaiting);
    }

    /// Octets that are here before anything was asked would be taken for the answer to what is asked now.
    fn look_for_surplus(&mut self) {
        if self.awaiting.is_empty() && !self.input.is_empty() {
            self.broken = true;
        }
    }

    /// Whether the machine was broken off: nothing more may be written.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// What is to be written; the caller clears it when it is written.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes octets of the server.
    pub fn push(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    /// The next reply, if it is all here.
    ///
    /// # Errors
    /// [`ClientError`]; the machine is broken from then on, except that `Closing` still is a reply to the
    /// command that it answers.
    pub fn poll(&mut self) -> Result<Option<Reply>, ClientError> {
        if self.broken {
            return Err(ClientError::Surplus);
        }
        if self.input.is_empty() {
            return Ok(None);
        }
        let Some(awaiting) = self.awaiting.front().copied() else { return self.fail(ClientError::Surplus) };
        let (consumed, reply) = match response::parse(&self.input) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            Err(error) => return self.fail(error.into()),
        };
        self.input.drain(..consumed.min(self.input.len()));
        if !possible(awaiting, &reply) {
            return self.fail(ClientError::Impossible { awaiting, code: reply.code() });
        }
        self.awaiting.pop_front();
        if reply.code() == 421 {
            return self.fail(ClientError::Closing(Box::new(reply)));
        }
        Ok(Some(reply))
    }

    fn fail<T>(&mut self, error: ClientError) -> Result<T, ClientError> {
        self.broken = true;
        Err(error)
    }

    /// A complete reply that came while we were writing a body: a server may refuse in the middle (RFC 5321
    /// section 4.2.5 asks it to wait, RFC 3030 does not) and close. The machine is broken all the same.
    pub fn parting_reply(&mut self) -> Option<Reply> {
        self.broken = true;
        let (_, reply) = response::parse(&self.input).ok().flatten()?;
        Some(reply)
    }

    /// After STARTTLS was accepted. Octets that came in clear behind the reply are an injection
    /// (CVE-2021-38371 and its kind): the machine breaks.
    ///
    /// # Errors
    /// [`ClientError::Surplus`].
    pub fn handshake_begins(&mut self) -> Result<(), ClientError> {
        if self.input.is_empty() && self.awaiting.is_empty() {
            Ok(())
        } else {
            self.fail(ClientError::Surplus)
        }
    }

    /// Whether nothing is outstanding, nothing is left over and nothing went wrong: the only state in which a
    /// session may be given to another transaction.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.broken && self.awaiting.is_empty() && self.input.is_empty() && self.output.is_empty()
    }

    /// Whether nothing is wrong, nothing is left over, and just so many replies are outstanding.
    #[must_use]
    pub fn awaits_only(&self, replies: usize) -> bool {
        !self.broken && self.output.is_empty() && self.awaiting.len() == replies
    }

    /// How many replies are outstanding.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.awaiting.len()
    }

    /// Marks the session as not to be trusted, for a reason that the caller saw.
    pub fn break_off(&mut self) {
        self.broken = true;
    }

    /// Gives back memory while the session rests in a pool.
    pub fn rest(&mut self) {
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }
}

fn possible(awaiting: Awaiting, reply: &Reply) -> bool {
    match (awaiting, reply.class()) {
        (_, Class::Temporary | Class::Permanent) => true,
        (Awaiting::Greeting, Class::Success) => reply.code() == 220,
        (Awaiting::Command | Awaiting::Auth | Awaiting::Message, Class::Success) => true,
        (Awaiting::GoAhead, Class::Intermediate) => reply.code() == 354,
        (Awaiting::Auth, Class::Intermediate) => reply.code() == 334,
        (Awaiting::GoAhead, Class::Success)
        | (Awaiting::Greeting | Awaiting::Command | Awaiting::Message, Class::Intermediate) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted() -> Client {
        let mut client = Client::default();
        client.push(b"220 mx\r\n");
        client.poll().unwrap().unwrap();
        client
    }

    #[test]
    fn replies_come_in_order_and_one_each() {
        let mut client = greeted();
        client.send(b"MAIL FROM:<>\r\n", Awaiting::Command);
        client.send(b"RCPT TO:<a@b>\r\n", Awaiting::Command);
        assert_eq!(client.output(), b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
        client.push(b"250 2.1.0 Ok\r\n550-no\r\n55");
        assert_eq!(client.poll().unwrap().unwrap().code(), 250);
        assert_eq!(client.poll(), Ok(None));
        client.push(b"0 way\r\n");
        assert_eq!(client.poll().unwrap().unwrap().code(), 550);
        client.output().clear();
        assert!(client.is_usable());
    }

    #[test]
    fn what_nothing_awaits_breaks_the_session() {
        let mut client = greeted();
        client.send(b"NOOP\r\n", Awaiting::Command);
        client.output().clear();
        client.push(b"250 ok\r\n250 surplus\r\n");
        assert_eq!(client.poll().unwrap().unwrap().code(), 250);
        assert!(!client.is_usable());
        assert_eq!(client.poll(), Err(ClientError::Surplus));
    }

    #[test]
    fn a_surplus_reply_never_answers_the_next_command() {
        let mut client = greeted();
        client.send(b"RCPT TO:<a@b>\r\n", Awaiting::Command);
        client.output().clear();
        client.push(b"250 ok\r\n550 surplus\r\n");
        assert_eq!(client.poll().unwrap().unwrap().code(), 250);
        client.send(b"DATA\r\n", Awaiting::GoAhead);
        assert!(client.is_broken());
        assert_eq!(client.poll(), Err(ClientError::Surplus));
    }

    #[test]
    fn impossible_replies_break_the_session() {
        for (awaiting, reply) in [
            (Awaiting::GoAhead, "250 ok\r\n"),
            (Awaiting::Message, "354 go on\r\n"),
            (Awaiting::Command, "354 go on\r\n"),
            (Awaiting::Command, "334 x\r\n"),
            (Awaiting::Auth, "354 x\r\n"),
            (Awaiting::Command, "999 x\r\n"),
            (Awaiting::Command, "hello\r\n"),
        ] {
            let mut client = greeted();
            client.expect(awaiting);
            client.push(reply.as_bytes());
            assert!(client.poll().is_err(), "{awaiting:?} {reply}");
            assert!(!client.is_usable());
        }
        let mut client = Client::default();
        client.push(b"250 mx\r\n");
        assert!(client.poll().is_err());
    }

    #[test]
    fn a_421_is_the_end() {
        let mut client = greeted();
        client.expect(Awaiting::Command);
        client.push(b"421 4.3.2 bye\r\n");
        assert!(matches!(client.poll(), Err(ClientError::Closing(_))));
        assert!(!client.is_usable());
    }

    #[test]
    fn octets_in_clear_behind_starttls_are_an_injection() {
        let mut client = greeted();
        client.expect(Awaiting::Command);
        client.push(b"220 go\r\n250 injected\r\n");
        client.poll().unwrap().unwrap();
        assert_eq!(client.handshake_begins(), Err(ClientError::Surplus));
    }
}
