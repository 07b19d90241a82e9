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

/// The toolchain is the oldest that is promised, so that this checks the promise too.
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
