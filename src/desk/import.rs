//! Taking in messages of a file: one message, or an mbox, while it is read.
//!
//! The envelope is that of the header fields that a delivery writes: the sender of `Return-Path`, the recipients of
//! `X-Envelope-To`, `Delivered-To` or `X-Original-To`; where they are missing, `From`, and `To` with `Cc`. A message
//! without recipients is released with `--to`. Each message is durable before the next is read. Failure: a message that is
//! too large is left out; what others would fare no better with (no space, a disk that fails) ends it, and it says at which
//! message of the file, so that another import goes on there.

use super::jobs::Ticket;
use super::mbox::{Event, Mbox};
use super::refusal::{Refusal, blocking};
use super::request::Answer;
use super::service::Desk;
use super::spooling::{mail_line, rcpt_line};
use super::tally::Tally;
use crate::body::{BodyError, BodyWriter};
use crate::mail::{Id, Mailbox, escape};
use crate::message::header::{HEADER_OCTETS_MAX, HeaderScan};
use crate::vault::{BodyKind, ClientView, EnvelopeView, HeaderView, Item, Line, RecipientView, VaultError};
use crate::verdict::Direction;
use mail_parser::{Address, MessageParser};
use nix::unistd::{Uid, User, geteuid};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Octets read at once.
const READ: usize = 64 * 1024;
/// Recipients of one message that are taken.
const RCPTS_MAX: usize = 1_000;

/// A message that is being read.
struct Incoming {
    id: Id,
    writer: BodyWriter,
    scan: HeaderScan,
    /// Its beginning, for the envelope.
    head: Vec<u8>,
    eight_bit: bool,
    /// Why it is not taken.
    problem: Option<Problem>,
}

/// Why a message is not taken.
enum Problem {
    /// This one.
    Own(String),
    /// Nor would be those behind it.
    All(String),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        Self::All(error.to_string())
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        let text = error.to_string();
        match error {
            VaultError::Missing(_) | VaultError::Conflict(_) | VaultError::Damaged { .. } => Self::Own(text),
            // More is known of it than an item takes.
            VaultError::Io { source, .. } if source.kind() == ErrorKind::InvalidInput => Self::Own(text),
            VaultError::NoSpace(_)
            | VaultError::Io { .. }
            | VaultError::Index { .. }
            | VaultError::Slow(_)
            | VaultError::Closed => Self::All(text),
        }
    }
}

/// Where the messages come from and go to, and how far that is.
struct Work<'a> {
    path: &'a str,
    folder: &'a str,
    by: &'a str,
    /// So many of the file are left out.
    skip: u64,
    /// So many have begun, those left out among them.
    begun: u64,
    incoming: Option<Incoming>,
}

impl Work<'_> {
    /// It ends with the message that is being read, or the next one.
    fn stop(&self, why: &str, tally: &mut Tally) {
        let before = if self.incoming.is_some() { self.begun.saturating_sub(1) } else { self.begun };
        let on = if before > 0 { format!("; `--skip {before}` goes on with it") } else { String::new() };
        let text = format!("message {} of {}: {why}{on}", before + 1, escape(self.path.as_bytes()));
        tally.stop(&Refusal::new(text));
    }
}

