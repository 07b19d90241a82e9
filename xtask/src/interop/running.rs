//! Brokers that run: started here, by scripts, or by somebody else.
//!
//! - Stompbox is started always, RabbitMQ where it is installed.
//! - With `INTEROP=all` the others are too, by the scripts of the folder `INTEROP_BROKERS`, for which
//!   `../shared/brokers` stands if it is there. `INTEROP=rabbitmq,artemis` is these two alone.
//! - `INTEROP_KIND_TCP` and `INTEROP_KIND_WS` name a broker that runs, such as
//!   `INTEROP_ARTEMIS_TCP=stomp://mq:61613`; `INTEROP_KIND_LOGIN`, `_PASSCODE` and `_HOST` are for both.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use stompbox_rabbitmq::Rabbit;

use super::{broker::Broker, process::Server};
use crate::tools::{Failure, root};

/// A broker that runs, and how to connect to it. Dropped, it is stopped if it was started here.
pub(crate) struct Running {
    pub(crate) tcp: String,
    pub(crate) ws: String,
    pub(crate) login: Option<String>,
    pub(crate) passcode: Option<String>,
    /// The `host` header, unless that of the broker's file will do.
    pub(crate) host: Option<String>,
    _keeper: Keeper,
}

/// What ends a broker.
enum Keeper {
    Nobody,
    Server { _server: Server },
    Rabbit { _rabbit: Rabbit },
    Script(PathBuf),
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Self::Script(script) = self {
            let _ = Command::new(script).arg("stop").status();
        }
    }
}

/// Finds or starts a broker; `None`: this run is without it.
pub(crate) fn find(broker: &Broker) -> Result<Option<Running>, Failure> {
    if let Some(running) = named(&broker.kind)? {
        return Ok(Some(running));
    }
    let wish = env::var("INTEROP").unwrap_or_default();
    let is_named = wish.split(',').any(|it| it == broker.kind);
    if !is_named && !matches!(&*wish, "" | "all") {
        return Ok(None);
    }
    match &*broker.kind {
        "stompbox" => stompbox().map(Some),
        "rabbitmq" if Rabbit::is_installed() => rabbitmq().map(Some),
        "rabbitmq" if wish.is_empty() => {
            eprintln!("RabbitMQ is left out: no rabbitmq-server");
            Ok(None)
        }
        "rabbitmq" => Err("no rabbitmq-server; apt-get install rabbitmq-server".into()),
        _ if wish.is_empty() => Ok(None),
        kind => script(kind).map(Some),
    }
}

/// One that the environment names.
fn named(kind: &str) -> Result<Option<Running>, Failure> {
    let name = |what: &str| format!("INTEROP_{}_{what}", kind.to_uppercase());
    let get = |what: &str| env::var(name(what)).ok();
    match (get("TCP"), get("WS")) {
        (None, None) => Ok(None),
        (Some(tcp), Some(ws)) => Ok(Some(Running {
            tcp,
            ws,
            login: get("LOGIN"),
            passcode: get("PASSCODE"),
            host: get("HOST"),
            _keeper: Keeper::Nobody,
        })),
        _ => Err(format!("{} and {} go together", name("TCP"), name("WS")).into()),
    }
}

fn stompbox() -> Result<Running, Failure> {
    let server = Server::start("serve", &[])?;
    Ok(Running {
        tcp: server.tcp.clone(),
        ws: server.ws.clone(),
        login: None,
        passcode: None,
        host: None,
        _keeper: Keeper::Server { _server: server },
    })
}

fn rabbitmq() -> Result<Running, Failure> {
    let rabbit = Rabbit::start()?;
    Ok(Running {
        tcp: rabbit.tcp(),
        ws: rabbit.ws(),
        login: Some("guest".into()),
        passcode: Some("guest".into()),
        host: None,
        _keeper: Keeper::Rabbit { _rabbit: rabbit },
    })
}

/// Starts one by its script, which prints lines such as `STOMP_URL=tcp://127.0.0.1:61613`. One that
/// runs already is used, and not stopped.
fn script(kind: &str) -> Result<Running, Failure> {
    let script = scripts().join(format!("{kind}.sh"));
    if !script.is_file() {
        let path = script.display();
        let upper = kind.to_uppercase();
        return Err(format!(
            "no script {path}: INTEROP_BROKERS is the folder of such; or INTEROP_{upper}_TCP and \
             INTEROP_{upper}_WS name a broker that runs"
        )
        .into());
    }
    let was_running = call(&script, "status").is_ok();
    let keeper = if was_running {
        Keeper::Nobody
    } else {
        Keeper::Script(script.clone())
    };
    let text = call(&script, "start")?;
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    };
    let need = |name: &str| value(name).ok_or_else(|| format!("{kind}.sh prints no {name}"));
    Ok(Running {
        tcp: need("STOMP_URL")?.replacen("tcp://", "stomp://", 1),
        ws: need("WS_URL")?,
        login: value("LOGIN"),
        passcode: value("PASSCODE"),
        host: None,
        _keeper: keeper,
    })
}

fn scripts() -> PathBuf {
    let named = env::var_os("INTEROP_BROKERS").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "../shared/brokers".into()))
}

fn call(script: &Path, verb: &str) -> Result<String, Failure> {
    let output = Command::new(script)
        .arg(verb)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("can't run {}: {error}", script.display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {verb}: {}", script.display(), errors.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
