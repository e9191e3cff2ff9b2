//! Every reply text of ours, one row each. The architecture test looks for reply texts elsewhere.
//!
//! Our fault or the downstream's is 4yz, the peer's 5yz; nothing here tells how we decided.

use super::entry::{Enhanced as E, Entry};

/// Greeting; the text is the host name and the listener's own words.
pub const GREETING: Entry = Entry::plain(220, "ESMTP");
/// Answer to HELO; the text is the host name.
pub const HELO: Entry = Entry::plain(250, "Hello");
/// Generic success.
pub const OK: Entry = Entry::new(250, E(2, 0, 0), "Ok");
/// MAIL taken by us, with a refusal pending until RCPT.
pub const SENDER_OK: Entry = Entry::new(250, E(2, 1, 0), "Ok");
/// RCPT taken by us, for a message that waits for its downstream.
pub const RECIPIENT_OK: Entry = Entry::new(250, E(2, 1, 5), "Ok");
/// A message that is ours now: in quarantine, held, or in the spool. It looks like any other that is taken.
pub const TAKEN: Entry = Entry::new(250, E(2, 0, 0), "Ok: queued");
/// A piece of BDAT that is not the last.
pub const CHUNK_OK: Entry = Entry::new(250, E(2, 0, 0), "Octets received");
/// QUIT.
pub const BYE: Entry = Entry::new(221, E(2, 0, 0), "Bye");
/// HELP.
pub const HELP: Entry = Entry::new(214, E(2, 0, 0), "See RFC 5321");
/// VRFY.
pub const VRFY: Entry = Entry::new(252, E(2, 5, 0), "Cannot VRFY user, send some mail, I'll try my best");
/// STARTTLS accepted.
pub const TLS_GO_AHEAD: Entry = Entry::new(220, E(2, 0, 0), "Ready to start TLS");
/// DATA accepted.
pub const DATA_GO_AHEAD: Entry = Entry::plain(354, "End data with <CR><LF>.<CR><LF>");

/// A command line over the bound.
pub const LINE_TOO_LONG: Entry = Entry::new(500, E(5, 5, 2), "Line too long");
/// Bare CR, bare LF or NUL in a command.
pub const BARE_LINE_END: Entry = Entry::new(500, E(5, 5, 2), "Bare CR, bare LF or NUL in a command line");
/// Bare CR or LF in message data (Postfix answers the same with 521).
pub const BARE_NEWLINE_IN_DATA: Entry = Entry::new(550, E(5, 5, 2), "Bare CR or bare LF in message data");
/// NUL in message data.
pub const NUL_IN_DATA: Entry = Entry::new(550, E(5, 6, 0), "NUL in message data");
/// A verb that we do not know.
pub const UNKNOWN_COMMAND: Entry = Entry::new(500, E(5, 5, 2), "Command not recognized");
/// A verb that we know and do not serve.
pub const NOT_IMPLEMENTED: Entry = Entry::new(502, E(5, 5, 1), "Command not implemented");
/// A command at the wrong time.
pub const BAD_SEQUENCE: Entry = Entry::new(503, E(5, 5, 1), "Bad sequence of commands");
/// HELO or EHLO first.
pub const HELLO_FIRST: Entry = Entry::new(503, E(5, 5, 1), "Send HELO or EHLO first");
/// MAIL inside a transaction.
pub const NESTED_MAIL: Entry = Entry::new(503, E(5, 5, 1), "Nested MAIL command");
/// RCPT, DATA or BDAT without MAIL.
pub const MAIL_FIRST: Entry = Entry::new(503, E(5, 5, 1), "Need MAIL command");
/// DATA or BDAT LAST without an accepted recipient.
pub const RCPT_FIRST: Entry = Entry::new(503, E(5, 5, 1), "Need RCPT command");
/// A second AUTH.
pub const ALREADY_AUTHENTICATED: Entry = Entry::new(503, E(5, 5, 1), "Already authenticated");
/// DATA after BDAT, or the other way round.
pub const MIXED_DATA_BDAT: Entry = Entry::new(503, E(5, 5, 1), "DATA and BDAT cannot be mixed");
/// A command after a refused BDAT other than RSET.
pub const BDAT_BROKEN: Entry = Entry::new(503, E(5, 5, 1), "An earlier BDAT was refused, send RSET");
/// Parameters that do not parse.
pub const BAD_PARAMETER: Entry = Entry::new(501, E(5, 5, 4), "Syntax error in parameters");
/// A parameter of an extension that was not offered.
pub const PARAMETER_NOT_OFFERED: Entry =
    Entry::new(555, E(5, 5, 4), "Parameter not recognized or not offered");
