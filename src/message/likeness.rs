//! Which messages are nearly the same: three numbers of a message, of which near-identical ones share at least two.
//!
//! Each number is the smallest hash of all runs of three words (a min-hash), so that two messages share it with the
//! probability of the share of runs that they have in common. Only the words of the text count: no header, no MIME
//! boundaries and fields, no markup, no addresses and links, nothing with a digit in it, no long tokens, and not whom a
//! greeting greets. Text in base64 and quoted-printable is read; what base64 holds beside text counts by its beginning.
//!
//! Pure. Linear in the octets, of which the first 64 KiB behind the header count. Nothing fails: what cannot be read is
//! some word, or none. It is no fingerprint against forgers: whoever wants two messages to look alike can do so.

/// Octets of a message that are looked at; more may be given.
pub const OCTETS_MAX: usize = 96 * 1024;
/// Of these, behind the header.
const TEXT_MAX: usize = 64 * 1024;
/// Longest word; longer ones are made by machines.
const WORD_MAX: usize = 24;
/// Words of a name behind a greeting.
const NAME_WORDS: usize = 4;
/// A line of base64 has at least so many octets, but for the last one.
const BASE64_LINE: usize = 40;
/// Octets of an attachment that count.
const BINARY_HEAD: usize = 512;

/// Words that greet, in the languages that most mail is in.
const GREETINGS: [&str; 24] = [
    "dear", "hello", "hi", "hey", "hallo", "liebe", "lieber", "herr", "frau", "herrn", "bonjour", "cher",
    "chère", "hola", "estimado", "estimada", "ciao", "gentile", "caro", "cara", "beste", "geachte", "mr",
    "mrs",
];

/// The three numbers of a message: header, empty line, body, as it came; [`OCTETS_MAX`] of its octets are enough.
#[must_use]
pub fn likeness(message: &[u8]) -> [i64; 3] {
    let body = body(message);
    let body = body.get(..TEXT_MAX).unwrap_or(body);
    let mut reader = Reader::default();
    let mut lines =
        body.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    while let Some(line) = lines.next() {
        if is_boundary(line) {
            // Fields of the part, up to the empty line.
            if lines.peek().is_some_and(|next| is_field(next)) {
                lines.by_ref().find(|line| line.is_empty());
            }
            reader.end_block();
        } else if is_base64(line) || (reader.in_block() && is_base64_end(line)) {
            reader.base64(line);
        } else {
            reader.end_block();
            reader.line(line);
        }
    }
    reader.end_block();
    reader.words.end()
}

/// What stands behind the first empty line.
fn body(message: &[u8]) -> &[u8] {
    let mut rest = message;
    while let Some(end) = rest.iter().position(|&b| b == b'\n') {
        let (line, later) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = later.get(1..).unwrap_or_default();
        if line.is_empty() || line == b"\r" {
            return rest;
        }
    }
    &[]
}

fn is_boundary(line: &[u8]) -> bool {
    // `-- ` alone begins a signature.
    line.len() > 4 && line.starts_with(b"--") && !line.contains(&b' ')
}

