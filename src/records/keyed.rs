//! Tables whose keys are keyed hashes already: hashing them again would cost and give nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// By a hash that nobody outside can choose.
pub(super) type Keyed<V> = HashMap<u64, V, BuildHasherDefault<AsItIs>>;

/// Takes a `u64` as it is.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, octets: &[u8]) {
        // Only `u64` keys are used; anything else would still be right, and slower.
        octets.iter().for_each(|&octet| self.0 = self.0.rotate_left(8) ^ u64::from(octet));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
