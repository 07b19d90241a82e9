//! `stompbox completion`.

use std::{fs, io::Write as _, path::Path};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{
    args::{Args, Completion},
    exit::Failure,
};

/// Prints a completion script, or writes the manual's pages.
pub(crate) fn run(args: &Completion) -> Result<(), Failure> {
    let mut command = Args::command();
    if args.shell != "man" {
        let shell: Shell = args.shell.parse()?;
        let mut script = Vec::new();
        generate(shell, &mut command, "stompbox", &mut script);
        std::io::stdout().write_all(&script)?;
        return Ok(());
    }
    command.build();
    let Some(dir) = &args.dir else {
        clap_mangen::Man::new(command).render(&mut std::io::stdout())?;
        return Ok(());
    };
    fs::create_dir_all(dir)?;
    page(dir, &command, "stompbox")
}

/// The page of a command, and those of its verbs.
fn page(dir: &Path, command: &clap::Command, name: &str) -> Result<(), Failure> {
    // clap wants names for good; there are some twenty pages.
    let title: &'static str = name.to_owned().leak();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone().name(title)).render(&mut text)?;
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, text).map_err(|error| format!("can't write {}: {error}", path.display()))?;
    for verb in command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        page(dir, verb, &format!("{name}-{}", verb.get_name()))?;
    }
    Ok(())
}
