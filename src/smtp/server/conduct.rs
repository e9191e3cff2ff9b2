//! What a client does that the protocol forbids: violations that are refused unless they are tolerated, and
//! whether anything was sent ahead of its time.

use super::machine::Server;
use super::state::{Greeted, State};
use super::tolerance::Tolerance;
use crate::reply::Reply;
use crate::smtp::command::Command;
use crate::smtp::response::lines;

impl Server {
    /// From now on these violations are taken. A line that was looked at already is not looked at again.
    pub fn tolerate(&mut self, tolerance: Tolerance) {
        self.tolerance = tolerance;
    }

    /// Whether the client ever sent something ahead that had to wait for a reply: anything behind a command
    /// where PIPELINING was not offered; else what follows a command that must be the last of its group
    /// (RFC 2920 section 3.1). Depends on what was here when the command was looked at, and so on the network;
    /// it never holds for a client that waits for its replies.
    #[must_use]
    pub fn sent_ahead(&self) -> bool {
        self.pace.sent_ahead
    }

    /// Looks, when it is a command's turn and nothing of its answer is out yet, at what is here behind it.
    pub(super) fn look_behind(&mut self, command: &Command) {
        let behind = self.buffered() as u64;
        self.pace.sent_ahead |= match may_follow(command) {
            Follow::Anything => !self.pace.pipelining && behind > 0,
            Follow::Octets(octets) => !self.pace.pipelining && behind > octets,
            Follow::Nothing => behind > 0,
        };
    }

    /// Behind a line of an AUTH dialogue, which waits for the answer to it.
    pub(super) fn look_behind_auth_line(&mut self) {
        self.pace.sent_ahead |= self.buffered() > 0;
    }

    /// What our answer to EHLO allows from now on.
    pub(super) fn note_offer(&mut self, reply: &Reply, extended: bool) {
        self.pace.pipelining = extended && offers_pipelining(reply);
    }

    /// Where a session is without a transaction.
    pub(super) fn between(&self) -> State {
        if self.greeted == Greeted::No { State::ExpectHello } else { State::ExpectMail }
    }
}

/// What may be sent behind a command before its reply is here, where PIPELINING is offered.
enum Follow {
    /// Further commands.
    Anything,
    /// Where it is not offered, the octets of the chunk only; else further commands too.
    Octets(u64),
    /// Nothing: it ends its group.
    Nothing,
}

fn may_follow(command: &Command) -> Follow {
    match command {
        Command::Mail(_) | Command::Rcpt(_) | Command::Rset => Follow::Anything,
        // One that does not parse may be any of these.
        Command::Bad(_) => Follow::Anything,
        // The size of a chunk says where the next command begins, whatever is answered (RFC 3030 section 2).
        Command::Bdat { octets, .. } => Follow::Octets(*octets),
        // RFC 2920 section 3.1; RFC 3207 section 4; RFC 4954 section 4. An extension whose document does not
        // say otherwise ends its group too.
        Command::Hello { .. }
        | Command::Data
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
        | Command::Foreign => Follow::Nothing,
    }
}