impl Desk {
    /// Takes in the messages of a file, but for the first `skip`.
    pub(super) async fn import(
        self: &Arc<Self>,
        (path, skip): (&str, u64),
        folder: &str,
        by: &str,
        answers: &Sender<Answer>,
    ) -> Result<Answer, Refusal> {
        self.check_folder(folder)?;
        let mut file = open(path, by, self.world.serves_others()).await?;
        let ticket = self.ticket("import", by, 0)?;
        let mut mbox = Some(Mbox::default());
        let mut work = Work { path, folder, by, skip, begun: 0, incoming: None };
        let mut tally = Tally::default();
        while let Some(cutter) = mbox.as_mut() {
            let piece = match next_piece(file, path).await {
                Ok((again, piece)) => {
                    file = again;
                    piece
                }
                // What was taken by then is ours.
                Err(refusal) => {
                    work.stop(&refusal.text, &mut tally);
                    break;
                }
            };
            let mut events = Vec::new();
            if piece.is_empty() || ticket.is_cancelled() {
                tally.outcome.cancelled = !piece.is_empty();
                if let Some(cutter) = mbox.take().filter(|_| piece.is_empty()) {
                    cutter.finish(&mut events);
                }
            } else {
                cutter.push(&piece, &mut events);
            }
            for event in events {
                Box::pin(self.take(event, &mut work, &mut tally)).await;
                if tally.is_stopped() {
                    mbox = None;
                    break;
                }
            }
            tell(&ticket, &tally, answers);
            self.give_way().await;
        }
        tracing::info!(by, path, folder, messages = tally.outcome.changed, "messages imported");
        if tally.is_empty() && !tally.outcome.cancelled {
            return Err(match &tally.outcome.stopped {
                Some(why) => Refusal::new(why),
                None if work.begun > 0 => {
                    Refusal::nothing(format!("{path} has no message behind the first {}", work.begun))
                }
                None => Refusal::nothing(format!("{path} has no message")),
            });
        }
        Ok(self.conclude(&ticket, tally))
    }

    async fn take(self: &Arc<Self>, event: Event, work: &mut Work<'_>, tally: &mut Tally) {
        match event {
            Event::Begin => {
                work.begun += 1;
                work.incoming = (work.begun > work.skip).then(|| Incoming {
                    id: self.ids.next(),
                    writer: BodyWriter::new(Arc::clone(&self.budget)),
                    scan: HeaderScan::new(HEADER_OCTETS_MAX),
                    head: Vec::new(),
                    eight_bit: false,
                    problem: None,
                });
            }
            Event::Octets(octets) => {
                if let Some(message) = &mut work.incoming {
                    self.more(message, &octets).await;
                }
            }
            Event::End => {
                let Some(message) = work.incoming.take() else { return };
                let id = message.id;
                match Box::pin(self.keep(message, work)).await {
                    Ok(()) => tally.outcome.changed += 1,
                    Err(Problem::Own(why)) => tally.skip(id, &why),
                    Err(Problem::All(why)) => {
                        work.begun -= 1;
                        work.stop(&why, tally);
                    }
                }
            }
        }
    }

    async fn more(&self, message: &mut Incoming, octets: &[u8]) {
        let most = self.world.policy().max_message_octets;
        message.scan.push(octets);
        let room = HEADER_OCTETS_MAX.saturating_sub(message.head.len());
        message.head.extend_from_slice(octets.get(..room).unwrap_or(octets));
        message.eight_bit |= !octets.is_ascii();
        if message.problem.is_some() {
            return;
        }
        let pushed = octets.chunks(READ).try_for_each(|piece| message.writer.push(piece));
        let spilled = match pushed {
            Ok(()) if message.writer.wants_spill() => message.writer.spill().await,
            other => other,
        };
        if let Err(error) = spilled {
            message.problem = Some(error.into());
        } else if message.writer.len() > most {
            let why = format!("larger than max_message_size ({most} octets)");
            message.problem = Some(Problem::Own(why));
        }
        if message.problem.is_some() {
            // Its share of the budget is for others.
            message.writer = BodyWriter::new(Arc::clone(&self.budget));
        }
    }

