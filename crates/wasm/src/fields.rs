//! Lists of texts, a NUL after each.

/// The items of a list.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(list: &'a [u8]) -> Self {
        Self(list)
    }

    /// The next item, empty at the end.
    pub(crate) fn text(&mut self) -> &'a str {
        self.next().unwrap_or_default()
    }

    /// The next item as a number, 0 if it is none.
    pub(crate) fn number(&mut self) -> u32 {
        self.text().parse().unwrap_or(0)
    }

    /// All further items, as names and values.
    pub(crate) fn pairs(mut self) -> Vec<(&'a str, &'a str)> {
        let mut pairs = Vec::new();
        while let Some(name) = self.next() {
            pairs.push((name, self.text()));
        }
        pairs
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|octet| *octet == 0)?;
        let (item, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        // The host's encoder gives nothing else than UTF-8.
        Some(str::from_utf8(item).unwrap_or_default())
    }
}
