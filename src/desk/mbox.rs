//! One message, or an mbox with many, cut into messages while it is read.
//!
//! Pure: octets in, pieces of messages out. A file that begins with a `From ` line is an mbox; there, a line that begins
//! with `From ` behind an empty line begins the next message, and `>From ` (with any number of `>`) loses one `>`
//! (mboxrd). Line ends become CRLF. Memory: one line, [`LINE_MAX`] at most; a longer one is handed out in pieces.

/// Octets of a line that are gathered.
const LINE_MAX: usize = 64 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A message begins.
    Begin,
    /// Octets of it.
    Octets(Vec<u8>),
    /// It is over.
    End,
}

/// Cuts.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen of a file, each by itself")]
pub(super) struct Mbox {
    /// `None`: nothing was seen yet.
    is_mbox: Option<bool>,
    line: Vec<u8>,
    /// The line goes on: its beginning was handed out.
    inside: bool,
    open: bool,
    /// An empty line that belongs to the message if another line of it follows.
    empty: bool,
    /// The last line was empty, or there was none.
    may_begin: bool,
}

impl Mbox {
    /// Takes the next octets.
    pub(super) fn push(&mut self, octets: &[u8], events: &mut Vec<Event>) {
        for line in octets.split_inclusive(|&b| b == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.whole_line(events);
            } else if self.line.len() >= LINE_MAX {
                self.long_line(events);
            }
        }
    }

    /// The end of the file.
    pub(super) fn finish(mut self, events: &mut Vec<Event>) {
        if !self.line.is_empty() || self.inside {
            self.whole_line(events);
        }
        if self.open {
            // What was taken for the gap between two messages is the end of the only one.
            if self.empty && self.is_mbox == Some(false) {
                events.push(Event::Octets(b"\r\n".to_vec()));
            }
            events.push(Event::End);
        }
    }

    fn whole_line(&mut self, events: &mut Vec<Event>) {
        let mut line = std::mem::take(&mut self.line);
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let content = content.strip_suffix(b"\r").unwrap_or(content).len();
        line.truncate(content);
        if std::mem::take(&mut self.inside) {
            line.extend_from_slice(b"\r\n");
            self.may_begin = false;
            return octets(events, &line);
        }
        let from = line.starts_with(b"From ");
        let is_mbox = *self.is_mbox.get_or_insert_with(|| {
            self.may_begin = true;
            from
        });
        if is_mbox && from && self.may_begin {
            self.empty = false;
            self.may_begin = false;
            if std::mem::replace(&mut self.open, true) {
                events.push(Event::End);
            }
            return events.push(Event::Begin);
        }
        self.begin(events);
        if line.is_empty() {
            self.empty = true;
            self.may_begin = true;
            return;
        }
        self.may_begin = false;
        let quoted = line.iter().position(|&b| b != b'>').filter(|&at| at > 0);
        if is_mbox && quoted.is_some_and(|at| line.get(at..).is_some_and(|l| l.starts_with(b"From "))) {
            line.remove(0);
        }
        line.extend_from_slice(b"\r\n");
        octets(events, &line);
    }

    fn long_line(&mut self, events: &mut Vec<Event>) {
        self.is_mbox.get_or_insert(false);
        self.begin(events);
        self.inside = true;
        // The last octet may be the CR of a line end.
        let last = self.line.pop();
        octets(events, &self.line);
        self.line.clear();
        self.line.extend(last);
    }

    /// What follows belongs to the open message, with the empty line before it.
    fn begin(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.open, true) {
            events.push(Event::Begin);
        }
        if std::mem::take(&mut self.empty) {
            octets(events, b"\r\n");
        }
    }
}

/// Behind the octets before, where there are some.
fn octets(events: &mut Vec<Event>, more: &[u8]) {
    match events.last_mut() {
        Some(Event::Octets(before)) if before.len() < LINE_MAX => before.extend_from_slice(more),
        _ => events.push(Event::Octets(more.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(file: &[u8], piece: usize) -> Vec<String> {
        let (mut mbox, mut messages) = (Mbox::default(), Vec::new());
        let mut events = Vec::new();
        file.chunks(piece).for_each(|c| mbox.push(c, &mut events));
        mbox.finish(&mut events);
        let mut open: Option<Vec<u8>> = None;
        for event in events {
            match event {
                Event::Begin => assert!(open.replace(Vec::new()).is_none()),
                Event::Octets(more) => open.as_mut().unwrap().extend(more),
                Event::End => messages.push(String::from_utf8(open.take().unwrap()).unwrap()),
            }
        }
        assert!(open.is_none());
        messages
    }

    #[test]
    fn an_mbox_is_cut_at_its_from_lines_wherever_it_is_read() {
        let file = b"From a@b Sat Nov 21\nSubject: 1\n\nFrom the start it rained\n>From here\n>>From there\n\
            >not quoted\n\nFrom c@d Sat Nov 21\nSubject: 2\r\n\r\nx\nFrom inside a paragraph\n\n\n";
        // A `From ` line behind the empty line of the header cannot be told from the next message.
        for piece in [1, 2, 7, 1000] {
            let messages = cut(file, piece);
            assert_eq!(messages.len(), 3, "{piece}");
            assert_eq!(messages[0], "Subject: 1\r\n");
            assert_eq!(messages[1], "From here\r\n>From there\r\n>not quoted\r\n");
            assert_eq!(messages[2], "Subject: 2\r\n\r\nx\r\nFrom inside a paragraph\r\n\r\n");
        }
    }

    #[test]
    fn one_message_is_taken_as_it_is() {
        for piece in [1, 3, 1000] {
            let one = cut(b"Subject: x\n\n>From y\n\nFrom z\nlast", piece);
            assert_eq!(one, ["Subject: x\r\n\r\n>From y\r\n\r\nFrom z\r\nlast\r\n"]);
        }
        assert!(cut(b"", 1).is_empty());
        assert_eq!(cut(b"a\n\n", 1), ["a\r\n\r\n"]);
    }

    #[test]
    fn long_lines_do_not_stay_in_memory() {
        let long = [&b"Subject: x\n\n"[..], &vec![b'a'; 3 * LINE_MAX], b"\r\nend\n"].concat();
        let one = cut(&long, 4096);
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].len(), 3 * LINE_MAX + "Subject: x\r\n\r\n\r\nend\r\n".len());
    }
}