    async fn keep(self: &Arc<Self>, message: Incoming, work: &Work<'_>) -> Result<(), Problem> {
        let Work { path, folder, by, .. } = *work;
        if let Some(problem) = message.problem {
            return Err(problem);
        }
        let body = message.writer.finish().await?;
        let header = message.scan.finish(&self.trace_key);
        let (now, policy) = (self.now_ms(), self.world.policy());
        let (envelope, recipients) = envelope(&message.head, message.eight_bit);
        let cut = |text: Option<String>| text.map(|t| escape(t.as_bytes()));
        let mut item = Item {
            id: message.id,
            version: 0,
            order: 0,
            folder: folder.to_owned(),
            received_ms: now,
            rule: "import".to_owned(),
            reason: format!("imported from {}", escape(path.as_bytes())),
            source: String::new(),
            generation: 0,
            copy: false,
            size: 0,
            digest: String::new(),
            trace: Line::default(),
            client: ClientView {
                session: message.id.to_string(),
                direction: Some(Direction::Inbound),
                downstream: policy.downstreams.first().map(|d| d.name.to_string()).unwrap_or_default(),
                ..ClientView::default()
            },
            envelope,
            recipients,
            header: HeaderView {
                message_id: cut(header.message_id),
                subject: cut(header.subject),
                from: cut(header.from),
            },
            findings: Vec::new(),
            score_milli: 0,
            tags: Vec::new(),
            likeness: [0; 3],
            spool: None,
            hold: None,
            trash: None,
            history: Vec::new(),
        };
        item.happened(now, by, format!("imported from {}", escape(path.as_bytes())));
        let pending = Box::pin(self.vault.put(item, &body)).await?;
        pending.commit().await?;
        Ok(())
    }
}

/// Reads on; an empty piece is the end.
async fn next_piece(mut file: File, path: &str) -> Result<(File, Vec<u8>), Refusal> {
    let read = blocking(move || {
        let mut piece = vec![0; READ];
        let read = file.read(&mut piece)?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((file, piece))
    });
    read.await?.map_err(|error| Refusal::new(format!("{path} cannot be read: {error}")))
}

/// Opens the file for whoever asks. The gateway may read what they may not, its own keys to begin with: so they must own
/// the file, or everybody may read it; root and the gateway's own user may do as they like. A command that works in the
/// place of a stopped gateway has the rights of whoever runs it, and needs no such care.
async fn open(path: &str, by: &str, for_others: bool) -> Result<File, Refusal> {
    let (shown, by) = (path.to_owned(), by.to_owned());
    blocking(move || {
        let wrong = |why: &dyn std::fmt::Display| Refusal::new(format!("{shown} cannot be read: {why}"));
        if !shown.starts_with('/') {
            return Err(wrong(&"an absolute path is needed"));
        }
        // Looked at before it is opened, for opening a pipe waits; and again after it, for it may be another one by then.
        let about = std::fs::metadata(&shown).map_err(|e| wrong(&e))?;
        if !about.is_file() {
            return Err(wrong(&"it is no file"));
        }
        let file = File::open(&shown).map_err(|e| wrong(&e))?;
        let about = file.metadata().map_err(|e| wrong(&e))?;
        if for_others && !may_read(&about, User::from_name(&by).ok().flatten().map(|user| user.uid)) {
            return Err(wrong(&format_args!("{by} neither owns it nor may everybody read it")));
        }
        Ok(file)
    })
    .await?
}

fn may_read(about: &Metadata, by: Option<Uid>) -> bool {
    let all = by.is_some_and(|by| by.is_root() || by == geteuid());
    all || about.mode() & 0o004 != 0 || by.is_some_and(|by| by.as_raw() == about.uid())
}

fn tell(ticket: &Ticket, tally: &Tally, answers: &Sender<Answer>) {
    ticket.running().at(tally.outcome.changed);
    ticket.tell(answers);
}

