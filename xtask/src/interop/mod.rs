//! `cargo xtask interop`: what of STOMP works between our clients and each broker, directly and through
//! the gateway. It gives `docs/interop.json` and the page made of it, `docs/interop.md`.
//!
//! What is to work, and what can't and why, is in `tests/interop/brokers/KIND.json`. A cell that
//! fails otherwise than is written there makes the task fail.

mod broker;
mod expected;
mod gateway;
mod page;
mod probe;
pub(crate) mod process;
mod results;
mod running;

use std::{fs, path::PathBuf};

use stompbox_rabbitmq::Rabbit;

use broker::{Broker, Capability};
use results::{Column, Results};

use crate::{
    build,
    tools::{Failure, cargo, root, run},
};

/// What is done with what was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is written down, and the page made anew.
    Write,
    /// It is held against what is written down.
    Check,
}

/// Builds the clients, and tries them with each broker that there is.
pub(crate) fn all(mode: Mode) -> Result<(), Failure> {
    build::javascript()?;
    run(cargo().args(["build", "--package", "stompbox-cli"]))?;
    measure(mode)
}

/// Tries each broker that there is; the program and the JavaScript library are built.
pub(crate) fn measure(mode: Mode) -> Result<(), Failure> {
    run(cargo().args(["build", "--package", "stompbox-interop"]))?;
    let brokers = Broker::all()?;
    let capabilities = Capability::all()?;
    let mut results = Results::read()?;
    let before = page::render(&results, &brokers, &capabilities);
    let mut faults = Vec::new();
    for broker in &brokers {
        if let Err(error) = try_out(broker, &capabilities, &mut results, &mut faults) {
            faults.push(format!("{}: {error}", broker.title));
        }
    }
    if mode == Mode::Write {
        results.write()?;
        fs::write(page_file(), page::render(&results, &brokers, &capabilities))?;
    } else if fs::read_to_string(page_file())? != before {
        let fault = "docs/interop.md is not what docs/interop.json gives: run cargo xtask interop";
        faults.push(fault.into());
    }
    if faults.is_empty() {
        return Ok(());
    }
    let faults = faults.join("\n  ");
    Err(format!("not as tests/interop/brokers says:\n  {faults}").into())
}

/// Tries a broker in each way, if it is there.
fn try_out(
    broker: &Broker,
    capabilities: &[Capability],
    results: &mut Results,
    faults: &mut Vec<String>,
) -> Result<(), Failure> {
    let Some(running) = running::find(broker)? else {
        return Ok(());
    };
    for column in Column::ALL {
        eprintln!("== {}: {}", broker.title, column.title());
        // A broker that can't be connected to one way is not tried in the others, where clients may wait long.
        let found = probe::run(broker, &running, column, capabilities)
            .map_err(|error| format!("{}: {error}", column.title()))?;
        let found = expected::hold(broker, column, found, faults);
        results.set(&broker.kind, column, found);
    }
    Ok(())
}

/// Whether a RabbitMQ can be started here.
pub(crate) fn has_rabbitmq() -> bool {
    Rabbit::is_installed()
}

fn page_file() -> PathBuf {
    root().join("docs/interop.md")
}

/// The folder of the probes and of the brokers' files.
fn folder() -> PathBuf {
    root().join("tests/interop")
}