fn is_field(line: &[u8]) -> bool {
    let name = line.iter().position(|&b| b == b':').and_then(|colon| line.get(..colon));
    name.is_some_and(|name| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-'))
}

fn sextet(octet: u8) -> Option<u32> {
    Some(u32::from(match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn is_base64_end(line: &[u8]) -> bool {
    let end = line.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
    end > 0 && line.len() % 4 == 0 && line.iter().take(end).all(|&b| sextet(b).is_some())
}

fn is_base64(line: &[u8]) -> bool {
    line.len() >= BASE64_LINE && is_base64_end(line)
}

/// From lines to characters of the text.
#[derive(Default)]
struct Reader {
    words: Words,
    /// Of base64, decoded.
    block: Vec<u8>,
    tag: Tag,
}

/// Where in markup.
#[derive(Default, Clone, Copy, PartialEq)]
enum Tag {
    #[default]
    Outside,
    /// Behind `<`, which may be no markup.
    Begun,
    Inside,
}

impl Reader {
    fn in_block(&self) -> bool {
        !self.block.is_empty()
    }

    fn base64(&mut self, line: &[u8]) {
        for four in line.chunks(4) {
            let known = four.iter().map_while(|&b| sextet(b));
            let (bits, count) = known.fold((0, 0), |(bits, count), six| (bits << 6 | six, count + 1));
            let bits = bits << (6 * (4 - count));
            let octets = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            self.block.extend(octets.iter().take(match count {
                4 => 3,
                3 => 2,
                2 => 1,
                _ => 0,
            }));
        }
    }

    /// What was in base64 is text, or counts by its beginning.
    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.is_empty() {
            return;
        }
        let odd = block.iter().filter(|b| **b < b' ' && !matches!(b, b'\t' | b'\r' | b'\n')).count();
        if odd * 50 > block.len() {
            let head = block.get(..BINARY_HEAD).unwrap_or(&block);
            self.words.feature(head.iter().fold(SEED, |hash, &octet| fold(hash, u64::from(octet))));
        } else {
            block.split(|&b| b == b'\n').for_each(|line| self.line(line));
        }
        self.tag = Tag::Outside;
    }

    /// A line of text: quoted-printable is read, for in other text it hardly occurs.
    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            // So that a stray `<` hides a paragraph at most.
            self.tag = Tag::Outside;
        }
        let (line, soft) = line.strip_suffix(b"=").map_or((line, false), |line| (line, true));
        let mut octets = line.iter().copied();
        while let Some(octet) = octets.next() {
            let coded = (octet == b'=').then(|| {
                let mut ahead = octets.clone();
                let high = char::from(ahead.next()?).to_digit(16)?;
                let low = char::from(ahead.next()?).to_digit(16)?;
                octets = ahead;
                Some((high * 16 + low) as u8)
            });
            self.octet(coded.flatten().unwrap_or(octet));
        }
        if !soft {
            self.octet(b'\n');
        }
    }

    fn octet(&mut self, octet: u8) {
        match (octet, self.tag) {
            (b'<', _) => {
                self.words.end_word(octet);
                self.tag = Tag::Begun;
            }
            (b'>', _) => self.tag = Tag::Outside,
            (_, Tag::Inside) => {}
            (b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'!' | b'?', Tag::Begun) => self.tag = Tag::Inside,
            (_, Tag::Begun | Tag::Outside) => {
                self.tag = Tag::Outside;
                self.words.octet(octet);
            }
        }
    }
}

/// From characters to runs of words.
struct Words {
    word: Vec<u8>,
    /// Octets of the token, of which `word` keeps the first.
    length: usize,
    /// A digit, `@` or `:` in the middle: an address, a link, a number.
    odd: bool,
    /// So many words of a name may still come.
    name: usize,
    /// Hashes of the last two words.
    last: [Option<u64>; 2],
    least: [u64; 3],
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

impl Default for Words {
    fn default() -> Self {
        Self { word: Vec::new(), length: 0, odd: false, name: 0, last: [None; 2], least: [u64::MAX; 3] }
    }
}

impl Words {
    fn octet(&mut self, octet: u8) {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => {
                self.length += 1;
                if self.word.len() <= WORD_MAX {
                    self.word.push(octet.to_ascii_lowercase());
                }
            }
            // Part of what is no word of a language; as the end of one it is punctuation.
            b'0'..=b'9' | b'@' | b'/' | b'_' | b'%' | b'=' | b'+' | b'#' | b'&' => {
                self.odd = true;
                self.length += 1;
            }
            b'.' | b':' | b'-' if self.odd => {}
            // Between the halves of what may be a host name or an address.
            b'.' | b':' | b'-' | b'\'' if self.length > 0 => self.length += 1,
            _ => self.end_word(octet),
        }
    }

    fn end_word(&mut self, octet: u8) {
        let known = !self.word.is_empty() && !self.odd && self.word.len() <= WORD_MAX;
        if known {
            if self.name > 0 {
                self.name -= 1;
            } else {
                self.count_word();
            }
            if GREETINGS.iter().any(|greeting| greeting.as_bytes() == self.word) {
                self.name = NAME_WORDS;
            }
        }
        self.word.clear();
        (self.length, self.odd) = (0, false);
        if matches!(octet, b',' | b'!' | b'\n' | b'<' | b';' | b'?') {
            self.name = 0;
        }
    }

    fn count_word(&mut self) {
        let hash = self.word.iter().fold(SEED, |hash, &octet| fold(hash, u64::from(octet)));
        if let [Some(first), Some(second)] = self.last {
            self.feature(fold(fold(first, second), hash));
        }
        let [_, second] = self.last;
        self.last = [second, Some(hash)];
    }

    fn feature(&mut self, hash: u64) {
        let seeds = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9];
        for (least, seed) in self.least.iter_mut().zip(seeds) {
            *least = (*least).min(mix(hash ^ seed));
        }
    }

    fn end(mut self) -> [i64; 3] {
        self.end_word(b'\n');
        if self.least == [u64::MAX; 3] {
            // Too few words for a run: these as they are.
            let [first, second] = self.last;
            self.feature(fold(first.unwrap_or(SEED), second.unwrap_or(SEED)));
        }
        self.least.map(u64::cast_signed)
    }
}

fn fold(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
}

/// The finaliser of splitmix64.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
