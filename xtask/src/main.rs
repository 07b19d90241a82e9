//! `cargo xtask …`: builds, runs and tests the whole box. `cargo xtask help` lists the tasks.

mod bench_gateway;
mod browser;
mod build;
mod check;
mod clients;
mod interop;
mod steps;
mod test;
mod tools;

use std::process::{Command, ExitCode};

use tools::{Failure, run};

const HELP: &str = "cargo xtask TASK

  run [-- OPTION…]     build everything and start `stompbox serve OPTION…`
  build                build the JavaScript library and the pages
  size                 the sizes of the JavaScript library; fails where one has grown by 3 %
  test [--install]     all tests, those in browsers too; --install (or CI=true) installs what they
                       need from Debian's packages, and then none may be skipped
  check [--install]    formatting, lints, documentation, licences
  interop [--check]    what works with other brokers: docs/interop.md, which tells the variables that
                       choose the brokers; --check writes nothing
  bench [clients|gateway [crowd|lost]]
                       the codec beside its peers; the client, against one broker; the gateway beside
                       its broker, or only with many clients, or only after a loss
  fuzz [SECONDS]       each fuzz target for that long (60), needs nightly Rust and cargo-fuzz
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args
        .split_first()
        .map_or(("help", &[][..]), |(task, rest)| (task, rest));
    let install = rest.iter().any(|arg| arg == "--install")
        || std::env::var_os("CI").is_some_and(|value| value == "true");
    // `run` and `fuzz` pass on what follows.
    let unknown = rest
        .iter()
        .find(|arg| *arg != "--install")
        .filter(|_| !matches!(task, "run" | "fuzz"));
    let asks_for_help = |text: &str| matches!(text, "help" | "--help" | "-h");
    let result = match task {
        _ if asks_for_help(task) || unknown.is_some_and(|arg| asks_for_help(arg)) => {
            print!("{HELP}");
            Ok(())
        }
        "run" => serve(rest),
        "bench" if rest == ["clients"] => bench("stompbox-bench-clients"),
        "bench" if rest.first().is_some_and(|it| it == "gateway") => {
            bench_gateway::measure(&rest[1..])
        }
        // For itself: what the gateway is beside a program that only copies.
        "bench" if rest.first().is_some_and(|it| it == "floor") => bench_gateway::floor(&rest[1..]),
        "interop" if rest == ["--check"] => interop::all(interop::Mode::Check),
        "build" | "size" | "test" | "interop" | "check" | "bench" if unknown.is_some() => {
            let unknown = unknown.map_or("", String::as_str);
            Err(format!("{task} has no option {unknown:?}\n\n{HELP}").into())
        }
        "build" => build::javascript(),
        "size" => build::sizes(),
        "test" => test::all(install),
        "check" => check::all(install),
        "interop" => interop::all(interop::Mode::Write),
        "bench" => bench("stompbox-bench-peers"),
        "fuzz" => fuzz(rest),
        other => Err(format!("no task {other:?}\n\n{HELP}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(rest: &[String]) -> Result<(), Failure> {
    build::javascript()?;
    // The first may separate the options from the task.
    let options = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    let mut cargo = tools::cargo();
    cargo
        .args([
            "run",
            "--release",
            "--package",
            "stompbox-cli",
            "--",
            "serve",
        ])
        .args(options);
    run(&mut cargo)
}

fn bench(program: &str) -> Result<(), Failure> {
    // Full optimisation across crates, for the peers as for us.
    let mut cargo = tools::cargo();
    cargo.args([
        "run",
        "--profile",
        "bench",
        "--package",
        "stompbox-bench-peers",
        "--bin",
        program,
    ]);
    run(&mut cargo)
}

fn fuzz(rest: &[String]) -> Result<(), Failure> {
    let seconds = rest.first().map_or("60", String::as_str);
    for target in [
        "decoder",
        "server_session",
        "client_session",
        "selector",
        "store_recovery",
        "proxy_header",
    ] {
        // Without the toolchain that runs this task: fuzzing needs nightly's.
        let mut cargo = Command::new("cargo");
        cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
        cargo.args(["+nightly", "fuzz", "run", target, "--"]);
        cargo.arg(format!("-max_total_time={seconds}"));
        run(&mut cargo).map_err(|error| {
            format!(
                "{error}\nWhere they are missing: rustup toolchain install nightly; \
                 cargo install cargo-fuzz --locked"
            )
        })?;
    }
    Ok(())
}
