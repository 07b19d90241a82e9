//! A scenario, as its file says it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use stompbox::AckMode;

use crate::{args, commands::subscribe::ack_mode, exit::Failure};

/// Clients of all groups.
const MOST_CLIENTS: usize = 20_000;

/// What is to be played.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    pub(super) name: Option<String>,
    /// No round begins later, the ramp not counted.
    #[serde(default, deserialize_with = "time")]
    pub(super) duration: Option<Duration>,
    /// Within this time the clients of each group begin.
    #[serde(default, deserialize_with = "time")]
    pub(super) ramp: Option<Duration>,
    /// Of all that is random.
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(rename = "group")]
    pub(super) groups: Vec<Group>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// Clients that do the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Group {
    pub(super) name: String,
    #[serde(default = "one")]
    pub(super) clients: usize,
    /// How long after the beginning its first client begins.
    #[serde(default, deserialize_with = "time")]
    pub(super) start: Option<Duration>,
    /// Rounds a second, of all its clients together; without it a round follows the other.
    #[serde(default, deserialize_with = "rate")]
    pub(super) rate: Option<f64>,
    /// Rounds of each client, if the duration does not end them.
    pub(super) rounds: Option<u64>,
    /// What each client does once.
    #[serde(default)]
    pub(super) setup: Vec<Step>,
    /// A round.
    #[serde(default)]
    pub(super) steps: Vec<Step>,
}

/// One thing to do: one of the first seven says which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Step {
    pub(super) subscribe: Option<OneOf>,
    pub(super) unsubscribe: Option<OneOf>,
    pub(super) publish: Option<OneOf>,
    pub(super) request: Option<OneOf>,
    pub(super) reply: Option<OneOf>,
    pub(super) think: Option<Think>,
    pub(super) reconnect: bool,

    pub(super) headers: BTreeMap<String, String>,
    #[serde(deserialize_with = "ack")]
    pub(super) ack: Option<AckMode>,
    pub(super) selector: Option<String>,
    pub(super) prefetch: Option<u32>,
    /// How long a consumer is busy with each message.
    pub(super) work: Option<Think>,
    #[serde(deserialize_with = "size")]
    pub(super) size: Option<usize>,
    pub(super) count: Option<u64>,
    pub(super) persistent: bool,
    pub(super) receipt: bool,
    #[serde(deserialize_with = "time")]
    pub(super) wait: Option<Duration>,
}

/// A template, or several of which one is taken at random.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
pub(super) enum OneOf {
    One(String),
    Any(Vec<String>),
}

impl OneOf {
    pub(super) fn choose(&self, random: &mut fastrand::Rng) -> &str {
        match self {
            Self::One(text) => text,
            Self::Any(texts) => random.choice(texts).map_or("", String::as_str),
        }
    }

    fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Any(texts) => texts,
        }
    }
}

/// A time, or one between two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Think {
    least: Duration,
    most: Duration,
}

impl Think {
    pub(super) fn choose(&self, random: &mut fastrand::Rng) -> Duration {
        let span = self.most.saturating_sub(self.least);
        self.least + span.mul_f64(random.f64())
    }
}

/// What must not be exceeded.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Expect {
    pub(super) lost: Most,
    pub(super) doubled: Most,
    pub(super) disorder: Most,
    pub(super) errors: Most,
    /// The fewest messages that are to come.
    pub(super) received: Option<u64>,
    pub(super) latency: Times,
    pub(super) receipt: Times,
    pub(super) request: Times,
    pub(super) connect: Times,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged, expecting = "expected a number, or \"any\"")]
