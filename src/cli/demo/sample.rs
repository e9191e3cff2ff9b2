//! The sample messages, and what is to become of each.

use crate::smtp::data::Stuffer;

/// Stands in a sample file for a line end that is a bare LF. An editor would repair a real one.
const BARE_LF: &str = "{bare LF}\n";
/// Octets of the sample that is too large; the demo's limit is 1 MiB.
const LARGE_OCTETS: usize = 1_300_000;

/// One message.
#[derive(Debug)]
pub(super) struct Sample {
    /// What it is, for people.
    pub(super) title: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// Parameters of MAIL, with a blank before each.
    pub(super) parameters: &'static str,
    text: &'static str,
    large: bool,
    /// The code of the reply that is to decide.
    pub(super) expect: u16,
}

const fn sample(title: &'static str, to: &'static str, text: &'static str, expect: u16) -> Sample {
    Sample { title, from: "sender@example.com", to, parameters: "", text, large: false, expect }
}

/// All of them, in the order in which they are sent.
pub(super) static SAMPLES: &[Sample] = &[
    sample("plain text", "alice@example.net", include_str!("samples/plain.eml"), 250),
    sample("HTML with an attachment", "bob@example.net", include_str!("samples/html.eml"), 250),
    Sample {
        from: "jürgen@bücher.example",
        parameters: " BODY=8BITMIME SMTPUTF8",
        ..sample("UTF-8 in address and header", "grün@example.net", include_str!("samples/utf8.eml"), 250)
    },
    sample("to somebody else's domain", "bob@elsewhere.example", include_str!("samples/foreign.eml"), 550),
    sample("to nobody", "unknown@example.net", include_str!("samples/nobody.eml"), 550),
    sample("SMTP smuggling, a bare LF", "alice@example.net", include_str!("samples/smuggling.eml"), 550),
    Sample {
        large: true,
        ..sample("larger than the limit", "alice@example.net", include_str!("samples/large.eml"), 552)
    },
];

impl Sample {
    /// The message as it goes on the wire after 354, with the end of data.
    pub(super) fn wire(&self) -> Vec<u8> {
        let mut message = String::with_capacity(self.text.len() + 64);
        for line in self.text.split_inclusive('\n') {
            match line.strip_suffix(BARE_LF) {
                Some(line) => message.push_str(&format!("{line}\n")),
                None => message.push_str(&format!("{}\r\n", line.trim_end_matches(['\r', '\n']))),
            }
        }
        if self.large {
            let line = "All work and no play makes the mail server a dull machine. 0123456789\r\n";
            message.push_str(&line.repeat(LARGE_OCTETS / line.len()));
        }
        if self.text.contains(BARE_LF) {
            // As an attacker sends it: no dot is doubled.
            return [message.as_bytes(), b".\r\n"].concat();
        }
        let mut wire = Vec::with_capacity(message.len() + 64);
        let mut stuffer = Stuffer::new();
        stuffer.push(message.as_bytes(), &mut wire);
        stuffer.finish(&mut wire);
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::data::{DataDecoder, LineEnds, Violation};

    #[test]
    fn samples_are_what_their_titles_say() {
        for sample in SAMPLES {
            let wire = sample.wire();
            let mut decoder = DataDecoder::new(LineEnds::Reject);
            let (used, end) = decoder.push(&wire, &mut |_| ());
            assert!(end && used == wire.len(), "{}", sample.title);
            let smuggling = sample.title.contains("smuggling");
            assert_eq!(decoder.violation(), smuggling.then_some(Violation::BareLf), "{}", sample.title);
            assert_eq!(wire.len() > 1 << 20, sample.large, "{}", sample.title);
            assert_eq!(decoder.has_8bit(), sample.parameters.contains("8BITMIME"), "{}", sample.title);
            let head = String::from_utf8_lossy(&wire[..wire.len().min(4096)]).into_owned();
            assert!(head.contains("\r\nMessage-ID: <") && head.contains("\r\n\r\n"), "{}", sample.title);
        }
    }
}
