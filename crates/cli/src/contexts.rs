//! Contexts: names for servers and logins, in `contexts.toml` of the user's configuration folder.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Where a server is, and who asks. Secrets are in files of their own.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) server: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passcode_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vhost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The admin listener's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<String>,
}

/// All contexts.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that is used where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) selected: Option<String>,
    #[serde(default)]
    pub(crate) context: BTreeMap<String, Context>,
}

impl Contexts {
    /// Where they are: below `XDG_CONFIG_HOME`, or `~/.config`.
    pub(crate) fn path() -> Result<PathBuf, String> {
        let folder = env::var_os("XDG_CONFIG_HOME")
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
            .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
        folder
            .map(|folder| folder.join("stompbox").join("contexts.toml"))
            .ok_or_else(|| "no HOME and no XDG_CONFIG_HOME: nowhere to look for contexts".into())
    }

    /// Reads them; a file that is not there has none.
    pub(crate) fn load() -> Result<Self, String> {
        let path = Self::path()?;
        match fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("can't read {}: {error}", path.display())),
        }
    }

    /// Writes them, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), String> {
        let path = Self::path()?;
        let wrong = |error: std::io::Error| format!("can't write {}: {error}", path.display());
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).map_err(wrong)?;
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        let new = path.with_extension("toml.new");
        fs::write(&new, text).map_err(wrong)?;
        fs::rename(&new, &path).map_err(wrong)
    }

    /// A context of a name.
    pub(crate) fn get(&self, name: &str) -> Result<&Context, String> {
        self.context.get(name).ok_or_else(|| {
            let names: Vec<_> = self.context.keys().map(String::as_str).collect();
            match names.is_empty() {
                true => format!("no context {name:?}: there are none"),
                false => format!("no context {name:?}: there are {}", names.join(", ")),
            }
        })
    }
}
