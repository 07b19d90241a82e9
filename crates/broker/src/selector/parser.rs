//! Tokens to a tree, by recursive descent.
//!
//! The tree is as low as [`MAX_DEPTH`], so that whatever walks it later may recurse.

use super::{
    MAX_BYTES, MAX_DEPTH, MAX_LIST_ITEMS, MAX_NODES,
    ast::{ArithmeticOp, CompareOp, Expr, Literal, Sign},
    check,
    error::{Fault, SelectorError, quote},
    lexer::{Kind, Lexer, Modes, Token, Word, too_large},
};

pub(super) fn parse(text: &str, modes: Modes) -> Result<Expr, SelectorError> {
    let mut lexer = Lexer::new(text, modes);
    if text.len() > MAX_BYTES {
        let fault = format!(
            "the selector has {} bytes, the limit is {MAX_BYTES}",
            text.len()
        );
        return Err(lexer.error(modes.start, Fault::new(fault)));
    }
    let token = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        before: "",
        nodes: 0,
        nesting: 0,
    };
    let part = parser.or()?;
    parser.end()?;
    parser.check(part.at, check::condition(&part.expr))?;
    Ok(part.expr)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next one.
    token: Token<'a>,
    /// The text of the one before it.
    before: &'a str,
    nodes: usize,
    /// Of the parser's own recursion.
    nesting: usize,
}

/// A part of the tree, where it begins, and how many levels it has.
struct Part {
    expr: Expr,
    at: usize,
    height: usize,
}

type Parsed<T = Part> = Result<T, SelectorError>;

impl<'a> Parser<'a> {
    fn or(&mut self) -> Parsed {
        self.chain(Word::Or, Expr::Or, Self::and)
    }

    fn and(&mut self) -> Parsed {
        self.chain(Word::And, Expr::And, Self::not)
    }

    /// Conditions with the same word between them.
    fn chain(
        &mut self,
        word: Word,
        build: fn(Vec<Expr>) -> Expr,
        mut next: impl FnMut(&mut Self) -> Parsed,
    ) -> Parsed {
        let first = next(self)?;
        if self.token.kind != Kind::Word(word) {
            return Ok(first);
        }
        let (at, mut height) = (first.at, first.height);
        self.check(at, check::condition(&first.expr))?;
        let mut conditions = vec![first.expr];
        while self.take_word(word)? {
            let part = next(self)?;
            self.check(part.at, check::condition(&part.expr))?;
            height = height.max(part.height);
            conditions.push(part.expr);
            if conditions.len() > 2 {
                self.count(at)?;
            }
        }
        self.node(build(conditions), at, height)
    }

    fn not(&mut self) -> Parsed {
        let mut signs = Vec::new();
        while self.token.kind == Kind::Word(Word::Not) {
            signs.push(self.token.at);
            self.advance()?;
        }
        let mut part = self.predicate()?;
        for at in signs.into_iter().rev() {
            self.check(part.at, check::condition(&part.expr))?;
            part = self.node(Expr::Not(Box::new(part.expr)), at, part.height)?;
        }
        Ok(part)
    }

    fn predicate(&mut self) -> Parsed {
        let left = self.sum()?;
        let part = match self.token.kind {
            Kind::Compare(op) => self.comparison(left, op)?,
            Kind::Word(Word::Is) => self.is_null(left)?,
            Kind::Word(Word::Not) => {
                self.advance()?;
                match self.negatable(left, true)? {
                    Ok(part) => part,
                    Err(_) => return Err(self.expected("BETWEEN, IN or LIKE")),
                }
            }
            _ => match self.negatable(left, false)? {
                Ok(part) => part,
                Err(left) => return Ok(left),
            },
        };
        match self.token.kind {
            Kind::Compare(_) | Kind::Word(Word::Is | Word::Between | Word::In | Word::Like) => {
                let message = format!("{} after a comparison", quote(self.token.text));
                let fault = Fault::new(message).hint("join comparisons with AND");
                Err(self.lexer.error(self.token.at, fault))
            }
            _ => Ok(part),
        }
    }

    /// `BETWEEN`, `IN`, `LIKE`; gives back the left side if none of them follows.
    fn negatable(&mut self, left: Part, negated: bool) -> Parsed<Result<Part, Part>> {
        let part = match self.token.kind {
            Kind::Word(Word::Between) => self.between(left, negated),
            Kind::Word(Word::In) => self.list(left, negated),
            Kind::Word(Word::Like) => self.like(left, negated),
            _ => return Ok(Err(left)),
        };
        part.map(Ok)
    }

    fn comparison(&mut self, left: Part, op: CompareOp) -> Parsed {
        self.advance()?;
        let right = self.sum()?;
        if op.is_ordering() {
            self.numbers([&left, &right], op.symbol())?;
        }
        let height = left.height.max(right.height);
        let expr = Expr::Compare(op, Box::new(left.expr), Box::new(right.expr));
        self.node(expr, left.at, height)
    }

