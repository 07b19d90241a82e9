//! The proxy that the environment names.

use std::net::IpAddr;

use super::proxy::Proxy;
use crate::ConnectError;

/// The first of these that is set and not empty counts; of both spellings, as curl has it, the small
/// one.
const PROXIES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Looks for a proxy, and where it is not to be used.
pub(super) fn read(
    get: impl Fn(&str) -> Option<String>,
) -> Result<Option<(Proxy, Exceptions)>, ConnectError> {
    let first = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| get(name));
        values.find(|value| !value.trim().is_empty())
    };
    let Some(mut url) = first(&PROXIES) else {
        return Ok(None);
    };
    if !url.contains("://") {
        url.insert_str(0, "http://");
    }
    let exceptions = first(&EXCEPTIONS).unwrap_or_default();
    let proxy = Proxy::parse(url.trim(), "proxy_from_env")?;
    Ok(Some((proxy, Exceptions::parse(&exceptions))))
}

/// Servers that are connected to without the proxy.
#[derive(Debug, Default)]
pub(super) struct Exceptions(Vec<Exception>);

#[derive(Debug)]
enum Exception {
    All,
    /// A name, and all below it.
    Name(String),
    /// An address, and how many of its bits count.
    Net(IpAddr, u32),
}

impl Exceptions {
    fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t']).filter(|e| !e.is_empty());
        Self(entries.map(Exception::parse).collect())
    }

    pub(super) fn hold(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        self.0.iter().any(|exception| match (exception, address) {
            (Exception::All, _) => true,
            (Exception::Net(net, bits), Some(address)) => {
                first_bits(*net, *bits) == first_bits(address, *bits)
            }
            (Exception::Name(name), None) => host
                .strip_suffix(&**name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            _ => false,
        })
    }
}

impl Exception {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (entry, Some(u32::MAX)),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        match address.parse().ok().zip(bits) {
            Some((address, bits)) => Self::Net(address, bits),
            None => {
                let name = entry.trim_start_matches("*.").trim_matches('.');
                Self::Name(name.to_ascii_lowercase())
            }
        }
    }
}

/// The first bits of an address, and of which family it is.
fn first_bits(address: IpAddr, bits: u32) -> (bool, u128) {
    let (is_v6, all, width) = match address {
        IpAddr::V4(address) => (false, u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (true, address.to_bits(), 128),
    };
    let rest = width - bits.min(width);
    // Of no bits at all there is nothing left to compare.
    (is_v6, all.checked_shr(rest).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempt(list: &str, hosts: &[&str]) -> Vec<bool> {
        let exceptions = Exceptions::parse(list);
        hosts.iter().map(|host| exceptions.hold(host)).collect()
    }

    #[test]
    fn exceptions_are_names_with_all_below_them_addresses_and_nets() {
        let hosts = [
            "example.com",
            "a.Example.com.",
            "notexample.com",
            "10.1.2.3",
        ];
        for list in [
            "example.com",
            ".example.com",
            "*.example.com",
            "x, EXAMPLE.COM",
        ] {
            assert_eq!(exempt(list, &hosts), [true, true, false, false], "{list}");
        }
        assert_eq!(exempt("*", &hosts), [true; 4]);
        assert_eq!(exempt("", &hosts), [false; 4]);
        let addresses = ["10.1.2.3", "10.1.3.3", "11.0.0.1", "::1", "fd00::1", "10"];
        for (list, expected) in [
            ("10.1.2.3", [true, false, false, false, false, false]),
            ("10.1.2.0/24", [true, false, false, false, false, false]),
            ("10.0.0.0/8 ::1", [true, true, false, true, false, false]),
            ("0.0.0.0/0", [true, true, true, false, false, false]),
            ("[fd00::]/8", [false, false, false, false, true, false]),
            ("10.1.2.3/x", [false; 6]),
        ] {
            assert_eq!(exempt(list, &addresses), expected, "{list}");
        }
    }

    fn url_of(set: &[(&str, &str)]) -> Result<Option<String>, ConnectError> {
        let get = |name: &str| {
            let found = set.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Ok(read(get)?.map(|(proxy, _)| proxy.url().to_owned()))
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let all = ("ALL_PROXY", "socks5h://h:1");
        let https = ("HTTPS_PROXY", "ann:secret@h:2");
        for (set, expected) in [
            (&[][..], None),
            (&[("HTTP_PROXY", "http://h"), ("NO_PROXY", "*")], None),
            (&[all], Some("socks5h://h:1")),
            (&[all, https], Some("http://h:2")),
            (&[all, https, ("https_proxy", " ")], Some("http://h:2")),
            (&[https, ("https_proxy", "h:3")], Some("http://h:3")),
        ] {
            assert_eq!(url_of(set).unwrap().as_deref(), expected, "{set:?}");
        }
        let error = url_of(&[("all_proxy", "ftp://ann:secret@h")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("proxy_from_env") && !error.contains("secret"),
            "{error}"
        );
    }
}
