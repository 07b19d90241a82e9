//! `cargo xtask test`.

use std::path::{Path, PathBuf};

use crate::{
    browser::{Browser, CHROMIUM, FIREFOX, WEBKIT},
    build, clients, interop,
    steps::Steps,
    tools::{self, Failure, cargo, npm, run, target},
};

/// Everything. With `install`, what is missing is installed and nothing is skipped.
pub(crate) fn all(install: bool) -> Result<(), Failure> {
    let mut steps = Steps::default();
    // First, since the server embeds the pages.
    steps.run(
        "build the JavaScript library and the pages",
        build::javascript,
    );
    steps.run("Rust", || {
        // The comparison with peers is a benchmark, without tests of its own.
        run(cargo().args(["test", "--workspace", "--exclude", "stompbox-bench-peers"]))?;
        // What its default features leave out.
        run(cargo().args(["test", "--package", "stompbox", "--all-features"]))
    });
    steps.run("build the command line", || {
        run(cargo().args(["build", "--package", "stompbox-cli"]))
    });
    steps.run("build the page whose front end is Rust", build::rust_page);
    let program = target().join("debug/stompbox");
    steps.run("the JavaScript library in Node", || {
        run(npm("npm", &["test"]).env("STOMPBOX", &program))
    });
    // Those that are in no package are skipped, with a word, without a checkout of their repository.
    steps.run("the specs of other clients on ours", || {
        tools::npm_ci("npm/specs")?;
        run(npm("npm/specs", &["test"]).env("STOMPBOX", &program))
    });
    rabbitmq(&mut steps, install);
    interop(&mut steps, install);
    clients::test(&mut steps, install);
    browsers(&mut steps, install, &program);
    steps.finish()
}

/// The command line and the gateway against RabbitMQs that the tests start.
fn rabbitmq(steps: &mut Steps, install: bool) {
    let name = "the command line and the gateway with RabbitMQ";
    if !interop::has_rabbitmq() && !install {
        let hint =
            "no rabbitmq-server; apt-get install rabbitmq-server, or cargo xtask test --install";
        return steps.skip(name, hint);
    }
    steps.run(name, || {
        if !interop::has_rabbitmq() {
            tools::apt_install(&["rabbitmq-server"])?;
        }
        run(cargo()
            .args(["test", "--package", "stompbox-cli", "--test", "rabbitmq"])
            .args(["--", "--ignored"]))?;
        run(cargo()
            .args(["test", "--package", "stompbox-server"])
            .args([
                "--test",
                "gateway_rabbitmq",
                "--test",
                "gateway_rabbitmq_state",
                "--test",
                "gateway_rabbitmq_hostile",
            ])
            .args(["--", "--ignored"]))
    });
}

/// What works between our clients and brokers: RabbitMQ and our own, and those that the environment names.
fn interop(steps: &mut Steps, install: bool) {
    let name = "what works with other brokers";
    if !interop::has_rabbitmq() && !install {
        let hint = "no rabbitmq-server; apt-get install rabbitmq-server, or cargo xtask test --install; \
                    cargo xtask interop does the rest";
        return steps.skip(name, hint);
    }
    steps.run(name, || {
        if !interop::has_rabbitmq() {
            tools::apt_install(&["rabbitmq-server"])?;
        }
        interop::measure(interop::Mode::Check)
    });
}

/// What runs in browsers: the library's suite in each, the rest in Chromium.
fn browsers(steps: &mut Steps, install: bool, program: &Path) {
    let find = |browser: &Browser| {
        if install {
            browser.find_or_install().map_err(|error| error.to_string())
        } else {
            browser.find()
        }
    };
    let chromium = find(&CHROMIUM);
    step(
        steps,
        install,
        "the packed library in small projects",
        &chromium,
        |chromium| {
            tools::npm_ci("npm/packaging")?;
            run(npm("npm/packaging", &["test"])
                .env("CHROME", chromium)
                .env("STOMPBOX", program))
        },
    );
    for (name, browser) in [
        ("the JavaScript library in Chromium", CHROMIUM),
        ("the JavaScript library in Firefox", FIREFOX),
        ("the JavaScript library in WebKit", WEBKIT),
    ] {
        step(steps, install, name, &find(&browser), |path| {
            run(npm("npm", &["run", "test:browser"])
                .env(browser.variable, path)
                .env("STOMPBOX", program))
        });
    }
    for (name, folder) in [
        ("the pages in Chromium", "web"),
        ("the Rust client in Chromium", "examples/browser"),
    ] {
        step(steps, install, name, &chromium, |chromium| {
            run(npm(folder, &["run", "test:browser"])
                .env("CHROME", chromium)
                .env("STOMPBOX", program))
        });
    }
}

/// A step that takes a browser. Without one it is skipped, or failed where nothing may be.
fn step(
    steps: &mut Steps,
    install: bool,
    name: &'static str,
    browser: &Result<PathBuf, String>,
    test: impl FnOnce(&Path) -> Result<(), Failure>,
) {
    match browser {
        Ok(path) => steps.run(name, || test(path)),
        Err(error) if install => steps.run(name, || Err(error.clone().into())),
        Err(error) => steps.skip(name, error),
    }
}
