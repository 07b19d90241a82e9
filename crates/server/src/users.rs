//! Who may log in.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use blake2::{
    Blake2bMac,
    digest::{FixedOutput as _, KeyInit as _, Update as _, consts::U32},
};
use password_hash::{
    Output, ParamsString, PasswordHash, PasswordHashString, Salt, SaltString,
    rand_core::{OsRng, RngCore as _},
};
use thiserror::Error;
use tokio::{sync::Semaphore, task};

/// How long a passcode that was right is known to be, without another hash.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Costs beyond which a hash in a configuration is a mistake: memory in KiB, passes, lanes.
const MAX_COST: [u32; 3] = [256 * 1024, 16, 16];

/// Blocks of a KiB that an allocation needs at least so that it is a mapping of its own.
const OWN_MAPPING: usize = 33 * 1024;

/// A login, the hash of its passcode, and its groups.
#[derive(Clone)]
pub struct User {
    login: String,
    hash: PasswordHashString,
    groups: Vec<String>,
    role: Option<Role>,
}

/// What a user may do on the admin listener. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Send, move, replay and drop messages, and end connections.
    Operator,
    /// Remove destinations and durable subscriptions.
    Admin,
}

impl Role {
    /// `viewer`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, UserError> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(UserError::Role { role: text.into() }),
        }
    }
}

/// Leaves the hash out.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("login", &self.login)
            .field("groups", &self.groups)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A user that there can't be. Hashes and passcodes are in none of the texts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UserError {
    /// A rule could not tell the login from something else.
    #[error(
        "{login:?} can't be a login: it is empty, \"*\", begins with \"group:\" or has control characters"
    )]
    Login {
        /// What there is.
        login: String,
    },
    /// The group has no name.
    #[error("{group:?} can't be a group: it is empty or has control characters")]
    Group {
        /// What there is.
        group: String,
    },
    /// There is no such role.
    #[error("{role:?} is no role: there are viewer, operator and admin")]
    Role {
        /// What there is.
        role: String,
    },
    /// Not an argon2id hash in PHC format.
    #[error(
        "the hash is no argon2id hash as $argon2id$v=19$m=…,t=…,p=…$salt$hash; `stompbox passwd` makes one"
    )]
    Hash,
    /// Checking a passcode would take too much.
    #[error("the hash's cost {name}={value} is beyond the limit of {limit}")]
    Cost {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: u32,
        /// The largest that is taken.
        limit: u32,
    },
    /// There are two users of that login.
    #[error("there are two users {login:?}")]
    Twice {
        /// The login.
        login: String,
    },
}

impl User {
    /// A user whose passcode has that argon2id hash, in PHC format.
    ///
    /// # Errors
    ///
    /// The login or the hash can't be one.
    pub fn new(login: &str, hash: &str) -> Result<Self, UserError> {
        let control = login.contains(char::is_control);
        if login.is_empty() || login == "*" || login.starts_with("group:") || control {
            return Err(UserError::Login {
                login: login.into(),
            });
        }
        let hash = PasswordHash::new(hash).map_err(|_| UserError::Hash)?;
        let version = hash.version.map(Version::try_from);
        let params = Params::try_from(&hash).map_err(|_| UserError::Hash)?;
        if hash.algorithm != Algorithm::Argon2id.ident()
            || !matches!(version, Some(Ok(Version::V0x13)))
            || hash.salt.is_none()
            || hash.hash.is_none()
        {
            return Err(UserError::Hash);
        }
        let costs = [params.m_cost(), params.t_cost(), params.p_cost()];
        for ((name, value), limit) in ["m", "t", "p"].into_iter().zip(costs).zip(MAX_COST) {
            if value > limit {
                return Err(UserError::Cost { name, value, limit });
            }
        }
        Ok(Self {
            login: login.into(),
            hash: hash.serialize(),
            groups: Vec::new(),
            role: None,
        })
    }

    /// A user with that passcode, which is hashed: it takes tens of milliseconds.
    ///
    /// # Errors
    ///
    /// The login can't be one.
    pub fn with_passcode(login: &str, passcode: &str) -> Result<Self, UserError> {
        Self::new(login, &hash(passcode)?)
    }

    /// Puts the user into groups.
    ///
    /// # Errors
    ///
    /// A group can't be one.
    pub fn with_groups<T: Into<String>>(
        mut self,
        groups: impl IntoIterator<Item = T>,
    ) -> Result<Self, UserError> {
        self.groups = groups.into_iter().map(Into::into).collect();
        let mut groups = self.groups.iter();
        match groups.find(|group| group.is_empty() || group.contains(char::is_control)) {
            Some(group) => Err(UserError::Group {
                group: group.clone(),
            }),
            None => Ok(self),
        }
    }

    /// Lets the user look after the server, as far as the role goes.
    #[must_use]
    pub fn with_role(mut self, role: Option<Role>) -> Self {
        self.role = role;
        self
    }

    /// What the user may do on the admin listener; `None`: nothing.
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The `login` header.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The groups that the user is in.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The hash, in PHC format. It is a secret.
    pub fn hash(&self) -> &str {
        self.hash.as_str()
    }
}

