//! Sizes and times, as people write them.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes: 4096, 4KiB, 4MiB, 4GiB.
    Bytes,
    /// Things.
    Count,
    /// Milliseconds: 500ms, 10s, 5min or 5m, 24h. Without a unit, milliseconds.
    Time,
}

impl Unit {
    /// The unit's names, the largest first.
    fn names(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Bytes => &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
            Self::Count => &[],
            Self::Time => &[
                ("min", 60_000),
                ("ms", 1),
                ("s", 1000),
                ("m", 60_000),
                ("h", 3_600_000),
            ],
        }
    }

    /// Reads a number with its unit or without.
    pub(crate) fn parse(self, text: &str) -> Result<u64, String> {
        let unit = self.names().iter().find_map(|(name, factor)| {
            let number = text.strip_suffix(name)?;
            Some((number.trim_end(), *factor))
        });
        let (number, factor) = unit.unwrap_or((text, 1));
        let digits = number.replace('_', "");
        let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|_| plain);
        number.and_then(|n| n.checked_mul(factor)).ok_or_else(|| {
            let expected = match self {
                Self::Bytes => "a number of bytes, as 65536, 64KiB, 4MiB or 1GiB",
                Self::Count => "a number",
                Self::Time => "a time, as 500ms, 10s or 5min",
            };
            format!("{text:?} is not {expected}")
        })
    }

    /// Writes a number so that [`parse`](Self::parse) reads it.
    pub(crate) fn format(self, number: u64) -> String {
        let mut units: Vec<_> = self.names().to_vec();
        units.sort_by_key(|(_, factor)| std::cmp::Reverse(*factor));
        let unit = units
            .into_iter()
            .find(|(_, factor)| number > 0 && number.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => format!("{}{name}", number / factor),
            None => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written() {
        for (unit, text, number) in [
            (Unit::Bytes, "65_536", 65_536),
            (Unit::Bytes, "4MiB", 4 << 20),
            (Unit::Bytes, "4 KiB", 4096),
            (Unit::Count, "10000", 10_000),
            (Unit::Time, "500ms", 500),
            (Unit::Time, "500", 500),
            (Unit::Time, "10s", 10_000),
            (Unit::Time, "5min", 300_000),
            (Unit::Time, "5m", 300_000),
            (Unit::Time, "24h", 86_400_000),
        ] {
            assert_eq!(unit.parse(text), Ok(number), "{text}");
            assert_eq!(unit.parse(&unit.format(number)), Ok(number), "{text}");
        }
        assert_eq!(Unit::Bytes.format(4 << 20), "4MiB");
        assert_eq!(Unit::Time.format(1500), "1500ms");
        assert_eq!(Unit::Time.format(10_000), "10s");
        for text in [
            "",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "10 d",
            "99999999999999999999",
        ] {
            assert!(Unit::Time.parse(text).is_err(), "{text}");
        }
        assert!(Unit::Bytes.parse("99999999999GiB").is_err());
        assert!(Unit::Count.parse("1KiB").is_err());
    }
}
