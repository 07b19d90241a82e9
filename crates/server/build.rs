//! Embeds the pages and the JavaScript library, where they have been built.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let mut assets = Vec::new();
    collect(&root.join("web/dist"), "/", &mut assets)?;
    for file in ["stomp.js", "stomp.min.js", "stomp.csp.js", "stompbox.mjs"] {
        let path = root.join("npm/dist").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_file() {
            assets.push((format!("/{file}"), path));
        }
    }
    assets.sort();
    let mut code = String::from("pub(crate) const EMBEDDED: &[(&str, &[u8])] = &[\n");
    for (url, path) in assets {
        let path = fs::canonicalize(path)?;
        writeln!(code, "({url:?}, include_bytes!({path:?})),")?;
    }
    code.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("assets.rs"), code)?;
    Ok(())
}

fn collect(
    folder: &Path,
    prefix: &str,
    assets: &mut Vec<(String, PathBuf)>,
) -> Result<(), std::io::Error> {
    println!("cargo::rerun-if-changed={}", folder.display());
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), assets)?;
        } else if name == "index.html" {
            assets.push((prefix.to_owned(), entry.path()));
        } else {
            assets.push((format!("{prefix}{name}"), entry.path()));
        }
    }
    Ok(())
}
