//! The JavaScript library and the pages.

use std::process::Command;

use crate::tools::{self, Failure, cargo, npm, root, run, target};

const WASM: &str = "wasm32-unknown-unknown";

/// Builds the core for WebAssembly, then `npm/dist` and `web/dist`, which the server embeds.
pub(crate) fn javascript() -> Result<(), Failure> {
    check_node()?;
    add_wasm_target()?;
    run(cargo()
        .args(["build", "--package", "stompbox-wasm", "--profile", "wasm"])
        .args(["--target", WASM]))?;
    let core = target().join(WASM).join("wasm/stompbox_wasm.wasm");
    for folder in ["npm", "web"] {
        // `npm ci` takes a while; what it made is good until the lock file changes.
        let lock = root().join(folder).join("package-lock.json");
        let made = root().join(folder).join("node_modules/.package-lock.json");
        let time = |path: &std::path::Path| path.metadata().and_then(|m| m.modified()).ok();
        if time(&made) < time(&lock) || time(&made).is_none() {
            run(&mut npm(folder, &["ci"]))?;
        }
        run(npm(folder, &["run", "build"]).env("STOMPBOX_WASM", &core))?;
    }
    Ok(())
}

fn check_node() -> Result<(), Failure> {
    let needed = "Node.js 20 or later with npm is needed: https://nodejs.org, or your system's \
                  packages nodejs and npm";
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|_| needed)?;
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major >= 20) {
        return Ok(());
    }
    Err(format!("{needed}; this is {}", version.trim()).into())
}

fn add_wasm_target() -> Result<(), Failure> {
    let sysroot = Command::new("rustc")
        .current_dir(root())
        .args(["--print", "sysroot"])
        .output()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if std::path::Path::new(&sysroot)
        .join("lib/rustlib")
        .join(WASM)
        .is_dir()
    {
        return Ok(());
    }
    if !tools::works("rustup", &["--version"]) {
        return Err(
            format!("the Rust target {WASM} is needed; rustup adds it: https://rustup.rs").into(),
        );
    }
    run(Command::new("rustup")
        .current_dir(root())
        .args(["target", "add", WASM]))
}
