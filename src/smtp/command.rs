//! One command line, already framed, as a value.
//!
//! smtp-proto classifies the verbs without a path; paths and the digits of BDAT are read here, because the
//! crate changes what it reads (quotes, routes, wrapped numbers). Nothing here knows the order of commands.

use super::param::{MailFacts, Parameters, number};
use crate::mail::{Host, Path, PathError};
use crate::reply::{Entry, catalogue};
use smtp_proto::Request;

/// Longest EHLO name that is taken, in octets (RFC 5321 section 4.5.3.1.2).
const HELLO_OCTETS_MAX: usize = 255;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO or EHLO.
    Hello {
        /// EHLO.
        extended: bool,
        /// The name as it was sent.
        name: Box<[u8]>,
    },
    /// MAIL.
    Mail(Mail),
    /// RCPT.
    Rcpt(Rcpt),
    /// DATA.
    Data,
    /// BDAT; its octets follow the line whatever is answered.
    Bdat {
        /// How many octets follow.
        octets: u64,
        /// LAST.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY.
    Vrfy,
    /// EXPN, the line with CRLF.
    Expn(Box<[u8]>),
    /// HELP.
    Help,
    /// ETRN, the line with CRLF.
    Etrn(Box<[u8]>),
    /// AUTH.
    Auth {
        /// Mechanism, upper case.
        mechanism: Box<str>,
        /// The initial response, where one was sent.
        initial: Option<Box<[u8]>>,
        /// The line with CRLF.
        line: Box<[u8]>,
    },
    /// STARTTLS.
    StartTls,
    /// XCLIENT with its attributes.
    Xclient(Box<[u8]>),
    /// A known verb whose arguments do not parse, and what it gets.
    Bad(Entry),
    /// BDAT whose size does not parse: how many octets follow is unknown, so the stream is lost.
    BadBdat,
    /// A verb of HTTP.
    Foreign,
}

/// MAIL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The line as it was sent, with CRLF; with brackets around the path where they were missing.
    pub line: Box<[u8]>,
    /// The reverse-path.
    pub path: Path,
    /// Its parameters.
    pub parameters: Parameters,
    /// What they mean.
    pub facts: MailFacts,
    /// What was wrong with it.
    pub violations: Violations,
}

/// RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcpt {
    /// The line as it was sent, with CRLF; with brackets around the path where they were missing.
    pub line: Box<[u8]>,
    /// The forward-path; never null.
    pub path: Path,
    /// Its parameters.
    pub parameters: Parameters,
    /// What was wrong with it.
    pub violations: Violations,
}

/// What was wrong with a MAIL or RCPT and was taken all the same, because the policy tolerates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Violations {
    /// The path had no angle brackets (RFC 5321 section 4.1.2); the line that is kept has them.
    pub missing_brackets: bool,
    /// A blank stood between the colon and the path (RFC 5321 section 3.3).
    pub space_after_colon: bool,
    /// Neither HELO nor EHLO came before it (RFC 5321 section 4.1.4); known to the machine, not to the parser.
    pub missing_hello: bool,
}

impl Violations {
    /// Whether anything was wrong.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Mail {
    /// The line with `AUTH=<>` for whatever identity the client claimed (RFC 4954 section 5): with the angle
    /// brackets of a path that had none, the only edit of a client's line that we make.
    #[must_use]
    pub fn line_without_identity(&self) -> Vec<u8> {
        let Some(parameter) = self.parameters.get("AUTH") else { return self.line.to_vec() };
        let head = self.line.get(..parameter.span.start).unwrap_or_default();
        let tail = self.line.get(parameter.span.end..).unwrap_or_default();
        [head, b"AUTH=<>", tail].concat()
    }
}