/// An AUTH mechanism that was not offered.
pub const MECHANISM_NOT_OFFERED: Entry = Entry::new(504, E(5, 5, 4), "Mechanism not offered");
/// A reverse-path that does not parse.
pub const BAD_SENDER: Entry = Entry::new(501, E(5, 1, 7), "Bad sender address syntax");
/// A forward-path that does not parse.
pub const BAD_RECIPIENT: Entry = Entry::new(501, E(5, 1, 3), "Bad recipient address syntax");
/// HELO or EHLO without a name, or with one that no host has.
pub const BAD_HELLO: Entry = Entry::new(501, E(5, 5, 2), "Syntax: EHLO hostname");
/// 8-bit octets in a command without SMTPUTF8.
pub const NOT_ASCII: Entry = Entry::new(553, E(5, 6, 7), "Non-ASCII address without SMTPUTF8");
/// STARTTLS with a parameter.
pub const BAD_STARTTLS: Entry = Entry::new(501, E(5, 5, 4), "STARTTLS takes no parameters");
/// XCLIENT attributes that do not parse.
pub const BAD_XCLIENT: Entry = Entry::new(501, E(5, 5, 4), "Bad XCLIENT attributes");
/// A line of the AUTH dialogue over 12,288 octets.
pub const AUTH_LINE_TOO_LONG: Entry = Entry::new(500, E(5, 5, 6), "Authentication exchange line is too long");

/// Relay control: a recipient that is not ours from a peer that may not relay.
pub const RELAY_DENIED: Entry = Entry::new(550, E(5, 7, 1), "relay access denied");
/// Relay control: an address form that could hide a route.
pub const ROUTED_ADDRESS: Entry = Entry::new(550, E(5, 7, 1), "routed address forms are not accepted");
/// Relay control: a recipient without a domain, other than postmaster.
pub const UNQUALIFIED: Entry = Entry::new(550, E(5, 1, 3), "recipient address needs a domain");
/// A recipient that is not in the list of its domain.
pub const UNKNOWN_RECIPIENT: Entry = Entry::new(550, E(5, 1, 1), "no such recipient here");
/// AUTH over a connection without TLS where TLS is asked for.
pub const ENCRYPTION_REQUIRED: Entry =
    Entry::new(538, E(5, 7, 11), "Encryption required for requested authentication mechanism");
/// HTTP or a TLS hello on a plain port.
pub const FOREIGN_PROTOCOL: Entry = Entry::new(554, E(5, 5, 0), "This is an SMTP server");
/// A command or data before we spoke.
pub const EARLY_DATA: Entry = Entry::new(503, E(5, 5, 1), "Message data sent before our go-ahead");
/// Mail loop.
pub const LOOP: Entry = Entry::new(554, E(5, 4, 6), "Too many hops, this message is looping");
/// A message over the limit.
pub const TOO_BIG: Entry = Entry::new(552, E(5, 3, 4), "Message size exceeds fixed limit");
/// A reject by a check without words of its own.
pub const REJECTED: Entry = Entry::new(550, E(5, 7, 1), "message refused");

/// A client on a block list, at connect.
pub const CLIENT_BLOCKED: Entry = Entry::new(554, E(5, 7, 1), "Access denied");
/// An entry of a block list, or a rule, without words of its own.
pub const BLOCKED: Entry = Entry::new(550, E(5, 7, 1), "Refused by local policy");
/// The same for now.
pub const BLOCKED_FOR_NOW: Entry = Entry::new(450, E(4, 7, 1), "Not accepted now, try again later");
/// The same, and the session ends.
pub const DROPPED_FOR_NOW: Entry =
    Entry::new(421, E(4, 7, 1), "Not accepted now, closing connection, try again later");
/// A banned client. For now: bans end, and a good server that hears 5yz gives its mail back.
pub const BANNED: Entry = Entry::new(421, E(4, 7, 0), "Access denied for some time, try again later");
/// Too many connections of one address or prefix, at once or in a period.
pub const TOO_MANY_OF_YOURS: Entry =
    Entry::new(421, E(4, 7, 0), "Too many connections from your network, try again later");
/// Too many messages in a period.
pub const TOO_MANY_MESSAGES: Entry = Entry::new(451, E(4, 7, 1), "Too many messages, try again later");
/// Too many recipients in a period.
pub const RECIPIENT_RATE: Entry = Entry::new(452, E(4, 5, 3), "Too many recipients, try again later");
/// Too many failed logins in a period.
pub const TOO_MANY_FAILURES: Entry =
    Entry::new(421, E(4, 7, 0), "Too many failed logins, closing connection");
/// A throttle is in force.
pub const THROTTLED: Entry = Entry::new(450, E(4, 7, 1), "Sending limit reached, try again later");
/// Spoke before our greeting.
pub const EARLY_TALK: Entry = Entry::new(554, E(5, 5, 1), "Protocol error: spoke before the greeting");
/// Commands sent ahead without leave.
pub const IMPROPER_PIPELINING: Entry = Entry::new(554, E(5, 5, 0), "Protocol error: improper pipelining");
/// A HELO or EHLO name that is not taken.
pub const HELLO_REFUSED: Entry = Entry::new(550, E(5, 7, 1), "HELO or EHLO name refused");
/// No forward-confirmed reverse name (RFC 7372 section 3.3).
pub const NO_REVERSE_NAME: Entry =
    Entry::new(550, E(5, 7, 25), "Your address has no reverse name that leads back to it");
