//! A program that runs for as long as it is needed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::tools::{Failure, target};

/// A child that does not outlive its owner.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server of our program, and where it listens.
pub(crate) struct Server {
    process: Process,
    /// It would end if it had nobody to tell the rest to.
    _out: BufReader<ChildStdout>,
    pub(crate) tcp: String,
    pub(crate) ws: String,
    /// Address and port of the admin listener, where `--admin` was among the options.
    pub(crate) admin: Option<String>,
}

impl Server {
    /// Starts a verb of the program on free ports.
    pub(crate) fn start(verb: &str, options: &[String]) -> Result<Self, Failure> {
        Self::of(&target().join("debug/stompbox"), verb, options)
    }

    /// The same, of the program as it is released.
    pub(crate) fn start_release(verb: &str, options: &[String]) -> Result<Self, Failure> {
        Self::of(&target().join("release/stompbox"), verb, options)
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    fn of(program: &Path, verb: &str, options: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        // Whatever the shell says of another server is not meant.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STOMPBOX_") {
                command.env_remove(name);
            }
        }
        let listen = ["--stomp", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        command.arg(verb).args(listen).args(options);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("can't run stompbox {verb}: {error}"))?;
        let mut process = Process(child);
        let out = process.0.stdout.take().ok_or("it has no output")?;
        let (mut tcp, mut ws, mut admin) = (None, None, None);
        let has_admin = options.iter().any(|option| option == "--admin");
        let mut out = BufReader::new(out);
        loop {
            let mut line = String::new();
            if out.read_line(&mut line)? == 0 {
                let problem = "ended before it said where it listens";
                return Err(format!("stompbox {verb} {problem}").into());
            }
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("STOMP"), Some(url)) => tcp = Some(url.to_owned()),
                (Some("WebSocket"), Some(url)) => ws = Some(url.to_owned()),
                (Some("Admin"), Some(url)) => {
                    let address = url.trim_start_matches("http://").trim_end_matches('/');
                    admin = Some(address.to_owned());
                }
                _ => {}
            }
            if let (Some(tcp), Some(ws)) = (&tcp, &ws)
                && has_admin == admin.is_some()
            {
                return Ok(Self {
                    tcp: tcp.clone(),
                    ws: ws.clone(),
                    admin,
                    process,
                    _out: out,
                });
            }
        }
    }
}