impl Command {
    /// Reads a line. `line` has no CRLF, `raw` is the same line with it. What an admin may tolerate is taken and
    /// told in [`Violations`]; refusing it is up to the caller.
    #[must_use]
    pub fn parse(line: &[u8], raw: &[u8]) -> Self {
        let end = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
        let (verb, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        let rest = trim_blanks(rest);
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        if is("MAIL") {
            return parse_mail(line, raw);
        } else if is("RCPT") {
            return parse_rcpt(line, raw);
        } else if is("BDAT") {
            return parse_bdat(rest);
        } else if is("AUTH") {
            return parse_auth(rest, raw);
        } else if is("XCLIENT") {
            return Self::Xclient(rest.into());
        } else if is_http(verb, rest) {
            return Self::Foreign;
        }
        classify(raw, rest)
    }
}

/// Without the blanks around it; a tab is no blank here (RFC 5321 section 4.1.1.1 knows SP only).
fn trim_blanks(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b == b' ';
    let start = text.iter().take_while(|b| blank(b)).count();
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().rev().take_while(|b| blank(b)).count();
    text.get(..text.len() - end).unwrap_or_default()
}

/// The verbs that carry nothing that we read further.
fn classify(raw: &[u8], rest: &[u8]) -> Command {
    let bare = |command, otherwise| if rest.is_empty() { command } else { Command::Bad(otherwise) };
    // A blank before the verb is no SMTP; smtp-proto would let it pass.
    if !raw.first().is_some_and(u8::is_ascii_alphabetic) {
        return Command::Bad(catalogue::UNKNOWN_COMMAND);
    }
    match Request::parse(&mut raw.iter()) {
        Ok(Request::Ehlo { .. }) => hello(true, rest),
        Ok(Request::Helo { .. }) => hello(false, rest),
        Ok(Request::Data) => bare(Command::Data, catalogue::BAD_PARAMETER),
        Ok(Request::Rset) => bare(Command::Rset, catalogue::BAD_PARAMETER),
        Ok(Request::StartTls) => bare(Command::StartTls, catalogue::BAD_STARTTLS),
        Ok(Request::Quit) => Command::Quit,
        Ok(Request::Noop { .. }) => Command::Noop,
        Ok(Request::Help { .. }) => Command::Help,
        Ok(Request::Vrfy { .. }) => Command::Vrfy,
        Ok(Request::Expn { .. }) => Command::Expn(raw.into()),
        Ok(Request::Etrn { .. }) => Command::Etrn(raw.into()),
        Ok(
            Request::Lhlo { .. }
            | Request::Atrn { .. }
            | Request::Burl { .. }
            | Request::Mail { .. }
            | Request::Rcpt { .. }
            | Request::Bdat { .. }
            | Request::Auth { .. },
        ) => Command::Bad(catalogue::NOT_IMPLEMENTED),
        Err(smtp_proto::Error::SyntaxError { syntax })
            if syntax.starts_with("EHLO") || syntax.starts_with("HELO") =>
        {
            Command::Bad(catalogue::BAD_HELLO)
        }
        Err(smtp_proto::Error::SyntaxError { .. }) => Command::Bad(catalogue::BAD_PARAMETER),
        Err(_) => Command::Bad(catalogue::UNKNOWN_COMMAND),
    }
}

fn hello(extended: bool, name: &[u8]) -> Command {
    let good =
        !name.is_empty() && name.len() <= HELLO_OCTETS_MAX && name.iter().all(|b| (32..127).contains(b));
    if good { Command::Hello { extended, name: name.into() } } else { Command::Bad(catalogue::BAD_HELLO) }
}

/// What stands behind the verb of MAIL and RCPT.
struct Operand {
    /// The line with CRLF, valid whatever the client sent.
    line: Box<[u8]>,
    path: Path,
    parameters: Parameters,
    violations: Violations,
}

/// `verb SP prefix path [params]`: gives the path, its parameters and nothing else. Blanks between the
/// colon and the path are taken, as every server does.
fn operand(line: &[u8], raw: &[u8], prefix: &[u8]) -> Result<Operand, PathOrParameter> {
    let start = 4 + blanks(line, 4);
    let rest = line.get(start..).unwrap_or_default();
    let head = rest.get(..prefix.len()).unwrap_or_default();
    if !head.eq_ignore_ascii_case(prefix) || start == 4 {
        return Err(PathOrParameter::Path);
    }
    let colon = start + prefix.len();
    let at = colon + blanks(line, colon);
    let violations = Violations { space_after_colon: at > colon, ..Violations::default() };
    if line.get(at).is_some_and(|&b| b != b'<') {
        return Ok(Operand {
            violations: Violations { missing_brackets: true, ..violations },
            ..repaired(line, at)?
        });
    }
    let (path, used) = Path::parse(line.get(at..).unwrap_or_default())?;
    let parameters = parameters(line, at + used)?;
    Ok(Operand { line: raw.into(), path, parameters, violations })
}

/// How many blanks stand there.
fn blanks(line: &[u8], at: usize) -> usize {
    line.get(at..).unwrap_or_default().iter().take_while(|&&b| b == b' ').count()
}

fn parameters(line: &[u8], at: usize) -> Result<Parameters, PathOrParameter> {
    Parameters::parse(line.get(at..).unwrap_or_default(), at).map_err(|_| PathOrParameter::Parameter)
}

/// The path at `at` has no brackets; it gets them, and is read like any other. It must be a whole mailbox: an
/// empty one would become the null path, and a parameter in its place a local part.
fn repaired(line: &[u8], at: usize) -> Result<Operand, PathOrParameter> {
    let (before, rest) = line.split_at_checked(at).ok_or(PathOrParameter::Path)?;
    let (inner, after) = rest.split_at_checked(bare_path_end(rest)).ok_or(PathOrParameter::Path)?;
    let (path, used) = Path::parse(&[b"<", inner, b">"].concat())?;
    let whole = used == inner.len() + 2
        && path.mailbox().is_some_and(|m| *m.host() != Host::Unqualified || m.is_bare_postmaster());
    if !whole {
        return Err(PathOrParameter::Path);
    }
    let line = [before, b"<", inner, b">", after, b"\r\n"].concat();
    let text = line.strip_suffix(b"\r\n").unwrap_or_default();
    let parameters = parameters(text, at + used)?;
    Ok(Operand { line: line.into(), path, parameters, violations: Violations::default() })
}

/// Where a path without brackets ends: at a blank outside quotes, or with the line.
fn bare_path_end(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |&byte: &u8| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b' ' if !quoted => return true,
            _ => {}
        }
        false
    };
    text.iter().position(ends).unwrap_or(text.len())
}

