//! What a program says about where its streams are, taken apart.
//!
//! One server: `redis://[user:password@]host[:port][/database]`, also `rediss://` (TLS),
//! `valkey://`, `valkeys://` and Unix sockets. A Cluster: `redis+cluster://` and as many hosts as
//! are known, with commas between. Errors do not repeat the address, which may have a password.

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::Error;

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Cluster,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

/// How to talk to each server of an address: user, password, database, TLS.
#[derive(Clone, Debug)]
pub(super) struct Access(ConnectionInfo);

#[derive(Debug)]
pub(super) struct Address {
    pub(super) kind: Kind,
    pub(super) access: Access,
    /// Those that were named; none of a Unix socket.
    pub(super) nodes: Vec<HostPort>,
}

fn none(reason: impl std::fmt::Display) -> Error {
    Error::Configuration(format!("the address is none: {reason}"))
}

impl Address {
    /// # Errors
    /// [`Error::Configuration`].
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(none("it has no scheme like redis://"));
        };
        let (scheme, kind) = match scheme.strip_suffix("+cluster") {
            Some(scheme) => (scheme, Kind::Cluster),
            None => (scheme, Kind::Server),
        };
        if kind == Kind::Server {
            let info = url.into_connection_info().map_err(none)?;
            let nodes = host_port(info.addr()).into_iter().collect();
            return Ok(Self { kind, access: Access(info), nodes });
        }
        let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (hosts, path) = rest.split_at(end);
        let at = if user.is_empty() { "" } else { "@" };
        let mut nodes = Vec::new();
        let mut access = None;
        for host in hosts.split(',') {
            let one = format!("{scheme}://{user}{at}{host}{path}");
            let info = one.as_str().into_connection_info().map_err(none)?;
            nodes.push(host_port(info.addr()).ok_or_else(|| none("a Cluster has hosts"))?);
            access.get_or_insert(Access(info));
        }
        let access = access.ok_or_else(|| none("it names no host"))?;
        Ok(Self { kind, access, nodes })
    }
}

fn host_port(address: &ConnectionAddr) -> Option<HostPort> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some(HostPort { host: host.clone(), port: *port })
        }
        _ => None,
    }
}

impl Access {
    /// For the server that was named first.
    pub(super) fn client(&self) -> Result<Client, Error> {
        Client::open(self.0.clone()).map_err(none)
    }

    /// For another one.
    pub(super) fn client_of(&self, node: &HostPort) -> Result<Client, Error> {
        let HostPort { host, port } = node.clone();
        let address = match self.0.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                let (insecure, tls_params) = (*insecure, tls_params.clone());
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Client::open(self.0.clone().set_addr(address)).map_err(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let address = Address::parse(url).expect("an address");
        address.nodes.into_iter().map(|node| (node.host, node.port)).collect()
    }

    #[test]
    fn a_cluster_has_as_many_hosts_as_are_named() {
        let url = "redis+cluster://ada:secret@a:7000,b,[::1]:7002";
        assert_eq!(Address::parse(url).expect("an address").kind, Kind::Cluster);
        let named = [("a", 7000), ("b", 6379), ("::1", 7002)];
        assert_eq!(hosts(url), named.map(|(host, port)| (host.to_owned(), port)));
        let access = Address::parse(url).expect("an address").access;
        let client = access.client_of(&HostPort { host: "c".to_owned(), port: 1 }).expect("one");
        let info = client.get_connection_info();
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("c".to_owned(), 1));
        assert_eq!(info.redis_settings().username(), Some("ada"));
        assert_eq!(info.redis_settings().password(), Some("secret"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let secret = "hunter2";
        for wrong in [
            "nonsense",
            "http://ada:hunter2@a:1",
            "redis+cluster://ada:hunter2@a:99999",
            "redis+cluster://",
            "redis+cluster://a:1,,b:2",
            "redis+cluster+cluster://a:1",
        ] {
            let refused = Address::parse(wrong).expect_err(wrong).to_string();
            assert!(refused.starts_with("the address is none"), "{refused}");
            assert!(!refused.contains(secret), "{refused}");
        }
    }
}
