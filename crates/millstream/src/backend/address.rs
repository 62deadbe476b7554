//! What a program says about where its streams are, taken apart: see
//! [`ConnectOptions`](crate::ConnectOptions). Errors do not repeat the address, which may have a
//! password.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use super::link::Link;
use super::tls;
use crate::connect_options::{Credentials, Dial, Who};
use crate::{ConnectOptions, Error};

/// Who is there.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Server,
    Cluster,
    Sentinel {
        service: String,
        /// How to talk to the Sentinels.
        access: Box<Access>,
    },
}

const SENTINEL_PORT: u16 = 26_379;
/// A connection on which nothing comes for so long is tried, and again after each interval.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

/// How to talk to each server of an address: user, password, database, TLS; and how long an answer
/// may take.
#[derive(Clone)]
pub(super) struct Access {
    info: ConnectionInfo,
    response_timeout: Duration,
    dial: Option<Dial>,
    /// To be nobody, although our certificate may say who we are.
    begins_anew: bool,
}

#[derive(Debug)]
pub(super) struct Address {
    pub(super) kind: Kind,
    pub(super) access: Access,
    /// Those that were named; none of a Unix socket.
    pub(super) nodes: Vec<HostPort>,
}

pub(super) fn none(reason: impl std::fmt::Display) -> Error {
    Error::Configuration(format!("the address is none: {reason}"))
}

impl Address {
    /// # Errors
    /// [`Error::Configuration`].
    pub(super) fn parse(options: &ConnectOptions) -> Result<Self, Error> {
        let url = &*options.url;
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(none("it has no scheme like redis://"));
        };
        if let Some(scheme) = scheme.strip_suffix("+cluster") {
            let (nodes, access, _) = several(scheme, rest, None, options)?;
            return Ok(Self { kind: Kind::Cluster, access, nodes });
        }
        if let Some(scheme) = scheme.strip_suffix("+sentinel") {
            return Self::parse_sentinel(scheme, rest, options);
        }
        let info = prompt(tls::secure(url.into_connection_info().map_err(none)?, options)?);
        let nodes = host_port(info.addr()).into_iter().collect();
        Ok(Self { kind: Kind::Server, access: Access::new(info, options), nodes })
    }

    fn parse_sentinel(scheme: &str, rest: &str, options: &ConnectOptions) -> Result<Self, Error> {
        let (user, hosts, path) = split(rest);
        let (path, more) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
        let mut path = path.trim_start_matches('/').split('/');
        let service = path.next().unwrap_or_default();
        if service.is_empty() {
            return Err(none("it does not name what the Sentinels watch: .../service"));
        }
        let database = path.next().unwrap_or_default();
        if path.next().is_some() {
            return Err(none("there is nothing behind the database"));
        }
        let rest = format!("{user}{hosts}/{database}{more}");
        let (nodes, access, info) = several(scheme, &rest, Some(SENTINEL_PORT), options)?;
        let mut who = redis::RedisConnectionInfo::default();
        if let Some(sentinel) = &options.sentinel {
            who = who.set_password(&sentinel.password);
            if let Some(user) = &sentinel.user {
                who = who.set_username(user);
            }
        }
        let response_timeout = options.response_timeout;
        let info = info.set_redis_settings(who);
        let (dial, begins_anew) = (None, false);
        let to_sentinels = Box::new(Access { info, response_timeout, dial, begins_anew });
        let kind = Kind::Sentinel { service: service.to_owned(), access: to_sentinels };
        Ok(Self { kind, access, nodes })
    }
}

/// User with `@`, hosts, and what comes behind them.
fn split(rest: &str) -> (&str, &str, &str) {
    let hosts = rest.rfind('@').map_or(0, |at| at + 1);
    let end = rest[hosts..].find(['/', '?', '#']).map_or(rest.len(), |end| hosts + end);
    (&rest[..hosts], &rest[hosts..end], &rest[end..])
}

