//! The order of commands: which state takes which command, one exhaustive table.

use super::event::Event;
use super::machine::Server;
use super::state::{Envelope, Greeted, State, Waiting};
use crate::reply::{Entry, catalogue};
use crate::smtp::command::Command;

impl Server {
    /// Judges a command by the state and notes what its answer will be for.
    pub(super) fn order(&mut self, command: Command) -> Event {
        self.look_behind(&command);
        match &command {
            Command::Hello { extended, .. } => {
                let waiting = Waiting::Hello { extended: *extended };
                self.let_pass(command, waiting)
            }
            Command::Rset => self.let_pass(command, Waiting::Reset),
            Command::Quit => self.let_pass(command, Waiting::Quit),
            Command::Noop | Command::Help | Command::Vrfy | Command::Expn(_) | Command::Etrn(_) => {
                self.let_pass(command, Waiting::Other)
            }
            Command::Mail(_) => self.mail(command),
            Command::Rcpt(_) => self.rcpt(command),
            Command::Data => self.data(command),
            Command::Bdat { octets, last } => {
                let (octets, last) = (*octets, *last);
                Event::Chunk { octets, last, refuse: self.refuse_chunk_with() }
            }
            Command::Auth { .. } => self.auth(command),
            Command::StartTls => match self.outside_transaction() {
                Ok(()) => self.let_pass(command, Waiting::Handshake),
                Err(entry) => self.refuse_with(entry),
            },
            Command::Xclient(_) => match self.between_transactions() {
                Ok(()) => self.let_pass(command, Waiting::Xclient),
                Err(entry) => self.refuse_with(entry),
            },
            Command::Bad(entry) => {
                let entry = *entry;
                self.refuse_with(entry)
            }
            Command::BadBdat => self.drop_with(catalogue::BAD_PARAMETER),
            Command::Foreign => self.drop_with(catalogue::FOREIGN_PROTOCOL),
        }
    }

    fn let_pass(&mut self, command: Command, waiting: Waiting) -> Event {
        self.waiting.push_back(waiting);
        Event::Command(command)
    }

    /// Not inside a transaction; before HELO is fine (STARTTLS needs EHLO first, XCLIENT does not).
    fn between_transactions(&self) -> Result<(), Entry> {
        match self.state {
            State::ExpectHello | State::ExpectMail => Ok(()),
            State::ExpectReset => Err(catalogue::BDAT_BROKEN),
            State::ExpectRcpt(_)
            | State::ExpectChunk(_)
            | State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => Err(catalogue::BAD_SEQUENCE),
        }
    }

    fn outside_transaction(&self) -> Result<(), Entry> {
        if matches!(self.state, State::ExpectHello) {
            return Err(catalogue::HELLO_FIRST);
        }
        self.between_transactions()
    }

    fn mail(&mut self, mut command: Command) -> Event {
        let mut smtputf8 = false;
        if let Command::Mail(mail) = &mut command {
            smtputf8 = mail.facts.smtputf8;
            mail.violations.missing_hello = self.greeted == Greeted::No;
        }
        match self.state {
            State::ExpectHello if !self.tolerance.missing_hello => self.refuse_with(catalogue::HELLO_FIRST),
            State::ExpectHello | State::ExpectMail => {
                self.state = State::ExpectRcpt(Envelope { smtputf8, ..Envelope::default() });
                self.let_pass(command, Waiting::Mail)
            }
            State::ExpectRcpt(_) | State::ExpectChunk(_) => self.refuse_with(catalogue::NESTED_MAIL),
            State::ExpectReset => self.refuse_with(catalogue::BDAT_BROKEN),
            State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => self.refuse_with(catalogue::BAD_SEQUENCE),
        }
    }

    fn rcpt(&mut self, command: Command) -> Event {
        let ascii = matches!(&command, Command::Rcpt(rcpt) if rcpt.is_ascii());
        match self.state {
            State::ExpectRcpt(envelope) if !ascii && !envelope.smtputf8 => {
                self.refuse_with(catalogue::NOT_ASCII)
            }
            State::ExpectRcpt(_) => self.let_pass(command, Waiting::Rcpt),
            State::ExpectHello => self.refuse_with(catalogue::HELLO_FIRST),
            State::ExpectMail => self.refuse_with(catalogue::MAIL_FIRST),
            State::ExpectReset => self.refuse_with(catalogue::BDAT_BROKEN),
            State::ExpectChunk(_)
            | State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => self.refuse_with(catalogue::BAD_SEQUENCE),
        }
    }

    fn data(&mut self, command: Command) -> Event {
        match self.state {
            // What came before our 354 would be read as commands or as data, depending on who reads.
            State::ExpectRcpt(envelope) if envelope.accepted > 0 && self.buffered() > 0 => {
                self.drop_with(catalogue::EARLY_DATA)
            }
            State::ExpectRcpt(envelope) if envelope.accepted > 0 => self.let_pass(command, Waiting::Data),
            State::ExpectRcpt(_) => self.refuse_with(catalogue::RCPT_FIRST),
            State::ExpectHello => self.refuse_with(catalogue::HELLO_FIRST),
            State::ExpectMail => self.refuse_with(catalogue::MAIL_FIRST),
            State::ExpectChunk(_) => self.refuse_with(catalogue::MIXED_DATA_BDAT),
            State::ExpectReset => self.refuse_with(catalogue::BDAT_BROKEN),
            State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => self.refuse_with(catalogue::BAD_SEQUENCE),
        }
    }

    fn refuse_chunk_with(&self) -> Option<Entry> {
        match &self.state {
            State::ExpectRcpt(envelope) if envelope.accepted > 0 => None,
            State::ExpectChunk(_) => None,
            State::ExpectRcpt(_) => Some(catalogue::RCPT_FIRST),
            State::ExpectHello => Some(catalogue::HELLO_FIRST),
            State::ExpectMail => Some(catalogue::MAIL_FIRST),
            State::ExpectReset => Some(catalogue::BDAT_BROKEN),
            State::ExpectAuthLine
            | State::ExpectHandshake
            | State::ExpectData(_)
            | State::ExpectOctets { .. }
            | State::SkipOctets { .. }
            | State::ExpectVerdict
            | State::Closed => Some(catalogue::BAD_SEQUENCE),
        }
    }

    fn auth(&mut self, command: Command) -> Event {
        if self.authenticated {
            return self.refuse_with(catalogue::ALREADY_AUTHENTICATED);
        }
        match self.outside_transaction() {
            Ok(()) if self.greeted == Greeted::Ehlo => self.let_pass(command, Waiting::Auth),
            Ok(()) => self.refuse_with(catalogue::HELLO_FIRST),
            Err(entry) => self.refuse_with(entry),
        }
    }
}
