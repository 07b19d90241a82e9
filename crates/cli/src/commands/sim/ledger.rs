//! What was sent, what came, and so what is lost.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::commands::bench::{
    body::Mark,
    check::{Checks, Seen},
};

/// Pairs of a client and a destination that bodies can name.
const MOST_CHANNELS: usize = 0xffff;

/// The messages of one client for one destination, which are numbered from 0 on.
struct Channel {
    destination: String,
    sent: u64,
    /// Of which nobody knows whether they were sent.
    unsure: HashSet<u64>,
}

#[derive(Default)]
struct Channels {
    by_name: HashMap<(usize, String), u32>,
    all: Vec<Channel>,
}

/// What all clients sent, and what their subscriptions got.
#[derive(Default)]
pub(super) struct Ledger {
    channels: Mutex<Channels>,
    heard: Mutex<Vec<Arc<Mutex<Heard>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is half-done when somebody panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether each of several subscribers gets all messages.
fn is_topic(destination: &str) -> bool {
    ["/topic/", "/exchange/"]
        .iter()
        .any(|it| destination.starts_with(it))
}

/// Whether it may stand for several destinations.
fn is_pattern(destination: &str) -> bool {
    destination.contains(['*', '>', '#'])
}

impl Ledger {
    /// The channel and number of the next message.
    pub(super) fn next(&self, client: usize, destination: &str) -> Result<(u32, u64), String> {
        let mut channels = lock(&self.channels);
        let Channels { by_name, all } = &mut *channels;
        let name = (client, destination.to_owned());
        let channel = match by_name.get(&name) {
            Some(&channel) => channel,
            None if all.len() >= MOST_CHANNELS => {
                return Err(format!(
                    "clients times the destinations of each are more than {MOST_CHANNELS}"
                ));
            }
            None => {
                let channel = all.len() as u32;
                all.push(Channel {
                    destination: destination.to_owned(),
                    sent: 0,
                    unsure: HashSet::new(),
                });
                by_name.insert(name, channel);
                channel
            }
        };
        let Some(of) = all.get_mut(channel as usize) else {
            return Err("no such channel".into());
        };
        of.sent += 1;
        Ok((channel, of.sent - 1))
    }

    /// Nobody knows whether that one was sent.
    pub(super) fn unsure(&self, channel: u32, number: u64) {
        if let Some(channel) = lock(&self.channels).all.get_mut(channel as usize) {
            channel.unsure.insert(number);
        }
    }

    /// A subscription that the server has: what is sent from now on is to come.
    pub(super) fn listen(&self, destination: &str, is_filtered: bool) -> Listener {
        let channels = lock(&self.channels);
        let starts = channels.all.iter().map(|channel| channel.sent).collect();
        let heard = Arc::new(Mutex::new(Heard {
            destination: destination.to_owned(),
            is_filtered,
            starts,
            seen: HashMap::new(),
            has_ended: false,
            duplicate: 0,
            disorder: 0,
        }));
        lock(&self.heard).push(Arc::clone(&heard));
        Listener(heard)
    }

    /// Whether there is such a message, and not only one that says so.
    pub(super) fn knows(&self, mark: Mark) -> bool {
        let channels = lock(&self.channels);
        let channel = channels.all.get(mark.producer as usize);
        channel.is_some_and(|channel| mark.number < channel.sent)
    }

