//! How commands that are to be typed get to the server that was looked at, and to no other one.

use millstream::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

use super::shell_word::quoted;
use crate::server::{ServerOptions, USUAL_URL};

/// Where redis-cli goes by itself.
const USUAL_HOST: &str = "127.0.0.1";
const USUAL_PORT: u16 = 6379;

/// What stands behind a command. Without a password, which is in the environment or asked for.
#[derive(Debug)]
pub(super) struct Reach {
    address: String,
    /// Behind one of this program; empty: it gets there by itself.
    pub(super) millstream: String,
    /// Of redis-cli, for TLS.
    certificates: String,
}

impl Reach {
    /// To the server with this address.
    pub(super) fn new(options: &ServerOptions, address: &str) -> Self {
        let other = std::env::var_os("REDIS_URL").filter(|url| !url.is_empty());
        let is_elsewhere = other.as_ref().is_some_and(|url| *url != *address);
        let mut millstream = String::new();
        if is_elsewhere && !options.is_url_typed() {
            // There may be a password in it. An empty address is refused, where it is not set.
            millstream.push_str(" --url \"$REDIS_URL\"");
        } else if address != USUAL_URL || is_elsewhere {
            millstream = format!(" --url {}", quoted(address));
        }
        let mut certificates = String::new();
        for (option, file) in options.tls_files() {
            let file = quoted(&file.to_string_lossy());
            millstream.push_str(&format!(" {option} {file}"));
            let option = match option {
                "--tls-ca" => "--cacert",
                "--tls-cert" => "--cert",
                _ => "--key",
            };
            certificates.push_str(&format!(" {option} {file}"));
        }
        Self { address: address.to_owned(), millstream, certificates }
    }

    /// Whether there may be several servers, or others than those that the address names.
    pub(super) fn leads_to_several(&self) -> bool {
        self.address.split_once("://").is_some_and(|(scheme, _)| one_of_several(scheme).is_some())
    }

    /// Behind `redis-cli`, which knows no Clusters and Sentinels: `node` is the host and port of
    /// the server of those that is meant.
    pub(super) fn redis_cli(&self, node: &str) -> String {
        let Some(info) = self.info(node) else { return format!(" -u {}", quoted(&self.address)) };
        let user = info.redis_settings().username();
        let mut words = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let is_usual = host == USUAL_HOST && *port == USUAL_PORT && user.is_none();
                if is_usual { String::new() } else { url("redis", host, *port) }
            }
            ConnectionAddr::TcpTls { host, port, .. } => {
                url("rediss", host, *port) + &self.certificates
            }
            ConnectionAddr::Unix(path) => format!(" -s {}", quoted(&path.to_string_lossy())),
            _ => return format!(" -u {}", quoted(&self.address)),
        };
        if let Some(user) = user {
            words.push_str(&format!(" --user {}", quoted(user)));
        }
        words
    }

    fn info(&self, node: &str) -> Option<ConnectionInfo> {
        let (scheme, rest) = self.address.split_once("://")?;
        let url = match one_of_several(scheme) {
            None => self.address.clone(),
            Some(scheme) => match rest.rsplit_once('@') {
                Some((user, _)) => format!("{scheme}://{user}@{node}"),
                None => format!("{scheme}://{node}"),
            },
        };
        url.as_str().into_connection_info().ok()
    }
}

/// The scheme of each of several servers.
fn one_of_several(scheme: &str) -> Option<&str> {
    scheme.strip_suffix("+cluster").or_else(|| scheme.strip_suffix("+sentinel"))
}

fn url(scheme: &str, host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!(" -u {}", quoted(&format!("{scheme}://{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_cli_is_led_to_the_same_server() {
        for (address, words) in [
            ("redis://127.0.0.1:6379", ""),
            ("redis://127.0.0.1/2", ""),
            ("redis://127.0.0.1:7000/2?protocol=resp3", " -u redis://127.0.0.1:7000"),
            ("valkey://ada@db", " -u redis://db:6379 --user ada"),
            ("redis://a%20b@127.0.0.1", " -u redis://127.0.0.1:6379 --user 'a b'"),
            ("rediss://[::1]:7000", " -u 'rediss://[::1]:7000' --cacert ca.pem"),
            ("redis+unix:///run/a%20b.sock?user=ada", " -s '/run/a b.sock' --user ada"),
            ("redis+cluster://a:1,b:2", " -u redis://10.0.0.9:7001"),
            (
                "rediss+sentinel://ada@a/orders",
                " -u rediss://10.0.0.9:7001 --cacert ca.pem --user ada",
            ),
        ] {
            let (address, certificates) = (address.to_owned(), " --cacert ca.pem".to_owned());
            let reach = Reach { address, millstream: String::new(), certificates };
            assert_eq!(reach.redis_cli("10.0.0.9:7001"), words, "{}", reach.address);
        }
    }
}
