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
    end > 0 && line.len().is_multiple_of(4) && line.iter().take(end).all(|&b| sextet(b).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: &str = "the spring collection is here and we have picked the best pieces for your garden this season. \
        Every order above a certain amount ships for free until the end of the month, and our gardeners answer all \
        of your questions about roses, tulips and herbs. Visit the shop in town or order from home: whatever does \
        not grow is replaced within a year. We look forward to a green summer with you and your family.";
    const BANK: &str = "your account was used from a device that we do not know. If this was not you, change the \
        password at once and call the number on the back of the card. For your safety the card stays blocked until \
        we have heard from you; nothing else needs to be done, and no money has left the account so far.";
    const NAMES: [&str; 8] =
        ["Alice", "Bob Smith", "Dr. Carla van der Berg", "D'Angelo", "Zoë", "Ján Novák", "Mrs Brown", "X Æ"];

    fn variant(n: usize, text: &str) -> String {
        let name = NAMES[n % NAMES.len()];
        let boundary = format!("----=_Part_{n}_{:x}.{}", n * 7919, n * 31);
        let code = format!("{:016x}{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), n);
        format!(
            "From: shop{n}@example.org\r\nSubject: News {n}\r\nContent-Type: multipart/alternative;\r\n boundary={boundary}\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Part-{n}: {code}\r\n\r\nDear {name},\r\n\r\n{text}\r\n\
             Read on: https://t{n}.example.org/c/{code}?u={n}\r\nYour number is {n}, order {code}.\r\nSent to user{n}@example.net\r\n\
             --{boundary}--\r\n"
        )
    }

    fn shared(one: [i64; 3], two: [i64; 3]) -> usize {
        one.iter().zip(two).filter(|(a, b)| **a == *b).count()
    }

    #[test]
    fn variants_of_a_newsletter_are_one_group() {
        let first = likeness(variant(0, NEWS).as_bytes());
        for n in 0..10_000 {
            let other = variant(n, NEWS);
            assert!(shared(first, likeness(other.as_bytes())) >= 2, "{other}");
        }
    }

    #[test]
    fn a_changed_sentence_mostly_leaves_the_group() {
        let words: Vec<&str> = NEWS.split(' ').collect();
        let first = likeness(variant(0, NEWS).as_bytes());
        let alike = (0..words.len()).filter(|&at| {
            let mut words = words.clone();
            words[at] = "zebra";
            shared(first, likeness(variant(at, &words.join(" ")).as_bytes())) >= 2
        });
        let alike = alike.count();
        assert!(alike * 100 >= words.len() * 95, "{alike} of {}", words.len());
    }

    #[test]
    fn different_messages_are_different() {
        let mut all: Vec<[i64; 3]> =
            [NEWS, BANK].iter().map(|text| likeness(variant(1, text).as_bytes())).collect();
        assert_eq!(shared(all[0], all[1]), 0);
        // Texts of words that are drawn from few, with the same frame around them.
        let words: Vec<&str> = NEWS.split(' ').chain(BANK.split(' ')).collect();
        let mut x: usize = 12345;
        for n in 0..300 {
            let text = std::iter::repeat_with(|| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                words[(x >> 33) % words.len()]
            });
            let text = text.take(60).collect::<Vec<_>>().join(" ");
            all.push(likeness(variant(n, &text).as_bytes()));
        }
        let pairs = (0..all.len()).flat_map(|one| (0..one).map(move |two| (one, two)));
        let alike = pairs.filter(|&(one, two)| shared(all[one], all[two]) >= 2).count();
        assert!(alike * 1000 < all.len() * all.len() / 2, "{alike}");
    }

    fn in_base64(octets: &[u8]) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(octets);
        text.as_bytes().chunks(76).map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap())).collect()
    }

    #[test]
    fn how_a_text_is_encoded_does_not_matter_and_attachments_count() {
        let mail = |encoding: &str, body: &str| {
            likeness(format!("A: b\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}").as_bytes())
        };
        let plain = mail("8bit", NEWS);
        assert_eq!(plain, mail("base64", &in_base64(NEWS.as_bytes())));
        let quoted = NEWS.replace('e', "=65").replace(" and", "=\r\n and");
        assert_eq!(plain, mail("quoted-printable", &quoted));
        assert_eq!(plain, mail("8bit", &format!("<html><b class=\"x\">{}</b>", NEWS.replace(' ', "\r\n"))));
        let other = mail("base64", &in_base64(BANK.as_bytes()));
        assert_eq!(shared(plain, other), 0);
        let picture = |seed: u32| {
            let octets: Vec<u8> =
                (seed..seed + 3000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            mail("base64", &in_base64(&octets))
        };
        assert_eq!(picture(1), picture(1));
        assert_eq!(shared(picture(1), picture(5000)), 0);
    }

    #[test]
    fn odd_messages_are_read_in_bounded_time() {
        for odd in [
            &b""[..],
            b"\r\n",
            b"no header at all",
            b"A: b\r\n\r\n",
            b"\r\n\r\n=",
            b"\r\n<<<<",
            b"\n\xff\xfe",
        ] {
            assert_eq!(likeness(odd), likeness(odd));
        }
        assert_eq!(likeness(b"A: b\r\n\r\n"), likeness(b"C: d\r\n\r\n"));
        assert_ne!(likeness(b"\r\nBuy this"), likeness(b"\r\nSell that"));
        let begun = std::time::Instant::now();
        for octet in *b"<A=-\n ," {
            let long = [&b"\r\n"[..], &[octet].repeat(10 << 20)].concat();
            let _ = likeness(&long);
        }
        assert!(begun.elapsed().as_secs() < 5);
        // What stands behind the bound does not matter.
        let filler = "word and other words\r\n".repeat(4000);
        let long = |end: &str| likeness(format!("\r\n{NEWS}\r\n{filler}{end}").as_bytes());
        assert_eq!(long(""), long(BANK));
    }

    proptest::proptest! {
        #[test]
        fn nothing_fails(octets: Vec<u8>, text in "[<>=A-Za-z \r\n-]{0,200}") {
            let _ = likeness(&octets);
            let _ = likeness(format!("\n{text}").as_bytes());
        }
    }
}
