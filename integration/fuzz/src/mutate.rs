//! Random numbers and mutation. The same seed gives the same inputs.

/// xorshift64*.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| {
            random.next();
        });
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`; 0 for 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }
}

/// Octets that parsers care about.
const SHARP: &[u8] = b"\r\n\0. <>@\":=-+,;()[]{}\\%!/#*'0129AZaz\t\x7f\x80\xff";
/// Longest input.
const OCTETS_MAX: usize = 20_000;

/// Makes inputs of a corpus.
pub struct Mutator {
    random: Random,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(random: Random, corpus: Vec<Vec<u8>>) -> Self {
        Self { random, corpus }
    }

    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.pick();
        for _ in 0..1 + self.random.below(6) {
            self.mutate(&mut input);
        }
        input.truncate(OCTETS_MAX);
        input
    }

    fn pick(&mut self) -> Vec<u8> {
        let at = self.random.below(self.corpus.len());
        self.corpus[at].clone()
    }

    fn sharp(&mut self) -> u8 {
        match self.random.below(8) {
            0 => self.random.next() as u8,
            _ => SHARP[self.random.below(SHARP.len())],
        }
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len() + 1);
        let length = 1 + self.random.below(8);
        let until = (at + length).min(input.len());
        match self.random.below(10) {
            0 => (0..length).for_each(|_| {
                let octet = self.sharp();
                input.insert(at, octet);
            }),
            1 => drop(input.drain(at..until)),
            2 => {
                let octet = self.sharp();
                input[at..until].fill(octet);
            }
            3 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet ^= 1 << self.random.below(8);
                }
            }
            4 => input.truncate(at),
            5 => {
                let other = self.pick();
                let from = self.random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => {
                let other = self.pick();
                input.splice(at..at, other);
            }
            7 => {
                let from = self.random.below(input.len() + 1);
                let piece = input[from..].iter().copied().take(length * 4).collect::<Vec<u8>>();
                input.splice(at..at, piece);
            }
            8 => {
                let octet = self.sharp();
                let times = [10, 100, 600, 2050, 5000][self.random.below(5)];
                input.splice(at..at, std::iter::repeat_n(octet, times));
            }
            _ => {
                let number = [0, 1, 255, 65_535, u64::MAX][self.random.below(5)].to_string();
                input.splice(at..at, number.into_bytes());
            }
        }
    }
}
