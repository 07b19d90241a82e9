//! Finding browsers.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::tools::{Failure, apt_install};

/// A browser, or the program that drives it.
pub(crate) struct Browser {
    /// Its name in the steps.
    pub(crate) name: &'static str,
    /// The variable that tests take its path from, and that tells it here.
    pub(crate) variable: &'static str,
    /// Its programs, in `PATH`.
    programs: &'static [&'static str],
    /// Where it is outside of `PATH`.
    places: &'static [&'static str],
    /// Debian's packages.
    packages: &'static [&'static str],
}

pub(crate) const CHROMIUM: Browser = Browser {
    name: "Chromium",
    variable: "CHROME",
    programs: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ],
    places: &[
        "/usr/bin/chromium",
        "/snap/bin/chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ],
    packages: &["chromium"],
};

pub(crate) const FIREFOX: Browser = Browser {
    name: "Firefox",
    variable: "FIREFOX",
    programs: &["firefox-esr", "firefox"],
    places: &["/Applications/Firefox.app/Contents/MacOS/firefox"],
    packages: &["firefox-esr"],
};

pub(crate) const WEBKIT: Browser = Browser {
    name: "WebKit",
    variable: "WEBKIT_DRIVER",
    programs: &["WebKitWebDriver"],
    places: &[],
    // It draws on a display, and a server has none.
    packages: &["webkit2gtk-driver", "xvfb"],
};

impl Browser {
    /// By its variable, `PATH` or the usual places.
    ///
    /// # Errors
    ///
    /// There is none; the text says what to do.
    pub(crate) fn find(&self) -> Result<PathBuf, String> {
        if let Some(path) = env::var_os(self.variable).filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            return if path.is_file() {
                Ok(path)
            } else {
                Err(format!("{}={} is no file", self.variable, path.display()))
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path).collect();
        let in_path = self
            .programs
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        in_path
            .chain(self.places.iter().map(PathBuf::from))
            .find(|path| Path::is_file(path))
            .ok_or_else(|| {
                let packages = self.packages.join(" ");
                format!(
                    "no {}; apt-get install {packages}, or cargo xtask test --install",
                    self.name
                )
            })
    }

    /// As [`find`](Self::find), but installs Debian's if there is none.
    pub(crate) fn find_or_install(&self) -> Result<PathBuf, Failure> {
        if let Ok(path) = self.find() {
            return Ok(path);
        }
        apt_install(self.packages)?;
        Ok(self.find()?)
    }
}
