//! The other ends: this program again, as processes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use stompbox_server::{Config, Listen, Server};

/// A broker, or a sink, that ends with this value.
pub(crate) struct Broker {
    process: Child,
    pub(crate) addr: String,
    pub(crate) pid: String,
}

impl Broker {
    /// `what`: "broker" or "sink".
    pub(crate) fn start(what: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .args(["serve", what])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("an address");
        let pid = process.id().to_string();
        Self {
            process,
            addr: line.trim().to_owned(),
            pid,
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves on a free port, which it prints, until standard input ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let config = Config {
            listen: vec![Listen::stomp("127.0.0.1:0".parse().expect("an address"))],
            ..Config::default()
        };
        let server = Server::bind(config).await.expect("a free port");
        println!("{}", server.stomp_addrs()[0]);
        let ended = tokio::task::spawn_blocking(|| {
            let _ = std::io::stdin().lines().count();
        });
        server.run(async { drop(ended.await) }).await;
    });
}

/// Seconds of processor time that the threads of a process have used, as long as they live; 0 where
/// there is no `/proc`.
pub(crate) fn cpu(pid: &str) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        // Of a thread that has just ended there is nothing to read.
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}
