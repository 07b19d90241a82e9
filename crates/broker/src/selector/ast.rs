//! The tree, as written: nothing is folded or resolved, so that it prints as it was meant.

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl CompareOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it asks which one is greater.
    pub(super) fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// An operator between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl ArithmeticOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Str(Box<str>),
    /// Not negative, but for items of a list and for the least number, which has no positive twin.
    Int(i64),
    Float(f64),
    Bool(bool),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Literal(Literal),
    Name(Box<str>),
    Signed(Sign, Box<Self>),
    Arithmetic(ArithmeticOp, Box<Self>, Box<Self>),
    Compare(CompareOp, Box<Self>, Box<Self>),
    Between {
        negated: bool,
        value: Box<Self>,
        low: Box<Self>,
        high: Box<Self>,
    },
    In {
        negated: bool,
        name: Box<str>,
        items: Vec<Literal>,
    },
    Like {
        negated: bool,
        name: Box<str>,
        pattern: Box<str>,
        escape: Option<char>,
    },
    IsNull {
        negated: bool,
        name: Box<str>,
    },
    Not(Box<Self>),
    /// Two or more.
    And(Vec<Self>),
    /// Two or more.
    Or(Vec<Self>),
}
