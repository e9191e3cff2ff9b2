//! Text in the form in which rules look at it: blanks single, what cannot be seen left out, letters that only look like
//! others replaced by these.

/// What was done to a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odd {
    /// Invisible characters inside of words.
    pub invisible: usize,
    /// Mathematical and full-width letters.
    pub styled: usize,
    /// Words that mix Latin with Cyrillic or Greek letters.
    pub mixed: usize,
}

impl Odd {
    /// Any of it.
    #[must_use]
    pub fn any(self) -> usize {
        self.invisible + self.styled + self.mixed
    }

    fn plus(&mut self, other: Self) {
        self.invisible += other.invisible;
        self.styled += other.styled;
        self.mixed += other.mixed;
    }
}

/// A text that grows.
#[derive(Debug, Default)]
pub struct Normal {
    /// The text so far.
    pub text: String,
    /// What was done to it.
    pub odd: Odd,
    max: usize,
}

impl Normal {
    /// An empty one that takes so many octets.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { text: String::new(), odd: Odd::default(), max }
    }

    /// Puts a text behind it, apart by a blank.
    pub fn push(&mut self, text: &str) {
        self.blank();
        for word in text.split(is_blank).filter(|word| !word.is_empty()) {
            if self.text.len() + word.len() > self.max {
                // Of a word without end, what there is room for.
                let room = self.max.saturating_sub(self.text.len());
                let end = (0..=room.min(word.len())).rev().find(|at| word.is_char_boundary(*at));
                self.word(word.get(..end.unwrap_or_default()).unwrap_or_default());
                return;
            }
            self.word(word);
            self.blank();
        }
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_ascii() {
            self.text.push_str(word);
            return;
        }
        let mut odd = Odd::default();
        let (mut latin, mut other) = (false, false);
        let start = self.text.len();
        let mut hidden = 0;
        let mut after_letter = false;
        for c in word.chars() {
            if is_invisible(c) {
                hidden += usize::from(after_letter);
                continue;
            }
            let plain = styled(c);
            odd.styled += usize::from(plain.is_some());
            let c = plain.unwrap_or(c);
            if c.is_alphabetic() {
                // Invisible characters count where they split a word.
                odd.invisible += std::mem::take(&mut hidden);
            }
            hidden = 0;
            after_letter = c.is_alphabetic();
            latin |= c.is_ascii_alphabetic();
            other |= matches!(c, '\u{370}'..='\u{52f}');
            self.text.push(c);
        }
        if latin && other {
            odd.mixed += 1;
            let plain: String = self.text.get(start..).unwrap_or_default().chars().map(latin_of).collect();
            self.text.truncate(start);
            self.text.push_str(&plain);
        }
        self.odd.plus(odd);
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_control() || c == '\u{2800}' || c == '\u{3164}'
}

/// Soft hyphen, joiners, zero-width blanks, marks of direction, variation selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
}

/// The plain letter or digit of a mathematical, enclosed or full-width one.
fn styled(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = |at: u32| {
        let base = if at < 26 { u32::from('A') + at } else { u32::from('a') + at - 26 };
        char::from_u32(base)
    };
    match code {
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        0x1d400..=0x1d6a3 => letter((code - 0x1d400) % 52),
        0x1d7ce..=0x1d7ff => char::from_u32(u32::from('0') + (code - 0x1d7ce) % 10),
        0x24b6..=0x24e9 => letter(code - 0x24b6),
        0x1f130..=0x1f149 => letter(code - 0x1f130),
        0x1f150..=0x1f169 => letter(code - 0x1f150),
        0x1f170..=0x1f189 => letter(code - 0x1f170),
        _ => None,
    }
}

/// The Latin letter that a Cyrillic or Greek one looks like.
fn latin_of(c: char) -> char {
    const PAIRS: [(&str, &str); 2] = [
        ("аеорсхуіѕјһԁԛԝ", "aeopcxyisjhdqw"),
        ("АВЕКМНОРСТХУІЅЈαοριντκχυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXYISJaopivtkxuABEZHIKMNOPTYX"),
    ];
    for (from, to) in PAIRS {
        if let Some((_, plain)) = from.chars().zip(to.chars()).find(|(like, _)| *like == c) {
            return plain;
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (String, Odd) {
        let mut normal = Normal::new(100);
        normal.push(text);
        (normal.text, normal.odd)
    }

    #[test]
    fn tricks_are_undone_and_counted() {
        for (text, want, odd) in [
            (" a \r\n\t b\u{a0}c ", "a b c ", Odd::default()),
            ("Ac\u{200b}count \u{200b} x", "Account x ", Odd { invisible: 1, ..Odd::default() }),
            ("𝐕𝐞𝐫𝐢𝐟𝐲 ＰａｙＰａｌ", "Verify PayPal ", Odd { styled: 12, ..Odd::default() }),
            ("Раураl", "Paypal ", Odd { mixed: 1, ..Odd::default() }),
            ("срочно größe 漢字", "срочно größe 漢字 ", Odd::default()),
        ] {
            assert_eq!(of(text), (want.to_owned(), odd), "{text}");
        }
        assert_eq!(of(&"ü".repeat(200)).0.len(), 100);
        assert_eq!(of(&"ab ".repeat(200)).0.len(), 100);
    }
}
