//! What was said in a session, for `explain`: both sides, line by line, bounded.
//!
//! Owner: the machine, which sees every line once. Credentials never get in here, nor does message data. A
//! session that sends much keeps its beginning and its end, and says how much is left out between them; after
//! a message that ended well everything since the greeting is forgotten, for it explains nothing.

use crate::mail::escape_at_most;

/// Octets of one line that are kept.
const LINE_OCTETS_MAX: usize = 512;
/// Octets kept in all, and of these from the beginning.
const OCTETS_MAX: usize = 12 * 1024;
const HEAD_OCTETS: usize = 6 * 1024;
/// Octets of an entry before its text: who, when, how long.
const PREFIX: usize = 7;

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Client,
    Server,
    Note,
}

impl Who {
    fn octet(self) -> u8 {
        match self {
            Self::Client => b'C',
            Self::Server => b'S',
            Self::Note => b'-',
        }
    }
}

/// The transcript.
#[derive(Debug, Default)]
pub struct Transcript {
    /// Entries: who (1 octet), milliseconds since the session began (4), length (2), text.
    entries: Vec<u8>,
    /// Up to here stands what every message of the session shares: greeting and EHLO.
    shared: usize,
    /// Where what is left out was, and how many lines it had.
    gap: Option<(usize, u32)>,
    /// Milliseconds since the session began.
    now_ms: u32,
}

impl Transcript {
    /// Sets the time of what comes next, in milliseconds since the session began.
    pub fn at(&mut self, now_ms: u32) {
        self.now_ms = now_ms;
    }

    /// A line of the client, without its line end.
    pub(super) fn client(&mut self, line: &[u8]) {
        self.add(Who::Client, line);
    }

    /// Replies as they go on the wire.
    pub(super) fn server(&mut self, wire: &[u8]) {
        for line in wire.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            self.add(Who::Server, line.strip_suffix(b"\r").unwrap_or(line));
        }
    }

    /// Something that is no line: octets of a message, a delay.
    pub fn note(&mut self, words: &str) {
        self.add(Who::Note, words.as_bytes());
    }

    /// What was said so far belongs to every message of the session.
    pub fn share(&mut self) {
        if self.gap.is_none() {
            self.shared = self.entries.len();
        }
    }

    /// A message ended well: what was said for it is forgotten.
    pub fn forget_message(&mut self) {
        if self.shared > 0 {
            self.entries.truncate(self.shared);
            self.gap = None;
        }
    }

    /// Nothing is known any more (STARTTLS, XCLIENT begin anew), but what was said stays.
    pub fn begin_anew(&mut self) {
        self.shared = 0;
    }

    /// For people: `+0.012 C: EHLO mx.example.com`, a line each.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(self.entries.len() * 2);
        let mut at = 0;
        loop {
            if let Some((_, lines)) = self.gap.filter(|(gap, _)| *gap == at) {
                out.push_str(&format!("        -- {lines} lines left out --\n"));
            }
            let Some((who, ms, text)) = self.entry(at) else { return out };
            let (seconds, thousandths) = (ms / 1000, ms % 1000);
            let text = text
                .split(|&b| b == b'\r')
                .map(|t| escape_at_most(t, LINE_OCTETS_MAX))
                .collect::<Vec<_>>()
                .join("\\r");
            out.push_str(&format!("+{seconds}.{thousandths:03} {}: {text}\n", char::from(who)));
            at = self.after(at);
        }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add(&mut self, who: Who, text: &[u8]) {
        let text = text.get(..LINE_OCTETS_MAX).unwrap_or(text);
        self.entries.push(who.octet());
        self.entries.extend_from_slice(&self.now_ms.to_le_bytes());
        self.entries.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.entries.extend_from_slice(text);
        if self.entries.len() > OCTETS_MAX {
            self.thin_out();
        }
    }

    /// Takes a piece out of the middle, whole entries.
    fn thin_out(&mut self) {
        let mut from = 0;
        while from < HEAD_OCTETS {
            from = self.after(from);
        }
        let from = self.gap.map_or(from, |(gap, _)| gap);
        let (mut to, mut lines) = (from, self.gap.map_or(0, |(_, lines)| lines));
        while to < from + (OCTETS_MAX - HEAD_OCTETS) / 2 && to < self.entries.len() {
            to = self.after(to);
            lines += 1;
        }
        self.entries.drain(from..to.min(self.entries.len()));
        self.gap = Some((from, lines));
    }

    fn entry(&self, at: usize) -> Option<(u8, u32, &[u8])> {
        let [who, a, b, c, d, low, high] = *self.entries.get(at..at + PREFIX)?.first_chunk::<PREFIX>()?;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let text = self.entries.get(at + PREFIX..at + PREFIX + length)?;
        Some((who, u32::from_le_bytes([a, b, c, d]), text))
    }

    fn after(&self, at: usize) -> usize {
        self.entry(at).map_or(self.entries.len().max(at + 1), |(_, _, text)| at + PREFIX + text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_in_order_with_their_time() {
        let mut transcript = Transcript::default();
        transcript.server(b"220 mx ESMTP\r\n");
        transcript.at(1012);
        transcript.client(b"EHLO \x1b[2J");
        transcript.server(b"250-mx\r\n250 PIPELINING\r\n");
        transcript.share();
        transcript.client(b"MAIL FROM:<a@b>");
        transcript.note("4096 octets of message data");
        assert_eq!(
            transcript.render(),
            "+0.000 S: 220 mx ESMTP\n+1.012 C: EHLO \\x1b[2J\n+1.012 S: 250-mx\n+1.012 S: 250 PIPELINING\n\
             +1.012 C: MAIL FROM:<a@b>\n+1.012 -: 4096 octets of message data\n"
        );
        transcript.forget_message();
        assert!(transcript.render().ends_with("S: 250 PIPELINING\n"));
    }

    #[test]
    fn a_long_one_keeps_its_beginning_and_its_end() {
        let mut transcript = Transcript::default();
        for n in 0..10_000 {
            transcript.client(format!("NOOP {n}").as_bytes());
            assert!(transcript.entries.len() <= OCTETS_MAX + LINE_OCTETS_MAX + PREFIX);
        }
        let text = transcript.render();
        assert!(text.starts_with("+0.000 C: NOOP 0\n"), "{text}");
        assert!(text.ends_with("C: NOOP 9999\n"));
        let kept = text.matches("NOOP").count();
        assert!(text.contains(&format!("-- {} lines left out --", 10_000 - kept)), "{kept}\n{text}");
    }

    #[test]
    fn a_line_is_cut() {
        let mut transcript = Transcript::default();
        transcript.client(&[b'x'; 100_000]);
        assert!(transcript.render().len() < 2 * LINE_OCTETS_MAX);
    }
}