/// The envelope, as far as the header says it.
fn envelope(head: &[u8], eight_bit: bool) -> (EnvelopeView, Vec<RecipientView>) {
    let parsed = MessageParser::new().parse_headers(head);
    let raw = |name: &'static str| parsed.as_ref().and_then(|m| m.header_raw(name)).map(str::trim);
    let of = |address: Option<&Address<'_>>| -> Vec<String> {
        let all = address.into_iter().flat_map(|a| a.iter());
        all.filter_map(|a| a.address.as_deref().map(str::to_owned)).collect()
    };
    let author = parsed.as_ref().and_then(|m| of(m.from()).into_iter().next());
    let from = match raw("Return-Path") {
        Some(path) => path.trim_matches(['<', '>']).to_owned(),
        None => author.unwrap_or_default(),
    };
    let from = Mailbox::parse(from.as_bytes()).map(|_| from).unwrap_or_default();
    let mut to: Vec<String> = ["X-Envelope-To", "Delivered-To", "X-Original-To"]
        .iter()
        .find_map(|name| raw(name))
        .map(|all| all.split(',').map(|t| t.trim().trim_matches(['<', '>']).to_owned()).collect())
        .unwrap_or_default();
    if to.is_empty() {
        to = of(parsed.as_ref().and_then(|m| m.to()));
        to.extend(of(parsed.as_ref().and_then(|m| m.cc())));
    }
    to.retain(|t| Mailbox::parse(t.as_bytes()).is_ok());
    to.truncate(RCPTS_MAX);
    let utf8 = !from.is_ascii() || to.iter().any(|t| !t.is_ascii());
    let mut parameters = Vec::new();
    let mut needs = Vec::new();
    if eight_bit {
        parameters.push("BODY=8BITMIME");
        needs.push("8BITMIME".to_owned());
    }
    if utf8 {
        parameters.push("SMTPUTF8");
        needs.push("SMTPUTF8".to_owned());
    }
    let view = EnvelopeView {
        line: mail_line(from.as_bytes(), &parameters),
        from: escape(from.as_bytes()),
        body: if eight_bit { BodyKind::EightBit } else { BodyKind::SevenBit },
        smtputf8: utf8,
        needs,
        ..EnvelopeView::default()
    };
    let rcpt = |t: &String| RecipientView {
        rcpt: escape(t.as_bytes()),
        line: rcpt_line(t.as_bytes()),
        ..RecipientView::default()
    };
    (view, to.iter().map(rcpt).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> (String, Vec<String>) {
        let (envelope, rcpts) = envelope(head.as_bytes(), false);
        let lines = rcpts.iter().map(|r| String::from_utf8_lossy(&r.line.0).trim().to_owned());
        (String::from_utf8_lossy(&envelope.line.0).trim().to_owned(), lines.collect())
    }

    #[test]
    fn the_envelope_is_that_of_the_delivery_where_it_is_known() {
        let head = "Return-Path: <a@x.example>\r\nX-Envelope-To: <b@y.example>, c@y.example\r\n\
            From: Z <z@x.example>\r\nTo: list@y.example\r\n\r\n";
        let (from, to) = read(head);
        assert_eq!(from, "MAIL FROM:<a@x.example>");
        assert_eq!(to, ["RCPT TO:<b@y.example>", "RCPT TO:<c@y.example>"]);
        let (from, to) = read("From: Z <z@x.example>\r\nTo: L <l@y.example>\r\nCc: m@y.example\r\n\r\n");
        assert_eq!(from, "MAIL FROM:<z@x.example>");
        assert_eq!(to, ["RCPT TO:<l@y.example>", "RCPT TO:<m@y.example>"]);
        assert_eq!(read("Return-Path: <>\r\nFrom: z@x.example\r\n\r\n").0, "MAIL FROM:<>");
    }

    #[test]
    fn nothing_but_a_mailbox_becomes_a_line() {
        for bad in ["a@x.example> SIZE=1", "a b@x.example", "x\u{b}@x.example", ""] {
            let head = format!("Return-Path: <{bad}>\r\nDelivered-To: <{bad}>\r\n\r\n");
            let (from, to) = read(&head);
            assert_eq!((from.as_str(), to.len()), ("MAIL FROM:<>", 0), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_read_for_its_owner_or_for_everybody() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let about = |mode| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(file.path(), permissions).unwrap();
            file.as_file().metadata().unwrap()
        };
        let stranger = Some(Uid::from_raw(geteuid().as_raw() + 4711));
        for (mode, by, may) in [
            (0o600, Some(geteuid()), true),
            (0o600, stranger, false),
            (0o660, stranger, false),
            (0o600, None, false),
            (0o644, stranger, true),
            (0o644, None, true),
        ] {
            assert_eq!(may_read(&about(mode), by), may, "{mode:o} {by:?}");
        }
        assert!(may_read(&about(0o600), Some(Uid::from_raw(file.as_file().metadata().unwrap().uid()))));
    }
}
