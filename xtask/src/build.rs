//! The JavaScript library and the pages.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::tools::{self, Failure, cargo, npm, root, run, target};

const WASM: &str = "wasm32-unknown-unknown";

/// Builds the core for WebAssembly, then `npm/dist` and `web/dist`, which the server embeds.
pub(crate) fn javascript() -> Result<(), Failure> {
    let core = core()?;
    for folder in ["npm", "web"] {
        tools::npm_ci(folder)?;
        if !is_built(&root().join(folder), &core) {
            run(npm(folder, &["run", "build"]).env("STOMPBOX_WASM", &core))?;
        }
    }
    Ok(())
}

/// Builds the page whose front end is Rust, `examples/browser/dist`.
pub(crate) fn rust_page() -> Result<(), Failure> {
    add_wasm_target()?;
    run(cargo()
        .args(["build", "--package", "stompbox-example-browser"])
        .args(["--target", WASM]))?;
    let module = target()
        .join(WASM)
        .join("debug/stompbox_example_browser.wasm");
    let mut bindgen = cargo();
    bindgen.args(["run", "--package", "stompbox-bindgen", "--"]);
    run(bindgen
        .arg(module)
        .arg(root().join("examples/browser/dist")))
}

/// Builds the library anew, which prints the sizes of its files and fails where one has grown.
pub(crate) fn sizes() -> Result<(), Failure> {
    let core = core()?;
    tools::npm_ci("npm")?;
    run(npm("npm", &["run", "build"]).env("STOMPBOX_WASM", core))
}

/// Builds the core for WebAssembly.
fn core() -> Result<PathBuf, Failure> {
    check_node()?;
    add_wasm_target()?;
    run(cargo()
        .args(["build", "--package", "stompbox-wasm", "--profile", "wasm"])
        .args(["--target", WASM]))?;
    Ok(target().join(WASM).join("wasm/stompbox_wasm.wasm"))
}

/// Whether `dist` is newer than all that it is made of. The server embeds it: files that are written
/// again without need would have the server built again too.
fn is_built(folder: &Path, core: &Path) -> bool {
    let mut inputs = Vec::new();
    for name in [
        "src",
        "types",
        "build",
        "build.mjs",
        "package.json",
        "package-lock.json",
    ] {
        modified(&folder.join(name), &mut inputs);
    }
    modified(core, &mut inputs);
    let mut outputs = Vec::new();
    modified(&folder.join("dist"), &mut outputs);
    match (inputs.iter().max(), outputs.iter().min()) {
        (Some(newest), Some(oldest)) => newest < oldest,
        _ => false,
    }
}

/// Adds when a path and all below it was modified; a folder is when a file in it comes or goes.
fn modified(path: &Path, times: &mut Vec<SystemTime>) {
    times.extend(path.metadata().and_then(|meta| meta.modified()));
    for entry in path.read_dir().into_iter().flatten().flatten() {
        modified(&entry.path(), times);
    }
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
    if !major.parse::<u32>().is_ok_and(|major| major >= 20) {
        return Err(format!("{needed}; this is {}", version.trim()).into());
    }
    if !tools::works("npm", &["--version"]) {
        return Err(format!("{needed}; npm does not run").into());
    }
    Ok(())
}

fn add_wasm_target() -> Result<(), Failure> {
    let sysroot = Command::new("rustc")
        .current_dir(root())
        .args(["--print", "sysroot"])
        .output()?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    if Path::new(&sysroot).join("lib/rustlib").join(WASM).is_dir() {
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

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        time::Duration,
    };

    use super::*;

    #[test]
    fn what_is_older_than_a_source_is_built_again() {
        let folder = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        fs::create_dir_all(folder.join("src/deep")).unwrap();
        let (source, core) = (folder.join("src/deep/a.js"), folder.join("core.wasm"));
        fs::write(&source, "").unwrap();
        fs::write(&core, "").unwrap();
        assert!(!is_built(&folder, &core), "there is no dist");
        fs::create_dir(folder.join("dist")).unwrap();
        let built = folder.join("dist/a.js");
        fs::write(&built, "").unwrap();
        let later = SystemTime::now() + Duration::from_secs(10);
        let touch = |path: &Path, time| File::open(path).unwrap().set_modified(time).unwrap();
        touch(&built, later);
        touch(&folder.join("dist"), later);
        assert!(is_built(&folder, &core));
        for input in [&source, &core] {
            touch(input, later + Duration::from_secs(1));
            assert!(!is_built(&folder, &core), "{}", input.display());
            touch(input, SystemTime::UNIX_EPOCH);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
