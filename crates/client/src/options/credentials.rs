use std::{fmt, sync::Arc};

use crate::{error::BoxError, runtime::BoxFuture};

/// Who connects.
#[derive(Clone)]
pub struct Credentials {
    /// The `login` header.
    pub login: String,
    /// The `passcode` header.
    pub passcode: String,
}

impl Credentials {
    /// A login and its passcode.
    pub fn new(login: impl Into<String>, passcode: impl Into<String>) -> Self {
        Self {
            login: login.into(),
            passcode: passcode.into(),
        }
    }
}

/// Leaves out the passcode.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

type Ask = dyn Fn() -> BoxFuture<Result<Credentials, BoxError>> + Send + Sync;

/// What gives credentials when they are needed.
#[derive(Clone)]
pub(crate) struct Callback(Arc<Ask>);

impl Callback {
    pub(crate) fn new(
        ask: impl Fn() -> BoxFuture<Result<Credentials, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(ask))
    }

    pub(crate) async fn ask(&self) -> Result<Credentials, BoxError> {
        (self.0)().await
    }
}

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// From the options, or there are none.
    Fixed,
    Callback(Callback),
}
