//! Tells the linker how much stack the core needs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // It has no recursion and keeps its tables elsewhere: a megabyte of stack would be for nothing. Other
    // modules, such as those of pages whose front end is Rust, need theirs.
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=16384");
    }
}
