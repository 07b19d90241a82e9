//! Who may send where, and subscribe to what.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::{
    pattern::{InvalidPattern, Pattern},
    users::Principal,
};

/// What is asked of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `SUBSCRIBE`.
    Read,
    /// `SEND`.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Whom a rule is about: `*`, `group:NAME`, or a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever is connected.
    Everybody,
    /// The members of a group.
    Group(String),
    /// One user.
    Login(String),
}

impl FromStr for Who {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        match (text, text.strip_prefix("group:")) {
            ("" | "group:", _) => Err(AclError::Who { text: text.into() }),
            ("*", _) => Ok(Self::Everybody),
            (_, Some(group)) => Ok(Self::Group(group.into())),
            (login, None) => Ok(Self::Login(login.into())),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("*"),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Login(login) => f.write_str(login),
        }
    }
}

impl Who {
    fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Everybody => true,
            Self::Group(group) => principal.is_member(group),
            Self::Login(login) => principal.login() == Some(login),
        }
    }
}

/// What a rule allows or denies: `read PATTERN`, `write PATTERN` or `read,write PATTERN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    read: bool,
    write: bool,
    pattern: Pattern,
}

impl FromStr for Permission {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        let error = || AclError::Permission { text: text.into() };
        let (access, pattern) = text.trim().split_once(' ').ok_or_else(error)?;
        let (read, write) = match access {
            "read" => (true, false),
            "write" => (false, true),
            "read,write" | "write,read" => (true, true),
            _ => return Err(error()),
        };
        let pattern = pattern.trim().parse().map_err(|source| AclError::Pattern {
            text: text.into(),
            source,
        })?;
        Ok(Self {
            read,
            write,
            pattern,
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match (self.read, self.write) {
            (true, true) => "read,write",
            (true, false) => "read",
            (false, _) => "write",
        };
        write!(f, "{access} {}", self.pattern)
    }
}

impl Permission {
    fn is_for(&self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
        }
    }
}

/// A text that is no part of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AclError {
    /// Neither a login, nor a group, nor everybody.
    #[error("{text:?} is none of a login, group:NAME and *")]
    Who {
        /// What there is.
        text: String,
    },
    /// Not an access and a destination.
    #[error(
        "{text:?} is none of \"read DESTINATION\", \"write DESTINATION\" and \"read,write DESTINATION\""
    )]
    Permission {
        /// What there is.
        text: String,
    },
    /// The destination can't be one.
    #[error("{text:?}: {source}")]
    Pattern {
        /// What there is.
        text: String,
        /// What is wrong with it.
        source: InvalidPattern,
    },
}

/// What begins the names of what the server tells of itself.
pub(crate) const SYSTEM: &str = "/$SYS/";

/// What some may do and may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is about.
    pub who: Who,
    /// What they may do, unless this or another rule denies it.
    pub allow: Vec<Permission>,
    /// What they may not do, whatever allows it.
    pub deny: Vec<Permission>,
}

/// All rules. Without any, everything is allowed; with rules, what none of them allows is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    rules: Vec<Rule>,
    hides_system: bool,
}

/// What a client may not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("you may not {access} {destination:?}")]
pub struct Denied {
    /// What was asked.
    pub access: Access,
    /// Of which destination, of which at most 80 characters are kept.
    pub destination: String,
    /// The rule's who and what that denied it; none if no rule allows it. Not for clients.
    pub by: Option<(Who, Permission)>,
}

impl Acl {
    /// These rules. Their order means nothing.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            hides_system: false,
        }
    }

    /// Whether, without any rules, what the server tells of itself at `/$SYS/` is for nobody. It
    /// names clients and destinations, and not everybody who may log in is to know them.
    #[must_use]
    pub(crate) fn hiding_system(mut self, hides: bool) -> Self {
        self.hides_system = hides;
        self
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether somebody may do that with a destination, or with all destinations of a pattern: a
    /// pattern is allowed if one permission covers all of it and no denial touches any of it.
    ///
    /// The destination is to be one name, as the broker calls it: a list is split before, and
    /// another spelling of a name is replaced by it. What begins with `/$SYS/` is allowed only by
    /// permissions that begin so.
    ///
    /// # Errors
    ///
    /// They may not.
    pub fn may(
        &self,
        principal: &Principal,
        access: Access,
        destination: &str,
    ) -> Result<(), Denied> {
        let system = destination.starts_with(SYSTEM);
        if self.rules.is_empty() && !(system && self.hides_system) {
            return Ok(());
        }
        let denied = |by| Denied {
            access,
            destination: destination.chars().take(80).collect(),
            by,
        };
        let mut allowed = false;
        for rule in self.rules.iter().filter(|rule| rule.who.is(principal)) {
            let mut denials = rule.deny.iter().filter(|denial| denial.is_for(access));
            if let Some(denial) = denials.find(|denial| denial.pattern.overlaps(destination)) {
                return Err(denied(Some((rule.who.clone(), denial.clone()))));
            }
            allowed = allowed
                || rule.allow.iter().any(|permission| {
                    permission.is_for(access)
                        && permission.pattern.covers(destination)
                        // A rule about everything is not meant to be about this.
                        && (!system || permission.pattern.to_string().starts_with(SYSTEM))
                });
        }
        if allowed { Ok(()) } else { Err(denied(None)) }
    }
}

