//! The configuration in effect: options before environment before file before defaults.

mod admin;
mod file;
pub(crate) mod gateway;
pub(crate) mod limits;
pub(crate) mod units;

use std::{env, fmt};

use clap::{ArgMatches, parser::ValueSource};
pub(crate) use file::{AdminAddress, located};
use file::{AdminTable, File};
use limits::{LIMITS, Limit};
use stompbox_server::{Acl, Address, Config, HeartBeat, Listen, Protocol, Tls, User};
use toml_edit::{Array, InlineTable, Value};

use crate::{
    Failure,
    args::{Secret, ServeOptions},
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Default,
    File(String),
    Environment(String),
    Option(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Environment(name) | Self::Option(name) => f.write_str(name),
        }
    }
}

/// The configuration, and where it comes from. Displays as a file that says the same, hashes left
/// out.
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// What to log.
    pub(crate) log: String,
    /// How many threads serve connections.
    pub(crate) threads: usize,
    /// Where the values come from, by their keys.
    origins: Vec<(&'static str, Origin)>,
    listen_origins: Vec<Origin>,
    /// What the file says of the admin listener; taken when all other listeners are known.
    admin_file: Option<(AdminTable, Origin)>,
}

/// Knows whether a value was typed, or comes from the environment.
struct Given<'m> {
    matches: &'m ArgMatches,
}

impl Given<'_> {
    /// The origin of an option's value, by its name with underscores.
    fn origin(&self, name: &str) -> Option<Origin> {
        match self.matches.value_source(name)? {
            ValueSource::CommandLine => {
                Some(Origin::Option(format!("--{}", name.replace('_', "-"))))
            }
            ValueSource::EnvVariable => Some(Origin::Environment(format!(
                "STOMPBOX_{}",
                name.to_uppercase()
            ))),
            _ => None,
        }
    }
}

impl Settings {
    /// Brings together what the options, the environment and the file say. An error names no
    /// secret.
    pub(crate) fn resolve(options: &ServeOptions, matches: &ArgMatches) -> Result<Self, Failure> {
        let given = Given { matches };
        let mut settings = Self {
            config: Config::default(),
            log: "warn".into(),
            threads: default_threads(),
            origins: Vec::new(),
            listen_origins: vec![Origin::Default; 2],
            admin_file: None,
        };
        settings.config.admin = Some(admin::default());
        if let Some(path) = &options.config {
            let origin = Origin::File(path.display().to_string());
            settings.take_file(File::load(path)?, &origin);
        }
        settings.take_options(options, &given)?;
        settings.take_listeners(options, &given)?;
        settings.take_admin(options, &given)?;
        settings.take_limits(options, &given)?;
        Ok(settings)
    }

    fn set_origin(&mut self, key: &'static str, origin: Origin) {
        self.origins.retain(|(known, _)| *known != key);
        self.origins.push((key, origin));
    }

    fn origin(&self, key: &str) -> &Origin {
        let known = self.origins.iter().find(|(known, _)| *known == key);
        known.map_or(&Origin::Default, |(_, origin)| origin)
    }

    fn take_file(&mut self, file: File, origin: &Origin) {
        let config = &mut self.config;
        let mut said = Vec::new();
        if let Some(log) = file.log {
            self.log = log;
            said.push("log");
        }
        if let Some(heart_beat) = file.heart_beat {
            config.heart_beat = heart_beat;
            said.push("heart_beat");
        }
        if let Some(data) = file.data {
            config.data = Some(data);
            said.push("data");
        }
        if let Some(threads) = file.threads {
            self.threads = threads;
            said.push("threads");
        }
        if let Some(dialect) = file.dialect {
            config.broker.dialect = dialect;
            said.push("dialect");
        }
        if let Some(bare) = file.bare_destination {
            config.broker.bare_destination = bare;
            said.push("bare_destination");
        }
        if let Some(allow) = file.allow_anonymous {
            config.allow_anonymous = allow;
            said.push("allow_anonymous");
        }
        if let Some(origins) = file.allowed_origins {
            config.allowed_origins = origins;
            said.push("allowed_origins");
        }
        if let Some(compress) = file.websocket_compression {
            config.websocket_compression = compress;
            said.push("websocket_compression");
        }
        if let Some(path) = file.sockjs {
            config.sockjs = Some(path);
            said.push("sockjs");
        }
        if let Some(users) = file.users {
            config.users = users;
            said.push("user");
        }
        if let Some(gateway) = file.gateway {
            config.gateway = Some(gateway);
            said.push("gateway");
        }
        if let Some(rules) = file.rules {
            config.acl = Acl::new(rules);
            said.push("acl");
        }
        if let Some(listen) = file.listen {
            self.listen_origins = vec![origin.clone(); listen.len()];
            config.listen = listen;
        }
        if let Some(table) = file.admin {
            self.admin_file = Some((table, origin.clone()));
        }
        let config = &mut self.config;
        for (limit, text) in file.limits {
            // The file has checked it.
            if limit.apply(config, &text).is_ok() {
                said.push(limit.name);
            }
        }
        for key in said {
            self.set_origin(key, origin.clone());
        }
    }

