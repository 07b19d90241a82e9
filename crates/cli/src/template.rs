//! Bodies and headers with words to fill in.

use std::time::{SystemTime, UNIX_EPOCH};

/// Fills in %i, the number, %u, %t and %%, and the words that `more` knows by their letters.
pub(crate) fn fill(
    template: &[u8],
    number: u64,
    mut more: impl FnMut(u8) -> Option<String>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len() + 16);
    let mut rest = template.iter();
    while let Some(&octet) = rest.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let word = match rest.next() {
            Some(b'i') => number.to_string(),
            Some(b'u') => uuid::Uuid::new_v4().to_string(),
            Some(b't') => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.unwrap_or_default().as_millis().to_string()
            }
            Some(b'%') | None => "%".into(),
            Some(&other) => match more(other) {
                Some(word) => word,
                None => {
                    out.extend_from_slice(&[b'%', other]);
                    continue;
                }
            },
        };
        out.extend_from_slice(word.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in() {
        let text = |template: &str| {
            let more = |letter| (letter == b'c').then(|| "3".to_owned());
            String::from_utf8(fill(template.as_bytes(), 7, more)).unwrap()
        };
        assert_eq!(text("a %i%% %c %x %"), "a 7% 3 %x %");
        assert_ne!(text("%u"), text("%u"));
        assert!(
            text("%t")
                .parse::<u64>()
                .is_ok_and(|at| at > 1_600_000_000_000)
        );
    }
}