fn hash(passcode: &str) -> Result<String, UserError> {
    let salt = SaltString::generate(&mut OsRng);
    let params = Params::default();
    let output = compute(
        &params,
        salt.as_salt(),
        passcode,
        Params::DEFAULT_OUTPUT_LEN,
    );
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| UserError::Hash)?,
        salt: Some(salt.as_salt()),
        hash: Some(output.ok_or(UserError::Hash)?),
    };
    Ok(hash.to_string())
}

/// Whether the passcode has that hash. Takes the same time if not.
fn matches(hash: &PasswordHash<'_>, passcode: &str) -> bool {
    let (Ok(params), Some(salt), Some(expected)) = (Params::try_from(hash), hash.salt, hash.hash)
    else {
        return false;
    };
    // Outputs are compared in constant time.
    compute(&params, salt, passcode, expected.len()) == Some(expected)
}

fn compute(params: &Params, salt: Salt<'_>, passcode: &str, length: usize) -> Option<Output> {
    let mut buffer = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut buffer).ok()?;
    let mut output = vec![0; length];
    let blocks = params.block_count();
    // An allocator keeps what was freed for the next time, and glibc's does not even find it then:
    // after some logins the process would hold hundreds of MiB. Beyond 32 MiB each allocation is a
    // mapping of its own that is given back at once; pages that are not touched cost nothing.
    let mut memory = Vec::with_capacity(blocks.max(OWN_MAPPING));
    memory.resize(blocks, Block::default());
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(passcode.as_bytes(), salt, &mut output, &mut memory)
        .ok()?;
    Output::new(&output).ok()
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Option<Arc<Identity>>);

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    login: String,
    groups: Vec<String>,
    role: Option<Role>,
}

impl Principal {
    /// Somebody who need not log in.
    pub fn anonymous() -> Self {
        Self(None)
    }

    /// The user of that login, in those groups.
    pub fn new<T: Into<String>>(
        login: impl Into<String>,
        groups: impl IntoIterator<Item = T>,
    ) -> Self {
        Self(Some(Arc::new(Identity {
            login: login.into(),
            groups: groups.into_iter().map(Into::into).collect(),
            role: None,
        })))
    }

    /// The principal of a configured user.
    fn of(user: &User) -> Self {
        Self(Some(Arc::new(Identity {
            login: user.login.clone(),
            groups: user.groups.clone(),
            role: user.role,
        })))
    }

    /// What it may do on the admin listener.
    pub(crate) fn role(&self) -> Option<Role> {
        self.0.as_deref().and_then(|identity| identity.role)
    }

    /// The login, if it was proved.
    pub fn login(&self) -> Option<&str> {
        self.0.as_deref().map(|identity| &*identity.login)
    }

    pub(crate) fn is_member(&self, group: &str) -> bool {
        let identity = self.0.as_deref();
        identity.is_some_and(|identity| identity.groups.iter().any(|own| own == group))
    }
}

/// All who may log in.
pub(crate) struct Users {
    users: Vec<Account>,
    by_login: HashMap<String, usize>,
    /// Makes digests of a login and passcode that mean nothing outside of this process.
    key: [u8; 32],
    /// Pairs that were right, and until when that is taken for granted. There is one right passcode
    /// a login, so there are no more than users.
    known: Mutex<HashMap<[u8; 32], (Principal, Instant)>>,
    /// Bounds the processors and memory that go into hashes.
    hashing: Arc<Semaphore>,
}

struct Account {
    principal: Principal,
    hash: Arc<PasswordHashString>,
}

/// Leaves everything secret out.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}

