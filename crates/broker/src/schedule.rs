//! Times at which something is due: delayed redeliveries, and messages to be sent later.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Message, Time, dialect::send::Schedule, message::Entry, queue::QueueKey};

/// What is due at a time.
#[derive(Debug)]
pub(crate) enum Due {
    /// A message comes back to its queue.
    Return(QueueKey, Entry),
    /// A message is sent.
    Send(Job),
}

/// A message that is to be sent, perhaps several times.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) message: Arc<Message>,
    pub(crate) schedule: Schedule,
    /// Who sent it; for `/user/` and temporary destinations.
    pub(crate) login: Box<str>,
    pub(crate) reply_token: Box<str>,
    /// The number under which the store knows it; 0: it does not.
    pub(crate) stored: u64,
}

/// All that is due, by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(Time, u64), Due>,
    next: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Time, due: Due) {
        self.next += 1;
        self.due.insert((at, self.next), due);
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Due> {
        self.due.values()
    }

    /// The messages that come back to their queues.
    pub(crate) fn returning_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.due.values_mut().filter_map(|due| match due {
            Due::Return(_, entry) => Some(entry),
            Due::Send(_) => None,
        })
    }

    pub(crate) fn next_time(&self) -> Option<Time> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop(&mut self, now: Time) -> Option<Due> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Takes what is due in a queue that goes.
    pub(crate) fn remove_queue(&mut self, queue: QueueKey) -> Vec<Entry> {
        let keys: Vec<(Time, u64)> = self
            .due
            .iter()
            .filter(|(_, due)| matches!(due, Due::Return(key, _) if *key == queue))
            .map(|(key, _)| *key)
            .collect();
        keys.into_iter()
            .filter_map(|key| match self.due.remove(&key) {
                Some(Due::Return(_, entry)) => Some(entry),
                _ => None,
            })
            .collect()
    }
}

impl Schedule {
    /// When to send for the first time; `None`: never.
    pub(crate) fn first(&self, now: Time) -> Option<Time> {
        match &self.cron {
            // ActiveMQ: the delay begins when the calendar says so.
            Some(cron) => Some(cron.next(now)?.saturating_add(self.delay)),
            None => Some(now.saturating_add(self.delay)),
        }
    }

    /// When to send again after `now`, and with what schedule; `None`: not any more. `whole`: the
    /// schedule as it was given.
    pub(crate) fn again(&self, now: Time, whole: &Self) -> Option<(Time, Self)> {
        if self.repeat > 0 || (self.repeat == -1 && self.period > 0) {
            let mut rest = self.clone();
            if rest.repeat > 0 {
                rest.repeat -= 1;
            }
            return Some((now.saturating_add(self.period.max(1)), rest));
        }
        // Whenever the calendar says so it all begins anew.
        let cron = self.cron.as_ref()?;
        let at = cron.next(now)?.saturating_add(self.delay);
        Some((at, whole.clone()))
    }
}

/// When a calendar says so, in UTC: minute, hour, day of month, month, day of week (0 is Sunday).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
    text: Box<str>,
}

impl Cron {
    /// Reads five fields, each `*`, a number, `a-b`, `a,b`, or one of these with `/step`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.try_into().ok()?;
        let mut on = field(weekdays, 0, 7)?;
        // 7 is Sunday too.
        on |= on >> 7 & 1;
        Some(Self {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            weekdays: on,
            any_day: days.starts_with('*'),
            any_weekday: weekdays.starts_with('*'),
            text: text.into(),
        })
    }

    /// The first such minute after `now`; `None` if there is none within some years.
    pub(crate) fn next(&self, now: Time) -> Option<Time> {
        const MINUTE: Time = 60_000;
        const HOUR: Time = 60 * MINUTE;
        const DAY: Time = 24 * HOUR;
        let mut at = (now / MINUTE + 1) * MINUTE;
        let end = at.checked_add(9 * 366 * DAY)?;
        while at < end {
            let (month, day) = month_and_day(at / DAY);
            let weekday = (at / DAY + 4) % 7;
            if !has(self.months, month) || !self.has_day(day, weekday) {
                at = (at / DAY + 1) * DAY;
            } else if !has(self.hours, at % DAY / HOUR) {
                at = (at / HOUR + 1) * HOUR;
            } else if !has(self.minutes, at % HOUR / MINUTE) {
                at += MINUTE;
            } else {
                return Some(at);
            }
        }
        None
    }

    /// As cron has it: where both are restricted, one of them is enough.
    fn has_day(&self, day: u64, weekday: u64) -> bool {
        let (by_day, by_weekday) = (has(self.days, day), has(self.weekdays, weekday));
        match (self.any_day, self.any_weekday) {
            (false, false) => by_day || by_weekday,
            _ => by_day && by_weekday,
        }
    }
}

