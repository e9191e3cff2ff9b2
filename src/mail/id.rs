//! References: 8 Crockford base-32 characters that name a session or a message, the same in log, reply,
//! header and quarantine.
//!
//! They come from a counter that never repeats (the state directory keeps it) through a keyed bijection
//! of 40 bits, so that two ids of one second do not look alike when read over a telephone, and a peer who
//! sees his own cannot tell how much mail we take. The bijection hides an order; it is no secret cipher.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS: u32 = 40;
const HALF: u32 = BITS / 2;
const HALF_MASK: u64 = (1 << HALF) - 1;
const ROUNDS: u64 = 6;

/// The reference of a session or message: 40 bits, shown as 8 characters (`7F3K9QAB`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

/// A text that is no reference: not 8 characters of Crockford's alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reference has 8 characters of 0-9 and A-Z without I, L, O and U, like 7F3K9QAB")]
pub struct IdError;

impl Id {
    /// How many different references there are.
    pub const COUNT: u64 = 1 << BITS;

    /// The reference of these bits; `None` beyond 40.
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits < Self::COUNT).then_some(Self(bits))
    }

    /// The 40 bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The beginning of a reference, as people type it: 4 to 8 characters, in the form that references are shown in.
    ///
    /// # Errors
    /// It is none.
    pub fn prefix(text: &str) -> Result<String, IdError> {
        if !(4..=8).contains(&text.len()) {
            return Err(IdError);
        }
        let digits = text.bytes().map(digit).collect::<Result<Vec<_>, _>>()?;
        let show = |at: u64| ALPHABET.get(at as usize).map_or('0', |&b| char::from(b));
        Ok(digits.into_iter().map(show).collect())
    }

    /// Appends its characters.
    pub fn push_to(self, out: &mut String) {
        out.extend(self.ascii().map(char::from));
    }

    fn ascii(self) -> [u8; 8] {
        let mut out = [b'0'; 8];
        let mut bits = self.0;
        for slot in out.iter_mut().rev() {
            *slot = ALPHABET.get((bits & 31) as usize).copied().unwrap_or(b'0');
            bits >>= 5;
        }
        out
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits of the alphabet are ASCII.
        f.write_str(std::str::from_utf8(&self.ascii()).unwrap_or("00000000"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = IdError;

    /// Takes both cases, and `O` for 0, `I` and `L` for 1, as Crockford asks.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 8 {
            return Err(IdError);
        }
        text.bytes().try_fold(0, |bits, byte| Ok(bits << 5 | digit(byte)?)).map(Self)
    }
}

/// A digit of either case, and those that are mistaken for one.
fn digit(byte: u8) -> Result<u64, IdError> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|&a| a == byte).map(|at| at as u64).ok_or(IdError)
}

/// The keyed bijection from counter to reference.
#[derive(Clone, Copy)]
pub struct Scramble {
    key: u64,
}

impl Scramble {
    /// A bijection chosen by `key`, which the state directory keeps.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self { key }
    }

    /// The reference of count `n`. Different counts below [`Id::COUNT`] give different references; beyond
    /// it (35,000 a second for a year) they start again.
    #[must_use]
    pub fn id(self, n: u64) -> Id {
        let (mut left, mut right) = ((n >> HALF) & HALF_MASK, n & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) =
                (right, left ^ (mix(right ^ self.key.rotate_left(round as u32 * 11), round) & HALF_MASK));
        }
        Id(left << HALF | right)
    }
}

/// The finaliser of splitmix64: every output bit depends on every input bit.
fn mix(x: u64, round: u64) -> u64 {
    let x = x.wrapping_add((round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn references_never_repeat_and_do_not_run_in_order() {
        let s = Scramble::new(42);
        let ids: Vec<Id> = (0..200_000).map(|n| s.id(n)).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let ascending = ids.windows(2).filter(|w| w[0] < w[1]).count();
        assert!((80_000..120_000).contains(&ascending), "{ascending}");
        assert_ne!(Scramble::new(43).id(0), s.id(0));
    }

    #[test]
    fn a_reference_reads_back_as_people_type_it() {
        let id = Scramble::new(7).id(12345);
        assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        assert_eq!(id.to_string().to_lowercase().parse::<Id>().unwrap(), id);
        assert_eq!("oil00000".parse::<Id>().unwrap(), "01100000".parse::<Id>().unwrap());
        assert!("7F3K9QA".parse::<Id>().is_err());
        assert_eq!(Id::prefix("7f3oil").as_deref(), Ok("7F3011"));
        for none in ["7F3", "7F3K9QAB0", "7F3U", ""] {
            assert!(Id::prefix(none).is_err(), "{none}");
        }
        assert!("7F3K9QAU".parse::<Id>().is_err());
    }
}