/// Whether a line of our answer to EHLO is the keyword.
fn offers_pipelining(reply: &Reply) -> bool {
    let raw = reply.relayed_lines().unwrap_or_default();
    reply.is_success() && lines(raw).any(|line| line.eq_ignore_ascii_case(b"PIPELINING"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::catalogue;
    use crate::smtp::command::Violations;
    use crate::smtp::server::Event;

    const EHLO: &str = "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n";

    fn reply(lines: &str) -> Reply {
        Reply::relayed(lines.get(..3).unwrap().parse().unwrap(), lines.as_bytes())
    }

    /// Answers everything; EHLO with `ehlo`.
    fn settle(server: &mut Server, ehlo: &str) {
        while let Some(event) = server.poll() {
            match event {
                Event::Command(Command::Hello { .. }) => server.answer(&reply(ehlo)),
                Event::Command(Command::Auth { .. }) => server.answer(&reply("334 \r\n")),
                Event::Chunk { octets, .. } => {
                    server.refuse_chunk(octets, reply("503 no\r\n"));
                    server.body(&mut |_| ());
                }
                Event::Command(_) | Event::AuthLine(_) | Event::Refuse(_) | Event::Drop(_) => {
                    server.answer(&reply("250 ok\r\n"));
                }
            }
        }
    }

    /// Whether something was sent ahead, in one piece behind a greeting of its own.
    fn ahead(ehlo: &str, hello: &str, piece: &str) -> bool {
        let mut server = Server::default();
        for octets in [hello, piece] {
            server.push(octets.as_bytes());
            settle(&mut server, ehlo);
        }
        server.sent_ahead()
    }

    #[test]
    fn what_ends_its_group_is_followed_by_nothing() {
        let pipelined = |piece| ahead(EHLO, "EHLO c\r\n", piece);
        for (piece, want) in [
            ("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", false),
            ("RSET\r\nMAIL FROM:<a@b>\r\nNOOP\r\n", false),
            ("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcBDAT 0 LAST\r\nRSET\r\n", false),
            ("MAIL FROM:what\r\nRCPT TO:<c@d>\r\n", false),
            ("NOOP\r\nRSET\r\n", true),
            ("EHLO c\r\nMAIL FROM:<a@b>\r\n", true),
            ("VRFY x\r\nQUIT\r\n", true),
            ("STARTTLS\r\nMAIL FROM:<a@b>\r\n", true),
            ("AUTH LOGIN\r\ndXNlcg==\r\n", true),
            ("QUIT\r\nMAIL FROM:<a@b>\r\n", true),
            ("MAIL FROM:<a@b>\r\nDATA\r\nSubject: x\r\n", true),
        ] {
            assert_eq!(pipelined(piece), want, "{piece:?}");
        }
    }

    #[test]
    fn without_an_offer_nothing_is_sent_ahead() {
        for (ehlo, hello, piece, want) in [
            ("250 mx\r\n", "EHLO c\r\n", "MAIL FROM:<a@b>\r\n", false),
            ("250 mx\r\n", "EHLO c\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", true),
            // It is offered to those who say EHLO.
            (EHLO, "HELO c\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", true),
            (EHLO, "", "HELO c\r\nMAIL FROM:<a@b>\r\n", true),
            (EHLO, "", "HELO c\r\n", false),
            ("250 mx\r\n", "EHLO c\r\n", "BDAT 3 LAST\r\nabc", false),
            ("250 mx\r\n", "EHLO c\r\n", "BDAT 3 LAST\r\nabcQUIT\r\n", true),
            // The name of the host is no keyword, nor is one that begins like it.
            ("250-mx PIPELINING\r\n250 PIPELININGX\r\n", "EHLO c\r\n", "RSET\r\nRSET\r\n", true),
        ] {
            assert_eq!(ahead(ehlo, hello, piece), want, "{hello:?} {piece:?}");
        }
    }

    #[test]
    fn an_offer_ends_with_what_was_offered_under() {
        let mut server = Server::default();
        for octets in ["EHLO c\r\n", "XCLIENT ADDR=192.0.2.1\r\n", "MAIL FROM:<a@b>\r\nRSET\r\n"] {
            assert!(!server.sent_ahead());
            server.push(octets.as_bytes());
            settle(&mut server, EHLO);
        }
        assert!(server.sent_ahead());
    }

    #[test]
    fn what_is_not_tolerated_any_more_is_refused_again() {
        let mut server = Server::default();
        server.tolerate(Tolerance { missing_brackets: true, missing_hello: true, space_after_colon: false });
        let polled = |server: &mut Server, line: &str| {
            server.push(line.as_bytes());
            let event = server.poll();
            server.answer(&reply("250 ok\r\n"));
            event
        };
        let Some(Event::Command(Command::Mail(mail))) = polled(&mut server, "MAIL FROM:a@b\r\n") else {
            panic!()
        };
        let want = Violations { missing_brackets: true, missing_hello: true, space_after_colon: false };
        assert_eq!(mail.violations, want);
        assert_eq!(polled(&mut server, "RCPT TO: <c@d>\r\n"), Some(Event::Refuse(catalogue::BAD_RECIPIENT)));
        assert!(matches!(polled(&mut server, "RSET\r\n"), Some(Event::Command(Command::Rset))));
        server.tolerate(Tolerance::default());
        assert_eq!(polled(&mut server, "MAIL FROM:<a@b>\r\n"), Some(Event::Refuse(catalogue::HELLO_FIRST)));
        assert_eq!(polled(&mut server, "MAIL FROM:a@b\r\n"), Some(Event::Refuse(catalogue::BAD_SENDER)));
        assert!(matches!(polled(&mut server, "HELO c\r\n"), Some(Event::Command(Command::Hello { .. }))));
        let Some(Event::Command(Command::Mail(mail))) = polled(&mut server, "MAIL FROM: <a@b>\r\n") else {
            panic!()
        };
        assert_eq!(mail.violations, Violations { space_after_colon: true, ..Violations::default() });
    }
}