impl Users {
    pub(crate) fn new(users: &[User]) -> Result<Self, UserError> {
        let mut by_login = HashMap::with_capacity(users.len());
        for (index, user) in users.iter().enumerate() {
            if by_login.insert(user.login.clone(), index).is_some() {
                let login = user.login.clone();
                return Err(UserError::Twice { login });
            }
        }
        let account = |user: &User| Account {
            principal: Principal::of(user),
            hash: Arc::new(user.hash.clone()),
        };
        let mut key = [0; 32];
        OsRng.fill_bytes(&mut key);
        // Some processors are left to those who are connected already.
        let processors = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            users: users.iter().map(account).collect(),
            by_login,
            key,
            known: Mutex::default(),
            hashing: Arc::new(Semaphore::new((processors / 2).max(1))),
        })
    }

    /// Whether everybody may log in.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Who has that login and passcode. Without any users it is anybody, whose login proves
    /// nothing.
    ///
    /// An unknown login takes the time of a known one. Waits where many log in at a time; dropping
    /// the future gives the place in the line up.
    pub(crate) async fn verify(
        &self,
        login: Option<&str>,
        passcode: Option<&str>,
    ) -> Option<Principal> {
        if self.users.is_empty() {
            return Some(Principal::anonymous());
        }
        let (login, passcode) = (login.unwrap_or_default(), passcode.unwrap_or_default());
        let pair = self.digest(login, passcode)?;
        if let Some(principal) = self.remembered(&pair) {
            return Some(principal);
        }
        let permit = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        // Another connection of the same user may have been first.
        if let Some(principal) = self.remembered(&pair) {
            return Some(principal);
        }
        let known = self.by_login.get(login).copied();
        // For an unknown login, always the same user's hash: as if it were a user with such a hash.
        let stand_in = self.digest(login, "")?.iter().fold(0, |number, octet| {
            (number * 256 + usize::from(*octet)) % self.users.len()
        });
        let account = self.users.get(known.unwrap_or(stand_in))?;
        let (hash, passcode) = (Arc::clone(&account.hash), passcode.to_owned());
        let right = task::spawn_blocking(move || {
            // Held here: a client that goes does not stop the hash.
            let _permit = permit;
            matches(&hash.password_hash(), &passcode)
        });
        if !right.await.unwrap_or(false) || known.is_none() {
            return None;
        }
        let until = Instant::now() + REMEMBERED;
        let principal = account.principal.clone();
        self.lock().insert(pair, (principal.clone(), until));
        Some(principal)
    }

    fn remembered(&self, pair: &[u8; 32]) -> Option<Principal> {
        let now = Instant::now();
        let mut known = self.lock();
        match known.get(pair) {
            Some((principal, until)) if *until > now => Some(principal.clone()),
            Some(_) => {
                known.remove(pair);
                None
            }
            None => None,
        }
    }

    fn digest(&self, login: &str, passcode: &str) -> Option<[u8; 32]> {
        let mut mac = Blake2bMac::<U32>::new_from_slice(&self.key).ok()?;
        // The length keeps "a" "bc" apart from "ab" "c".
        mac.update(&login.len().to_le_bytes());
        mac.update(login.as_bytes());
        mac.update(passcode.as_bytes());
        Some(mac.finalize_fixed().into())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Principal, Instant)>> {
        // Nothing that holds it leaves anything half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use password_hash::PasswordHasher as _;

    use super::*;

    /// A hash that costs nothing.
    fn cheap(passcode: &str) -> String {
        let salt = SaltString::generate(&mut OsRng);
        let params = Params::new(8, 1, 1, None).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(passcode.as_bytes(), &salt)
            .unwrap()
            .to_string()
    }

    #[tokio::test]
    async fn only_the_exact_pair_is_admitted() {
        let ann = User::new("ann", &cheap("secret")).unwrap();
        let ann = ann.with_groups(["traders"]).unwrap();
        let bob = User::new("bob", &cheap("other")).unwrap();
        let users = Users::new(&[ann, bob]).unwrap();
        // Twice, so that what is remembered is tried too.
        for _ in 0..2 {
            let ann = users.verify(Some("ann"), Some("secret")).await;
            assert_eq!(ann, Some(Principal::new("ann", ["traders"])));
            for (login, passcode) in [
                (Some("ann"), Some("secre")),
                (Some("ann"), Some("secretsecret")),
                (Some("ann"), Some("")),
                (Some("ann"), None),
                (Some("ann"), Some("other")),
                (Some("bob"), Some("secret")),
                (Some("eve"), Some("secret")),
                (Some("eve"), Some("other")),
                (Some("anns"), Some("ecret")),
                (Some(""), Some("")),
                (None, Some("secret")),
                (None, None),
            ] {
                assert_eq!(
                    users.verify(login, passcode).await,
                    None,
                    "{login:?} {passcode:?}"
                );
            }
        }
        assert_eq!(users.lock().len(), 1);
        let nobody = Users::new(&[]).unwrap();
        let anybody = nobody.verify(Some("ann"), None).await.unwrap();
        assert_eq!(anybody.login(), None);
    }

    #[test]
    fn hashes_and_logins_are_checked_and_secrets_not_repeated() {
        let good = cheap("x");
        for hash in [
            "secret",
            "",
            &good.replace("argon2id", "argon2i"),
            &good.replace("v=19", "v=16"),
            &good[..good.rfind('$').unwrap()],
            "$2b$12$abcdefghijklmnopqrstuu",
        ] {
            let error = User::new("ann", hash).unwrap_err();
            assert_eq!(error, UserError::Hash, "{hash}");
        }
        assert!(matches!(
            User::new("ann", &good.replace("m=8", "m=1000000")),
            Err(UserError::Cost { name: "m", .. })
        ));
        for login in ["", "*", "group:x", "a\nb"] {
            assert!(User::new(login, &good).is_err(), "{login:?}");
        }
        let user = User::new("ann", &good).unwrap();
        assert!(!format!("{user:?}").contains("argon2"), "{user:?}");
        let twice = Users::new(&[user.clone(), user]).unwrap_err();
        assert!(twice.to_string().contains("ann"), "{twice}");
    }

    #[test]
    fn hashes_of_other_programs_are_understood() {
        // A vector of the reference implementation.
        let reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
                         nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::new(reference).unwrap();
        assert!(matches(&hash, "password"));
        assert!(!matches(&hash, "passwore"));
    }

    #[test]
    fn a_passcode_becomes_a_hash_of_its_own() {
        let [one, two] = [(); 2].map(|()| User::with_passcode("ann", "secret").unwrap());
        assert_ne!(one.hash(), two.hash());
        assert!(one.hash().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }
}
