//! A bounded table that forgets who was quiet longest. Pure.
//!
//! A list of nodes in the order of their use, in one vector, and a map from keys to places in it: every operation is
//! one look-up and a few links. Room that was taken once is kept for reuse, so memory follows the most entries ever,
//! which the bound limits.

use std::collections::HashMap;
use std::hash::Hash;

/// No node.
const NONE: u32 = u32::MAX;
/// Entries that one insertion may push out after the bound was lowered: it comes down with use, not in one stop.
const EVICTED_MAX: usize = 4;

struct Node<K, V> {
    key: K,
    /// `None` is free for use.
    value: Option<V>,
    newer: u32,
    older: u32,
}

/// The table.
pub(super) struct Recent<K, V> {
    at: HashMap<K, u32>,
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    max: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// For at most `max` entries, at least one.
    pub(super) fn new(max: usize) -> Self {
        let mut new = Self {
            at: HashMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            max: 1,
        };
        new.set_max(max);
        new
    }

    /// Another bound, for insertions from now on.
    pub(super) fn set_max(&mut self, max: usize) {
        // One place is no node, and one entry may be on its way in.
        self.max = max.clamp(1, (u32::MAX - 2) as usize);
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// The value, without a change of order.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.node(*self.at.get(key)?)?.value.as_ref()
    }

    /// The value, which is now the most recent.
    pub(super) fn touch<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let at = *self.at.get(key)?;
        self.unlink(at);
        self.link_newest(at);
        self.node_mut(at)?.value.as_mut()
    }

    /// Puts a value in, as the most recent. The least recent go where there are too many.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(old) = self.touch(&key) {
            *old = value;
            return;
        }
        for _ in 0..EVICTED_MAX {
            if self.len() >= self.max {
                self.pop_oldest();
            }
        }
        let node = Node { key: key.clone(), value: Some(value), newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.node_mut(at) {
                    *place = node;
                }
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        };
        self.at.insert(key, at);
        self.link_newest(at);
    }

    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let at = self.at.remove(key)?;
        self.unlink(at);
        self.free.push(at);
        self.node_mut(at)?.value.take()
    }

    /// The least recent.
    pub(super) fn oldest(&self) -> Option<(&K, &V)> {
        self.place(self.oldest as usize)
    }

    pub(super) fn pop_oldest(&mut self) {
        if let Some(key) = self.oldest().map(|(key, _)| key.clone()) {
            self.remove(&key);
        }
    }

    /// Lets go of the least recent as long as `gone` says so, at most `most`. How many those were.
    pub(super) fn drop_while(&mut self, most: usize, gone: impl Fn(&V) -> bool) -> usize {
        for n in 0..most {
            match self.oldest() {
                Some((_, value)) if gone(value) => self.pop_oldest(),
                Some(_) | None => return n,
            }
        }
        most
    }

    /// How many places there are, free ones included. An entry keeps its place as long as it lives, so that a table
    /// can be read in pieces, with others at work in between.
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }

    /// What is at a place.
    pub(super) fn place(&self, at: usize) -> Option<(&K, &V)> {
        let node = self.nodes.get(at)?;
        Some((&node.key, node.value.as_ref()?))
    }

    /// All, in no order.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        (0..self.places()).filter_map(|at| self.place(at))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max);
    }

    fn node(&self, at: u32) -> Option<&Node<K, V>> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node<K, V>> {
        self.nodes.get_mut(at as usize)
    }

    fn unlink(&mut self, at: u32) {
        let Some((newer, older)) = self.node(at).map(|n| (n.newer, n.older)) else { return };
        match self.node_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.node_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        if let Some(node) = self.node_mut(at) {
            (node.newer, node.older) = (NONE, before);
        }
        match self.node_mut(before) {
            Some(node) => node.newer = at,
            None => self.oldest = at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_one_that_was_quiet_longest_goes() {
        let mut table = Recent::new(3);
        for n in 1..=3 {
            table.insert(n, n * 10);
        }
        assert_eq!(table.touch(&1), Some(&mut 10));
        assert_eq!(table.peek(&2), Some(&20));
        table.insert(4, 40);
        assert_eq!(table.peek(&2), None);
        assert_eq!(table.oldest(), Some((&3, &30)));
        assert_eq!(table.remove(&3), Some(30));
        table.insert(5, 50);
        assert_eq!((table.len(), table.places()), (3, 3));
        table.drop_while(9, |value| *value < 50);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&5, &50)]);
    }

    #[test]
    fn a_lower_bound_comes_with_use() {
        let mut table = Recent::new(100);
        (0..100).for_each(|n| table.insert(n, ()));
        table.set_max(10);
        (100..131).for_each(|n| table.insert(n, ()));
        assert_eq!(table.len(), 10);
        assert!((121..131).all(|n| table.peek(&n).is_some()));
    }

    proptest! {
        /// As a vector in the order of use says.
        #[test]
        fn it_is_as_its_model(steps in proptest::collection::vec((0..4u8, 0..12u8), 0..200), max in 1..8usize) {
            let (mut table, mut model) = (Recent::new(max), Vec::<(u8, usize)>::new());
            for (at, (what, key)) in steps.into_iter().enumerate() {
                let known = model.iter().position(|(k, _)| *k == key);
                match what {
                    0 => {
                        table.insert(key, at);
                        if let Some(known) = known {
                            model.remove(known);
                        } else if model.len() == max {
                            model.remove(0);
                        }
                        model.push((key, at));
                    }
                    1 => {
                        let got = table.touch(&key).copied();
                        prop_assert_eq!(got, known.map(|k| model[k].1));
                        if let Some(known) = known {
                            let entry = model.remove(known);
                            model.push(entry);
                        }
                    }
                    2 => prop_assert_eq!(table.remove(&key), known.map(|k| model.remove(k).1)),
                    _ => {
                        table.pop_oldest();
                        if !model.is_empty() {
                            model.remove(0);
                        }
                    }
                }
                prop_assert_eq!(table.oldest().map(|(k, v)| (*k, *v)), model.first().copied());
                prop_assert_eq!(table.len(), model.len());
                let mut all: Vec<_> = table.iter().map(|(k, v)| (*k, *v)).collect();
                let mut want = model.clone();
                all.sort_unstable();
                want.sort_unstable();
                prop_assert_eq!(all, want);
            }
        }
    }
}
