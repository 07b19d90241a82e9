//! A RabbitMQ of Debian's package `rabbitmq-server`, which a test starts for itself.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs::{self, File},
    io::Read as _,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const BIN: &str = "/usr/lib/rabbitmq/bin";

/// A node with folders, ports and a name of its own.
pub(crate) struct Rabbit {
    folder: tempfile::TempDir,
    child: Option<Child>,
    ports: Ports,
    /// Its name server is another node's.
    is_guest: bool,
}

#[derive(Clone, Copy)]
struct Ports {
    stomp: u16,
    web: u16,
    amqp: u16,
    distribution: u16,
    names: u16,
}

impl Ports {
    /// Ports that are free now.
    fn free() -> Self {
        let listeners: Vec<_> = (0..5)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let port = |at: usize| listeners[at].local_addr().unwrap().port();
        Self {
            stomp: port(0),
            web: port(1),
            amqp: port(2),
            distribution: port(3),
            names: port(4),
        }
    }

    fn command(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new(format!("{BIN}/{program}"));
        let path = |name: &str| folder.join(name);
        command
            .env("HOME", folder)
            .env("LANG", "C.UTF-8")
            .env(
                "RABBITMQ_NODENAME",
                format!("stompbox-test-{}@localhost", self.stomp),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("ERL_EPMD_PORT", self.names.to_string())
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

impl Rabbit {
    /// A node that takes connections.
    pub(crate) fn start() -> Self {
        let ports = Ports::free();
        Self::make(ports, &format!("STOMPBOXTEST{}", ports.stomp), false)
    }

    /// Two nodes of one cluster.
    pub(crate) fn cluster() -> [Self; 2] {
        let first = Ports::free();
        let cookie = format!("STOMPBOXTEST{}", first.stomp);
        let second = Ports {
            names: first.names,
            ..Ports::free()
        };
        let one = Self::make(first, &cookie, false);
        let two = Self::make(second, &cookie, true);
        two.control(&["stop_app"]);
        two.control(&["reset"]);
        two.control(&["join_cluster", &one.name()]);
        two.control(&["start_app"]);
        two.wait();
        [one, two]
    }

    fn make(ports: Ports, cookie: &str, is_guest: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("mnesia")).unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        file(".erlang.cookie", cookie);
        let cookie = folder.path().join(".erlang.cookie");
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).unwrap();
        file("enabled_plugins", "[rabbitmq_stomp,rabbitmq_web_stomp].");
        file(
            "rabbitmq.conf",
            &format!(
                "listeners.tcp.1 = 127.0.0.1:{}\nstomp.listeners.tcp.1 = 127.0.0.1:{}\n\
                 web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {}\n\
                 disk_free_limit.absolute = 50MB\nlog.file = false\nlog.console = true\n",
                ports.amqp, ports.stomp, ports.web
            ),
        );
        let mut rabbit = Self {
            folder,
            child: None,
            ports,
            is_guest,
        };
        rabbit.run();
        rabbit
    }

    /// Starts it, again if it was killed.
    pub(crate) fn run(&mut self) {
        let log = File::create(self.folder.path().join("output")).unwrap();
        let child = self
            .ports
            .command(self.folder.path(), "rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("rabbitmq-server of Debian's package");
        self.child = Some(child);
        self.wait();
    }

    fn wait(&self) {
        let begun = Instant::now();
        for port in [self.ports.stomp, self.ports.web] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(120), "{}", self.log());
                thread::sleep(Duration::from_millis(200));
            }
        }
    }

    /// Stops the node, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // The program that was started is a shell around it.
        let pid = fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let kill = Command::new("kill").args(["-KILL", pid.trim()]).status();
        assert!(kill.unwrap().success());
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// The port of STOMP over TCP.
    pub(crate) fn stomp(&self) -> u16 {
        self.ports.stomp
    }

    /// Where STOMP over TCP is.
    pub(crate) fn stomp_url(&self) -> String {
        format!("stomp://127.0.0.1:{}", self.ports.stomp)
    }

    /// The port of STOMP over WebSocket.
    pub(crate) fn web(&self) -> u16 {
        self.ports.web
    }

    fn name(&self) -> String {
        format!("stompbox-test-{}@localhost", self.ports.stomp)
    }

    /// What `rabbitmqctl` says. It may fail.
    pub(crate) fn control(&self, args: &[&str]) -> String {
        let mut command = self.ports.command(self.folder.path(), "rabbitmqctl");
        let output = command.arg("-q").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let file = File::open(self.folder.path().join("output"));
        file.unwrap().read_to_string(&mut text).unwrap_or_default();
        text
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.control(&["stop"]);
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.is_guest {
            return;
        }
        // Its name server goes on otherwise.
        let port = self.ports.names.to_string();
        let _ = Command::new("epmd")
            .args(["-port", &port, "-kill"])
            .output();
    }
}
