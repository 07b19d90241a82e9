//! Names of destinations as those know them who look after the broker.

use std::{borrow::Cow, hash::Hasher as _};

use crate::pattern::Pattern;

/// Which destinations are looked for, by their names.
#[derive(Clone, Debug)]
pub struct NameFilter(Filter);

#[derive(Clone, Debug)]
enum Filter {
    Pattern(Pattern),
    Name(Box<str>),
    Part(Box<str>),
}

impl NameFilter {
    /// A name, perhaps with the wildcards of a `SUBSCRIBE`; or what is somewhere in a name, if there
    /// is no `/` in it.
    pub fn new(text: &str) -> Self {
        Self(match Pattern::parse(text) {
            Some(pattern) if text.contains('/') => Filter::Pattern(pattern),
            _ if text.contains('/') => Filter::Name(text.into()),
            _ => Filter::Part(text.into()),
        })
    }

    /// Whether a destination of that name is one of them.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Filter::Pattern(pattern) => pattern.matches(name),
            Filter::Name(wanted) => **wanted == *name,
            Filter::Part(part) => name.contains(&**part),
        }
    }
}

/// A destination's name as others may know it: of a temporary one it leaves the part out that only
/// its owner and those whom it told may know, and puts something in its place that says which it is.
pub fn public_name(name: &str) -> Cow<'_, str> {
    let prefixes = [
        "/temp-queue/",
        "/temp-topic/",
        "/reply-queue/",
        "/reply-topic/",
        "/queue/DLQ.",
    ];
    for prefix in prefixes {
        let parts = name.strip_prefix(prefix).and_then(|it| it.split_once('/'));
        // The dead letters of a temporary queue have its name.
        let is_token = |it: &str| {
            !prefix.ends_with('.') || (it.len() >= 32 && it.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        if let Some((token, rest)) = parts.filter(|(token, _)| is_token(token)) {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(token.as_bytes());
            return format!("{prefix}~{:016x}/{rest}", hasher.finish()).into();
        }
    }
    name.into()
}
