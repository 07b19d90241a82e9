//! Text to tokens.

use super::{
    ast::CompareOp,
    error::{Fault, SelectorError, quote},
};

/// Prefix: strings are never taken for numbers or booleans.
pub(super) const NO_CONVERSION: &str = "no_convert_string_expressions:";

/// What the prefixes of a selector decide, and where they end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Modes {
    /// Strings convert to numbers and booleans where those are compared or computed with.
    pub(super) converts: bool,
    /// Names may contain hyphens.
    pub(super) hyphens: bool,
    /// Where the selector proper begins.
    pub(super) start: usize,
}

impl Modes {
    /// Reads the prefixes that brokers know, in any order and repetition; the last one rules.
    pub(super) fn strip(text: &str) -> Self {
        let mut modes = Self {
            converts: true,
            hyphens: true,
            start: 0,
        };
        loop {
            let rest = modes.rest(text);
            modes.start = text.len() - rest.len();
            let prefix = if rest.starts_with(NO_CONVERSION) {
                modes.converts = false;
                NO_CONVERSION
            } else if rest.starts_with("convert_string_expressions:") {
                modes.converts = true;
                "convert_string_expressions:"
            } else if rest.starts_with("no_hyphenated_props:") {
                modes.hyphens = false;
                "no_hyphenated_props:"
            } else if rest.starts_with("hyphenated_props:") {
                modes.hyphens = true;
                "hyphenated_props:"
            } else {
                return modes;
            };
            modes.start += prefix.len();
        }
    }

    /// The selector without prefixes and leading blanks.
    pub(super) fn rest(self, text: &str) -> &str {
        let rest = text.get(self.start..).unwrap_or("");
        rest.trim_start_matches(is_blank)
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_ascii_digit()
}

/// How many bytes of `rest` are a name.
fn name_length(rest: &str, hyphens: bool) -> usize {
    let mut chars = rest.char_indices().peekable();
    match chars.next() {
        Some((_, first)) if starts_name(first) => {}
        _ => return 0,
    }
    while let Some((at, c)) = chars.next() {
        let inside = match c {
            '-' if hyphens => {
                let next = chars.peek().map(|(_, next)| *next);
                next.is_some_and(|next| continues_name(next) && next != '$')
            }
            c => continues_name(c),
        };
        if !inside {
            return at;
        }
    }
    rest.len()
}

/// Whether a name needs no quotes in the default mode.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name_length(name, true) == name.len() && Word::of(name).is_none()
}

/// A word that can't be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Not,
    And,
    Or,
    Between,
    Like,
    Escape,
    In,
    Is,
    Null,
    True,
    False,
    /// `XPATH` and `XQUERY`, which other brokers have.
    Reserved,
}

impl Word {
    fn of(name: &str) -> Option<Self> {
        const WORDS: [(&str, Word); 13] = [
            ("NOT", Word::Not),
            ("AND", Word::And),
            ("OR", Word::Or),
            ("BETWEEN", Word::Between),
            ("LIKE", Word::Like),
            ("ESCAPE", Word::Escape),
            ("IN", Word::In),
            ("IS", Word::Is),
            ("NULL", Word::Null),
            ("TRUE", Word::True),
            ("FALSE", Word::False),
            ("XPATH", Word::Reserved),
            ("XQUERY", Word::Reserved),
        ];
        let mut words = WORDS.iter();
        let found = words.find(|(spelling, _)| spelling.eq_ignore_ascii_case(name))?;
        Some(found.1)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name(Box<str>),
    Str(Box<str>),
    /// At most 2^63, which only a minus before it makes an `i64`.
    Int(u64),
    Float(f64),
    Word(Word),
    Compare(CompareOp),
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Open,
    Close,
    Comma,
    End,
}

/// A token and the text it was made of.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// In bytes of the whole text.
    pub(super) at: usize,
    pub(super) text: &'a str,
}

/// Gives the tokens one by one.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    hyphens: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, modes: Modes) -> Self {
        Self {
            text,
            at: modes.start,
            hyphens: modes.hyphens,
        }
    }

    /// An error at a byte of the text.
    pub(super) fn error(&self, at: usize, fault: Fault) -> SelectorError {
        SelectorError::new(self.text, at, fault)
    }

    /// The next token; [`Kind::End`] again and again at the end.
    pub(super) fn next(&mut self) -> Result<Token<'a>, SelectorError> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let rest = rest.trim_start_matches(is_blank);
        let at = self.text.len() - rest.len();
        let (kind, length) =
            token(rest, self.hyphens).map_err(|(offset, fault)| self.error(at + offset, fault))?;
        self.at = at + length;
        let text = rest.get(..length).unwrap_or("");
        Ok(Token { kind, at, text })
    }
}

/// A kind and its length, or a fault and its distance.
type Scanned = Result<(Kind, usize), (usize, Fault)>;