enum PathOrParameter {
    Path,
    Parameter,
}

impl From<PathError> for PathOrParameter {
    fn from(_: PathError) -> Self {
        Self::Path
    }
}

fn parse_mail(line: &[u8], raw: &[u8]) -> Command {
    let Operand { line: raw, path, parameters, violations } = match operand(line, raw, b"FROM:") {
        Ok(operand) => operand,
        Err(PathOrParameter::Path) => return Command::Bad(catalogue::BAD_SENDER),
        Err(PathOrParameter::Parameter) => return Command::Bad(catalogue::BAD_PARAMETER),
    };
    let Ok(facts) = MailFacts::read(&raw, &parameters) else { return Command::Bad(catalogue::BAD_PARAMETER) };
    if !line.is_ascii() && !facts.smtputf8 {
        return Command::Bad(catalogue::NOT_ASCII);
    }
    Command::Mail(Mail { line: raw, path, parameters, facts, violations })
}

fn parse_rcpt(line: &[u8], raw: &[u8]) -> Command {
    match operand(line, raw, b"TO:") {
        Ok(Operand { path: Path::Null, .. }) | Err(PathOrParameter::Path) => {
            Command::Bad(catalogue::BAD_RECIPIENT)
        }
        Err(PathOrParameter::Parameter) => Command::Bad(catalogue::BAD_PARAMETER),
        Ok(Operand { line, path, parameters, violations }) => {
            Command::Rcpt(Rcpt { line, path, parameters, violations })
        }
    }
}

impl Rcpt {
    /// Whether the line has octets above 127, which only SMTPUTF8 allows.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.line.is_ascii()
    }

    /// Whether the recipient has a domain or is bare postmaster.
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        self.path.mailbox().is_some_and(|m| *m.host() != Host::Unqualified || m.is_bare_postmaster())
    }
}

fn parse_bdat(rest: &[u8]) -> Command {
    let mut words = rest.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let octets = words.next().and_then(number);
    let last = words.next();
    match (octets, last, words.next()) {
        (Some(octets), None, None) => Command::Bdat { octets, last: false },
        (Some(octets), Some(word), None) if word.eq_ignore_ascii_case(b"LAST") => {
            Command::Bdat { octets, last: true }
        }
        (_, _, _) => Command::BadBdat,
    }
}

