//! `cargo xtask check`.

use std::process::Command;

use crate::{
    steps::Steps,
    tools::{self, Failure, cargo, root, run},
};

/// What a change has to pass before its tests.
pub(crate) fn all(install: bool) -> Result<(), Failure> {
    let mut steps = Steps::default();
    steps.run("formatting", || {
        run(cargo().args(["fmt", "--all", "--check"]))
    });
    steps.run("lints", || {
        let args = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        run(cargo().args(args))
    });
    steps.run(
        "lints of the client, each feature by itself and for browsers",
        client,
    );
    oldest(&mut steps, install);
    steps.run("documentation", || {
        let args = [
            "doc",
            "--workspace",
            "--no-deps",
            "--exclude",
            "stompbox-bench-peers",
        ];
        run(cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
    });
    licences(&mut steps, install);
    steps.finish()
}

fn client() -> Result<(), Failure> {
    for features in [
        "",
        "ws",
        "tls",
        "json",
        "proxy",
        "tracing",
        "ws,tls,json,proxy,tracing",
    ] {
        let mut clippy = cargo();
        clippy.args(["clippy", "--package", "stompbox", "--no-default-features"]);
        run(clippy.args(["--features", features, "--", "-D", "warnings"]))?;
    }
    for features in ["ws", "ws,tls,json,proxy,tracing"] {
        let mut clippy = cargo();
        clippy.args(["clippy", "--package", "stompbox", "--no-default-features"]);
        clippy.args(["--target", "wasm32-unknown-unknown"]);
        run(clippy.args(["--features", features, "--", "-D", "warnings"]))?;
    }
    let mut clippy = cargo();
    clippy.args(["clippy", "--package", "stompbox-example-browser"]);
    run(clippy.args(["--target", "wasm32-unknown-unknown", "--", "-D", "warnings"]))
}

/// The client promises an older Rust than the one that all the rest is built with.
fn oldest(steps: &mut Steps, install: bool) {
    const STEP: &str = "the client with the oldest Rust that it promises";
    let version = match promised() {
        Ok(version) => version,
        Err(failure) => return steps.run(STEP, || Err(failure)),
    };
    let installed = tools::works("rustup", &["run", &version, "rustc", "--version"]);
    if !installed && !install {
        let how = format!("rustup toolchain install {version} --profile minimal");
        return steps.skip(STEP, &format!("no Rust {version}; {how}"));
    }
    steps.run(STEP, || {
        if !installed {
            let mut rustup = Command::new("rustup");
            let args = ["toolchain", "install", &version, "--profile", "minimal"];
            run(rustup.args(args))?;
        }
        // Without the toolchain that runs this task.
        let mut cargo = Command::new("rustup");
        cargo.current_dir(root()).env_remove("CARGO");
        let args = ["run", &version, "cargo", "check", "--locked"];
        run(cargo.args(args).args(["-p", "stompbox", "--all-features"]))
    });
}

/// The `rust-version` of the client, as the name of a toolchain.
fn promised() -> Result<String, Failure> {
    let manifest = std::fs::read_to_string(root().join("crates/client/Cargo.toml"))?;
    let mut lines = manifest.lines();
    let version = lines.find_map(|line| line.strip_prefix("rust-version = \""));
    let version = version.and_then(|rest| rest.strip_suffix('"'));
    let version = version.ok_or("crates/client/Cargo.toml names no rust-version")?;
    Ok(format!("{version}.0"))
}

fn licences(steps: &mut Steps, install: bool) {
    let installed = tools::works("cargo", &["deny", "--version"]);
    if !installed && !install {
        steps.skip(
            "licences",
            "no cargo-deny; cargo install cargo-deny --locked",
        );
        return;
    }
    steps.run("licences", || {
        if !installed {
            let mut cargo = Command::new("cargo");
            run(cargo
                .current_dir(root())
                .args(["install", "--locked", "cargo-deny"]))?;
        }
        // Advisories come from a database that a build must not depend on being reachable.
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root());
        run(cargo.args(["deny", "check", "licenses", "bans", "sources"]))
    });
}
