//! Selectors: the conditions that a subscription puts on its messages, in the language of JMS.
//!
//! A selector is compiled once and shared; it holds names that are already resolved and constants
//! that are already computed. Evaluation allocates nothing and its recursion is bounded by the depth
//! that the parser allows. What the language means is told in `docs/selectors.md`.

mod ast;
mod cache;
mod check;
mod compare;
mod compile;
mod error;
mod eval;
mod index;
mod lexer;
mod like;
mod list;
mod name;
mod number;
mod parser;
mod print;
mod program;
mod value;

use std::{fmt, sync::Arc};

use ast::Expr;
use program::Condition;

pub use cache::SelectorCache;
pub use error::SelectorError;
pub use index::EqualityIndex;
pub use name::{PropertyName, TypedName};
pub use value::{Properties, Truth, Value};

/// The most bytes of a selector's text.
pub const MAX_BYTES: usize = 4096;
/// How deep a selector may be nested, in parentheses and in operators on operators. `AND` and `OR`
/// of many count as one level.
pub const MAX_DEPTH: usize = 64;
/// The most literals, names and operators of a selector. Items of lists don't count.
pub const MAX_NODES: usize = 256;
/// The most items of one `IN` list.
pub const MAX_LIST_ITEMS: usize = 256;
/// The most bytes of a `LIKE` pattern.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// A compiled selector, never changed.
///
/// It displays as a canonical text, which compiles to an equal selector unless it got longer than
/// [`MAX_BYTES`]. The alternate form `{:#}` has all parentheses, for people who want to see what
/// binds to what. Two selectors are equal if they read the same, whatever their spacing and case.
pub struct Selector {
    text: Box<str>,
    expr: Expr,
    condition: Condition,
    equality: Option<(PropertyName, Box<str>)>,
    converts: bool,
}

impl Selector {
    /// Reads the value of a `selector` header.
    ///
    /// `None` for a text that is empty or blank, which selects everything.
    ///
    /// # Errors
    ///
    /// The text is no selector, or exceeds a limit of this module. The error tells the column.
    pub fn compile(text: &str) -> Result<Option<Arc<Self>>, SelectorError> {
        let modes = lexer::Modes::strip(text);
        if modes.rest(text).is_empty() {
            return Ok(None);
        }
        let expr = parser::parse(text, modes)?;
        let condition = compile::condition(&expr, modes.converts);
        Ok(Some(Arc::new(Self {
            equality: condition.equality(),
            condition,
            expr,
            text: text.into(),
            converts: modes.converts,
        })))
    }

    /// Whether the message satisfies the selector; what is unknown doesn't.
    #[inline]
    pub fn matches<P: Properties + ?Sized>(&self, message: &P) -> bool {
        self.evaluate(message) == Truth::True
    }

    /// What the selector says of a message.
    #[inline]
    pub fn evaluate<P: Properties + ?Sized>(&self, message: &P) -> Truth {
        eval::condition(&self.condition, message, self.converts)
    }

    /// A name and a text that are equal, code point by code point, in every message that matches.
    ///
    /// It is the first conjunct `name = 'text'`, either way round, whose name stands for a header
    /// or for a property that is always a string. [`EqualityIndex`] uses it.
    pub fn equality(&self) -> Option<(&PropertyName, &str)> {
        let (name, text) = self.equality.as_ref()?;
        Some((name, text))
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.converts == other.converts && self.expr == other.expr
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.converts {
            f.write_str(lexer::NO_CONVERSION)?;
            f.write_str(" ")?;
        }
        print::expr(&self.expr, f)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.text).finish()
    }
}
