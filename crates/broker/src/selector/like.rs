//! Patterns of `LIKE`.
//!
//! A pattern is cut at its `%`. What is before the first and after the last stands at the ends of
//! the text; what is between is searched from left to right, where the first place that fits is as
//! good as any. The search holds all ways in which a segment may fit as the bits of a few words, so
//! that no pattern makes it go back over the text: subscribers choose the pattern, senders the text.

use super::MAX_PATTERN_BYTES;

/// One character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `_`: any one.
    Any,
    Char(char),
}

impl Step {
    fn fits(self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Char(wanted) => wanted == c,
        }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    head: Box<[Step]>,
    /// `None` if the pattern has no `%`.
    rest: Option<Rest>,
}

/// What follows the first `%`.
#[derive(Debug)]
struct Rest {
    segments: Box<[Segment]>,
    tail: Box<[Step]>,
}

impl Pattern {
    /// The escape character has effect only before `%`, `_` and itself.
    pub(super) fn new(pattern: &str, escape: Option<char>) -> Self {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let is_special = |next: &char| matches!(next, '%' | '_') || Some(*next) == escape;
            if Some(c) == escape
                && let Some(escaped) = chars.next_if(is_special)
            {
                piece.push(Step::Char(escaped));
                continue;
            }
            match c {
                '%' => pieces.push(std::mem::take(&mut piece)),
                '_' => piece.push(Step::Any),
                c => piece.push(Step::Char(c)),
            }
        }
        let tail = piece.into();
        let mut pieces = pieces.into_iter();
        let Some(head) = pieces.next() else {
            return Self {
                head: tail,
                rest: None,
            };
        };
        let segments = pieces.filter(|piece| !piece.is_empty());
        let segments = segments.map(|piece| Segment::new(&piece)).collect();
        Self {
            head: head.into(),
            rest: Some(Rest { segments, tail }),
        }
    }

    /// Whether all of the text is as the pattern says.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut chars = text.chars();
        let mut head = self.head.iter();
        if !head.all(|step| chars.next().is_some_and(|c| step.fits(c))) {
            return false;
        }
        let Some(rest) = &self.rest else {
            return chars.next().is_none();
        };
        let mut tail = rest.tail.iter().rev();
        if !tail.all(|step| chars.next_back().is_some_and(|c| step.fits(c))) {
            return false;
        }
        let found = rest
            .segments
            .iter()
            .try_fold(chars.as_str(), |text, segment| segment.find(text));
        found.is_some()
    }
}

const WORDS: usize = MAX_PATTERN_BYTES / 64;

/// Characters in a row, to be found somewhere. At most a bit for each byte of a pattern.
#[derive(Debug)]
struct Segment {
    /// For each character that it has, sorted, the steps that it fits.
    fits: Box<[(char, Box<[u64]>)]>,
    /// The steps that any other character fits.
    others: Box<[u64]>,
    /// The last step's bit in its word.
    last: u64,
}

impl Segment {
    fn new(steps: &[Step]) -> Self {
        let set = |c: Option<char>| -> Box<[u64]> {
            let fits = |step: &Step| c.map_or(*step == Step::Any, |c| step.fits(c));
            let word = |steps: &[Step]| {
                let bits = steps.iter().rev();
                bits.fold(0, |word, step| word << 1 | u64::from(fits(step)))
            };
            steps.chunks(64).map(word).collect()
        };
        let chars = steps.iter().filter_map(|step| match step {
            Step::Char(c) => Some(*c),
            Step::Any => None,
        });
        let mut chars: Vec<char> = chars.collect();
        chars.sort_unstable();
        chars.dedup();
        Self {
            fits: chars.into_iter().map(|c| (c, set(Some(c)))).collect(),
            others: set(None),
            last: 1 << (steps.len().saturating_sub(1) % 64),
        }
    }

    /// What follows the first place where it fits.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        // Bit n: the last n + 1 characters fit the first n + 1 steps.
        let mut state = [0u64; WORDS];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let place = self.fits.binary_search_by_key(&c, |(c, _)| *c).ok();
            let fits = place.and_then(|at| self.fits.get(at));
            let fits = fits.map_or(&self.others, |(_, fits)| fits);
            let mut carry = 1;
            let mut last = 0;
            for (word, fits) in state.iter_mut().zip(fits) {
                let shifted = *word << 1 | carry;
                carry = *word >> 63;
                *word = shifted & fits;
                last = *word;
            }
            if last & self.last != 0 {
                return Some(chars.as_str());
            }
        }
        None
    }
}
