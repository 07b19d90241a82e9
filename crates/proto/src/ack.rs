use core::{fmt, str::FromStr};

/// How a subscription's messages are acknowledged (1.2, "SUBSCRIBE ack Header").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// A message counts as consumed once it is sent.
    #[default]
    Auto,
    /// An `ACK` takes its message and all sent before it to the same subscription.
    Client,
    /// An `ACK` takes its message alone. Since 1.1.
    ClientIndividual,
}

/// A text that is no ack mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAckMode;

impl fmt::Display for InvalidAckMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ack mode (auto, client, client-individual)")
    }
}

impl core::error::Error for InvalidAckMode {}

impl AckMode {
    /// The mode as the `ack` header spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::ClientIndividual => "client-individual",
        }
    }
}

impl fmt::Display for AckMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AckMode {
    type Err = InvalidAckMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "client" => Ok(Self::Client),
            "client-individual" => Ok(Self::ClientIndividual),
            _ => Err(InvalidAckMode),
        }
    }
}
