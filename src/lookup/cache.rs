//! Answers remembered, each until its time, and never more than a given number.
//!
//! State: two generations, the young one and the old one. What is asked for again moves to the young one; when that is
//! full the old one is thrown away and the young one becomes old. So a flood of names that nobody asks for twice costs
//! constant time an answer, and drives out first what nobody asked for lately. Nothing fails.

use super::answer::{Answer, Question};
use std::collections::HashMap;
use tokio::time::Instant;

type Half = HashMap<Question, (Answer, Instant)>;

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    young: Half,
    old: Half,
    half: usize,
}

impl Cache {
    /// A cache of at most `answers` answers; 0 keeps none.
    pub(super) fn new(answers: usize) -> Self {
        Self { young: Half::new(), old: Half::new(), half: answers.div_ceil(2) }
    }

    /// The answer, while its time runs. The second value is what was driven out: to be dropped without the lock.
    pub(super) fn get(&mut self, question: &Question, now: Instant) -> (Option<Answer>, Half) {
        if let Some((answer, until)) = self.young.get(question) {
            return ((*until > now).then(|| answer.clone()), Half::new());
        }
        match self.old.remove_entry(question) {
            Some((question, (answer, until))) if until > now => {
                let gone = self.put(question, answer.clone(), until);
                (Some(answer), gone)
            }
            Some(_) | None => (None, Half::new()),
        }
    }

    /// Remembers an answer; gives what was driven out.
    #[must_use]
    pub(super) fn put(&mut self, question: Question, answer: Answer, until: Instant) -> Half {
        if self.half == 0 {
            return Half::new();
        }
        let mut gone = Half::new();
        if self.young.len() >= self.half {
            gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        self.young.insert(question, (answer, until));
        gone
    }

    /// How many answers it has, old ones with them.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
