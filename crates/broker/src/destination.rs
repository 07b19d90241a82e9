use thiserror::Error;

/// What a destination's name means to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// `/queue/…`: kept while nobody consumes, each message to one consumer.
    Queue(&'a str),
    /// `/topic/…`: each message to everybody who is subscribed.
    Topic(&'a str),
}

/// A name that is neither a queue's nor a topic's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("destination {name:?} is neither /queue/NAME nor /topic/NAME")]
pub struct InvalidDestination {
    name: String,
}

impl<'a> Destination<'a> {
    /// Reads a `destination` header.
    ///
    /// # Errors
    ///
    /// The name has another prefix, or nothing after it.
    pub fn parse(name: &'a str) -> Result<Self, InvalidDestination> {
        match (name.strip_prefix("/queue/"), name.strip_prefix("/topic/")) {
            (Some(rest), _) if !rest.is_empty() => Ok(Self::Queue(name)),
            (_, Some(rest)) if !rest.is_empty() => Ok(Self::Topic(name)),
            _ => Err(InvalidDestination {
                name: name.chars().take(80).collect(),
            }),
        }
    }
}