    fn take_options(&mut self, options: &ServeOptions, given: &Given<'_>) -> Result<(), Failure> {
        if let (Some(log), Some(origin)) = (&options.log, given.origin("log")) {
            self.log.clone_from(log);
            self.set_origin("log", origin);
        }
        if let (Some(text), Some(origin)) = (&options.heart_beat, given.origin("heart_beat")) {
            self.config.heart_beat = HeartBeat::parse(text)
                .map_err(|error| format!("--heart-beat {text:?}: {error}"))?;
            self.set_origin("heart_beat", origin);
        }
        if let Some(origin) = given.origin("data") {
            self.config.data.clone_from(&options.data);
            self.set_origin("data", origin);
        }
        if options.memory {
            if let Some(Origin::Option(_)) = given.origin("data") {
                return Err("--data and --memory exclude each other".into());
            }
            self.config.data = None;
            self.set_origin("data", given.origin("memory").unwrap_or(Origin::Default));
        }
        if let (Some(threads), Some(origin)) = (options.threads, given.origin("threads")) {
            self.threads = threads;
            self.set_origin("threads", origin);
        }
        if let (Some(text), Some(origin)) = (&options.dialect, given.origin("dialect")) {
            let dialect = text.parse();
            self.config.broker.dialect = dialect.map_err(|error| format!("{origin}: {error}"))?;
            self.set_origin("dialect", origin);
        }
        if let (Some(text), Some(origin)) =
            (&options.bare_destination, given.origin("bare_destination"))
        {
            let bare = text.parse();
            self.config.broker.bare_destination =
                bare.map_err(|error| format!("{origin}: {error}"))?;
            self.set_origin("bare_destination", origin);
        }
        if !(1..=MAX_THREADS).contains(&self.threads) {
            let (threads, origin) = (self.threads, self.origin("threads"));
            return Err(format!("{origin}: threads is {threads}, not 1 to {MAX_THREADS}").into());
        }
        if let Some(origin) = given.origin("allow_anonymous") {
            self.config.allow_anonymous = options.allow_anonymous;
            self.set_origin("allow_anonymous", origin);
        }
        if let Some(origin) = given.origin("allow_origin") {
            self.config
                .allowed_origins
                .clone_from(&options.allow_origin);
            self.set_origin("allowed_origins", origin);
        }
        if let Some(origin) = given.origin("websocket_compression") {
            self.config.websocket_compression = options.websocket_compression;
            self.set_origin("websocket_compression", origin);
        }
        if let (Some(path), Some(origin)) = (&options.sockjs, given.origin("sockjs")) {
            self.config.sockjs = Some(path.clone());
            self.set_origin("sockjs", origin);
        }
        let gateway = options.gateway.lay_over(&mut self.config.gateway, given);
        if let Some(origin) = gateway? {
            self.set_origin("gateway", origin);
        }
        if let Some(origin) = given.origin("user") {
            let users = options.user.iter().map(user);
            self.config.users = users.collect::<Result<_, _>>()?;
            self.set_origin("user", origin);
        }
        Ok(())
    }

