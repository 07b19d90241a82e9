//! A broker with an admin listener, and a terminal.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    num::NonZero,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command as OnPty, Pty, open},
};
use serde_json::Value;

use super::common::{good, run, stompbox};

/// Ends what would hang; nothing takes nearly as long.
const HANGS: Duration = Duration::from_secs(60);

pub(crate) struct Broker {
    child: Child,
    pub(crate) stomp: String,
    pub(crate) pages: String,
    pub(crate) admin: String,
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Broker {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_as("serve", options)
    }

    /// A broker, or a gateway.
    pub(crate) fn start_as(verb: &str, options: &[&str]) -> Self {
        let fixed = [verb, "--stomp", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let mut child = stompbox(&[&fixed[..], options].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut stomp, mut pages) = (String::new(), String::new());
        loop {
            let line = lines.next().unwrap().unwrap();
            let mut words = line.split_whitespace();
            let what = words.next().unwrap();
            let url = words.next().unwrap().trim_end_matches('/').to_owned();
            match what {
                "STOMP" => stomp = url,
                "Pages" => pages = url,
                "Admin" => {
                    return Self {
                        child,
                        stomp,
                        pages,
                        admin: url,
                    };
                }
                _ => {}
            }
        }
    }

    /// One that takes any free port for its admin listener.
    pub(crate) fn plain() -> Self {
        Self::start(&["--admin", "127.0.0.1:0"])
    }

    /// Runs an admin verb: the exit code, standard output, standard error.
    pub(crate) fn admin(&self, args: &[&str]) -> (Option<i32>, String, String) {
        run(&[args, &["--admin", &self.admin]].concat())
    }

    /// Runs an admin verb that is to succeed, and gives what it printed.
    pub(crate) fn good(&self, args: &[&str]) -> String {
        let (code, out, errors) = self.admin(args);
        assert_eq!(code, Some(0), "{args:?}: {out}{errors}");
        out
    }

    /// Runs an admin verb that is to succeed, with its answer as an object.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let out = self.good(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&out).unwrap()
    }

    /// Sends messages that differ in their header `n`.
    pub(crate) fn send(&self, destination: &str, count: usize) {
        let count = count.to_string();
        let args = [
            "pub",
            destination,
            "%i",
            "--template",
            "-H",
            "n:%i",
            "-n",
            &count,
            "-s",
            &self.stomp,
        ];
        good(&args);
    }

    /// Takes what is there, in order.
    pub(crate) fn receive(&self, destination: &str, count: usize) -> Vec<String> {
        let count = count.to_string();
        let args = [
            "sub",
            destination,
            "-C",
            &count,
            "-W",
            "30s",
            "-s",
            &self.stomp,
        ];
        let out = good(&args);
        out.lines().map(str::to_owned).collect()
    }

    /// How many messages a queue has.
    pub(crate) fn depth(&self, name: &str) -> u64 {
        self.json(&["show", name])["depth"].as_u64().unwrap()
    }

    /// A subscriber that runs until it is dropped.
    pub(crate) fn subscriber(&self, args: &[&str]) -> Running {
        Running(
            stompbox(&[&["sub", "-s", &*self.stomp], args].concat())
                .spawn()
                .unwrap(),
        )
    }
}

/// A program that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < HANGS, "not seen: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The program on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    pty: Pty,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All that was ever written.
    written: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

impl Terminal {
    pub(crate) fn run(args: &[&str], rows: u16, columns: u16, variables: &[(&str, &str)]) -> Self {
        let (pty, other) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let mut command = OnPty::new(env!("CARGO_BIN_EXE_stompbox")).args(args);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STOMPBOX_") || name == "NO_COLOR" {
                command = command.env_remove(name);
            }
        }
        command = command
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied());
        let child = command.spawn(other).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            nonzero(rows),
            nonzero(columns),
            0,
        )));
        let mut reader = std::fs::File::from(rustix::io::dup(&pty).unwrap());
        let shown = Arc::clone(&screen);
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // At the end of the program it is an error on Linux.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
                shown.lock().unwrap().process(&buffer[..count]);
            }
        });
        Self {
            child,
            pty,
            screen,
            written,
        }
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether that was ever seen, even if it is gone.
    pub(crate) fn showed(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.written.lock().unwrap()).contains(text)
    }

    /// Whether any of what is seen has a colour.
    pub(crate) fn has_color(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let (rows, columns) = parser.screen().size();
        let (rows, columns) = (rows.get(), columns.get());
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            parser.screen().cell(row, column).is_some_and(|cell| {
                cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
            })
        })
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    /// Waits until all of it is seen.
    pub(crate) fn shows(&self, parts: &[&str]) {
        let begun = Instant::now();
        loop {
            let text = self.text();
            let missing: Vec<_> = parts.iter().filter(|it| !text.contains(**it)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(begun.elapsed() < HANGS, "{missing:?} is not in\n{text}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.screen
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(nonzero(rows), nonzero(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        eventually("the end of the program", || self.child.try_wait().unwrap())
    }
}
