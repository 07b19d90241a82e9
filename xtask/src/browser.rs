//! Finding a Chromium.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::tools::{Failure, apt_install};

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

const PLACES: [&str; 4] = [
    "/usr/bin/chromium",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// By `CHROME`, `PATH` or the usual places.
///
/// # Errors
///
/// There is none; the text says what to do.
pub(crate) fn find() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("CHROME").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("CHROME={} is no file", path.display()))
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let in_path = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |f| f.join(name)));
    in_path
        .chain(PLACES.iter().map(PathBuf::from))
        .find(|path| Path::is_file(path))
        .ok_or_else(|| {
            "no Chromium; apt-get install chromium, or cargo xtask test --install".into()
        })
}

/// As [`find`], but installs Debian's if there is none.
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Ok(path) = find() {
        return Ok(path);
    }
    apt_install(&["chromium"])?;
    Ok(find()?)
}
