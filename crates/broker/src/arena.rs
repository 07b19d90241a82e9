//! Numbered things that come and go, with numbers that are never used again.

use std::ops::{Index, IndexMut};

use slab::Slab;

/// A slab whose keys say which of the things that had a place is meant: whoever still has the key
/// of one that is gone must not take another for it.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Arena<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slab::new(),
            generation: 0,
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> u64 {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slots.insert((self.generation, value));
        key(index, self.generation)
    }

    #[inline]
    pub(crate) fn get(&self, key: u64) -> Option<&T> {
        let (generation, value) = self.slots.get(index(key))?;
        (*generation == (key >> 32) as u32).then_some(value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let (generation, value) = self.slots.get_mut(index(key))?;
        (*generation == (key >> 32) as u32).then_some(value)
    }

    /// The first thing whose place is at least that number, with its place.
    pub(crate) fn at_or_after(&self, place: usize, before: usize) -> Option<(usize, u64, &T)> {
        let end = before.min(self.slots.capacity());
        (place..end).find_map(|index| {
            let (generation, value) = self.slots.get(index)?;
            Some((index, key(index, *generation), value))
        })
    }

    /// All places are before this.
    pub(crate) fn places(&self) -> usize {
        self.slots.capacity()
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<T> {
        self.get(key)?;
        self.slots.try_remove(index(key)).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let slots = self.slots.iter();
        slots.map(|(index, (generation, value))| (key(index, *generation), value))
    }
}

/// For those who know that it is there.
impl<T> Index<u64> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: u64) -> &T {
        let (generation, value) = &self.slots[index(key)];
        debug_assert_eq!(*generation, (key >> 32) as u32);
        value
    }
}

impl<T> IndexMut<u64> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, key: u64) -> &mut T {
        &mut self.slots[index(key)].1
    }
}

#[inline]
fn key(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}

#[inline]
fn index(key: u64) -> usize {
    (key & 0xffff_ffff) as usize
}
