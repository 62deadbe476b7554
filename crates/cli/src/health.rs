//! `millstream health`: whether a server works, for supervisors that run a command to find out.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use millstream::ConnectOptions;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Serialize;

use crate::output::{print_json, print_line};
use crate::usage_error::usage;

pub(crate) const EXAMPLES: &str = "Examples:
  millstream health
  millstream health --alive --url http://127.0.0.1:8379
  millstream health --json
  millstream health --url https://127.0.0.1:8379 --tls-ca ca.crt --tls-server-name redis.example";

/// For each step. Supervisors give up on their own, later.
const PATIENCE: Duration = Duration::from_secs(4);
/// The answer is a line.
const ANSWER_MAX: u64 = 16 << 10;

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthOptions {
    /// Where the server's dashboard is (`--admin-port`)
    #[arg(long, env = "MILLSTREAM_HEALTH_URL", default_value = "http://127.0.0.1:8379")]
    url: String,
    /// Only whether the server lives: also while it reads its data, and while its disk is full
    #[arg(long)]
    alive: bool,
    /// By HTTPS: the server's certificate must be signed by one of those in this file (PEM).
    /// Default: those that the system trusts
    #[arg(long, env = "MILLSTREAM_HEALTH_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// By HTTPS: the name that the certificate must be for, where it is not that in the URL
    #[arg(long, env = "MILLSTREAM_HEALTH_TLS_SERVER_NAME", value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
}

/// For --json.
#[derive(Serialize)]
struct Document<'a> {
    url: &'a str,
    is_healthy: bool,
    /// Of HTTP.
    status: Option<u16>,
    answer: &'a str,
}

/// # Errors
/// It does not work, in its own words; or it does not answer.
pub(crate) fn run_health(options: &HealthOptions) -> anyhow::Result<()> {
    let HealthOptions { url, alive, tls_ca, tls_server_name, json } = options;
    let (is_https, host) = match url.strip_prefix("https://") {
        Some(host) => (true, Some(host)),
        None => (false, url.strip_prefix("http://")),
    };
    let host = host.map(|host| host.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.is_empty() && !host.contains(['/', '@', ' '])) else {
        // Whoever takes it for the server's own address may have put a password into it.
        let shown = ConnectOptions::new(url).address();
        return Err(usage(format!("{shown:?} is not like http://127.0.0.1:8379")));
    };
    if !is_https && (tls_ca.is_some() || tls_server_name.is_some()) {
        return Err(usage("--tls-ca and --tls-server-name are for addresses with https://"));
    }
    let path = if *alive { "/healthz" } else { "/readyz" };
    let asked = if is_https {
        let name = tls_server_name.as_deref().unwrap_or_else(|| name_of(host));
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| usage(format!("{name:?} is no name that a certificate can be for")))?;
        let config = Arc::new(https_config(tls_ca.as_deref())?);
        connect(host, 443).and_then(|stream| {
            let stream = StreamOwned::new(ClientConnection::new(config, name)?, stream);
            ask(stream, host, path)
        })
    } else {
        connect(host, 80).and_then(|stream| ask(stream, host, path))
    };
    let (status, text) = asked.with_context(|| format!("ask {url}"))?;
    let is_healthy = status == "200";
    let printed = if *json {
        let (status, answer) = (status.parse().ok(), text.trim_end());
        print_json(&Document { url, is_healthy, status, answer })
    } else {
        Ok(())
    };
    let text = millstream_shown::visible(text.trim_end().as_bytes());
    if !is_healthy {
        bail!("{text} (status {})", millstream_shown::visible(status.as_bytes()));
    }
    // Only now: a reader that went away must not make a sick server a healthy one.
    printed?;
    if !json {
        print_line(&text)?;
    }
    Ok(())
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Without its port, and without brackets.
fn name_of(host: &str) -> &str {
    let name =
        if has_port(host) { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// # Errors
/// There is no certificate in the file, or none that the system trusts.
fn https_config(authorities: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = authorities {
        let unusable = |why: String| usage(format!("--tls-ca {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("there is no certificate (PEM) in it".to_owned()));
        }
    } else {
        // Some that cannot be read are none of those that are needed, or it fails by that.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().context("set up TLS")?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn connect(host: &str, usual_port: u16) -> anyhow::Result<TcpStream> {
    let place = if has_port(host) { host.to_owned() } else { format!("{host}:{usual_port}") };
    let mut last = None;
    let connected = place.to_socket_addrs()?.find_map(|address| {
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| last = Some(error)).ok()
    });
    let Some(stream) = connected else {
        return Err(last.map_or_else(|| anyhow::anyhow!("there is no such host"), Into::into));
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A broken pipe is a failure here: only that of standard output means that nobody reads on.
fn of_network(error: std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// One request is not worth an HTTP client.
fn ask(mut stream: impl Read + Write, host: &str, path: &str) -> anyhow::Result<(String, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(of_network)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).map_err(of_network)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("this is no HTTP")?;
    let status = head.split_ascii_whitespace().nth(1).context("this is no HTTP")?;
    Ok((status.to_owned(), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// The other end is gone.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Closed {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    #[test]
    fn a_server_that_hangs_up_is_not_taken_for_well() {
        let error = ask(Closed, "127.0.0.1", "/readyz").expect_err("nothing was answered");
        assert!(!crate::output::ends_quietly(&error), "{error}");
    }
}
