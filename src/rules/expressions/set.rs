//! All expressions over one kind of text.

use super::expression::Expression;
use super::fold::folded;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// From so many literals on the automaton takes the form that needs less memory.
const LITERALS_DENSE: usize = 3000;

/// Expressions by number, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Expressions {
    items: Vec<Expression>,
    automaton: Option<AhoCorasick>,
    /// Whose literal each one is.
    owners: Vec<u32>,
    /// Those without literals: always tried, and tried where a text is more than ASCII.
    always: Vec<u32>,
    foreign: Vec<u32>,
}

/// Those that are worth a try, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates(Vec<u64>);

impl Candidates {
    /// Whether this one is.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn add(&mut self, number: u32) {
        let (word, bit) = place(number);
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }
}

fn place(number: u32) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

impl Expressions {
    /// Of these.
    ///
    /// # Errors
    /// There are too many for an automaton: more than fit some gigabytes.
    pub fn new(items: Vec<Expression>) -> Result<Self, String> {
        let (mut literals, mut owners) = (Vec::new(), Vec::new());
        let (mut always, mut foreign) = (Vec::new(), Vec::new());
        for (item, number) in items.iter().zip(0_u32..) {
            if item.literals().is_empty() {
                if item.is_foreign() { foreign.push(number) } else { always.push(number) }
            }
            for literal in item.literals() {
                literals.push(literal.as_str());
                owners.push(number);
            }
        }
        let kind = if literals.len() > LITERALS_DENSE {
            AhoCorasickKind::ContiguousNFA
        } else {
            AhoCorasickKind::DFA
        };
        let automaton = (!literals.is_empty()).then(|| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(kind))
                .build(&literals)
        });
        let automaton = automaton.transpose().map_err(|error| error.to_string())?;
        Ok(Self { items, automaton, owners, always, foreign })
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Expression> {
        self.items.get(usize::try_from(number).ok()?)
    }

    /// Those that may be in one of the texts: all that are there, and few that are not. One pass over each text.
    #[must_use]
    pub fn candidates<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Candidates {
        let mut found = Candidates(vec![0; self.items.len().div_ceil(64)]);
        let (mut any, mut foreign) = (false, false);
        for text in texts {
            any = true;
            foreign |= !self.foreign.is_empty() && !text.is_ascii();
            let Some(automaton) = &self.automaton else { continue };
            let folded = folded(text);
            for hit in automaton.find_overlapping_iter(folded.as_ref()) {
                if let Some(owner) = self.owners.get(hit.pattern().as_usize()) {
                    found.add(*owner);
                }
            }
        }
        if any {
            self.always.iter().for_each(|number| found.add(*number));
        }
        if foreign {
            self.foreign.iter().for_each(|number| found.add(*number));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::fold;
    use super::*;
    use proptest::prelude::*;

    const ITEMS: [&str; 11] = [
        "act now",
        "/ver[iy]f(y|ied)/",
        r"/\d{3}/",
        "/colou?r|grey|gräy/",
        "/(?:ab|cd)+x?yz/",
        "äpfel",
        "/a.c d/",
        "/[kK]elvin so/",
        "/(foo|bar){2}baz?/",
        r"/[ä-ü]{2,}|[\x{4E00}-\x{9FFF}]/",
        r"/\$ ?\d/",
    ];

    fn set() -> Expressions {
        Expressions::new(ITEMS.iter().map(|item| Expression::parse(item).unwrap()).collect()).unwrap()
    }

    #[test]
    fn only_what_may_be_there_is_tried() {
        let set = set();
        let tried = |text| (0..11).filter(|n| set.candidates([text]).has(*n)).collect::<Vec<u32>>();
        assert_eq!(tried("nothing"), [2, 4]);
        assert_eq!(tried("ACT NOW in Grey ÄPFEL"), [0, 2, 3, 4, 5, 9]);
        assert_eq!(tried("only $ 5"), [2, 4, 10]);
        assert_eq!(set.candidates([]), Candidates(vec![0]));
        assert!(Expressions::new(Vec::new()).unwrap().candidates(["a"]) == Candidates(Vec::new()));
    }

    /// The price of a thousand expressions over 100 KB: `cargo test --release -- --ignored --nocapture thousand`.
    #[test]
    #[ignore = "a measurement"]
    fn a_thousand_expressions() {
        let words: Vec<String> = (0..400_u32)
            .map(|n| {
                format!(
                    "{}{}x{n}",
                    char::from(b"abcdefghijklmnopqrstuvwxyz"[n as usize % 26]),
                    n * 7919 % 9973
                )
            })
            .collect();
        let word = |n: usize| words[n % words.len()].as_str();
        let items = (0..1000).map(|n| {
            let text = match n % 3 {
                0 => format!("{} {}", word(n * 3), word(n * 5 + 1)),
                1 => format!(r"/\b(?:{}|{})\b.{{0,40}}\b{}\b/", word(n), word(n + 7), word(n * 11)),
                _ => format!(r"/\b{}s? (?:now|today|{})\b/", word(n), word(n + 1)),
            };
            Expression::parse(&text).unwrap()
        });
        let began = std::time::Instant::now();
        let set = Expressions::new(items.collect()).unwrap();
        println!("built in {:?}", began.elapsed());
        let mut text = String::new();
        let mut n = 1_usize;
        while text.len() < 100_000 {
            n = n * 1_103_515_245 % 2_147_483_648 + 12_345;
            // Every thousandth word is one of those that rules ask for.
            let own = n.is_multiple_of(1000);
            text.push_str(if own {
                word(n / 1000)
            } else {
                ["the", "offer", "of", "people", "message", "und"][n / 64 % 6]
            });
            text.push(' ');
        }
        for round in 0..3 {
            let began = std::time::Instant::now();
            let candidates = set.candidates([text.as_str()]);
            let passed = began.elapsed();
            let folded = fold(&text);
            let tried: Vec<u32> = (0..1000).filter(|n| candidates.has(*n)).collect();
            let found = tried.iter().filter(|n| set.get(**n).unwrap().is_in(&text, &folded)).count();
            println!(
                "round {round}: {} tried, {found} found, prefilter {passed:?}, all {:?}",
                tried.len(),
                began.elapsed()
            );
        }
    }

    proptest! {
        /// What the automaton passes over is not there.
        #[test]
        fn nothing_is_missed(words in proptest::collection::vec(prop_oneof![
            Just("act"), Just(" "), Just("NOW"), Just("verif"), Just("y"), Just("123"), Just("colo"), Just("r"), Just("GRÄY"),
            Just("ab"), Just("CD"), Just("x"), Just("yz"), Just("ÄPFEL"), Just("aXc d"), Just("\u{212a}elvin \u{17f}o"),
            Just("foo"), Just("BAR"), Just("ba"), Just("z"), Just("ü"), Just("é"), Just("中"), Just("$"),
        ], 0..12)) {
            let set = set();
            let text = words.concat();
            let candidates = set.candidates([text.as_str()]);
            for number in 0..11 {
                if set.get(number).unwrap().is_in(&text, &fold(&text)) {
                    prop_assert!(candidates.has(number), "{} in {text}", ITEMS[number as usize]);
                }
            }
        }
    }
}
