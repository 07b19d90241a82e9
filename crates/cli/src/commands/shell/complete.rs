//! What Tab completes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use rustyline::{
    Context, Helper,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::Highlighter,
    hint::Hinter,
    validate::Validator,
};

use super::{
    inbox::lock,
    verbs::{self, Kind, VERBS},
};

/// Destinations that are remembered.
const MOST: usize = 1000;

/// Header names that are worth completing; they are those of the protocol and of the brokers.
const HEADERS: [&str; 24] = [
    "ack:",
    "activemq.prefetchSize:",
    "AMQ_SCHEDULED_DELAY:",
    "auto-delete:",
    "content-type:",
    "correlation-id:",
    "durable:",
    "expiration:",
    "expires:",
    "id:",
    "persistent:",
    "prefetch-count:",
    "priority:",
    "receipt:",
    "reply-to:",
    "selector:",
    "transaction:",
    "type:",
    "x-dead-letter-exchange:",
    "x-dead-letter-routing-key:",
    "x-expires:",
    "x-max-length:",
    "x-message-ttl:",
    "x-queue-type:",
];

/// What there is to complete.
#[derive(Default)]
pub(super) struct Known {
    destinations: BTreeSet<String>,
    /// By id, with their destinations.
    pub(super) subscriptions: BTreeMap<String, String>,
    pub(super) transactions: Vec<String>,
    pub(super) messages: Vec<String>,
}

impl Known {
    /// Remembers a destination.
    pub(super) fn destination(&mut self, name: &str) {
        if !name.is_empty() && self.destinations.len() < MOST && !self.destinations.contains(name) {
            self.destinations.insert(name.to_owned());
        }
    }

    /// All that a word of a kind could be.
    fn candidates(&self, kind: Kind) -> Vec<String> {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        match kind {
            Kind::Destination => {
                let mut all: Vec<_> = self.destinations.iter().cloned().collect();
                if all.is_empty() {
                    all = texts(&["/queue/", "/topic/"]);
                }
                all
            }
            Kind::Subscription => {
                let mut all: Vec<_> = self.subscriptions.keys().cloned().collect();
                let destinations: BTreeSet<_> = self.subscriptions.values().cloned().collect();
                all.extend(destinations);
                all
            }
            Kind::Message => {
                let mut all = self.messages.clone();
                all.push("all".to_owned());
                all
            }
            Kind::Transaction => self.transactions.clone(),
            Kind::AckMode => texts(&["auto", "client", "client-individual"]),
            Kind::OnOff => texts(&["on", "off"]),
            Kind::Verb => VERBS
                .iter()
                .flat_map(|entry| entry.names)
                .map(|&name| name.to_owned())
                .collect(),
            Kind::File | Kind::Free => Vec::new(),
        }
    }
}

/// What the word that is being typed is: where it begins, and its kind; `None`: a header.
fn word_at(line: &str, end: usize) -> (usize, Option<Kind>) {
    let before = line.get(..end).unwrap_or_default();
    let start = before.rfind(char::is_whitespace).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    let mut words = before[..start].split_whitespace();
    let Some(verb) = words.next() else {
        return (start, Some(Kind::Verb));
    };
    let mut place = 0;
    let mut option = None;
    for word in words {
        match (option.take(), word) {
            (Some(_), _) => {}
            (None, "-H" | "-W") => option = Some(word),
            (None, _) => place += 1,
        }
    }
    let kind = match option {
        Some("-H") => None,
        Some(_) => Some(Kind::Free),
        None => {
            let words = verbs::find(verb).map_or(&[][..], |entry| entry.words);
            Some(words.get(place).copied().unwrap_or(Kind::Free))
        }
    };
    (start, kind)
}

/// Completes words at the prompt.
pub(super) struct Completion {
    known: Arc<Mutex<Known>>,
    files: FilenameCompleter,
}

impl Completion {
    pub(super) fn new(known: Arc<Mutex<Known>>) -> Self {
        Self {
            known,
            files: FilenameCompleter::new(),
        }
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        end: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, kind) = word_at(line, end);
        let candidates = match kind {
            Some(Kind::File) => return self.files.complete_path(line, end),
            Some(kind) => lock(&self.known).candidates(kind),
            None => HEADERS.iter().map(|&name| name.to_owned()).collect(),
        };
        let typed = line.get(start..end).unwrap_or_default();
        let fitting = candidates.into_iter().filter(|it| it.starts_with(typed));
        let is_whole = |it: &str| !it.ends_with(['/', ':']);
        let pairs = fitting.map(|it| Pair {
            replacement: match is_whole(&it) {
                true => format!("{it} "),
                false => it.clone(),
            },
            display: it,
        });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_kinds() {
        for (line, start, kind) in [
            ("", 0, Some(Kind::Verb)),
            ("un", 0, Some(Kind::Verb)),
            ("pub ", 4, Some(Kind::Destination)),
            ("pub /que", 4, Some(Kind::Destination)),
            ("pub -H prio", 7, None),
            ("pub -H priority:1 /q", 18, Some(Kind::Destination)),
            ("pub /queue/a hel", 13, Some(Kind::Free)),
            ("sub /queue/a cl", 13, Some(Kind::AckMode)),
            ("req -W 1", 7, Some(Kind::Free)),
            ("ack ", 4, Some(Kind::Message)),
            ("unsub s", 6, Some(Kind::Subscription)),
            ("commit ", 7, Some(Kind::Transaction)),
            ("nothing x", 8, Some(Kind::Free)),
        ] {
            assert_eq!(word_at(line, line.len()), (start, kind), "{line:?}");
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut known = Known::default();
        assert_eq!(known.candidates(Kind::Destination), ["/queue/", "/topic/"]);
        for number in 0..2 * MOST {
            known.destination(&format!("/queue/{number}"));
        }
        assert_eq!(known.candidates(Kind::Destination).len(), MOST);
    }
}