fn token(rest: &str, hyphens: bool) -> Scanned {
    let mut chars = rest.chars();
    let Some(first) = chars.next() else {
        return Ok((Kind::End, 0));
    };
    let second = chars.next();
    let fault = |message: &str, hint| Err((0, Fault::new(message).hint(hint)));
    match (first, second) {
        ('-', Some('-')) => fault(
            "\"--\" is not allowed, there are no comments",
            "put a space between two minus signs",
        ),
        ('/', Some('*')) => fault("\"/*\" is not allowed", "there are no comments"),
        ('=', Some('=')) => fault("\"==\" is no operator", "write ="),
        ('!', Some('=')) => fault("\"!=\" is no operator", "write <>"),
        ('!', _) => fault("\"!\" is no operator", "write NOT"),
        ('&', _) => fault("\"&\" is no operator", "write AND"),
        ('|', _) => fault("\"|\" is no operator", "write OR"),
        ('<', Some('>')) => Ok((Kind::Compare(CompareOp::NotEqual), 2)),
        ('<', Some('=')) => Ok((Kind::Compare(CompareOp::LessOrEqual), 2)),
        ('>', Some('=')) => Ok((Kind::Compare(CompareOp::GreaterOrEqual), 2)),
        ('<', _) => Ok((Kind::Compare(CompareOp::Less), 1)),
        ('>', _) => Ok((Kind::Compare(CompareOp::Greater), 1)),
        ('=', _) => Ok((Kind::Compare(CompareOp::Equal), 1)),
        ('+', _) => Ok((Kind::Plus, 1)),
        ('-', _) => Ok((Kind::Minus, 1)),
        ('*', _) => Ok((Kind::Star, 1)),
        ('/', _) => Ok((Kind::Slash, 1)),
        ('%', _) => Ok((Kind::Percent, 1)),
        ('(', _) => Ok((Kind::Open, 1)),
        (')', _) => Ok((Kind::Close, 1)),
        (',', _) => Ok((Kind::Comma, 1)),
        ('\'', _) => {
            let unclosed = "the string is not closed, a quote is missing";
            let (content, length) = delimited(rest, '\'').ok_or_else(|| {
                (
                    0,
                    Fault::new(unclosed).hint("a quote in a string is doubled"),
                )
            })?;
            Ok((Kind::Str(content), length))
        }
        ('"', _) => {
            let unclosed = "the quoted name is not closed, a double quote is missing";
            let (content, length) =
                delimited(rest, '"').ok_or_else(|| (0, Fault::new(unclosed)))?;
            if content.is_empty() {
                return fault("a quoted name is empty", "strings are in single quotes");
            }
            Ok((Kind::Name(content), length))
        }
        ('0'..='9', _) | ('.', Some('0'..='9')) => number(rest),
        (first, _) if starts_name(first) => Ok(name(rest, hyphens)),
        _ => Err((
            0,
            Fault::new(format!("the character {first:?} is not allowed here")),
        )),
    }
}

fn name(rest: &str, hyphens: bool) -> (Kind, usize) {
    let length = name_length(rest, hyphens);
    let name = rest.get(..length).unwrap_or("");
    match Word::of(name) {
        Some(word) => (Kind::Word(word), length),
        None => (Kind::Name(name.into()), length),
    }
}

/// What is between quotes, a doubled quote being one of the content; and the length with quotes.
fn delimited(rest: &str, quote: char) -> Option<(Box<str>, usize)> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some((content.into(), at + c.len_utf8()));
        }
        content.push(c);
    }
    None
}

fn leading(text: &str, is_inside: impl Fn(&u8) -> bool) -> usize {
    text.bytes().take_while(is_inside).count()
}

fn number(rest: &str) -> Scanned {
    let after = |length: usize| rest.get(length..).unwrap_or("");
    let hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut float = false;
    let mut length;
    if hex {
        length = 2 + leading(after(2), u8::is_ascii_hexdigit);
    } else {
        length = leading(rest, u8::is_ascii_digit);
        if after(length).starts_with('.') {
            float = true;
            length += 1 + leading(after(length + 1), u8::is_ascii_digit);
        }
        if after(length).starts_with(['e', 'E']) {
            let sign = usize::from(after(length + 1).starts_with(['+', '-']));
            let digits = leading(after(length + 1 + sign), u8::is_ascii_digit);
            if digits > 0 {
                float = true;
                length += 1 + sign + digits;
            }
        }
    }
    let digits = rest.get(..length).unwrap_or("");
    if !float && after(length).starts_with(['l', 'L']) {
        length += 1;
    }
    let tail = leading(after(length), |b| {
        b.is_ascii_alphanumeric() || b"._$".contains(b)
    });
    if tail > 0 || digits.len() == 2 && hex {
        let all = rest.get(..length + tail).unwrap_or(rest);
        return Err((0, Fault::new(format!("{} is no number", quote(all)))));
    }
    let kind = if float {
        approximate(digits)
    } else {
        exact(digits, hex)
    };
    Ok((kind.map_err(|fault| (0, fault))?, length))
}

fn approximate(digits: &str) -> Result<Kind, Fault> {
    match digits.parse() {
        Ok(value) if f64::is_finite(value) => Ok(Kind::Float(value)),
        _ => Err(Fault::new(format!(
            "{} is too large, the limit is {:e}",
            quote(digits),
            f64::MAX
        ))),
    }
}

fn exact(digits: &str, hex: bool) -> Result<Kind, Fault> {
    let octal = digits.len() > 1 && digits.starts_with('0');
    let value = if hex {
        u64::from_str_radix(digits.get(2..).unwrap_or(""), 16)
    } else if octal && digits.contains(['8', '9']) {
        let fault = Fault::new(format!("{} is no octal number", quote(digits)));
        return Err(fault.hint("leave out the 0 at the start"));
    } else {
        u64::from_str_radix(digits, if octal { 8 } else { 10 })
    };
    match value {
        Ok(value) if value <= i64::MIN.unsigned_abs() => Ok(Kind::Int(value)),
        _ => Err(too_large(digits)),
    }
}

/// A literal that is no `i64`.
pub(super) fn too_large(digits: &str) -> Fault {
    let message = format!("{} is too large, the limit is {}", quote(digits), i64::MAX);
    Fault::new(message).hint("a number with a decimal point may be larger")
}
