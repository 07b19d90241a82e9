//! Patterns of destinations, as access rules and wildcard subscriptions have them.

use std::{collections::HashSet, fmt, str::FromStr};

use thiserror::Error;

/// Most parts of a rule's pattern, so that a set of positions in it fits a word.
const MAX_PARTS: usize = 63;

/// Steps that [`Pattern::covers`] takes before it gives up and says no. Only rules with a part
/// that stands for any number of others before several `*` come anywhere near.
const MAX_STEPS: usize = 1024;

/// A pattern of destinations.
///
/// `.` and `/` both separate parts, and a leading `/` means nothing. `*` stands for one part;
/// `**`, `#` and `>` for any number of parts, none included, wherever they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part<Box<str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<T> {
    Word(T),
    One,
    Any,
}

/// A text that is no pattern of destinations.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// There is nothing in it.
    #[error("a destination is missing")]
    Empty,
    /// It has more parts than a rule may have.
    #[error("the destination has {parts} parts, the limit is {MAX_PARTS}")]
    TooLong {
        /// The number of parts.
        parts: usize,
    },
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() || text == "/" {
            return Err(InvalidPattern::Empty);
        }
        let parts: Vec<_> = split(text)
            .map(|part| match part {
                Part::Word(word) => Part::Word(word.into()),
                Part::One => Part::One,
                Part::Any => Part::Any,
            })
            .collect();
        if parts.len() > MAX_PARTS {
            return Err(InvalidPattern::TooLong { parts: parts.len() });
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl Pattern {
    /// Whether any destination is in both: in this pattern and in `other`, which may be a plain
    /// destination. Nothing is allocated.
    pub fn overlaps(&self, other: &str) -> bool {
        let mut at = self.closed(1);
        for part in split(other) {
            at = match part {
                Part::Word(word) => self.step(at, Some(word)),
                Part::One => self.step_any(at),
                Part::Any => loop {
                    let further = at | self.step_any(at);
                    if further == at {
                        break at;
                    }
                    at = further;
                },
            };
            if at == 0 {
                return false;
            }
        }
        self.accepts(at)
    }

    /// Whether every destination of `other`, which may be a plain destination, is in this pattern.
    /// A plain destination costs no allocation.
    pub fn covers(&self, other: &str) -> bool {
        if split(other).all(|part| matches!(part, Part::Word(_))) {
            return self.overlaps(other);
        }
        // More parts than anybody needs: what is not known to be covered is not.
        let other: Vec<_> = split(other).take(MAX_PARTS + 1).collect();
        other.len() <= MAX_PARTS && self.covers_parts(&other)
    }

    /// Walks all ways through `other`, and with each the set of positions that the same words reach
    /// in this pattern: none may end where this pattern does not.
    fn covers_parts(&self, other: &[Part<&str>]) -> bool {
        // A word that this pattern does not name stands for all such words.
        let words = self.parts.iter().filter_map(|part| match part {
            Part::Word(word) => Some(Some(&**word)),
            _ => None,
        });
        let words: Vec<_> = words.chain([None]).collect();
        let mut seen = HashSet::new();
        let mut open = vec![(0, self.closed(1))];
        while let Some((position, at)) = open.pop() {
            if !seen.insert((position, at)) {
                continue;
            }
            if seen.len() > MAX_STEPS {
                return false;
            }
            match other.get(position) {
                None if !self.accepts(at) => return false,
                None => {}
                Some(Part::Word(word)) => open.push((position + 1, self.step(at, Some(word)))),
                Some(Part::One) => {
                    open.extend(words.iter().map(|w| (position + 1, self.step(at, *w))));
                }
                Some(Part::Any) => {
                    open.push((position + 1, at));
                    open.extend(words.iter().map(|w| (position, self.step(at, *w))));
                }
            }
        }
        true
    }

    /// The positions after one more word; `None` is a word that the pattern does not name.
    fn step(&self, at: u64, word: Option<&str>) -> u64 {
        self.advance(at, |own| word == Some(own))
    }

    /// The positions after one more word, whichever it is.
    fn step_any(&self, at: u64) -> u64 {
        self.advance(at, |_| true)
    }

    fn advance(&self, at: u64, is_word: impl Fn(&str) -> bool) -> u64 {
        let mut after = 0;
        for (position, part) in self.parts.iter().enumerate() {
            let here = at & (1 << position);
            after |= match part {
                Part::Word(own) if is_word(own) => here << 1,
                Part::Word(_) => 0,
                Part::One => here << 1,
                Part::Any => here,
            };
        }
        self.closed(after)
    }

    /// Adds the positions that need no word to be reached.
    fn closed(&self, mut at: u64) -> u64 {
        for (position, part) in self.parts.iter().enumerate() {
            if *part == Part::Any {
                at |= (at & (1 << position)) << 1;
            }
        }
        at
    }

    fn accepts(&self, at: u64) -> bool {
        at & (1 << self.parts.len()) != 0
    }
}

fn split(destination: &str) -> impl Iterator<Item = Part<&str>> {
    let parts = destination.strip_prefix('/').unwrap_or(destination);
    parts.split(['.', '/']).map(|part| match part {
        "*" => Part::One,
        "**" | "#" | ">" => Part::Any,
        word => Part::Word(word),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn examples() {
        let price = pattern("/topic/price.**");
        for covered in [
            "/topic/price.eu.dax",
            "/topic/price",
            "/topic/price/eu",
            "/topic/price.>",
            "/topic/price.*.dax",
            "/topic/price.#.dax",
        ] {
            assert!(price.covers(covered), "{covered}");
            assert!(price.overlaps(covered), "{covered}");
        }
        for wider in ["/topic/*.eu", "/topic/**", "#", "/topic/>", "/topic/*"] {
            assert!(!price.covers(wider), "{wider}");
            assert!(price.overlaps(wider), "{wider}");
        }
        for other in ["/topic/prices", "/queue/price", "/topic", "/topic/*s", ""] {
            assert!(!price.covers(other), "{other}");
            assert!(!price.overlaps(other), "{other}");
        }
        assert!(pattern("a.*.#").covers("a.#.*"));
        assert!(!pattern("a.*.#").covers("a.#"));
    }

    #[test]
    fn patterns_are_bounded() {
        assert_eq!("".parse::<Pattern>(), Err(InvalidPattern::Empty));
        let long = ["a"; 64].join(".");
        assert_eq!(
            long.parse::<Pattern>(),
            Err(InvalidPattern::TooLong { parts: 64 })
        );
        let longest = ["*"; 63].join(".");
        assert!(pattern(&longest).covers(&longest));
        // A peer's pattern may be as long as it likes, and as hard.
        assert!(!pattern("a.>").covers(&["a.>"; 500].join(".")));
        assert!(pattern("a.>").overlaps(&["a.>"; 500].join(".")));
        let hard = format!("#.a.{}", ["*"; 40].join("."));
        assert!(!pattern(&hard).covers(&format!("#.{}", ["*.#"; 30].join("."))));
    }

    /// Says what a pattern means, word by word.
    fn matches(pattern: &[&str], words: &[&str]) -> bool {
        match (pattern.split_first(), words.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((&"#", rest)), None) => matches(rest, words),
            (Some((&"#", rest)), Some((_, others))) => {
                matches(rest, words) || matches(pattern, others)
            }
            (Some(_), None) => false,
            (Some((first, rest)), Some((word, others))) => {
                (*first == "*" || first == word) && matches(rest, others)
            }
        }
    }

    /// All sequences of up to seven words; `z` is in no pattern.
    fn all_words() -> Vec<Vec<&'static str>> {
        let mut all = vec![vec![]];
        let mut last: Vec<Vec<&str>> = all.clone();
        for _ in 0..7 {
            last = last
                .iter()
                .flat_map(|words| ["a", "b", "z"].map(|word| [&words[..], &[word]].concat()))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    fn parts() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn covers_and_overlaps_are_what_brute_force_finds(own in parts(), other in parts()) {
            let subject = other.join("/");
            let tested = pattern(&own.join("."));
            let mut both = false;
            let mut all = true;
            for words in all_words() {
                if matches(&other, &words) {
                    let matched = matches(&own, &words);
                    both |= matched;
                    all &= matched;
                }
            }
            prop_assert_eq!(tested.overlaps(&subject), both);
            prop_assert_eq!(tested.covers(&subject), all);
        }

        #[test]
        fn a_plain_destination_is_covered_if_it_matches(own in parts(), words in prop::collection::vec("[abz]", 1..7)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let tested = pattern(&own.join("/"));
            prop_assert_eq!(tested.covers(&words.join(".")), matches(&own, &words));
            prop_assert_eq!(tested.overlaps(&words.join(".")), matches(&own, &words));
        }
    }
}