    fn between(&mut self, value: Part, negated: bool) -> Parsed {
        self.advance()?;
        let low = self.sum()?;
        if !self.take_word(Word::And)? {
            return Err(self.expected("AND"));
        }
        let high = self.sum()?;
        self.numbers([&value, &low, &high], "BETWEEN")?;
        let height = value.height.max(low.height).max(high.height);
        let expr = Expr::Between {
            negated,
            value: Box::new(value.expr),
            low: Box::new(low.expr),
            high: Box::new(high.expr),
        };
        self.node(expr, value.at, height)
    }

    fn list(&mut self, left: Part, negated: bool) -> Parsed {
        let (at, height) = (left.at, left.height);
        let name = self.check(at, check::name(left.expr, "IN"))?;
        self.advance()?;
        if !self.take(&Kind::Open)? {
            return Err(self.expected("\"(\""));
        }
        let mut items = Vec::new();
        loop {
            if items.len() == MAX_LIST_ITEMS {
                let fault = format!("the list has more items than the limit of {MAX_LIST_ITEMS}");
                return Err(self.lexer.error(self.token.at, Fault::new(fault)));
            }
            items.push(self.item()?);
            if self.take(&Kind::Close)? {
                break;
            }
            if !self.take(&Kind::Comma)? {
                return Err(self.expected("\",\" or \")\""));
            }
        }
        let expr = Expr::In {
            negated,
            name,
            items,
        };
        self.node(expr, at, height)
    }

    fn item(&mut self) -> Parsed<Literal> {
        let sign = self.take_sign()?;
        let literal = match &mut self.token.kind {
            Kind::Str(text) if sign.is_none() => Literal::Str(std::mem::take(text)),
            Kind::Int(value) => {
                let value = *value;
                self.integer(value, sign)?
            }
            Kind::Float(value) if sign == Some(Sign::Minus) => Literal::Float(-*value),
            Kind::Float(value) => Literal::Float(*value),
            _ if sign.is_some() => return Err(self.expected("a number")),
            _ => return Err(self.expected("a string or a number")),
        };
        self.advance()?;
        Ok(literal)
    }

    fn like(&mut self, left: Part, negated: bool) -> Parsed {
        let (at, height) = (left.at, left.height);
        let name = self.check(at, check::name(left.expr, "LIKE"))?;
        self.advance()?;
        let (pattern, pattern_at) = self.string()?;
        let mut escape = None;
        if self.take_word(Word::Escape)? {
            let (text, text_at) = self.string()?;
            escape = Some(self.check(text_at, check::escape(&text))?);
        }
        self.check(pattern_at, check::pattern(&pattern, escape))?;
        let expr = Expr::Like {
            negated,
            name,
            pattern,
            escape,
        };
        self.node(expr, at, height)
    }

    fn string(&mut self) -> Parsed<(Box<str>, usize)> {
        let at = self.token.at;
        let Kind::Str(text) = &mut self.token.kind else {
            return Err(self.expected("a string in single quotes"));
        };
        let text = std::mem::take(text);
        self.advance()?;
        Ok((text, at))
    }

