//! `stompbox man`.

use std::{
    fs,
    io::{IsTerminal as _, Write as _, stdout},
    path::Path,
    process::{Command, Stdio},
};

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::{
    args::{Args, ManArgs},
    exit::Failure,
};

/// Shows a page of the manual, or writes all.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Args::command();
    command.build();
    if let Some(dir) = &args.dir {
        let wrong = |error| format!("can't make {}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(wrong)?;
        return write_all(dir, &command, "stompbox");
    }
    let (mut found, mut name) = (&command, "stompbox".to_owned());
    for verb in &args.verb {
        let sub = found.find_subcommand(verb).ok_or_else(|| {
            let names = found.get_subcommands().map(clap::Command::get_name);
            let names: Vec<_> = names.filter(|name| *name != "help").collect();
            match names.is_empty() {
                true => format!("{name} has no verbs"),
                false => format!("{name} has no verb {verb:?}, but {}", names.join(", ")),
            }
        })?;
        name = format!("{name}-{}", sub.get_name());
        found = sub;
    }
    let text = page(found, &name)?;
    if stdout().is_terminal() && show(&text) {
        return Ok(());
    }
    stdout().write_all(&text)?;
    Ok(())
}

/// Has the system's program show it; false: there is none.
fn show(text: &[u8]) -> bool {
    let child = Command::new("man")
        .args(["-l", "-"])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    if let Some(mut input) = child.stdin.take() {
        // Who reads need not read to the end.
        let _ = input.write_all(text);
    }
    child.wait().is_ok_and(|status| status.success())
}

fn page(command: &clap::Command, name: &str) -> Result<Vec<u8>, Failure> {
    // clap wants names for good; there are some forty pages.
    let title: &'static str = name.to_owned().leak();
    let mut text = Vec::new();
    Man::new(command.clone().name(title)).render(&mut text)?;
    Ok(text)
}

/// Writes the page of a command, and those of its verbs.
fn write_all(dir: &Path, command: &clap::Command, name: &str) -> Result<(), Failure> {
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command, name)?)
        .map_err(|error| format!("can't write {}: {error}", path.display()))?;
    let verbs = command.get_subcommands();
    for verb in verbs.filter(|it| it.get_name() != "help") {
        write_all(dir, verb, &format!("{name}-{}", verb.get_name()))?;
    }
    Ok(())
}