/// Several hosts with commas between; the rest goes for all of them.
fn several(
    scheme: &str,
    rest: &str,
    usual_port: Option<u16>,
    options: &ConnectOptions,
) -> Result<(Vec<HostPort>, Access, ConnectionInfo), Error> {
    let (user, hosts, path) = split(rest);
    let mut nodes = Vec::new();
    let mut first = None;
    for host in hosts.split(',') {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = match usual_port.filter(|_| !has_port) {
            Some(port) => format!(":{port}"),
            None => String::new(),
        };
        let one = format!("{scheme}://{user}{host}{port}{path}");
        let info = one.as_str().into_connection_info().map_err(none)?;
        nodes.push(host_port(info.addr()).ok_or_else(|| none("it has hosts"))?);
        first.get_or_insert(info);
    }
    let first = prompt(tls::secure(first.ok_or_else(|| none("it names no host"))?, options)?);
    Ok((nodes, Access::new(first.clone(), options), first))
}

/// What one task sends does not wait until what another one sent was acknowledged; and who waits
/// long for an answer notices when the other machine is gone.
fn prompt(info: ConnectionInfo) -> ConnectionInfo {
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_INTERVAL);
    let settings = info.tcp_settings().clone().set_nodelay(true).set_keepalive(keepalive);
    info.set_tcp_settings(settings)
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
    /// With the password of the options if the address has none.
    fn new(info: ConnectionInfo, options: &ConnectOptions) -> Self {
        let response_timeout = options.response_timeout;
        let mut who = info.redis_settings().clone();
        let nobody = || {
            let (protocol, database) = (who.protocol(), who.db());
            RedisConnectionInfo::default().set_protocol(protocol).set_db(database)
        };
        match (&options.who, &options.password) {
            (Who::Nobody, _) => who = nobody(),
            (Who::Other(Credentials { user, password }), _) => {
                who = nobody().set_password(password);
                if let Some(user) = user {
                    who = who.set_username(user);
                }
            }
            (Who::OfAddress, Some(password)) if who.password().is_none() => {
                who = who.set_password(password);
            }
            (Who::OfAddress, _) => {}
        }
        let dial = options.dial.clone();
        let begins_anew = matches!(options.who, Who::Nobody) && options.identity.is_some();
        Self { info: info.set_redis_settings(who), response_timeout, dial, begins_anew }
    }

    /// To the server that was named first.
    pub(super) fn link(&self) -> Result<Link, Error> {
        let client = Client::open(self.info.clone()).map_err(none)?;
        Ok(Link::new(client, self.dial.clone(), self.response_timeout, self.begins_anew))
    }

    /// To another one.
    pub(super) fn link_of(&self, node: &HostPort) -> Result<Link, Error> {
        let client = self.client_of(node)?;
        Ok(Link::new(client, None, self.response_timeout, self.begins_anew))
    }

    fn client_of(&self, node: &HostPort) -> Result<Client, Error> {
        let HostPort { host, port } = node.clone();
        let address = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                let (insecure, tls_params) = (*insecure, tls_params.clone());
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Client::open(self.info.clone().set_addr(address)).map_err(none)
    }
}

impl fmt::Debug for Access {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { info, response_timeout, dial, .. } = self;
        f.debug_struct("Access")
            .field("address", info.addr())
            .field("response_timeout", response_timeout)
            .field("is_dialled", &dial.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, Error> {
        Address::parse(&ConnectOptions::new(url))
    }

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let address = parse(url).expect("an address");
        address.nodes.into_iter().map(|node| (node.host, node.port)).collect()
    }

    #[test]
    fn a_cluster_has_as_many_hosts_as_are_named() {
        let url = "redis+cluster://ada:secret@a:7000,b,[::1]:7002";
        let named = [("a", 7000), ("b", 6379), ("::1", 7002)];
        assert_eq!(hosts(url), named.map(|(host, port)| (host.to_owned(), port)));
        let Address { kind, access, .. } = parse(url).expect("an address");
        assert!(matches!(kind, Kind::Cluster));
        let client = access.client_of(&HostPort { host: "c".to_owned(), port: 1 }).expect("one");
        let info = client.get_connection_info();
        assert_eq!(*info.addr(), ConnectionAddr::Tcp("c".to_owned(), 1));
        assert_eq!(info.redis_settings().username(), Some("ada"));
        assert_eq!(info.redis_settings().password(), Some("secret"));
    }

