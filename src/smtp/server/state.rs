//! The states, each named for what is awaited, each with only its own data.

use crate::reply::Reply;
use crate::smtp::data::{BodyCheck, DataDecoder};

/// What the machine awaits.
#[derive(Debug)]
pub(super) enum State {
    /// HELO or EHLO.
    ExpectHello,
    /// MAIL, or anything that is no transaction.
    ExpectMail,
    /// RCPT, DATA or the first BDAT.
    ExpectRcpt(Envelope),
    /// A line of the AUTH dialogue.
    ExpectAuthLine,
    /// The TLS handshake; the driver takes the stream.
    ExpectHandshake,
    /// Message data up to CRLF.CRLF.
    ExpectData(Box<DataDecoder>),
    /// Octets of an accepted chunk.
    ExpectOctets {
        /// Still to come.
        left: u64,
        /// It is the last.
        last: bool,
        /// All chunks so far.
        body: Box<BodyCheck>,
    },
    /// The next BDAT.
    ExpectChunk(Box<BodyCheck>),
    /// Octets of a refused chunk, which are thrown away; then its reply.
    SkipOctets {
        /// Still to come.
        left: u64,
        /// What the chunk gets.
        reply: Box<Reply>,
        /// Where it goes on.
        then: AfterSkip,
    },
    /// RSET, after a refused chunk (RFC 3030 section 2).
    ExpectReset,
    /// The driver's answer to the whole message.
    ExpectVerdict,
    /// Nothing; the session is over.
    Closed,
}

/// Where a session goes on after a refused chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterSkip {
    /// There was no transaction, and no HELO yet.
    Hello,
    /// There was no transaction.
    Mail,
    /// There was one; it is dead until RSET.
    Reset,
}

/// How the client greeted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Greeted {
    /// Not yet, or it is forgotten.
    #[default]
    No,
    /// HELO.
    Helo,
    /// EHLO.
    Ehlo,
}

/// Whether the client waits for replies where it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    /// Our last answer to EHLO offered PIPELINING.
    pub(super) pipelining: bool,
    /// Once it did not wait.
    pub(super) sent_ahead: bool,
}

/// How far the session is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ending {
    /// It goes on.
    #[default]
    Open,
    /// The next answer is the last.
    AfterAnswer,
    /// QUIT was said.
    Quit,
}

/// A transaction before its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Envelope {
    /// MAIL was answered 2yz (else its answer is outstanding).
    pub(super) mail_accepted: bool,
    /// Recipients answered 2yz.
    pub(super) accepted: usize,
    /// MAIL said SMTPUTF8.
    pub(super) smtputf8: bool,
}

/// What an outstanding answer will be the answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Hello {
        extended: bool,
    },
    Mail,
    Rcpt,
    Data,
    Reset,
    Quit,
    Auth,
    Handshake,
    Xclient,
    /// NOOP, HELP, VRFY, EXPN, ETRN, and refusals after which the session goes on.
    Other,
    /// A refusal that ends the session.
    Drop,
    /// A chunk that is not the last.
    ChunkEnd,
    /// The message.
    Message,
}

impl Waiting {
    /// Whether further MAIL and RCPT commands may be looked at before this one is answered (RFC 2920).
    pub(super) fn lets_envelope_pass(self) -> bool {
        match self {
            Self::Mail | Self::Rcpt | Self::Other => true,
            Self::Hello { .. }
            | Self::Data
            | Self::Reset
            | Self::Quit
            | Self::Auth
            | Self::Handshake
            | Self::Xclient
            | Self::Drop
            | Self::ChunkEnd
            | Self::Message => false,
        }
    }
}
