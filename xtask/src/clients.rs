//! Other people's clients against the real broker: the suites in `tests/clients`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    steps::Steps,
    tools::{self, Failure, apt_install, is_newer, npm, root, run, target},
};

/// What a suite needs besides Node.js, which the build needs anyway.
struct Tool {
    name: &'static str,
    /// A program and its arguments that fail where the tool is missing or too old.
    check: (&'static str, &'static [&'static str]),
    /// Debian's packages of it.
    packages: &'static [&'static str],
}

const PYTHON: Tool = Tool {
    name: "Python 3.10 or later with venv",
    check: (
        "python3",
        &[
            "-c",
            "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))",
        ],
    ),
    packages: &["python3", "python3-venv"],
};

const GO: Tool = Tool {
    name: "Go",
    check: ("go", &["version"]),
    packages: &["golang-go", "ca-certificates"],
};

/// Runs each suite that its tool is there for. With `install`, the tool is installed and nothing skipped.
pub(crate) fn test(steps: &mut Steps, install: bool) {
    let program = target().join("debug/stompbox");
    suite(steps, install, "stomp.py", Some(PYTHON), || {
        stomp_py(&program)
    });
    suite(steps, install, "go-stomp", Some(GO), || go_stomp(&program));
    suite(steps, install, "@stomp/stompjs", None, || stompjs(&program));
}

fn suite(
    steps: &mut Steps,
    install: bool,
    name: &'static str,
    tool: Option<Tool>,
    test: impl FnOnce() -> Result<(), Failure>,
) {
    let Some(tool) = tool.filter(|tool| !tools::works(tool.check.0, tool.check.1)) else {
        return steps.run(name, test);
    };
    if !install {
        let packages = tool.packages.join(" ");
        let why = format!(
            "no {}; apt-get install {packages}, or cargo xtask test --install",
            tool.name
        );
        return steps.skip(name, &why);
    }
    steps.run(name, || {
        apt_install(tool.packages)?;
        if !tools::works(tool.check.0, tool.check.1) {
            return Err(format!("{} was installed but is not found", tool.name).into());
        }
        test()
    });
}

fn folder(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

fn stomp_py(program: &Path) -> Result<(), Failure> {
    let folder = folder("stomp-py");
    let requirements = folder.join("requirements.txt");
    let environment = target().join("clients/stomp-py");
    let python = environment.join("bin/python");
    // Made last, so that an environment that was left half-made is made again.
    let made = environment.join("requirements.txt");
    if !is_newer(&made, &requirements) {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "--require-hashes", "-r"])
            .arg(&requirements))?;
        std::fs::copy(&requirements, &made)?;
    }
    run(Command::new(&python)
        .current_dir(&folder)
        .args(["-B", "-m", "pytest", "-q"])
        .env("STOMPBOX_BIN", program))
}

fn go_stomp(program: &Path) -> Result<(), Failure> {
    run(Command::new("go")
        .current_dir(folder("go-stomp"))
        // Not from the cache: it does not know that the broker was changed.
        .args(["test", "-mod=readonly", "-count=1", "./..."])
        .env("STOMPBOX_BIN", program))
}

fn stompjs(program: &Path) -> Result<(), Failure> {
    let name = "tests/clients/stompjs";
    tools::npm_ci(name)?;
    run(npm(name, &["test"]).env("STOMPBOX_BIN", program))
}