    #[test]
    fn sentinels_have_a_service_and_who_to_be_is_for_the_servers() {
        let url = "valkey+sentinel://:secret@a,b:7001,[::1]/orders/2";
        let named = [("a", 26_379), ("b", 7001), ("::1", 26_379)];
        assert_eq!(hosts(url), named.map(|(host, port)| (host.to_owned(), port)));
        let options = ConnectOptions::new(url).sentinel_credentials(Some("watcher"), "other");
        let Address { kind, access, .. } = Address::parse(&options).expect("an address");
        let Kind::Sentinel { service, access: to_sentinels } = kind else { panic!("{kind:?}") };
        assert_eq!(service, "orders");
        let settings = |access: &Access| {
            let settings = access.info.redis_settings();
            let (user, password) = (settings.username(), settings.password());
            (user.map(str::to_owned), password.map(str::to_owned), settings.db())
        };
        assert_eq!(settings(&access), (None, Some("secret".to_owned()), 2));
        let watcher = (Some("watcher".to_owned()), Some("other".to_owned()), 0);
        assert_eq!(settings(&to_sentinels), watcher);
    }

    #[test]
    fn passwords_are_decoded_and_options_go_for_all_hosts() {
        for url in [
            "redis://ada:p%40%2F%2C%3A%23@[::1]:7000?protocol=resp3",
            "redis+cluster://ada:p%40%2F%2C%3A%23@[::1]:7000,b?protocol=resp3",
            "redis+sentinel://ada:p%40%2F%2C%3A%23@[::1]:7000,b/orders?protocol=resp3",
            "redis+sentinel://ada:p%40%2F%2C%3A%23@[::1]:7000,b/orders/?protocol=resp3",
        ] {
            let Address { kind, access, nodes } = parse(url).expect(url);
            let settings = access.info.redis_settings();
            let who = (settings.username(), settings.password(), settings.protocol());
            assert_eq!(who, (Some("ada"), Some("p@/,:#"), redis::ProtocolVersion::RESP3), "{url}");
            assert_eq!(nodes[0], HostPort { host: "::1".to_owned(), port: 7000 });
            if let Kind::Sentinel { service, .. } = kind {
                assert_eq!(service, "orders");
            }
        }
    }

    #[test]
    fn a_password_of_its_own_counts_where_the_address_has_none() {
        for (url, password, user) in [
            ("redis://a", "other", None),
            ("redis://ada@a", "other", Some("ada")),
            ("redis+cluster://a,b", "other", None),
            ("redis+sentinel://a/orders", "other", None),
            ("redis://ada:secret@a", "secret", Some("ada")),
        ] {
            let options = ConnectOptions::new(url).password("other");
            let Address { kind, access, .. } = Address::parse(&options).expect(url);
            let settings = access.info.redis_settings();
            assert_eq!((settings.password(), settings.username()), (Some(password), user), "{url}");
            if let Kind::Sentinel { access, .. } = kind {
                assert_eq!(access.info.redis_settings().password(), None);
            }
        }
    }

    #[test]
    fn who_to_be_can_be_said_whatever_the_address_says() {
        let url = "redis://ada:secret@a/3?protocol=resp3";
        let nobody = ConnectOptions::new(url).password("other").without_credentials();
        let bob = ConnectOptions::new(url).credentials(Some("bob"), "his");
        let default = ConnectOptions::new(url).credentials(None, "its");
        for (options, user, password) in
            [(nobody, None, None), (bob, Some("bob"), Some("his")), (default, None, Some("its"))]
        {
            let Address { access, .. } = Address::parse(&options).expect(url);
            let settings = access.info.redis_settings();
            assert_eq!((settings.username(), settings.password()), (user, password));
            assert_eq!((settings.db(), settings.protocol()), (3, redis::ProtocolVersion::RESP3));
        }
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
            "redis+sentinel://ada:hunter2@a:1",
            "redis+sentinel://a:1/",
            "redis+sentinel://a:1/service/nonsense",
            "redis+sentinel://a:1/service/1/2",
            "rediss://ada:hunter2@a:1#insecure",
            "rediss+cluster://ada:hunter2@a:1,b:2#insecure",
            "rediss+sentinel://ada:hunter2@a:1/service#insecure",
        ] {
            let refused = parse(wrong).expect_err(wrong).to_string();
            assert!(refused.starts_with("the address is none"), "{refused}");
            assert!(!refused.contains(secret), "{refused}");
        }
    }
}
