//! The admin listener: `[admin]`, `--admin`.

use std::{fmt, net::Ipv4Addr};

use stompbox_server::Admin;
use toml_edit::{Array, Value};

use super::{Given, Origin, Settings};
use crate::{Failure, args::ServeOptions};

/// Without a word about it: where the address is taken, the server starts all the same.
pub(super) fn default() -> Admin {
    let mut admin = Admin::new((Ipv4Addr::LOCALHOST, 61680).into());
    admin.required = false;
    admin
}

impl Settings {
    /// Takes what the file and the options say. TLS is that of the first listener that has some, so
    /// the listeners must be known.
    pub(super) fn take_admin(
        &mut self,
        options: &ServeOptions,
        given: &Given<'_>,
    ) -> Result<(), Failure> {
        let mut admin = default();
        let mut address = Some(admin.bind);
        let mut tls = None;
        if let Some((table, origin)) = self.admin_file.take() {
            if let Some(listen) = table.listen {
                address = listen.0;
                admin.required = true;
                self.set_origin("admin.listen", origin.clone());
            }
            if let Some(hosts) = table.hosts {
                admin.hosts = hosts;
                self.set_origin("admin.hosts", origin.clone());
            }
            if let Some(login) = table.metrics_login {
                admin.metrics_login = login;
                self.set_origin("admin.metrics_login", origin.clone());
            }
            if let Some(most) = table.metrics_destinations {
                admin.metrics_destinations = most;
                self.set_origin("admin.metrics_destinations", origin.clone());
            }
            if let Some(most) = table.max_connections {
                if !(1..=MOST_CONNECTIONS).contains(&most) {
                    return Err(format!(
                        "{origin}: admin.max_connections is {most}, not 1 to {MOST_CONNECTIONS}"
                    )
                    .into());
                }
                admin.max_connections = most;
                self.set_origin("admin.max_connections", origin.clone());
            }
            if !table.proxy_protocol.0.is_empty() {
                admin.proxy_protocol = table.proxy_protocol.0;
                self.set_origin("admin.proxy_protocol", origin.clone());
            }
            if let Some(wanted) = table.tls {
                self.set_origin("admin.tls", origin.clone());
                tls = wanted.then_some(origin);
            }
        }
        if let (Some(said), Some(origin)) = (options.admin, given.origin("admin")) {
            address = said.0;
            admin.required = true;
            self.set_origin("admin.listen", origin);
        }
        let Some(address) = address else {
            self.config.admin = None;
            return Ok(());
        };
        admin.bind = address;
        if let Some(origin) = tls {
            let mut listeners = self.config.listen.iter();
            let found = listeners.find_map(|listen| listen.tls.clone());
            admin.tls = Some(found.ok_or_else(|| {
                format!("{origin}: admin.tls is true, and no listener has a certificate")
            })?);
        }
        self.config.admin = Some(admin);
        Ok(())
    }

    /// Writes it as in a file.
    pub(super) fn show_admin(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[admin]")?;
        let Some(admin) = &self.config.admin else {
            return writeln!(f, "listen = \"off\" # {}", self.origin("admin.listen"));
        };
        let number = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
        let hosts: Array = admin.hosts.iter().collect();
        for (key, name, value) in [
            (
                "listen",
                "admin.listen",
                Value::from(admin.bind.to_string()),
            ),
            ("tls", "admin.tls", admin.tls.is_some().into()),
            ("hosts", "admin.hosts", hosts.into()),
            (
                "metrics_login",
                "admin.metrics_login",
                admin.metrics_login.into(),
            ),
            (
                "metrics_destinations",
                "admin.metrics_destinations",
                number(admin.metrics_destinations).into(),
            ),
            (
                "max_connections",
                "admin.max_connections",
                number(admin.max_connections).into(),
            ),
        ] {
            let origin: &Origin = self.origin(name);
            writeln!(f, "{key} = {value} # {origin}")?;
        }
        if !admin.proxy_protocol.is_empty() {
            let proxies = admin.proxy_protocol.iter().map(ToString::to_string);
            let proxies = Value::from(proxies.collect::<Array>());
            let origin = self.origin("admin.proxy_protocol");
            writeln!(f, "proxy_protocol = {proxies} # {origin}")?;
        }
        Ok(())
    }
}

const MOST_CONNECTIONS: usize = 10_000;
