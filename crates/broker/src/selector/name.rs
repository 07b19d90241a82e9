//! What the names in a selector stand for.

/// A property that is no header, or is typed. The names of JMS and of Artemis stand for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypedName {
    /// `JMSPriority`, `AMQPriority`: an integer, 4 if the message doesn't say.
    Priority,
    /// `JMSTimestamp`, `AMQTimestamp`: an integer, milliseconds since 1970.
    Timestamp,
    /// `JMSExpiration`, `AMQExpiration`: an integer, milliseconds since 1970, 0 for never.
    Expiration,
    /// `JMSRedelivered`: a boolean.
    Redelivered,
    /// `JMSXDeliveryCount`: an integer, 1 at the first delivery.
    DeliveryCount,
    /// `JMSXGroupSeq`: an integer.
    GroupSequence,
    /// A boolean. `JMSDeliveryMode` and `AMQDurable` turn it into their words.
    Persistent,
    /// `AMQSize`: an integer, bytes.
    Size,
    /// `JMSMessageID`, `AMQUserID`: a string, what `message-id` will be.
    MessageId,
    /// `JMSDestination`, `AMQAddress`: a string.
    Destination,
    /// `JMSXGroupID`, `AMQGroupID`: a string.
    GroupId,
    /// `JMSXUserID`: a string, who sent the message, as the broker knows and not as the sender says.
    UserId,
}

impl TypedName {
    fn is_string(self) -> bool {
        matches!(
            self,
            Self::MessageId | Self::Destination | Self::GroupId | Self::UserId
        )
    }
}

/// A resolved name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropertyName {
    /// The first header of that name.
    Header(Box<str>),
    /// A typed property.
    Typed(TypedName),
}

/// What a name in a selector resolves to.
#[derive(Debug)]
pub(super) enum Name {
    Property(PropertyName),
    /// A boolean that the selector sees as one of two words: if true, if false.
    Spelled(TypedName, &'static str, &'static str),
    /// A header that selectors don't see: as if it were missing.
    Hidden,
}

impl Name {
    pub(super) fn resolve(name: &str) -> Self {
        let typed = match name {
            "JMSPriority" | "AMQPriority" => TypedName::Priority,
            "JMSTimestamp" | "AMQTimestamp" => TypedName::Timestamp,
            "JMSExpiration" | "AMQExpiration" => TypedName::Expiration,
            "JMSRedelivered" => TypedName::Redelivered,
            "JMSXDeliveryCount" => TypedName::DeliveryCount,
            "JMSXGroupSeq" => TypedName::GroupSequence,
            "AMQSize" => TypedName::Size,
            "JMSMessageID" | "AMQUserID" => TypedName::MessageId,
            "JMSDestination" | "AMQAddress" => TypedName::Destination,
            "JMSXGroupID" | "AMQGroupID" => TypedName::GroupId,
            "JMSXUserID" => TypedName::UserId,
            "JMSDeliveryMode" => {
                return Self::Spelled(TypedName::Persistent, "PERSISTENT", "NON_PERSISTENT");
            }
            "AMQDurable" => {
                return Self::Spelled(TypedName::Persistent, "DURABLE", "NON_DURABLE");
            }
            "JMSCorrelationID" => return Self::header("correlation-id"),
            "JMSType" => return Self::header("type"),
            "JMSReplyTo" => return Self::header("reply-to"),
            "receipt" | "transaction" | "subscription" | "ack" | "content-length" => {
                return Self::Hidden;
            }
            _ => return Self::header(name),
        };
        Self::Property(PropertyName::Typed(typed))
    }

    fn header(name: &str) -> Self {
        Self::Property(PropertyName::Header(name.into()))
    }

    /// The property, if its values are strings or missing and never anything else.
    pub(super) fn as_string(&self) -> Option<&PropertyName> {
        match self {
            Self::Property(name @ PropertyName::Header(_)) => Some(name),
            Self::Property(name @ PropertyName::Typed(typed)) if typed.is_string() => Some(name),
            _ => None,
        }
    }
}
