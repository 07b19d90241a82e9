//! A RabbitMQ of Debian's package `rabbitmq-server`, with folders, ports and a name of its own, for tests
//! and measurements.

mod ports;

use std::{
    fs::{self, File},
    io::{self, Error},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ports::Ports;
use tempfile::TempDir;

const BIN: &str = "/usr/lib/rabbitmq/bin";

/// How long it may take to listen, and to end.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long until it is looked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Times that its name server is told to end, which it does not for as long as it knows of a node.
const NAMES_TRIES: usize = 10;

/// A node that takes connections of `guest` with the passcode `guest`. Dropped, it ends, and nothing of
/// it is left.
#[derive(Debug)]
pub struct Rabbit {
    folder: TempDir,
    /// `None` after it was killed.
    child: Option<Child>,
    ports: Ports,
    /// Its name server is another node's.
    is_guest: bool,
}

impl Rabbit {
    /// Whether the package is there.
    #[must_use]
    pub fn is_installed() -> bool {
        Path::new(BIN).join("rabbitmq-server").is_file()
    }

    /// Starts a node, and waits until it listens.
    ///
    /// # Errors
    ///
    /// It can't be started, or does not listen within 120 s: then with what it said.
    pub fn start() -> io::Result<Self> {
        let ports = Ports::free()?;
        Self::make(ports, ports.stomp, false)
    }

    /// Starts two nodes of one cluster.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start), or the second can't join the first.
    pub fn cluster() -> io::Result<[Self; 2]> {
        let first = Ports::free()?;
        let second = Ports {
            names: first.names,
            ..Ports::free()?
        };
        let one = Self::make(first, first.stomp, false)?;
        let two = Self::make(second, first.stomp, true)?;
        two.control(&["stop_app"])?;
        two.control(&["reset"])?;
        two.control(&["join_cluster", &one.name()])?;
        two.control(&["start_app"])?;
        two.wait()?;
        Ok([one, two])
    }

    /// `cluster`: a number that all nodes of a cluster know.
    fn make(ports: Ports, cluster: u16, is_guest: bool) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for name in ["mnesia", "log"] {
            fs::create_dir(path(name))?;
        }
        let cookie = path(".erlang.cookie");
        fs::write(&cookie, format!("STOMPBOXTEST{cluster}"))?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        let plugins = "[rabbitmq_stomp,rabbitmq_web_stomp].";
        fs::write(path("enabled_plugins"), plugins)?;
        let Ports {
            stomp, web, amqp, ..
        } = ports;
        let text = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\nstomp.listeners.tcp.1 = 127.0.0.1:{stomp}\n\
             web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {web}\n\
             disk_free_limit.absolute = 50MB\nlog.file = false\nlog.console = true\n"
        );
        fs::write(path("rabbitmq.conf"), text)?;
        let mut rabbit = Self {
            folder,
            child: None,
            ports,
            is_guest,
        };
        rabbit.run()?;
        Ok(rabbit)
    }

    /// Starts it again after it was killed.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub fn run(&mut self) -> io::Result<()> {
        let output = File::create(self.output())?;
        let child = self
            .command("rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| {
                let problem = format!("can't run rabbitmq-server of Debian's package: {error}");
                Error::new(error.kind(), problem)
            })?;
        self.child = Some(child);
        self.wait()
    }

    fn wait(&self) -> io::Result<()> {
        let begun = Instant::now();
        for port in [self.ports.stomp, self.ports.web] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                if begun.elapsed() > START_LIMIT {
                    let output = fs::read(self.output())?;
                    let output = String::from_utf8_lossy(&output);
                    let problem = format!("RabbitMQ does not listen at port {port}: {output}");
                    return Err(Error::other(problem));
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Stops the node, as `kill -9` does.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn kill(&mut self) -> io::Result<()> {
        // The program that was started is a shell around it.
        let pid = fs::read_to_string(self.folder.path().join("pid"))?;
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status()?;
        if !killed.success() {
            let problem = format!("there is no RabbitMQ with the process id {}", pid.trim());
            return Err(Error::other(problem));
        }
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Where STOMP over TCP is.
    #[must_use]
    pub fn tcp(&self) -> String {
        format!("stomp://127.0.0.1:{}", self.ports.stomp)
    }

    /// Where STOMP over WebSocket is.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}/ws", self.ports.web)
    }

    /// The port of STOMP over TCP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.stomp
    }

    /// How many connections of STOMP over TCP it has.
    ///
    /// # Errors
    ///
    /// There is no `rabbitmqctl`.
    pub fn connections(&self) -> io::Result<usize> {
        let list = self.control(&["list_stomp_connections", "conn_name"])?;
        Ok(list.lines().filter(|line| line.contains("->")).count())
    }

    /// What `rabbitmqctl` says. It may fail: then what it says is empty.
    ///
    /// # Errors
    ///
    /// There is no `rabbitmqctl`.
    pub fn control(&self, args: &[&str]) -> io::Result<String> {
        let output = self.command("rabbitmqctl").arg("-q").args(args).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn name(&self) -> String {
        format!("stompbox-test-{}@localhost", self.ports.stomp)
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(format!("{BIN}/{program}"));
        let path = |name: &str| self.folder.path().join(name);
        let Ports {
            amqp,
            distribution,
            names,
            ..
        } = self.ports;
        command
            .env("HOME", self.folder.path())
            .env("LANG", "C.UTF-8")
            .env("RABBITMQ_NODENAME", self.name())
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
        let _ = self.control(&["stop"]);
        if let Some(child) = &mut self.child {
            let begun = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < STOP_LIMIT {
                thread::sleep(PAUSE);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.is_guest {
            return;
        }
        // Its name server goes on otherwise.
        for _ in 0..NAMES_TRIES {
            let port = self.ports.names.to_string();
            let epmd = Command::new("epmd")
                .args(["-port", &port, "-kill"])
                .output();
            if epmd.is_ok_and(|output| output.status.success()) {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}
