//! Whether the file was found damaged since it was made: what was begun before it was made anew says nothing about it.
//!
//! State: two numbers. Nothing fails.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub struct Damage {
    /// How often the file was made.
    made: AtomicU64,
    /// The last one of these that was found damaged.
    found: AtomicU64,
}

impl Default for Damage {
    fn default() -> Self {
        Self { made: AtomicU64::new(1), found: AtomicU64::new(0) }
    }
}

impl Damage {
    /// Which file is worked with from now on.
    pub fn file(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// That one is damaged.
    pub fn note(&self, file: u64) {
        self.found.fetch_max(file, Ordering::AcqRel);
    }

    /// Whether the present one is.
    pub fn is(&self) -> bool {
        self.found.load(Ordering::Acquire) == self.file()
    }

    /// Another one was made.
    pub fn made(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_worked_with_an_earlier_file_says_nothing_about_this_one() {
        let damage = Damage::default();
        let (before, is) = (damage.file(), damage.is());
        damage.note(before);
        assert_eq!((is, damage.is()), (false, true));
        damage.made();
        assert!(!damage.is());
        damage.note(before);
        assert!(!damage.is());
        damage.note(damage.file());
        assert!(damage.is());
    }
}
