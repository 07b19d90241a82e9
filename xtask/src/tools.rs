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
    // A relative one is meant from where cargo runs.
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
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

/// Installs what a `package-lock.json` names.
pub(crate) fn npm_ci(folder: &str) -> Result<(), Failure> {
    let lock = root().join(folder).join("package-lock.json");
    let made = root().join(folder).join("node_modules/.package-lock.json");
    // It takes a while; what it made is good until the lock file changes.
    if !is_newer(&made, &lock) {
        run(&mut npm(folder, &["ci"]))?;
    }
    Ok(())
}

/// Whether a file that was made from another is there, and not older.
pub(crate) fn is_newer(made: &Path, source: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    time(made).is_some() && time(made) >= time(source)
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
