//! Wildcards in the names of destinations.

use std::sync::Arc;

/// A name with wildcards. `.` and `/` both separate parts; `*` is any one part, `**` and `>` are
/// all parts from there on (at least one), `#` is any number of parts, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: Arc<str>,
    parts: Arc<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    One,
    Rest,
    Any,
    Literal(Box<str>),
}

impl Part {
    fn of(text: &str, last: bool) -> Self {
        match text {
            "*" => Self::One,
            "#" => Self::Any,
            "**" | ">" if last => Self::Rest,
            text => Self::Literal(text.into()),
        }
    }
}

fn split(name: &str) -> impl Iterator<Item = &str> + Clone {
    name.split(['.', '/'])
}

impl Pattern {
    /// A pattern, or `None` if the name has no wildcard.
    #[inline]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if !name.contains(['*', '#', '>']) {
            return None;
        }
        let count = split(name).count();
        let parts: Arc<[Part]> = split(name)
            .enumerate()
            .map(|(at, text)| Part::of(text, at + 1 == count))
            .collect();
        let wild = parts.iter().any(|part| !matches!(part, Part::Literal(_)));
        wild.then(|| Self {
            text: name.into(),
            parts,
        })
    }

    /// Whether a destination's name matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let parts = &self.parts;
        let names: Vec<&str> = split(name).collect();
        // As for `*` in file names: go back to the last `#` and let it take one part more.
        let (mut p, mut n) = (0, 0);
        let mut back = None;
        while n < names.len() {
            match parts.get(p) {
                Some(Part::Rest) => return true,
                Some(Part::Any) => {
                    back = Some((p, n));
                    p += 1;
                    continue;
                }
                Some(Part::One) => {
                    p += 1;
                    n += 1;
                    continue;
                }
                Some(Part::Literal(text)) if **text == *names[n] => {
                    p += 1;
                    n += 1;
                    continue;
                }
                _ => {}
            }
            let Some((at, from)) = back else { return false };
            back = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        }
        parts[p..].iter().all(|part| *part == Part::Any)
    }

    /// The name with its wildcards.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn wildcards_match_parts() {
        let cases = [
            ("/topic/a.*", "/topic/a.b", true),
            ("/topic/a.*", "/topic/a/b", true),
            ("/topic/a.*", "/topic/a", false),
            ("/topic/a.*", "/topic/a.b.c", false),
            ("/topic/a.*.c", "/topic/a.b.c", true),
            ("/topic/a.>", "/topic/a.b.c", true),
            ("/topic/a.>", "/topic/a", false),
            ("/topic/a/**", "/topic/a/b/c", true),
            ("/topic/a.#", "/topic/a", true),
            ("/topic/a.#", "/topic/a.b.c", true),
            ("/topic/#.c", "/topic/c", true),
            ("/topic/#.c", "/topic/a.b.c", true),
            ("/topic/#.c", "/topic/a.b", false),
            ("/topic/#.b.#.d", "/topic/a.b.c.b.d", true),
            ("/topic/>", "/queue/a", false),
        ];
        for (pattern, name, expected) in cases {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_star_within_a_part_is_none() {
        for name in ["/topic/a*b", "/queue/**.a", "/queue/a", "/topic/a>b"] {
            assert_eq!(Pattern::parse(name), None, "{name}");
        }
    }
}
