//! The clients' verbs against a RabbitMQ of Debian's package `rabbitmq-server`, which the test starts for
//! itself: `cargo test -p stompbox-cli --test rabbitmq -- --ignored`.

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

use common::{good, run, stompbox};

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
        let log = File::create(folder.path().join("output")).unwrap();
        let child = ports
            .command(folder.path(), "rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("rabbitmq-server of Debian's package");
        let rabbit = Self {
            folder,
            child,
            ports,
        };
        let begun = Instant::now();
        for port in [rabbit.ports.stomp, rabbit.ports.web] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(
                    begun.elapsed() < Duration::from_secs(120),
                    "{}",
                    rabbit.log()
                );
                thread::sleep(Duration::from_millis(200));
            }
        }
        rabbit
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
    let login = ["-u", "guest", "--passcode", "guest", "--vhost", "/"];
    for url in [
        format!("stomp://127.0.0.1:{}", rabbit.ports.stomp),
        format!("ws://127.0.0.1:{}/ws", rabbit.ports.web),
    ] {
        let url = &*url;
        let with = |args: &[&'static str]| -> Vec<String> {
            let all = [args, &["-s"]].concat().into_iter().map(str::to_owned);
            all.chain([url.to_owned()])
                .chain(login.map(str::to_owned))
                .collect()
        };
        let good = |args: &[&'static str]| {
            let args = with(args);
            good(&args.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let run = |args: &[&'static str]| {
            let args = with(args);
            run(&args.iter().map(String::as_str).collect::<Vec<_>>())
        };
        good(&[
            "pub",
            "/queue/a",
            "%i",
            "--template",
            "-n",
            "5",
            "--persistent",
        ]);
        assert_eq!(good(&["sub", "/queue/a", "-C", "2"]), "0\n1\n");
        assert_eq!(
            good(&["sub", "/queue/a", "-C", "3", "--prefetch", "1"]),
            "2\n3\n4\n"
        );
        assert_eq!(run(&["sub", "/queue/a", "-W", "0.3"]).0, Some(5));
        good(&["pub", "/queue/a", "x", "--tx", "2", "-n", "4"]);
        assert_eq!(good(&["sub", "/queue/a", "-C", "4", "-F", "%b"]), "xxxx");
        // What a command refuses comes again.
        good(&["pub", "/queue/e", "x"]);
        let exec = [
            "sub",
            "/queue/e",
            "-C",
            "2",
            "--prefetch",
            "1",
            "--exec",
            "test \"$STOMP_REDELIVERED\" = true && echo again",
        ];
        assert_eq!(good(&exec), "again\n");
        let args = with(&["reply", "/queue/r", "-C", "1", "--echo"]);
        let mut reply = stompbox(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .spawn()
            .unwrap();
        assert_eq!(good(&["req", "/queue/r", "ping"]), "ping\n");
        assert!(reply.wait().unwrap().success());
        assert!(good(&["rtt", "-n", "3"]).contains("RabbitMQ/"));
        // It would take the messages.
        let (code, _, errors) = run(&["browse", "/queue/a"]);
        assert!(code == Some(1) && errors.contains("RabbitMQ"), "{errors}");
        let report = good(&[
            "bench",
            "pubsub",
            "/queue/bench",
            "-n",
            "500",
            "--window",
            "50",
            "--json",
        ]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (&report["received"], &report["lost"]),
            (&500.into(), &0.into())
        );
        let (code, out, _) = run(&["doctor"]);
        assert!(
            out.contains("RabbitMQ/") && out.contains("a receipt in"),
            "{code:?} {out}"
        );
    }
    let url = format!("stomp://127.0.0.1:{}", rabbit.ports.stomp);
    let wrong = [
        "pub",
        "/queue/a",
        "x",
        "-s",
        &url,
        "-u",
        "guest",
        "--passcode",
        "wrong",
        "--vhost",
        "/",
    ];
    assert_eq!(run(&wrong).0, Some(3));
}
