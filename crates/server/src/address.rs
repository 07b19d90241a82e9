//! Where a listener listens: an address and port, or a Unix socket's file.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::{UnixListener, UnixStream},
    time,
};
use tracing::warn;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket. As text `unix:PATH`, with no mode.
    Unix(UnixSocket),
}

/// A socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its file. One that is left over of a server that is gone is replaced; one where somebody
    /// answers is not.
    pub path: PathBuf,
    /// The file's permissions, as `0o660`: whoever may write may connect. `None`: what the umask
    /// leaves.
    pub mode: Option<u32>,
}

/// A text that is no [`Address`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is neither an address with its port nor \"unix:PATH\"")]
pub struct InvalidAddress(String);

impl Address {
    /// A Unix socket with the permissions that the umask leaves.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(UnixSocket {
            path: path.into(),
            mode: None,
        })
    }

    /// Whether other machines can't reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        match text.strip_prefix("unix:") {
            None => text.parse().map(Self::Tcp).map_err(|_| invalid()),
            Some(path) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(invalid()),
                path => Ok(Self::unix(path)),
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}

/// How long somebody who has a socket's file open may take to let us in.
const PROBE: Duration = Duration::from_secs(1);

impl UnixSocket {
    /// Makes the file and listens.
    pub(crate) async fn bind(&self) -> io::Result<(UnixListener, SocketFile)> {
        self.clear().await?;
        let listener = UnixListener::bind(&self.path)?;
        let file = SocketFile::new(&self.path)?;
        if let Some(mode) = self.mode {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))?;
        }
        Ok((listener, file))
    }

    /// Removes a file that nobody listens on any more.
    async fn clear(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(file) if !file.file_type().is_socket() => {
                let message = "there is a file that is no socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            Ok(_) => {}
        }
        match time::timeout(PROBE, UnixStream::connect(&self.path)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(&self.path)
            }
            Ok(Err(error)) => Err(error),
            // Whoever does not even accept is there all the same.
            Ok(Ok(_)) | Err(_) => {
                let message = "another program listens there";
                Err(io::Error::new(io::ErrorKind::AddrInUse, message))
            }
        }
    }
}

/// The file of a socket that listens; removed in the end.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number: another server may have put its own in this one's place.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            identity: identity(path)?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|it| it == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            warn!(path = %self.path.display(), %error, "the socket's file can't be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        for (text, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]:0", "[::1]:0"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
            ("unix:a", "unix:a"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), expected);
        }
        for text in ["", "localhost:1", "127.0.0.1", "unix:", "unix://", "/run/a"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("neither an address"), "{error}");
        }
    }
}
