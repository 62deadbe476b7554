//! `millstream health`: whether a server works, for supervisors that run a command to find out.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::output::print_line;
use crate::usage_error::usage;

pub(crate) const EXAMPLES: &str = "Examples:
  millstream health
  millstream health --alive --url http://127.0.0.1:8379";

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
}

/// # Errors
/// It does not work, in its own words; or it does not answer.
pub(crate) fn run_health(options: &HealthOptions) -> anyhow::Result<()> {
    let HealthOptions { url, alive } = options;
    let host = url.strip_prefix("http://").map(|host| host.trim_end_matches('/'));
    let Some(host) = host.filter(|host| !host.is_empty() && !host.contains(['/', '@', ' '])) else {
        return Err(usage(format!("{url:?} is not like http://127.0.0.1:8379")));
    };
    let path = if *alive { "/healthz" } else { "/readyz" };
    let (status, text) = ask(host, path).with_context(|| format!("ask {url}"))?;
    let text = millstream_shown::visible(text.trim_end().as_bytes());
    if status != "200" {
        bail!("{text} (status {})", millstream_shown::visible(status.as_bytes()));
    }
    print_line(&text)?;
    Ok(())
}

/// One request is not worth an HTTP client.
fn ask(host: &str, path: &str) -> anyhow::Result<(String, String)> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut last = None;
    let connected = place.to_socket_addrs()?.find_map(|address| {
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| last = Some(error)).ok()
    });
    let Some(mut stream) = connected else {
        return Err(last.map_or_else(|| anyhow::anyhow!("there is no such host"), Into::into));
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("this is no HTTP")?;
    let status = head.split_ascii_whitespace().nth(1).context("this is no HTTP")?;
    Ok((status.to_owned(), body.to_owned()))
}