    /// Options replace the listeners of their kind; those of other kinds stay.
    fn take_listeners(&mut self, options: &ServeOptions, given: &Given<'_>) -> Result<(), Failure> {
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(cert), Some(key)) => Some(Tls {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: options.tls_client_ca.clone(),
            }),
            (None, None) => None,
            _ => return Err("--tls-cert and --tls-key go together".into()),
        };
        let is_given = |lists: [&[Address]; 3]| lists.iter().any(|list| !list.is_empty());
        let by_options = is_given([&options.stomp_tls, &options.https, &options.both_tls]);
        let in_plain = is_given([&options.stomp, &options.http, &options.both]);
        if tls.is_none() && by_options {
            return Err("--stomp-tls, --https and --both-tls need --tls-cert and --tls-key".into());
        }
        if (tls.is_some() || options.tls_client_ca.is_some()) && !by_options {
            return Err(
                "--tls-cert, --tls-key and --tls-client-ca are for --stomp-tls, --https and --both-tls; \
                 listeners of the file have files of their own"
                    .into(),
            );
        }
        if !options.proxy_protocol.is_empty() && !by_options && !in_plain {
            return Err(
                "--proxy-protocol is for --stomp, --http, --both and their likes with TLS; listeners \
                 of the file have keys of their own"
                    .into(),
            );
        }
        let kinds: [(&str, &[Address], Protocol, Option<&Tls>); 6] = [
            ("stomp", &options.stomp, Protocol::Stomp, None),
            ("http", &options.http, Protocol::Http, None),
            (
                "stomp_tls",
                &options.stomp_tls,
                Protocol::Stomp,
                tls.as_ref(),
            ),
            ("https", &options.https, Protocol::Http, tls.as_ref()),
            ("both", &options.both, Protocol::Both, None),
            ("both_tls", &options.both_tls, Protocol::Both, tls.as_ref()),
        ];
        for (name, addresses, protocol, tls) in kinds {
            let Some(origin) = given.origin(name) else {
                continue;
            };
            let mut listeners: Vec<(Listen, Origin)> = std::mem::take(&mut self.config.listen)
                .into_iter()
                .zip(std::mem::take(&mut self.listen_origins))
                .collect();
            listeners.retain(|(l, _)| l.protocol != protocol || l.tls.is_some() != tls.is_some());
            listeners.extend(addresses.iter().map(|bind| {
                let tls = tls.cloned();
                let listen = Listen {
                    bind: bind.clone(),
                    protocol,
                    tls,
                    proxy_protocol: options.proxy_protocol.clone(),
                };
                (listen, origin.clone())
            }));
            (self.config.listen, self.listen_origins) = listeners.into_iter().unzip();
        }
        Ok(())
    }

    fn take_limits(&mut self, options: &ServeOptions, given: &Given<'_>) -> Result<(), Failure> {
        for limit in LIMITS {
            let variable = limit.variable();
            if let Ok(text) = env::var(&variable) {
                self.take_limit(limit, &text, Origin::Environment(variable))?;
            }
        }
        for option in &options.limit {
            let parts = option.split_once('=');
            let known = parts.and_then(|(name, text)| Some((Limit::named(name)?, text)));
            let (limit, text) = known.ok_or_else(|| {
                let names: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
                format!(
                    "--limit {option:?} is not NAME=VALUE with a name of {}",
                    names.join(", ")
                )
            })?;
            self.take_limit(limit, text, Origin::Option("--limit".into()))?;
        }
        if let (Some(text), Some(origin @ Origin::Option(_))) =
            (&options.max_body, given.origin("max_body"))
            && let Some(limit) = Limit::named("max_body")
        {
            self.take_limit(limit, text, origin)?;
        }
        Ok(())
    }

    fn take_limit(&mut self, limit: &Limit, text: &str, origin: Origin) -> Result<(), Failure> {
        limit
            .apply(&mut self.config, text)
            .map_err(|message| format!("{origin}: {}: {message}", limit.name))?;
        self.set_origin(limit.name, origin);
        Ok(())
    }
}

const MAX_THREADS: usize = 64;

/// Half of the processors: the broker itself is at work on one at a time, and whoever sends to it
/// needs some too.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| (count.get() / 2).clamp(1, 4))
}

