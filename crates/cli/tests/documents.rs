//! What the documents show is what happens: each block marked `console` is run, with a broker of its
//! document's own.
//!
//! A line that begins with `$ ` is given to `sh`, with those after it that begin with `> `; what
//! follows is what it prints, on standard output and standard error. `…` stands for any text in a
//! line, and alone for any lines.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::Serve;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command, and what it is to print.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// The commands of a document, in order.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: at + 1,
                command: command.to_owned(),
                expected: Vec::new(),
            });
            continue;
        }
        let step = steps.last_mut().expect("a block begins with a command");
        match line.strip_prefix("> ") {
            Some(more) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => step.expected.push(line.to_owned()),
        }
    }
    steps
}

/// Whether a line is as expected.
fn is_like(expected: &str, line: &str) -> bool {
    let Some((first, rest)) = expected.split_once('…') else {
        return expected == line;
    };
    let Some(after) = line.strip_prefix(first) else {
        return false;
    };
    let mut places = (0..=after.len()).filter(|at| after.is_char_boundary(*at));
    places.any(|at| is_like(rest, &after[at..]))
}

fn are_like(expected: &[String], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            are_like(rest, lines)
                || lines
                    .split_first()
                    .is_some_and(|(_, lines)| are_like(expected, lines))
        }
        (Some((first, rest)), Some((line, lines))) => is_like(first, line) && are_like(rest, lines),
        _ => false,
    }
}

fn play(name: &str) {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{name} has nothing to run");
    let serve = Serve::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_stompbox"));
    let mut path = program.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples")).unwrap();
    for step in steps {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1\n{}", step.command)]);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("STOMPBOX_") {
                shell.env_remove(name);
            }
        }
        let output = shell
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path().join("config"))
            .env("XDG_STATE_HOME", folder.path().join("state"))
            .env("STOMPBOX_URL", &serve.urls[0])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = printed.lines().collect();
        let place = format!("{name}:{}", step.line);
        assert!(
            are_like(&step.expected, &lines),
            "{place}: {}\n--- expected\n{}\n--- printed\n{printed}",
            step.command,
            step.expected.join("\n"),
        );
    }
}

#[test]
fn the_command_line_is_as_its_page_says() {
    play("docs/command-line.md");
}

#[test]
fn simulations_are_as_their_page_says() {
    play("docs/simulation.md");
}

#[test]
fn placeholders_stand_for_what_varies() {
    assert!(is_like("a … c", "a b c"));
    assert!(is_like("a…", "a"));
    assert!(is_like("…c … c", "abc c c"));
    assert!(is_like("", ""));
    for (expected, line) in [("a … c", "a b d"), ("a", "ab"), ("…a", "ab"), ("x…", "ax")] {
        assert!(!is_like(expected, line), "{expected} {line}");
    }
    let expected = ["a", "…", "b"].map(str::to_owned);
    assert!(are_like(&expected, &["a", "b"]));
    assert!(are_like(&expected, &["a", "b", "c", "b"]));
    assert!(!are_like(&expected, &["a", "b", "c"]));
    let text = "```sh\nno\n```\n```console\n$ a <<END\n> b\nc\n$ d\n```\n";
    let found = steps(text);
    assert_eq!(found.len(), 2);
    assert_eq!((&*found[0].command, found[0].line), ("a <<END\nb", 5));
    assert_eq!(found[0].expected, ["c"]);
}