/// A refusal depends on DNS, and DNS does not say.
pub const LOOKUP_FAILED: Entry = Entry::new(451, E(4, 4, 3), "Name lookup failed, try again later");
/// The sender's domain takes no mail.
pub const SENDER_DOMAIN: Entry = Entry::new(550, E(5, 1, 8), "Sender domain does not exist or takes no mail");
/// A sender without a domain.
pub const UNQUALIFIED_SENDER: Entry = Entry::new(553, E(5, 1, 7), "Sender address needs a domain");
/// `<>` to many.
pub const NULL_SENDER_MANY: Entry =
    Entry::new(550, E(5, 7, 1), "Too many recipients for a message without a sender");
/// One of our domains as sender of a stranger.
pub const OWN_DOMAIN_SENDER: Entry = Entry::new(550, E(5, 7, 1), "Log in to send in the name of this domain");
/// DMARC says no, and the owner of the domain wishes it to be refused. There is no enhanced code of its own.
pub const DMARC_FAILED: Entry =
    Entry::new(550, E(5, 7, 1), "Not authenticated as the domain of its author wishes (DMARC)");
/// No author with a domain, or authors of several.
pub const AUTHOR_UNCLEAR: Entry = Entry::new(550, E(5, 7, 1), "One author with a domain is needed in From");
/// A poor reputation.
pub const REPUTATION: Entry = Entry::new(550, E(5, 7, 1), "Mail from your server is not accepted");
/// A doubtful reputation, or greylisting.
pub const COME_AGAIN: Entry = Entry::new(450, E(4, 7, 1), "Please try again later");
/// 8-bit data without BODY=8BITMIME.
pub const UNDECLARED_8BIT: Entry = Entry::new(554, E(5, 6, 1), "8-bit message data without BODY=8BITMIME");

/// More recipients than one transaction takes.
pub const TOO_MANY_RECIPIENTS: Entry = Entry::new(452, E(4, 5, 3), "Too many recipients");
/// A recipient whose mail goes another way than that of those before it: the message comes again for it.
pub const MIXED_RECIPIENTS: Entry =
    Entry::new(452, E(4, 5, 3), "Send this recipient in a message of its own");
/// No memory or disk for the message.
pub const NO_SPACE: Entry = Entry::new(452, E(4, 3, 1), "Insufficient system storage");
/// Everything of ours that went wrong without a better word.
pub const INTERNAL: Entry = Entry::new(451, E(4, 3, 0), "Temporary failure, try again later");
/// A scanner that cannot answer.
pub const SCANNER_DOWN: Entry = Entry::new(451, E(4, 3, 0), "Content scan unavailable, try again later");
/// No free downstream connection in time.
pub const DOWNSTREAM_BUSY: Entry = Entry::new(451, E(4, 3, 2), "Mail server is busy, try again later");
/// No downstream address answers.
pub const DOWNSTREAM_UNREACHABLE: Entry =
    Entry::new(451, E(4, 4, 1), "Mail server is not reachable, try again later");
/// The downstream session ended or answered nonsense.
pub const DOWNSTREAM_LOST: Entry =
    Entry::new(451, E(4, 4, 2), "Connection to the mail server was lost, try again later");
/// The downstream lacks something that was offered and used.
pub const EXTENSION_GONE: Entry =
    Entry::new(451, E(4, 4, 0), "A promised extension is away, try again later");
/// The downstream refused, and its words are not shown.
pub const DOWNSTREAM_TEMPFAIL: Entry =
    Entry::new(451, E(4, 3, 0), "Refused by the mail server, try again later");
/// The downstream refused for good, and its words are not shown.
pub const DOWNSTREAM_REJECT: Entry = Entry::new(550, E(5, 0, 0), "Refused by the mail server");
/// AUTH while no downstream answers.
pub const AUTH_UNAVAILABLE: Entry = Entry::new(454, E(4, 7, 0), "Temporary authentication failure");

/// The client said nothing for too long.
pub const TIMEOUT: Entry = Entry::new(421, E(4, 4, 2), "Timeout, closing connection");
/// The downstream is lost in the middle of an authenticated session.
pub const DOWNSTREAM_LOST_CLOSING: Entry =
    Entry::new(421, E(4, 4, 2), "Connection to the mail server was lost, closing connection");
/// Too many errors in one session.
pub const TOO_MANY_ERRORS: Entry = Entry::new(421, E(4, 7, 0), "Too many errors, closing connection");
/// Too many commands without a message.
pub const TOO_MANY_COMMANDS: Entry = Entry::new(421, E(4, 7, 0), "Too many commands, closing connection");
/// Too many connections in all.
pub const TOO_MANY_CONNECTIONS: Entry = Entry::new(421, E(4, 3, 2), "Too many connections, try again later");
/// We stop.
pub const SHUTTING_DOWN: Entry = Entry::new(421, E(4, 3, 2), "Service shutting down, try again later");
/// An admin ended the session.
pub const KICKED: Entry = Entry::new(421, E(4, 3, 2), "Connection closed by the administrator");
/// Message data that never ends. Permanent like any other message that is too big: a client that is told 421
/// would come again with it for days.
pub const DATA_ENDLESS: Entry =
    Entry::new(552, E(5, 3, 4), "Message far over the size limit, closing connection");
