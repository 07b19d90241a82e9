//! Finding and running programs.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a task failed with, in words for the user.
pub(crate) type Failure = Box<dyn Error>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// A script of a `package.json`.
pub(crate) fn npm(folder: &str, args: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(root().join(folder)).args(args);
    npm
}

/// Runs a program to its end; shows what it is.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let line: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    eprintln!("+ {name} {}", line.join(" "));
    let status = command
        .status()
        .map_err(|error| format!("can't run {name}: {error}"))?;
    if !status.success() {
        return Err(format!("{name} {} failed: {status}", line.join(" ")).into());
    }
    Ok(())
}

/// Whether a program runs and says so.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .current_dir(root())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs Debian packages.
pub(crate) fn apt_install(packages: &[&str]) -> Result<(), Failure> {
    let apt = |args: &[&str]| {
        let sudo = !works("sh", &["-c", "test $(id -u) = 0"]) && works("sudo", &["-n", "true"]);
        let mut command = Command::new(if sudo { "sudo" } else { "apt-get" });
        if sudo {
            command.arg("apt-get");
        }
        run(command.env("DEBIAN_FRONTEND", "noninteractive").args(args))
    };
    apt(&["update", "-q"])?;
    apt(&[
        &["install", "-y", "-q", "--no-install-recommends"],
        packages,
    ]
    .concat())
}
