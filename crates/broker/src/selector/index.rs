use std::collections::{BTreeMap, HashMap};

use super::{Properties, PropertyName, Selector, Value};

/// Which of many selectors a message can match, by the equality that each of them asks for.
///
/// A selector with a conjunct such as `room = 'x'` is filed under that name and text. A message then
/// costs one look-up for each distinct name in the index, however many selectors there are. `K`
/// names a subscription, which has one selector.
#[derive(Debug)]
pub struct EqualityIndex<K> {
    names: BTreeMap<PropertyName, HashMap<Box<str>, Vec<K>>>,
}

impl<K> Default for EqualityIndex<K> {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> EqualityIndex<K> {
    /// Files a key, and says whether it could. One that it couldn't has to be tried with each message.
    pub fn insert(&mut self, key: K, selector: &Selector) -> bool {
        let Some((name, text)) = selector.equality() else {
            return false;
        };
        let texts = match self.names.get_mut(name) {
            Some(texts) => texts,
            None => self.names.entry(name.clone()).or_default(),
        };
        match texts.get_mut(text) {
            Some(keys) => {
                if let Err(at) = keys.binary_search(&key) {
                    keys.insert(at, key);
                }
            }
            None => {
                texts.insert(text.into(), vec![key]);
            }
        }
        true
    }

    /// All keys that are filed.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        let texts = self.names.values().flat_map(HashMap::values);
        texts.flatten().copied()
    }

    /// Takes a key out that was filed with that selector, and says whether it was there.
    pub fn remove(&mut self, key: K, selector: &Selector) -> bool {
        let Some((name, text)) = selector.equality() else {
            return false;
        };
        let Some(texts) = self.names.get_mut(name) else {
            return false;
        };
        let Some(keys) = texts.get_mut(text) else {
            return false;
        };
        let Ok(at) = keys.binary_search(&key) else {
            return false;
        };
        keys.remove(at);
        if keys.is_empty() {
            texts.remove(text);
        }
        if texts.is_empty() {
            self.names.remove(name);
        }
        true
    }

    /// Appends the keys whose equality holds for the message, sorted and each once. The selectors
    /// may ask for more than that, so they have to be evaluated.
    pub fn candidates<P: Properties + ?Sized>(&self, message: &P, out: &mut Vec<K>) {
        let begin = out.len();
        let mut sorted = true;
        for (name, texts) in &self.names {
            let value = match name {
                PropertyName::Header(name) => message.header(name).into(),
                PropertyName::Typed(name) => message.typed(*name),
            };
            if let Value::Str(text) = value
                && let Some(keys) = texts.get(text)
            {
                sorted &= out.len() == begin;
                out.extend(keys);
            }
        }
        if !sorted && let Some(new) = out.get_mut(begin..) {
            new.sort_unstable();
        }
    }

    /// Whether nothing is filed.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
