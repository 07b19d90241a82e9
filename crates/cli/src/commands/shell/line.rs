//! A line that was typed, in words.

use crate::exit::Failure;

/// What follows the verb.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// What `-H NAME:VALUE` gives.
    pub(super) headers: Vec<(String, String)>,
    /// What `-W TIME` gives.
    pub(super) wait: Option<String>,
    pub(super) words: Vec<String>,
    /// The rest of the line.
    pub(super) body: Option<String>,
}

/// The first word, and the rest.
pub(super) fn verb(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).unwrap_or((line, ""))
}

/// Takes as many words as that, and the rest as the body if there is to be one.
pub(super) fn arguments(text: &str, most: usize, has_body: bool) -> Result<Arguments, Failure> {
    let mut found = Arguments::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_option = ["-H", "-W"].iter().any(|it| verb(rest).0 == *it);
        if has_body && !is_option && found.words.len() == most {
            // It may hold quotes of its own.
            found.body = Some(unquoted(rest.trim_end()).to_owned());
            break;
        }
        let (first, after) = word(rest)?;
        rest = after;
        if !is_option {
            if found.words.len() == most {
                return Err(format!("{first:?} is too much").into());
            }
            found.words.push(first);
            continue;
        }
        let (value, after) = word(rest)?;
        rest = after;
        if first == "-W" {
            found.wait = Some(value);
            continue;
        }
        let (name, value) = value
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("-H {value:?} is not NAME:VALUE"))?;
        found.headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(found)
}

/// The next word without its quotes, and what follows it.
fn word(text: &str) -> Result<(String, &str), Failure> {
    let mut word = String::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c.is_whitespace() => return Ok((word, text[at..].trim_start())),
            None => word.push(c),
        }
    }
    match quote {
        Some(open) => Err(format!("a {open} is not closed").into()),
        None => Ok((word, "")),
    }
}

/// A body that stands in one pair of quotes is what is in them.
fn unquoted(body: &str) -> &str {
    for quote in ['\'', '"'] {
        let inner = body
            .strip_prefix(quote)
            .and_then(|body| body.strip_suffix(quote));
        if let Some(inner) = inner
            && !inner.contains(quote)
        {
            return inner;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Arguments {
        arguments(text, 1, true).unwrap()
    }

    #[test]
    fn the_body_is_the_rest_of_the_line() {
        let found = read("-H priority:9 /queue/a -H 'x:a b'  {\"a\": \"b  c\"} ");
        let headers = [("priority", "9"), ("x", "a b")];
        assert_eq!(found.words, ["/queue/a"]);
        assert_eq!(found.body.as_deref(), Some("{\"a\": \"b  c\"}"));
        assert_eq!(
            found.headers,
            headers.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(read("/a 'one two'").body.as_deref(), Some("one two"));
        assert_eq!(read("/a 'one' 'two'").body.as_deref(), Some("'one' 'two'"));
        assert_eq!(read("/a ''").body.as_deref(), Some(""));
        assert_eq!(read("/a it's").body.as_deref(), Some("it's"));
        assert_eq!(read("/a").body, None);
        assert_eq!(read("'/queue/a b' -W 2s x").wait.as_deref(), Some("2s"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("'/a", "not closed"),
            ("/a -H x", "NAME:VALUE"),
            ("/a -H :x", "NAME:VALUE"),
        ] {
            let error = arguments(text, 1, true).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = arguments("a b", 1, false).unwrap_err().to_string();
        assert_eq!(error, "\"b\" is too much");
        assert_eq!(verb("  quit "), ("quit", ""));
    }
}