    fn is_null(&mut self, left: Part) -> Parsed {
        let (at, height) = (left.at, left.height);
        let name = self.check(at, check::name(left.expr, "IS NULL"))?;
        self.advance()?;
        let negated = self.take_word(Word::Not)?;
        if !self.take_word(Word::Null)? {
            return Err(self.expected(if negated { "NULL" } else { "NULL or NOT NULL" }));
        }
        self.node(Expr::IsNull { negated, name }, at, height)
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let op = match self.token.kind {
                Kind::Plus => ArithmeticOp::Add,
                Kind::Minus => ArithmeticOp::Subtract,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.product()?;
            left = self.arithmetic(op, left, right)?;
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.factor()?;
        loop {
            let op = match self.token.kind {
                Kind::Star => ArithmeticOp::Multiply,
                Kind::Slash => ArithmeticOp::Divide,
                Kind::Percent => ArithmeticOp::Remainder,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.factor()?;
            left = self.arithmetic(op, left, right)?;
        }
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: Part, right: Part) -> Parsed {
        self.numbers([&left, &right], op.symbol())?;
        let height = left.height.max(right.height);
        let expr = Expr::Arithmetic(op, Box::new(left.expr), Box::new(right.expr));
        self.node(expr, left.at, height)
    }

    fn factor(&mut self) -> Parsed {
        let at = self.token.at;
        let Some(sign) = self.take_sign()? else {
            return self.primary();
        };
        if let (Sign::Minus, Kind::Int(value)) = (sign, &self.token.kind)
            && i64::try_from(*value).is_err()
        {
            let literal = self.integer(*value, Some(sign))?;
            self.advance()?;
            return self.node(Expr::Literal(literal), at, 0);
        }
        self.enter(at)?;
        let part = self.factor()?;
        self.nesting -= 1;
        self.numbers([&part], sign.symbol())?;
        self.node(Expr::Signed(sign, Box::new(part.expr)), at, part.height)
    }

    fn primary(&mut self) -> Parsed {
        let at = self.token.at;
        let expr = match &mut self.token.kind {
            Kind::Open => return self.group(),
            Kind::Str(text) => Expr::Literal(Literal::Str(std::mem::take(text))),
            Kind::Name(name) => Expr::Name(std::mem::take(name)),
            Kind::Int(value) => {
                let value = *value;
                Expr::Literal(self.integer(value, None)?)
            }
            Kind::Float(value) => Expr::Literal(Literal::Float(*value)),
            Kind::Word(Word::True) => Expr::Literal(Literal::Bool(true)),
            Kind::Word(Word::False) => Expr::Literal(Literal::Bool(false)),
            Kind::Word(Word::Null) => {
                let fault = Fault::new("NULL is no value").hint("write IS NULL or IS NOT NULL");
                return Err(self.lexer.error(at, fault));
            }
            Kind::Word(Word::Reserved) => {
                let message = format!("{} is not supported", self.token.text);
                let fault = Fault::new(message).hint("selectors see headers, not the body");
                return Err(self.lexer.error(at, fault));
            }
            _ => return Err(self.expected("a value")),
        };
        self.advance()?;
        self.node(expr, at, 0)
    }

    fn group(&mut self) -> Parsed {
        let at = self.token.at;
        self.enter(at)?;
        self.advance()?;
        let part = self.or()?;
        self.nesting -= 1;
        if !self.take(&Kind::Close)? {
            return Err(self.expected("an operator or \")\""));
        }
        Ok(Part { at, ..part })
    }

    fn end(&self) -> Parsed<()> {
        match self.token.kind {
            Kind::End => Ok(()),
            Kind::Close => {
                let fault = Fault::new("\")\" without \"(\"");
                Err(self.lexer.error(self.token.at, fault))
            }
            _ => Err(self.expected("an operator or the end")),
        }
    }

    /// A new level above `height` others.
    fn node(&mut self, expr: Expr, at: usize, height: usize) -> Parsed {
        self.count(at)?;
        if height >= MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        let height = height + 1;
        Ok(Part { expr, at, height })
    }

    fn count(&mut self, at: usize) -> Parsed<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let fault = format!(
                "the selector has more names, literals and operators than the limit of {MAX_NODES}"
            );
            return Err(self.lexer.error(at, Fault::new(fault)));
        }
        Ok(())
    }

    fn enter(&mut self, at: usize) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        Ok(())
    }

    fn too_deep(&self, at: usize) -> SelectorError {
        let fault = format!("the selector is nested deeper than the limit of {MAX_DEPTH}");
        self.lexer.error(at, Fault::new(fault))
    }

    fn numbers<const N: usize>(&self, parts: [&Part; N], operator: &str) -> Parsed<()> {
        let mut parts = parts.into_iter();
        parts.try_for_each(|part| self.check(part.at, check::number(&part.expr, operator)))
    }

    fn check<T>(&self, at: usize, checked: Result<T, Fault>) -> Parsed<T> {
        checked.map_err(|fault| self.lexer.error(at, fault))
    }

    /// The literal at hand, with the sign that stands before it.
    fn integer(&self, value: u64, sign: Option<Sign>) -> Parsed<Literal> {
        let signed = match sign {
            Some(Sign::Minus) => 0i64.checked_sub_unsigned(value),
            _ => i64::try_from(value).ok(),
        };
        let literal = signed.map(Literal::Int);
        literal.ok_or_else(|| self.lexer.error(self.token.at, too_large(self.token.text)))
    }

    fn take_sign(&mut self) -> Parsed<Option<Sign>> {
        let sign = match self.token.kind {
            Kind::Plus => Sign::Plus,
            Kind::Minus => Sign::Minus,
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(sign))
    }

    fn take_word(&mut self, word: Word) -> Parsed<bool> {
        self.take(&Kind::Word(word))
    }

    fn take(&mut self, kind: &Kind) -> Parsed<bool> {
        let taken = self.token.kind == *kind;
        if taken {
            self.advance()?;
        }
        Ok(taken)
    }

    fn advance(&mut self) -> Parsed<()> {
        self.before = self.token.text;
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, what: &str) -> SelectorError {
        let mut message = format!("expected {what}");
        if !self.before.is_empty() {
            message += " after ";
            message += &quote(self.before);
        }
        if self.token.kind != Kind::End {
            message += ", found ";
            message += &quote(self.token.text);
        }
        self.lexer.error(self.token.at, Fault::new(message))
    }
}
