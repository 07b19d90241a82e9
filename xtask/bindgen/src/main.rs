//! `stompbox-bindgen MODULE.wasm FOLDER`: as the program wasm-bindgen with `--target web`.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let [module, folder] = args.as_slice() else {
        eprintln!("stompbox-bindgen MODULE.wasm FOLDER");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    let written = bindgen
        .input_path(module)
        .web(true)
        .and_then(|bindgen| bindgen.typescript(false).generate(folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stompbox-bindgen: {error:?}");
            ExitCode::FAILURE
        }
    }
}
