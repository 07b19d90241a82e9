//! A RabbitMQ of Debian's package `rabbitmq-server`, with folders, ports and a name of its own.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::process::Process;
use crate::tools::{Failure, run, target};

const BIN: &str = "/usr/lib/rabbitmq/bin";

/// How long it may take to listen, and to end.
const LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long until it is looked again.
const PAUSE: Duration = Duration::from_millis(200);

/// A node that runs.
pub(crate) struct Rabbit {
    folder: PathBuf,
    /// `None` once it is stopped.
    process: Option<Process>,
    ports: [u16; 5],
}

impl Rabbit {
    /// Whether the package is there.
    pub(crate) fn is_installed() -> bool {
        Path::new(BIN).join("rabbitmq-server").is_file()
    }

    /// Starts one, and waits until it listens.
    pub(crate) fn start() -> Result<Self, Failure> {
        let ports = free_ports()?;
        let [stomp, web, amqp, ..] = ports;
        let folder = target().join(format!("interop/rabbitmq-{stomp}"));
        for name in ["mnesia", "log"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let cookie = folder.join(".erlang.cookie");
        fs::write(&cookie, format!("STOMPBOXINTEROP{stomp}"))?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        let plugins = "[rabbitmq_stomp,rabbitmq_web_stomp].";
        fs::write(folder.join("enabled_plugins"), plugins)?;
        let text = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\nstomp.listeners.tcp.1 = 127.0.0.1:{stomp}\n\
             web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {web}\n\
             disk_free_limit.absolute = 50MB\nlog.file = false\nlog.console = true\n"
        );
        fs::write(folder.join("rabbitmq.conf"), text)?;
        let mut rabbit = Self {
            folder,
            process: None,
            ports,
        };
        rabbit.run()?;
        rabbit.wait(web)?;
        Ok(rabbit)
    }

    /// Starts the node, again if it was killed, and waits until it listens for STOMP.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        let log = File::create(self.folder.join("output"))?;
        let child = self
            .command("rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.process = Some(Process(child));
        self.wait(self.ports[0])
    }

    fn wait(&self, port: u16) -> Result<(), Failure> {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > LIMIT {
                let log = fs::read_to_string(self.folder.join("output"))?;
                return Err(format!("RabbitMQ does not listen: {log}").into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Stops the node, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        // The program that was started is a shell around it.
        let pid = fs::read_to_string(self.folder.join("pid"))?;
        run(Command::new("kill").args(["-KILL", pid.trim()]))?;
        if let Some(mut process) = self.process.take() {
            process.0.wait()?;
        }
        Ok(())
    }

    /// How many connections of STOMP it has.
    pub(crate) fn connections(&self) -> Result<usize, Failure> {
        let mut list = self.command("rabbitmqctl");
        let output = list
            .args(["-q", "list_stomp_connections", "conn_name"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().filter(|line| line.contains("->")).count())
    }

    /// The port of STOMP over TCP.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn tcp(&self) -> String {
        format!("stomp://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.ports[1])
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{BIN}/{program}"));
        let [stomp, _, amqp, distribution, names] = self.ports;
        let path = |name: &str| self.folder.join(name);
        command
            .env("HOME", &self.folder)
            .env("LANG", "C.UTF-8")
            .env("RABBITMQ_NODENAME", format!("interop-{stomp}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", amqp.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("ERL_EPMD_PORT", names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path("none.config"))
            .env("RABBITMQ_CONF_ENV_FILE", path("none-env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", path("pid"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", path("generated"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        if self.process.is_some() {
            let _ = self.command("rabbitmqctl").args(["-q", "stop"]).status();
        }
        if let Some(Process(child)) = &mut self.process {
            let begun = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < STOP_LIMIT {
                thread::sleep(PAUSE);
            }
        }
        self.process = None;
        // Its name server goes on otherwise, and refuses to end for as long as it knows of the node.
        for _ in 0..10 {
            let port = self.ports[4].to_string();
            let epmd = Command::new("epmd")
                .args(["-port", &port, "-kill"])
                .output();
            if epmd.is_ok_and(|output| output.status.success()) {
                break;
            }
            thread::sleep(PAUSE);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ports that are free now, below those that outgoing connections get.
fn free_ports() -> Result<[u16; 5], Failure> {
    let first = 20_000 + u16::try_from(std::process::id() % 1_000)? * 10;
    let mut ports = [0; 5];
    let mut free = (first..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    for port in &mut ports {
        *port = free.next().ok_or("there is no free port")?;
    }
    Ok(ports)
}
