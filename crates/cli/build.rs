//! Tells the program what it is built for.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=STOMPBOX_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