/// Reads a `LOGIN:PASSCODE` or `LOGIN:HASH`.
fn user(text: &Secret) -> Result<User, Failure> {
    let (login, passcode) = text
        .0
        .split_once(':')
        .ok_or("--user is not LOGIN:PASSCODE")?;
    let user = if passcode.starts_with("$argon2id$") {
        User::new(login, passcode)
    } else {
        User::with_passcode(login, passcode)
    };
    user.map_err(|error| format!("--user: {error}").into())
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let beat = config.heart_beat;
        let origins: Array = config.allowed_origins.iter().collect();
        for (key, value) in [
            ("log", Value::from(&self.log)),
            (
                "heart_beat",
                format!("{},{}", beat.send, beat.receive).into(),
            ),
            (
                "threads",
                i64::try_from(self.threads).unwrap_or(i64::MAX).into(),
            ),
            ("dialect", config.broker.dialect.to_string().into()),
            (
                "bare_destination",
                config.broker.bare_destination.to_string().into(),
            ),
            ("allow_anonymous", config.allow_anonymous.into()),
            ("allowed_origins", origins.into()),
            ("websocket_compression", config.websocket_compression.into()),
        ] {
            writeln!(f, "{key} = {value} # {}", self.origin(key))?;
        }
        if let Some(path) = &config.sockjs {
            let path = Value::from(path);
            writeln!(f, "sockjs = {path} # {}", self.origin("sockjs"))?;
        }
        if let Some(data) = &config.data {
            let data = Value::from(data.display().to_string());
            writeln!(f, "data = {data} # {}", self.origin("data"))?;
        }
        for (listen, origin) in config.listen.iter().zip(&self.listen_origins) {
            writeln!(f, "\n[[listen]] # {origin}")?;
            writeln!(f, "bind = {}", Value::from(listen.bind.to_string()))?;
            let protocols = match listen.protocol {
                Protocol::Stomp => "[\"stomp\"]",
                Protocol::Http => "[\"http\"]",
                Protocol::Both => "[\"stomp\", \"http\"]",
            };
            writeln!(f, "protocols = {protocols}")?;
            if let Address::Unix(socket) = &listen.bind
                && let Some(mode) = socket.mode
            {
                writeln!(f, "mode = \"{mode:04o}\"")?;
            }
            if let Some(tls) = &listen.tls {
                let files = [
                    ("cert", Some(&tls.cert)),
                    ("key", Some(&tls.key)),
                    ("client_ca", tls.client_ca.as_ref()),
                ];
                let table: InlineTable = files
                    .into_iter()
                    .filter_map(|(key, path)| Some((key, path?.display().to_string())))
                    .collect();
                writeln!(f, "tls = {}", Value::from(table))?;
            }
            if !listen.proxy_protocol.is_empty() {
                let proxies: Array = listen
                    .proxy_protocol
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                writeln!(f, "proxy_protocol = {}", Value::from(proxies))?;
            }
        }
        for user in &config.users {
            writeln!(f, "\n[[user]] # {}", self.origin("user"))?;
            writeln!(f, "login = {}", Value::from(user.login()))?;
            writeln!(f, "# hash is not shown")?;
            let groups: Array = user.groups().iter().collect();
            writeln!(f, "groups = {}", Value::from(groups))?;
            if let Some(role) = user.role() {
                writeln!(f, "role = {}", Value::from(role.as_str()))?;
            }
        }
        for rule in config.acl.rules() {
            writeln!(f, "\n[[acl]] # {}", self.origin("acl"))?;
            writeln!(f, "who = {}", Value::from(rule.who.to_string()))?;
            for (key, permissions) in [("allow", &rule.allow), ("deny", &rule.deny)] {
                let texts: Array = permissions.iter().map(ToString::to_string).collect();
                writeln!(f, "{key} = {}", Value::from(texts))?;
            }
        }
        self.show_admin(f)?;
        if let Some(gateway) = &config.gateway {
            f.write_str(&gateway::table(gateway, self.origin("gateway"))?)?;
        }
        writeln!(f, "\n[limits]")?;
        for limit in LIMITS {
            let text = limit.unit.format((limit.get)(config));
            let value = text
                .parse::<i64>()
                .map_or_else(|_| Value::from(&text), Value::from);
            writeln!(f, "{} = {value} # {}", limit.name, self.origin(limit.name))?;
        }
        Ok(())
    }
}
