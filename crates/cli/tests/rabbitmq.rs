//! The clients' verbs against a RabbitMQ of Debian's package `rabbitmq-server`, which the tests start for
//! themselves, and one that is killed under load: `cargo test -p stompbox-cli --test rabbitmq -- --ignored`.

mod common;

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

use common::{account::account, conversation::converse};

const BIN: &str = "/usr/lib/rabbitmq/bin";

/// A node with folders, ports and a name of its own.
struct Rabbit {
    folder: tempfile::TempDir,
    child: Child,
    ports: Ports,
}

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
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::free();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("mnesia")).unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        file(".erlang.cookie", &format!("STOMPBOXTEST{}", ports.stomp));
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
            child: Self::spawn(&ports, folder.path()),
            folder,
            ports,
        };
        rabbit.wait();
        rabbit
    }

    fn spawn(ports: &Ports, folder: &Path) -> Child {
        let mut options = File::options();
        let log = options.append(true).create(true);
        let log = log.open(folder.join("output")).unwrap();
        ports
            .command(folder, "rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("rabbitmq-server of Debian's package")
    }

    /// Waits until it listens.
    fn wait(&mut self) {
        let begun = Instant::now();
        for port in [self.ports.stomp, self.ports.web] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(120), "{}", self.log());
                thread::sleep(Duration::from_millis(200));
            }
        }
    }

    fn stomp_url(&self) -> String {
        format!("stomp://127.0.0.1:{}", self.ports.stomp)
    }

    /// SIGKILL to its virtual machine: nothing is put in order.
    fn kill_and_restart(&mut self) {
        let pid = fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let kill = Command::new("kill").args(["-KILL", pid.trim()]).status();
        assert!(kill.unwrap().success());
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.ports, self.folder.path());
        self.wait();
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
        let mut stop = self.ports.command(self.folder.path(), "rabbitmqctl");
        let _ = stop.args(["-q", "stop"]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its name server goes on otherwise.
        let port = self.ports.names.to_string();
        let _ = Command::new("epmd")
            .args(["-port", &port, "-kill"])
            .output();
    }
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn all_clients_verbs_work_with_rabbitmq() {
    let rabbit = Rabbit::start();
    converse(&rabbit.stomp_url());
    converse(&format!("ws://127.0.0.1:{}/ws", rabbit.ports.web));
}

#[test]
#[ignore = "needs rabbitmq-server"]
fn nothing_is_lost_when_rabbitmq_is_killed() {
    let mut rabbit = Rabbit::start();
    let url = rabbit.stomp_url();
    let login = ["-u", "guest", "--passcode", "guest", "--vhost", "/"];
    account(&[&["-s", &url], &login[..]].concat(), &[], || {
        rabbit.kill_and_restart();
    });
}
