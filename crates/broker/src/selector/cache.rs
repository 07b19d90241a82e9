use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Selector, SelectorError};

/// The selectors that were compiled last, so that those of the same text are shared.
#[derive(Debug)]
pub struct SelectorCache {
    capacity: usize,
    entries: HashMap<Box<str>, (u64, Arc<Selector>)>,
    /// Which entry was used when; the first is the next to go.
    uses: BTreeMap<u64, Arc<Selector>>,
    clock: u64,
}

impl SelectorCache {
    /// A cache of at most so many selectors, of which each takes up some multiple of its text.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            uses: BTreeMap::new(),
            clock: 0,
        }
    }

    /// As [`Selector::compile`]. Errors and blank texts take up no room.
    ///
    /// # Errors
    ///
    /// As [`Selector::compile`].
    pub fn compile(&mut self, text: &str) -> Result<Option<Arc<Selector>>, SelectorError> {
        self.clock += 1;
        if let Some((used, selector)) = self.entries.get_mut(text) {
            self.uses.remove(used);
            *used = self.clock;
            self.uses.insert(self.clock, selector.clone());
            return Ok(Some(selector.clone()));
        }
        let Some(selector) = Selector::compile(text)? else {
            return Ok(None);
        };
        if self.capacity == 0 {
            return Ok(Some(selector));
        }
        if self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.entries.remove(oldest.text());
        }
        self.entries
            .insert(text.into(), (self.clock, selector.clone()));
        self.uses.insert(self.clock, selector.clone());
        Ok(Some(selector))
    }

    /// How many selectors it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