pub(super) enum Most {
    Number(u64),
    Word(Any),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Any {
    Any,
}

impl Default for Most {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// Limits of percentiles.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Times {
    #[serde(deserialize_with = "time")]
    pub(super) p50: Option<Duration>,
    #[serde(deserialize_with = "time")]
    pub(super) p90: Option<Duration>,
    #[serde(deserialize_with = "time")]
    pub(super) p99: Option<Duration>,
    #[serde(deserialize_with = "time")]
    pub(super) max: Option<Duration>,
}

/// What a step is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'a> {
    Subscribe(&'a OneOf),
    Unsubscribe(&'a OneOf),
    Publish(&'a OneOf),
    Request(&'a OneOf),
    Reply(&'a OneOf),
    Think(Think),
    Reconnect,
}

impl Step {
    /// What it is; `None`: not one thing.
    pub(super) fn action(&self) -> Option<Action<'_>> {
        let mut actions = [
            self.subscribe.as_ref().map(Action::Subscribe),
            self.unsubscribe.as_ref().map(Action::Unsubscribe),
            self.publish.as_ref().map(Action::Publish),
            self.request.as_ref().map(Action::Request),
            self.reply.as_ref().map(Action::Reply),
            self.think.map(Action::Think),
            self.reconnect.then_some(Action::Reconnect),
        ]
        .into_iter()
        .flatten();
        let action = actions.next()?;
        actions.next().is_none().then_some(action)
    }

    /// The keys that it has and that its action does not know.
    fn is_misplaced(&self, action: Action<'_>) -> Option<&'static str> {
        let (subscribes, sends) = match action {
            Action::Subscribe(_) => (true, false),
            Action::Publish(_) | Action::Request(_) => (false, true),
            _ => (false, false),
        };
        let publishes = matches!(action, Action::Publish(_));
        let works = subscribes || matches!(action, Action::Reply(_));
        [
            ("headers", !self.headers.is_empty() && !subscribes && !sends),
            ("ack", self.ack.is_some() && !subscribes),
            ("selector", self.selector.is_some() && !subscribes),
            ("prefetch", self.prefetch.is_some() && !subscribes),
            ("work", self.work.is_some() && !works),
            ("size", self.size.is_some() && !sends),
            ("count", self.count.is_some() && !publishes),
            ("persistent", self.persistent && !publishes),
            ("receipt", self.receipt && !publishes),
            (
                "wait",
                self.wait.is_some() && !matches!(action, Action::Request(_)),
            ),
        ]
        .into_iter()
        .find_map(|(key, is_wrong)| is_wrong.then_some(key))
    }
}

impl Scenario {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("can't read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let clients: usize = scenario.groups.iter().map(|group| group.clients).sum();
        if clients > MOST_CLIENTS {
            return Err(format!("{clients} clients are more than {MOST_CLIENTS}"));
        }
        for group in &scenario.groups {
            group
                .check(&scenario)
                .map_err(|error| format!("group {:?}: {error}", group.name))?;
        }
        Ok(scenario)
    }
}

impl Group {
    fn check(&self, scenario: &Scenario) -> Result<(), String> {
        if self.clients == 0 {
            return Err("clients = 0: there is nobody".into());
        }
        for (list, steps) in [("setup", &self.setup), ("steps", &self.steps)] {
            for (at, step) in steps.iter().enumerate() {
                let wrong = |text: String| format!("{list}, number {}: {text}", at + 1);
                let action = step.action().ok_or_else(|| {
                    wrong(
                        "a step is one of subscribe, unsubscribe, publish, request, reply, think \
                         and reconnect"
                            .into(),
                    )
                })?;
                if let Some(key) = step.is_misplaced(action) {
                    return Err(wrong(format!("{key} is for other steps")));
                }
                let destinations = match action {
                    Action::Subscribe(of)
                    | Action::Unsubscribe(of)
                    | Action::Publish(of)
                    | Action::Request(of)
                    | Action::Reply(of) => of.all(),
                    Action::Think(_) | Action::Reconnect => continue,
                };
                if destinations.is_empty() || destinations.iter().any(String::is_empty) {
                    return Err(wrong("a destination is empty".into()));
                }
            }
        }
        let ends = self.rounds.is_some() || scenario.duration.is_some();
        if !self.steps.is_empty() && !ends {
            return Err("neither the scenario has a duration nor the group rounds".into());
        }
        let waits = |step: &Step| step.think.is_some() || step.request.is_some();
        let is_idle = self.rounds.is_none() && self.rate.is_none();
        let moves = |step: &Step| waits(step) || step.publish.is_some() || step.reconnect;
        if !self.steps.is_empty() && is_idle && !self.steps.iter().any(moves) {
            return Err("its rounds take no time: give it a think, a rate or rounds".into());
        }
        Ok(())
    }
}

fn one() -> usize {
    1
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    args::duration(&text(from)?)
        .map(Some)
        .map_err(D::Error::custom)
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    args::rate(&text(from)?).map(Some).map_err(D::Error::custom)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    args::size(&text(from)?).map(Some).map_err(D::Error::custom)
}

fn ack<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AckMode>, D::Error> {
    ack_mode(&text(from)?).map(Some).map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for Think {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a time, or a list of two")]
        enum Texts {
            One(String),
            Two([String; 2]),
        }
        let read = |text: &str| args::duration(text).map_err(D::Error::custom);
        let (least, most) = match Texts::deserialize(from)? {
            Texts::One(text) => (read(&text)?, read(&text)?),
            Texts::Two([least, most]) => (read(&least)?, read(&most)?),
        };
        if least > most {
            return Err(D::Error::custom("the first of two times is the longer one"));
        }
        Ok(Self { least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let group = |rest: &str| format!("duration = \"1s\"\n[[group]]\nname = \"a\"\n{rest}");
        for (text, part) in [
            (String::new(), "missing field `group`"),
            (group("clients = 0"), "there is nobody"),
            (group("clients = 100000"), "more than 20000"),
            (group("colour = 1"), "unknown field `colour`"),
            (group("steps = [{ }]"), "steps, number 1: a step is one of"),
            (
                group("steps = [{ publish = \"/a\", think = \"1s\" }]"),
                "a step is one of",
            ),
            (
                group("setup = [{ think = \"1s\", size = \"9\" }]"),
                "size is for other steps",
            ),
            (
                group("setup = [{ publish = \"\" }]"),
                "a destination is empty",
            ),
            (
                group("setup = [{ publish = [] }]"),
                "a destination is empty",
            ),
            (group("setup = [{ think = \"soon\" }]"), "soon"),
            (
                group("setup = [{ think = [\"2s\", \"1s\"] }]"),
                "the longer one",
            ),
            (
                group("setup = [{ subscribe = \"/a\", ack = \"no\" }]"),
                "ack mode",
            ),
            (group("steps = [{ subscribe = \"/a\" }]"), "take no time"),
            (group("rate = \"fast\""), "is no rate"),
            (
                "[[group]]\nname = \"a\"\nsteps = [{ publish = \"/a\" }]".into(),
                "neither the scenario has a duration",
            ),
            (group("[expect]\nlost = \"some\""), "a number, or \"any\""),
            (group("setup = [{ think = 1 }]"), "a time, or a list of two"),
            (
                group("setup = [{ publish = 1 }]"),
                "a text, or a list of texts",
            ),
        ] {
            let error = Scenario::parse(&text).unwrap_err();
            assert!(error.contains(part), "{text}\n{error}");
        }
    }

    #[test]
    fn limits_have_defaults() {
        let text = "[[group]]\nname = \"a\"\n[expect]\ndisorder = \"any\"\nlatency.p99 = \"50ms\"";
        let expect = Scenario::parse(text).unwrap().expect;
        assert_eq!(expect.lost, Most::Number(0));
        assert_eq!(expect.disorder, Most::Word(Any::Any));
        assert_eq!(expect.latency.p99, Some(Duration::from_millis(50)));
    }
}
