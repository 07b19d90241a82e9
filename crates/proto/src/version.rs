use alloc::string::String;
use core::{fmt, str::FromStr};

/// A version of the STOMP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0.
    V1_0,
    /// STOMP 1.1.
    V1_1,
    /// STOMP 1.2.
    V1_2,
}

/// A text that names none of the versions this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a STOMP version this end speaks (1.0, 1.1, 1.2)")
    }
}

impl core::error::Error for UnknownVersion {}

impl Version {
    const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// The version as `accept-version` and `version` headers spell it: `1.2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The WebSocket sub-protocol of the version: `v12.stomp`.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V1_0 => "v10.stomp",
            Self::V1_1 => "v11.stomp",
            Self::V1_2 => "v12.stomp",
        }
    }

    /// The version that a WebSocket sub-protocol names, if it is one of STOMP's.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.subprotocol() == name)
    }

    /// The version that octets spell as [`as_str`](Self::as_str) does, if they do.
    pub fn read(octets: &[u8]) -> Option<Self> {
        match octets {
            b"1.0" => Some(Self::V1_0),
            b"1.1" => Some(Self::V1_1),
            b"1.2" => Some(Self::V1_2),
            _ => None,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes()).ok_or(UnknownVersion)
    }
}

/// A set of protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(u8);

impl Versions {
    /// 1.0, 1.1 and 1.2.
    pub const ALL: Self = Self(0b111);

    /// The set of one version.
    pub fn only(version: Version) -> Self {
        Self(version.bit())
    }

    /// The set of the given versions.
    pub fn of(versions: &[Version]) -> Self {
        Self(versions.iter().fold(0, |bits, v| bits | v.bit()))
    }

    /// Reads an `accept-version` header; versions unknown to this crate are passed over, as are
    /// blanks around the commas.
    pub fn parse_accept(header: &str) -> Self {
        let known = header
            .split(',')
            .filter_map(|text| text.trim().parse::<Version>().ok());
        Self(known.fold(0, |bits, v| bits | v.bit()))
    }

    /// Whether the version is in the set.
    pub fn contains(self, version: Version) -> bool {
        self.0 & version.bit() != 0
    }

    /// The versions that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The highest version of the set.
    pub fn highest(self) -> Option<Version> {
        self.iter().last()
    }

    /// The versions of the set, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Version> {
        Version::ALL.into_iter().filter(move |v| self.contains(*v))
    }

    /// The set as an `accept-version` header's value, lowest first: `1.0,1.1,1.2`.
    pub fn accept_header(self) -> String {
        let mut text = String::new();
        for version in self.iter() {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(version.as_str());
        }
        text
    }
}
