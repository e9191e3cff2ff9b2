//! A session as a file: a line `client ADDRESS`, then what the client says, bare or behind `C:`. Lines of the server
//! (`S:`), empty ones and comments (`#`) are passed over, and so is the message itself.

use crate::checks::Scene;
use crate::mail::Path;
use crate::smtp::command::Command;
use crate::smtp::server::Tolerance;
use std::net::IpAddr;

/// Longest script in octets.
pub(super) const OCTETS_MAX: u64 = 1 << 20;
/// Most transactions of one script.
const TRANSACTIONS_MAX: usize = 100;

/// What a script says of the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The address in the line `client`.
    pub(super) client: Option<IpAddr>,
    /// What it says, a transaction each; at least one.
    pub(super) parts: Vec<Part>,
}

/// The session up to the end of one transaction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Part {
    hello: Option<Box<str>>,
    tls: bool,
    sender: Option<Box<str>>,
    recipients: Vec<Box<str>>,
    declared_octets: Option<u64>,
}

impl Part {
    /// Puts it into a scene. What the options said already stays.
    pub(super) fn fill(self, scene: &mut Scene) {
        scene.hello = scene.hello.take().or(self.hello);
        scene.tls |= self.tls;
        scene.sender = scene.sender.take().or(self.sender);
        scene.declared_octets = scene.declared_octets.or(self.declared_octets);
        if scene.recipients.is_empty() {
            scene.recipients = self.recipients;
        }
    }

    fn next(&self) -> Self {
        Self { hello: self.hello.clone(), tls: self.tls, ..Self::default() }
    }
}

/// Reads a script.
///
/// # Errors
/// A line that is neither: its number, what is wrong, and what a client would hear.
pub(super) fn read(text: &str) -> Result<Script, String> {
    let mut script = Script::default();
    let mut part = Part::default();
    let mut in_data = false;
    for (line, number) in text.lines().zip(1_u32..) {
        let said = line.trim_end();
        let said = said.strip_prefix("C:").map_or(said, str::trim_start);
        if in_data {
            in_data = said != ".";
            continue;
        }
        if said.is_empty() || said.starts_with('#') || said.starts_with("S:") {
            continue;
        }
        if let Some(address) = said.strip_prefix("client ") {
            let address = address.trim();
            let ip = address.parse().map_err(|_| {
                format!(
                    "line {number}: expected an address such as \"client 192.0.2.7\", found \"{address}\""
                )
            })?;
            script.client = Some(ip);
            continue;
        }
        let ended = take(&mut part, said).map_err(|what| format!("line {number}: {what}: {said}"))?;
        in_data = ended == Ended::Data;
        if ended != Ended::No && part.sender.is_some() {
            let next = part.next();
            script.parts.push(std::mem::replace(&mut part, next));
            if ended == Ended::Greeted {
                take(&mut part, said)?;
            }
            if script.parts.len() >= TRANSACTIONS_MAX {
                return Err(format!("line {number}: a script has at most {TRANSACTIONS_MAX} transactions"));
            }
        }
    }
    if part.sender.is_some() || script.parts.is_empty() {
        script.parts.push(part);
    }
    Ok(script)
}

/// Whether a line ended a transaction.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    No,
    Reset,
    /// By a greeting, which begins the next one.
    Greeted,
    /// And message lines follow.
    Data,
}

fn take(part: &mut Part, said: &str) -> Result<Ended, String> {
    // As a listener takes it whose rules say nothing of it.
    let command = Command::parse(said.as_bytes(), format!("{said}\r\n").as_bytes());
    match Tolerance::default().strictly(command) {
        Command::Hello { name, .. } => {
            if part.sender.is_some() {
                return Ok(Ended::Greeted);
            }
            part.hello = Some(String::from_utf8_lossy(&name).into());
        }
        Command::StartTls => part.tls = true,
        Command::Mail(mail) => {
            part.sender = path_in(said);
            part.declared_octets = mail.facts.declared_octets;
        }
        Command::Rcpt(_) => part.recipients.extend(path_in(said)),
        Command::Data => return Ok(Ended::Data),
        Command::Rset | Command::Quit | Command::Bdat { .. } => return Ok(Ended::Reset),
        Command::Bad(entry) => return Err(format!("a client would hear {}", entry.reply().to_log())),
        Command::BadBdat => return Err("a size that does not parse".to_owned()),
        Command::Foreign => return Err("this is no SMTP".to_owned()),
        Command::Auth { .. }
        | Command::Noop
        | Command::Vrfy
        | Command::Expn(_)
        | Command::Help
        | Command::Etrn(_)
        | Command::Xclient(_) => {}
    }
    Ok(Ended::No)
}

/// The path in a line of MAIL or RCPT that was parsed already, with its brackets.
fn path_in(said: &str) -> Option<Box<str>> {
    let text = said.get(said.find('<')?..)?;
    let (_, used) = Path::parse(text.as_bytes()).ok()?;
    text.get(..used).map(Box::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_what_the_client_says() {
        let text = "# a test\nclient 192.0.2.7\nS: 220 mx\nC: EHLO mx.example.com\nAUTH PLAIN AGEAYg==\nSTARTTLS\n\
                    C: MAIL FROM:<@r.example:a@b.example> SIZE=5\nRCPT TO:<c@d.example>\nRCPT TO:<\"x>y\"@d.example>\n\
                    DATA\nMAIL FROM:<not@said.example>\n.\nRSET\nMAIL FROM:<>\nrcpt to: <e@d.example>\nQUIT\n";
        let script = read(text).unwrap();
        assert_eq!(script.client, Some("192.0.2.7".parse().unwrap()));
        let [first, second] = &script.parts[..] else { panic!("{script:?}") };
        assert_eq!(first.hello.as_deref(), Some("mx.example.com"));
        assert_eq!(first.sender.as_deref(), Some("<@r.example:a@b.example>"));
        assert_eq!(first.recipients, ["<c@d.example>".into(), "<\"x>y\"@d.example>".into()]);
        assert_eq!((first.tls, first.declared_octets), (true, Some(5)));
        assert_eq!((second.sender.as_deref(), second.declared_octets), (Some("<>"), None));
        assert_eq!(second.recipients, ["<e@d.example>".into()]);
        assert_eq!(second.hello, first.hello);
        let again = read("EHLO a\nMAIL FROM:<>\nEHLO b\nMAIL FROM:<>\n").unwrap();
        let hellos: Vec<_> = again.parts.iter().map(|part| part.hello.as_deref()).collect();
        assert_eq!(hellos, [Some("a"), Some("b")]);
    }

    #[test]
    fn a_session_may_end_early() {
        assert_eq!(read("").unwrap().parts, [Part::default()]);
        assert_eq!(read("EHLO a.example\nQUIT\n").unwrap().parts.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, want) in [
            ("client x\n", "line 1: expected an address such as \"client 192.0.2.7\", found \"x\""),
            ("EHLO a\n\nMAIL FROM:a@b\n", "line 3: a client would hear"),
            ("GET / HTTP/1.1\n", "line 1: this is no SMTP"),
        ] {
            assert!(read(text).unwrap_err().starts_with(want), "{text}");
        }
        assert!(read(&"MAIL FROM:<>\nRSET\n".repeat(200)).unwrap_err().contains("at most 100"));
    }
}
