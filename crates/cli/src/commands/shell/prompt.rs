//! The prompt itself: lines, history, and what is printed above it.

use std::{
    env,
    fs::{self, DirBuilder, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use rustyline::{
    CompletionType, Config, Editor, ExternalPrinter as _, error::ReadlineError,
    history::FileHistory,
};
use tokio::sync::{mpsc, oneshot};

use super::complete::{Completion, Known};
use crate::{args::Secret, exit::Failure, frames::SECRET};

/// Lines that are remembered.
const REMEMBERED: usize = 1000;

/// A line, and where to say that it is done.
pub(super) type Line = (String, oneshot::Sender<()>);

/// Reads lines in a thread of its own. Each is done before the next is asked for; the prompt ends
/// with Ctrl-D, or when nobody takes its lines.
pub(super) fn start(
    known: Arc<Mutex<Known>>,
    history: Option<PathBuf>,
    passcode: Option<Secret>,
) -> Result<(mpsc::Receiver<Line>, mpsc::Sender<String>), Failure> {
    let config = Config::builder()
        .auto_add_history(false)
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .max_history_size(REMEMBERED)?
        .build();
    let mut editor: Editor<Completion, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Completion::new(known)));
    if let Some(path) = &history {
        let wrong = |error| format!("can't use the history {}: {error}", path.display());
        make(path).map_err(wrong)?;
        match editor.load_history(path) {
            Ok(()) => {}
            Err(ReadlineError::Io(error)) => return Err(wrong(error).into()),
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        }
    }
    let mut printer = editor.create_external_printer()?;
    let (above, mut texts) = mpsc::channel::<String>(64);
    thread::spawn(move || {
        while let Some(text) = texts.blocking_recv() {
            if printer.print(text).is_err() {
                break;
            }
        }
    });
    let (lines, taken) = mpsc::channel(1);
    thread::spawn(move || {
        loop {
            let line = match editor.readline("stompbox> ") {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(_) => break,
            };
            if is_remembered(&line, passcode.as_ref())
                && matches!(editor.add_history_entry(line.as_str()), Ok(true))
                && let Some(path) = &history
                && let Err(error) = editor.append_history(path)
            {
                eprintln!("stompbox: can't write {}: {error}", path.display());
            }
            let (done, is_done) = oneshot::channel();
            if lines.blocking_send((line, done)).is_err() || is_done.blocking_recv().is_err() {
                break;
            }
        }
    });
    Ok((taken, above))
}

/// Where the history is: below `XDG_STATE_HOME`, or `~/.local/state`.
pub(super) fn history() -> Option<PathBuf> {
    let folder = env::var_os("XDG_STATE_HOME")
        .filter(|it| !it.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(folder.join("stompbox").join("history"))
}

/// Makes the file, which nobody else may read.
fn make(path: &Path) -> io::Result<()> {
    let mut folders = DirBuilder::new();
    folders.recursive(true);
    let mut file = OpenOptions::new();
    file.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folders.mode(0o700);
        file.mode(0o600);
    }
    if let Some(folder) = path.parent() {
        folders.create(folder)?;
    }
    file.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // It may be there from elsewhere.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Whether a line may be in the history: one with a secret may not.
fn is_remembered(line: &str, passcode: Option<&Secret>) -> bool {
    let small = line.to_ascii_lowercase();
    let names_one = SECRET
        .iter()
        .any(|name| small.contains(&format!("{name}:")));
    let has_it = passcode.is_some_and(|it| !it.0.is_empty() && line.contains(&it.0));
    !line.trim().is_empty() && !names_one && !has_it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_remembered() {
        let passcode = Secret("hunter2".into());
        let is = |line| is_remembered(line, Some(&passcode));
        assert!(is("pub /queue/a hello"));
        assert!(!is("pub /queue/a -H Passcode:x hello"));
        assert!(!is("pub /queue/a -H access_token:x hello"));
        assert!(!is("pub /queue/a hunter2"));
        assert!(!is("  "));
    }
}
