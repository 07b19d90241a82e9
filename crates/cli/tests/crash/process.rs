//! The program, started, killed and stopped.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
}

fn command(args: &[&str], log: &Path) -> Command {
    let program = env::var_os("STOMPBOX");
    let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_stompbox").into());
    let mut command = Command::new(program);
    let log = File::options().create(true).append(true).open(log).unwrap();
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("STOMPBOX_") {
            command.env_remove(name);
        }
    }
    command
}

fn serve(dir: &Path, log: &Path, options: &[&str]) -> Command {
    let data = dir.to_str().unwrap();
    let base = ["serve", "--data", data, "--stomp", "127.0.0.1:0"];
    let more = [
        "--http",
        "127.0.0.1:0",
        "--limit",
        "drain_timeout=1s",
        "--log",
        "info",
    ];
    command(&[&base[..], &more[..], options].concat(), log)
}

impl Broker {
    /// Starts it with a store. What it logs is added to `log`.
    pub(crate) fn start(dir: &Path, log: &Path, options: &[&str]) -> Self {
        let mut child = serve(dir, log, options).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let port = line
            .trim()
            .rsplit(':')
            .next()
            .and_then(|it| it.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(log).unwrap_or_default();
            panic!("the broker did not start: {line:?}\n{log}");
        };
        // Nobody reads the other lines; the pipe holds them.
        child.stdout = Some(out.into_inner());
        Self { child, port }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM. Gives the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

/// Nothing goes on running after a test that failed.
impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program and kills it in the midst of its start.
pub(crate) fn kill_at_start(dir: &Path, log: &Path, after: Duration) {
    kill_after(serve(dir, log, &[]), after);
}

/// Starts `stompbox store compact` and kills it.
pub(crate) fn kill_at_compaction(dir: &Path, log: &Path, after: Duration) {
    kill_after(
        command(&["store", "compact", dir.to_str().unwrap()], log),
        after,
    );
}

fn kill_after(mut command: Command, after: Duration) {
    let mut child = command.spawn().unwrap();
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}
