//! `cargo xtask test`.

use crate::{
    browser, build, clients,
    steps::Steps,
    tools::{Failure, cargo, npm, run, target},
};

const BROWSERS: [(&str, &str); 3] = [
    ("the JavaScript library in Chromium", "npm"),
    ("the pages in Chromium", "web"),
    ("the Rust client in Chromium", "examples/browser"),
];

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
    clients::test(&mut steps, install);
    let chromium = if install {
        browser::find_or_install().map_err(|error| error.to_string())
    } else {
        browser::find()
    };
    for (name, folder) in BROWSERS {
        match &chromium {
            Ok(chromium) => steps.run(name, || {
                run(npm(folder, &["run", "test:browser"])
                    .env("CHROME", chromium)
                    .env("STOMPBOX", &program))
            }),
            Err(error) if install => steps.run(name, || Err(error.clone().into())),
            Err(error) => steps.skip(name, error),
        }
    }
    steps.finish()
}