fn parse_auth(rest: &[u8], raw: &[u8]) -> Command {
    let mut words = rest.splitn(2, |&b| b == b' ');
    let mechanism = words.next().unwrap_or_default();
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if mechanism.is_empty() || mechanism.len() > 20 || !mechanism.iter().all(good) {
        return Command::Bad(catalogue::BAD_PARAMETER);
    }
    let initial = words.next().map(trim_blanks).filter(|w| !w.is_empty());
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    if initial.is_some_and(|i| !i.iter().all(base64)) {
        return Command::Bad(catalogue::BAD_PARAMETER);
    }
    let mechanism = String::from_utf8_lossy(mechanism).to_ascii_uppercase().into();
    Command::Auth { mechanism, initial: initial.map(Into::into), line: raw.into() }
}

/// A request line of HTTP: `GET / HTTP/1.1`. Somebody's browser or a cross-protocol attack.
fn is_http(verb: &[u8], rest: &[u8]) -> bool {
    const METHODS: [&[u8]; 8] =
        [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH"];
    METHODS.iter().any(|m| verb.eq_ignore_ascii_case(m)) && !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Command {
        Command::parse(line.as_bytes(), format!("{line}\r\n").as_bytes())
    }

    #[test]
    fn verbs_in_any_case() {
        assert_eq!(
            parse("eHlO mx.example"),
            Command::Hello { extended: true, name: (*b"mx.example").into() }
        );
        assert_eq!(
            parse("HELO [192.0.2.1]"),
            Command::Hello { extended: false, name: (*b"[192.0.2.1]").into() }
        );
        for (line, want) in [
            ("data", Command::Data),
            ("RSET", Command::Rset),
            ("NOOP", Command::Noop),
            ("NOOP hello there", Command::Noop),
            ("QUIT", Command::Quit),
            ("QUIT now", Command::Quit),
            ("VRFY joe", Command::Vrfy),
            ("EXPN list", Command::Expn((*b"EXPN list\r\n").into())),
            ("HELP", Command::Help),
            ("HELP MAIL", Command::Help),
            ("ETRN example.net", Command::Etrn((*b"ETRN example.net\r\n").into())),
            ("STARTTLS", Command::StartTls),
            ("GET / HTTP/1.1", Command::Foreign),
            ("POST /x HTTP/1.1", Command::Foreign),
        ] {
            assert_eq!(parse(line), want, "{line}");
        }
    }

    #[test]
    fn what_does_not_parse_has_its_reply() {
        for (line, want) in [
            ("", catalogue::UNKNOWN_COMMAND),
            (" DATA", catalogue::UNKNOWN_COMMAND),
            ("XEXCH50 1 2", catalogue::UNKNOWN_COMMAND),
            ("TURN", catalogue::UNKNOWN_COMMAND),
            ("BURL imap://x LAST", catalogue::NOT_IMPLEMENTED),
            ("LHLO x", catalogue::NOT_IMPLEMENTED),
            ("DATA x", catalogue::BAD_PARAMETER),
            ("RSET x", catalogue::BAD_PARAMETER),
            ("STARTTLS x", catalogue::BAD_STARTTLS),
            ("EHLO", catalogue::BAD_HELLO),
            ("HELO ", catalogue::BAD_HELLO),
            ("EHLO größe", catalogue::BAD_HELLO),
            ("MAIL", catalogue::BAD_SENDER),
            ("MAIL FROM", catalogue::BAD_SENDER),
            ("MAILFROM:<a@b>", catalogue::UNKNOWN_COMMAND),
            ("MAIL FROM:", catalogue::BAD_SENDER),
            ("MAIL FROM:a", catalogue::BAD_SENDER),
            ("MAIL FROM: SIZE=1", catalogue::BAD_SENDER),
            ("MAIL FROM:a@b>", catalogue::BAD_SENDER),
            ("MAIL FROM:<a@b", catalogue::BAD_SENDER),
            ("MAIL FROM:\"a b@c", catalogue::BAD_SENDER),
            ("MAIL FROM:a@b SIZE=x", catalogue::BAD_PARAMETER),
            ("MAIL FROM:größe@b.example", catalogue::NOT_ASCII),
            ("RCPT TO:", catalogue::BAD_RECIPIENT),
            ("RCPT TO:a@b>x<c@d", catalogue::BAD_RECIPIENT),
            ("MAIL FROM:<a@b>SIZE=1", catalogue::BAD_PARAMETER),
            ("MAIL FROM:<a@b> SIZE=x", catalogue::BAD_PARAMETER),
            ("MAIL FROM:<größe@b.example>", catalogue::NOT_ASCII),
            ("RCPT TO:<>", catalogue::BAD_RECIPIENT),
            ("RCPT FROM:<a@b>", catalogue::BAD_RECIPIENT),
            ("AUTH", catalogue::BAD_PARAMETER),
            ("AUTH \tPLAIN", catalogue::BAD_PARAMETER),
            ("AUTH PLAIN a b", catalogue::BAD_PARAMETER),
        ] {
            assert_eq!(parse(line), Command::Bad(want), "{line:?}");
        }
    }

    #[test]
    fn bdat_counts_in_digits_that_cannot_wrap() {
        assert_eq!(parse("BDAT 0 LAST"), Command::Bdat { octets: 0, last: true });
        assert_eq!(parse("bdat 86 last"), Command::Bdat { octets: 86, last: true });
        assert_eq!(parse("BDAT 1000"), Command::Bdat { octets: 1000, last: false });
        for line in
            ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1 LAST x", "BDAT 999999999999999999991"]
        {
            assert_eq!(parse(line), Command::BadBdat, "{line}");
        }
    }

    #[test]
    fn a_claimed_identity_is_the_only_thing_that_is_ever_edited() {
        let Command::Mail(mail) = parse("MAIL FROM:<a@b.example> SIZE=1 auth=boss@b.example RET=HDRS") else {
            panic!()
        };
        assert_eq!(mail.line_without_identity(), b"MAIL FROM:<a@b.example> SIZE=1 AUTH=<> RET=HDRS\r\n");
        let Command::Mail(mail) = parse("MAIL FROM: <a@b.example>  SIZE=1") else { panic!() };
        assert_eq!(mail.line_without_identity(), b"MAIL FROM: <a@b.example>  SIZE=1\r\n");
    }

    #[test]
    fn what_an_admin_may_tolerate_is_taken_and_told_and_goes_down_valid() {
        let good = Violations::default();
        let space = Violations { space_after_colon: true, ..good };
        let bare = Violations { missing_brackets: true, ..good };
        for (line, want, violations) in [
            ("MAIL FROM:<a@b>", "MAIL FROM:<a@b>", good),
            ("MAIL  FROM:<a@b>", "MAIL  FROM:<a@b>", good),
            ("mail from: <a@b> SIZE=1", "mail from: <a@b> SIZE=1", space),
            ("MAIL FROM:a@b", "MAIL FROM:<a@b>", bare),
            (
                "MAIL FROM:  a@b  SIZE=7",
                "MAIL FROM:  <a@b>  SIZE=7",
                Violations { missing_brackets: true, ..space },
            ),
            ("MAIL FROM:\"a \\\" b\"@c SIZE=7", "MAIL FROM:<\"a \\\" b\"@c> SIZE=7", bare),
            ("MAIL FROM:@x.example:a@b", "MAIL FROM:<@x.example:a@b>", bare),
        ] {
            let Command::Mail(mail) = parse(line) else { panic!("{line}") };
            assert_eq!(String::from_utf8_lossy(&mail.line), format!("{want}\r\n"));
            assert_eq!(mail.violations, violations, "{line}");
            // Read again as it goes down, it says the same, and its parameters stand where we think.
            let Command::Mail(again) = parse(want) else { panic!("{want}") };
            assert_eq!((again.path, again.parameters, again.facts), (mail.path, mail.parameters, mail.facts));
            assert!(!again.violations.missing_brackets);
        }
        let Command::Rcpt(rcpt) = parse("RCPT TO:postmaster") else { panic!() };
        assert_eq!((&*rcpt.line, rcpt.violations), (&b"RCPT TO:<postmaster>\r\n"[..], bare));
        assert!(rcpt.violations.any() && !good.any());
    }
}