fn has(set: u64, number: u64) -> bool {
    set >> number & 1 == 1
}

fn field(text: &str, least: u64, most: u64) -> Option<u64> {
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let from = range.parse().ok()?;
                (from, if part.contains('/') { most } else { from })
            }
        };
        if from < least || to > most || from > to {
            return None;
        }
        for number in (from..=to).step_by(step) {
            set |= 1 << number;
        }
    }
    Some(set)
}

/// Month (1 to 12) and day of the month (from 1 on) of a day since 1970; after Howard Hinnant's
/// `civil_from_days`.
fn month_and_day(days: u64) -> (u64, u64) {
    let shifted = days + 719_468;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Wednesday, 2026-11-25 12:34:56 UTC.
    const NOW: Time = 1_795_610_096_000;
    const MINUTE: Time = 60_000;

    fn after(cron: &str) -> Option<Time> {
        Cron::parse(cron)
            .expect(cron)
            .next(NOW)
            .map(|at| at - NOW / MINUTE * MINUTE)
    }

    #[test]
    fn calendars_tell_the_next_minute() {
        assert_eq!(after("* * * * *"), Some(MINUTE));
        assert_eq!(after("*/5 * * * *"), Some(MINUTE));
        assert_eq!(after("0 * * * *"), Some(26 * MINUTE));
        assert_eq!(after("0 12 * * *"), Some((24 * 60 - 34) * MINUTE));
        assert_eq!(after("0 0 * * 4"), Some((11 * 60 + 26) * MINUTE));
        assert_eq!(
            after("0 0 1 * *"),
            Some((5 * 24 * 60 + 11 * 60 + 26) * MINUTE)
        );
        assert_eq!(after("0 0 30 2 *"), None);
        assert!(after("0 0 29 2 *").is_some());
        assert_eq!(after("0 0 1 * 4"), after("0 0 * * 4"));
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
        ] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }

    #[test]
    fn repetitions_end() {
        let schedule = Schedule {
            delay: 5,
            period: 10,
            repeat: 2,
            cron: None,
        };
        assert_eq!(schedule.first(100), Some(105));
        let whole = schedule.clone();
        let (at, schedule) = schedule.again(105, &whole).expect("a second");
        assert_eq!((at, schedule.repeat), (115, 1));
        let (_, schedule) = schedule.again(115, &whole).expect("a third");
        assert_eq!(schedule.again(125, &whole), None);
    }

    #[test]
    fn a_calendar_begins_all_of_it_anew() {
        let whole = Schedule {
            delay: 5,
            period: 10,
            repeat: 1,
            cron: Cron::parse("* * * * *"),
        };
        let mut at = whole.first(0).expect("a first");
        let mut schedule = whole.clone();
        let mut times = vec![at];
        for _ in 0..5 {
            (at, schedule) = schedule.again(at, &whole).expect("more");
            times.push(at);
        }
        let minute = |n: Time| n * MINUTE + 5;
        let expected = [1, 2, 3].map(|n| [minute(n), minute(n) + 10]);
        assert_eq!(times, expected.concat());
    }
}