    /// What is wrong, if nothing more comes.
    pub(super) fn sum(&self) -> Checks {
        let channels = lock(&self.channels);
        let heard = lock(&self.heard);
        let heard: Vec<_> = heard.iter().map(|one| lock(one)).collect();
        let mut sum = Checks::default();
        for one in heard.iter() {
            sum.duplicate += one.duplicate;
            sum.disorder += one.disorder;
        }
        for (number, channel) in (0..).zip(&channels.all) {
            match is_topic(&channel.destination) {
                true => {
                    let lost = heard.iter().map(|one| one.lost(number, channel));
                    sum.lost += lost.sum::<u64>();
                }
                false => shared(&heard, number, channel, &mut sum),
            }
        }
        sum
    }
}

/// A queue's messages: each is to be with one subscription.
fn shared(heard: &[MutexGuard<'_, Heard>], number: u32, channel: &Channel, sum: &mut Checks) {
    let is_read = heard
        .iter()
        .any(|one| !one.has_ended && !one.is_filtered && one.destination == channel.destination);
    let seen: Vec<_> = heard
        .iter()
        .filter_map(|one| one.seen.get(&number))
        .collect();
    for at in 0..channel.sent {
        let first = seen.iter().filter(|it| it.first.has(at)).count() as u64;
        let again = seen.iter().any(|it| it.again.has(at));
        sum.duplicate += first.saturating_sub(1);
        let came = first > 0 || again;
        sum.lost += u64::from(is_read && !came && !channel.unsure.contains(&at));
    }
}

#[derive(Default)]
struct Numbers {
    first: Seen,
    /// Those that the server calls redelivered.
    again: Seen,
    last: Option<u64>,
}

/// A subscription, which is there until this is told otherwise.
pub(super) struct Listener(Arc<Mutex<Heard>>);

impl Listener {
    /// Takes note of a message.
    pub(super) fn see(&self, mark: Mark, is_redelivered: bool) {
        lock(&self.0).see(mark, is_redelivered);
    }

    /// It is ended: what is under way may not come any more.
    pub(super) fn ended(&self) {
        lock(&self.0).has_ended = true;
    }
}

/// What one subscription got.
struct Heard {
    destination: String,
    /// Its selector takes only some of the messages.
    is_filtered: bool,
    /// How many messages each channel had before it.
    starts: Vec<u64>,
    seen: HashMap<u32, Numbers>,
    /// It ended before the last message had come.
    has_ended: bool,
    duplicate: u64,
    disorder: u64,
}

impl Heard {
    fn see(&mut self, mark: Mark, is_redelivered: bool) {
        let numbers = self.seen.entry(mark.producer).or_default();
        if is_redelivered {
            numbers.again.add(mark.number);
            return;
        }
        if !numbers.first.add(mark.number) {
            self.duplicate += 1;
        } else if numbers.last.is_some_and(|last| mark.number < last) {
            self.disorder += 1;
        }
        numbers.last = numbers.last.max(Some(mark.number));
    }

    /// How many messages of a topic's channel it should have had.
    fn lost(&self, number: u32, channel: &Channel) -> u64 {
        let seen = self.seen.get(&number);
        let is_meant = match is_pattern(&self.destination) {
            // What the server takes a pattern to be, it knows best: of a channel of which anything
            // came, all is to come.
            true => seen.is_some(),
            false => self.destination == channel.destination,
        };
        if !is_meant || self.is_filtered {
            return 0;
        }
        let start = self.starts.get(number as usize).copied().unwrap_or(0);
        let last = seen.and_then(|numbers| numbers.last);
        let end = match (self.has_ended, last) {
            (false, _) => channel.sent,
            // What was under way when it was ended may be gone.
            (true, Some(last)) => last + 1,
            (true, None) => start,
        };
        let came = |at| seen.is_some_and(|it| it.first.has(at) || it.again.has(at));
        let missing = (start..end).filter(|at| !came(*at) && !channel.unsure.contains(at));
        missing.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark((producer, number): (u32, u64)) -> Mark {
        Mark {
            producer,
            number,
            at: 0,
        }
    }

    #[test]
    fn a_topic_owes_what_was_sent_since() {
        let ledger = Ledger::default();
        ledger.next(0, "/topic/a").unwrap();
        let whole = ledger.listen("/topic/a", false);
        let ended = ledger.listen("/topic/*", false);
        let filtered = ledger.listen("/topic/a", true);
        ledger.listen("/topic/b", false);
        let sent: Vec<_> = (0..4)
            .map(|_| ledger.next(0, "/topic/a").unwrap())
            .collect();
        // One that was sent before it and comes after it is no harm.
        whole.see(mark((0, 0)), false);
        whole.see(mark(sent[0]), false);
        whole.see(mark(sent[2]), false);
        whole.see(mark(sent[1]), false);
        ended.see(mark(sent[0]), false);
        ended.see(mark(sent[2]), false);
        ended.see(mark(sent[2]), false);
        filtered.see(mark(sent[3]), false);
        ended.ended();
        let checks = ledger.sum();
        assert_eq!((checks.lost, checks.duplicate, checks.disorder), (2, 1, 1));
        ledger.unsure(0, 4);
        assert_eq!(ledger.sum().lost, 1);
    }

    #[test]
    fn a_queue_gives_each_message_to_one() {
        let ledger = Ledger::default();
        let sent: Vec<_> = (0..4)
            .map(|_| ledger.next(3, "/queue/a").unwrap())
            .collect();
        let one = ledger.listen("/queue/a", false);
        let two = ledger.listen("/queue/a", false);
        one.see(mark(sent[0]), false);
        two.see(mark(sent[0]), true);
        one.see(mark(sent[1]), false);
        two.see(mark(sent[1]), false);
        two.ended();
        // Nobody reads that one.
        ledger.next(3, "/queue/b").unwrap();
        let checks = ledger.sum();
        assert_eq!((checks.lost, checks.duplicate), (2, 1));
        assert!(ledger.knows(mark((0, 3))) && !ledger.knows(mark((0, 4))));
    }
}