/// The rules as they are for one connection. It remembers the last destination that it may send
/// to, so that a producer's messages cost a comparison.
#[derive(Debug)]
pub(crate) struct Guard {
    acl: Arc<Acl>,
    principal: Principal,
    writable: Option<String>,
}

impl Guard {
    pub(crate) fn new(acl: Arc<Acl>, principal: Principal) -> Self {
        Self {
            acl,
            principal,
            writable: None,
        }
    }

    /// One that lets everything through.
    pub(crate) fn open() -> Self {
        Self::new(Arc::default(), Principal::anonymous())
    }

    /// Whether there are no rules.
    pub(crate) fn is_open(&self) -> bool {
        self.acl.rules.is_empty()
    }

    /// As [`Acl::may`].
    pub(crate) fn may(&mut self, access: Access, destination: &str) -> Result<(), Denied> {
        let open = self.acl.rules.is_empty() && !destination.starts_with(SYSTEM);
        if open || (access == Access::Write && self.writable.as_deref() == Some(destination)) {
            return Ok(());
        }
        self.acl.may(&self.principal, access, destination)?;
        if access == Access::Write {
            destination.clone_into(self.writable.get_or_insert_default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(who: &str, allow: &[&str], deny: &[&str]) -> Rule {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Rule {
            who: who.parse().unwrap(),
            allow: parse(allow),
            deny: parse(deny),
        }
    }

    fn trading() -> Acl {
        Acl::new(vec![
            rule("*", &["read /topic/news"], &["write /queue/DLQ.**"]),
            rule(
                "group:traders",
                &["read /topic/price.**", "read,write /queue/orders.*"],
                &["read /topic/price.secret.**"],
            ),
            rule("root", &["read,write **"], &[]),
        ])
    }

    #[test]
    fn deny_wins_and_what_is_not_allowed_is_denied() {
        let acl = trading();
        let trader = Principal::new("ann", ["traders"]);
        let root = Principal::new("root", ["admins"]);
        let nobody = Principal::anonymous();
        for (who, access, destination, expected) in [
            (&trader, Access::Read, "/topic/news", true),
            (&nobody, Access::Read, "/topic/news", true),
            (&nobody, Access::Write, "/topic/news", false),
            (&nobody, Access::Read, "/topic/price.dax", false),
            (&trader, Access::Read, "/topic/price.dax", true),
            (&trader, Access::Write, "/topic/price.dax", false),
            (&trader, Access::Read, "/topic/price.secret.x", false),
            (&trader, Access::Read, "/topic/price.secret", false),
            (&trader, Access::Read, "/topic/price.*", false),
            (&trader, Access::Read, "/topic/price.eu.*", true),
            (&trader, Access::Read, "/topic/**", false),
            (&trader, Access::Write, "/queue/orders.eu", true),
            (&trader, Access::Read, "/queue/orders.*", true),
            (&trader, Access::Read, "/queue/orders.>", false),
            (&root, Access::Write, "/queue/anything", true),
            (&root, Access::Write, "/queue/DLQ.orders", false),
            (&root, Access::Read, "/queue/DLQ.orders", true),
        ] {
            assert_eq!(
                acl.may(who, access, destination).is_ok(),
                expected,
                "{who:?} {access} {destination}"
            );
        }
        assert!(
            Acl::default()
                .may(&nobody, Access::Write, "/queue/x")
                .is_ok()
        );
    }

    #[test]
    fn a_denial_names_what_denied_it() {
        let denied = trading().may(
            &Principal::new("root", [""; 0]),
            Access::Write,
            "/queue/DLQ.orders",
        );
        let by = denied.unwrap_err().by.unwrap();
        assert_eq!(format!("{}: {}", by.0, by.1), "*: write /queue/DLQ.**");
    }

    #[test]
    fn a_guard_remembers_what_may_be_written_only() {
        let acl = Arc::new(Acl::new(vec![rule("*", &["write /queue/a"], &[])]));
        let mut guard = Guard::new(acl, Principal::anonymous());
        assert!(guard.may(Access::Write, "").is_err());
        for _ in 0..2 {
            assert!(guard.may(Access::Write, "/queue/a").is_ok());
            assert!(guard.may(Access::Read, "/queue/a").is_err());
            assert!(guard.may(Access::Write, "/queue/b").is_err());
        }
    }

    #[test]
    fn texts_that_are_no_rules_are_named() {
        for text in ["", "read", "/queue/a", "delete /queue/a", "read,,write /a"] {
            let error = text.parse::<Permission>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert!("read  ".parse::<Permission>().is_err());
        assert!("group:".parse::<Who>().is_err());
        let round: Permission = "write,read /queue/a.*".parse().unwrap();
        assert_eq!(round.to_string(), "read,write /queue/a.*");
    }
}
