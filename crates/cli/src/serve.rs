//! `millstream serve`: flags, environment and configuration file to a running server.
//!
//! Every setting is a flag, a variable `MILLSTREAM_*` and a key of the TOML file, in this order of
//! precedence. A key that does not exist is refused, since it is a misspelt one.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use millstream_server::{BindAddress, Config, Server, ShutdownHandle, StartError, SyncMode};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// A signal waits at most so long for a server that is starting.
const START_PATIENCE: Duration = Duration::from_secs(1);

/// What the user may choose.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ServeOptions {
    /// Addresses to listen on; one with a leading - may be missing [default: 127.0.0.1 -::1]
    #[arg(long, env = "MILLSTREAM_BIND", value_name = "ADDRESS...", allow_hyphen_values = true)]
    bind: Option<BindList>,
    /// Port; 0 lets the system choose one, which is printed [default: 6379]
    #[arg(long, env = "MILLSTREAM_PORT")]
    port: Option<u16>,
    /// Reserved for the admin interface, which does not exist yet.
    #[arg(long, env = "MILLSTREAM_ADMIN_PORT", hide = true)]
    admin_port: Option<u16>,
    /// Data directory [default: ./millstream-data]
    #[arg(long, env = "MILLSTREAM_DIR", value_name = "PATH")]
    dir: Option<PathBuf>,
    /// When replies leave: always (once on disk), everysec, no [default: always]
    #[arg(long, env = "MILLSTREAM_SYNC", value_name = "MODE")]
    #[serde(deserialize_with = "parse_text")]
    sync: Option<SyncMode>,
    /// Keep all data in memory only; it is gone at the end
    #[arg(
        long,
        env = "MILLSTREAM_MEMORY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    memory: Option<bool>,
    /// Memory for data read back from disk, in MiB [default: 256]
    #[arg(long, env = "MILLSTREAM_CACHE_MB", value_name = "MIB")]
    cache_mb: Option<u64>,
    /// Password that clients have to give
    #[arg(long, env = "MILLSTREAM_REQUIREPASS", hide_env_values = true, value_name = "PASSWORD")]
    requirepass: Option<String>,
    /// Most connections at a time [default: 10000]
    #[arg(long, env = "MILLSTREAM_MAXCLIENTS", value_name = "COUNT")]
    maxclients: Option<usize>,
    /// Worker threads [default: half the cores, 8 at most]
    #[arg(long, env = "MILLSTREAM_THREADS", value_name = "COUNT")]
    threads: Option<usize>,
    /// For tests: size of a log segment, so that small amounts of data fill several
    #[arg(long, env = "MILLSTREAM_LOG_SEGMENT_KB", hide = true)]
    log_segment_kb: Option<u64>,
    /// TOML file with these settings
    #[arg(long, env = "MILLSTREAM_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// Addresses with blanks or commas between them, or a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "TextOrList")]
struct BindList(Vec<BindAddress>);

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

impl FromStr for BindList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let addresses = text.split([' ', ',']).filter(|address| !address.is_empty());
        let addresses = addresses.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() { Err("no address".to_owned()) } else { Ok(Self(addresses)) }
    }
}

impl TryFrom<TextOrList> for BindList {
    type Error = String;

    fn try_from(given: TextOrList) -> Result<Self, Self::Error> {
        match given {
            TextOrList::Text(text) => text.parse(),
            TextOrList::List(list) => list.join(" ").parse(),
        }
    }
}

fn parse_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = String>,
    D: serde::Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// The command line or the file asks for something impossible.
#[derive(Debug)]
pub(crate) struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Turns `--bind A -B` into `--bind=A,-B`: an address may begin with a hyphen, a flag does, too.
pub(crate) fn join_bind_addresses(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_binding = false;
    for argument in arguments {
        if argument == "--bind" {
            is_binding = true;
            joined.push("--bind=".into());
            continue;
        }
        let text = argument.to_string_lossy();
        let is_address = text.parse::<BindAddress>().is_ok();
        is_binding = is_binding && (is_address || !text.starts_with('-'));
        match joined.last_mut().filter(|_| is_binding) {
            Some(bind) => {
                bind.push(argument);
                bind.push(",");
            }
            None => joined.push(argument),
        }
    }
    joined
}

impl ServeOptions {
    fn or(self, other: Self) -> Self {
        Self {
            bind: self.bind.or(other.bind),
            port: self.port.or(other.port),
            admin_port: self.admin_port.or(other.admin_port),
            dir: self.dir.or(other.dir),
            sync: self.sync.or(other.sync),
            memory: self.memory.or(other.memory),
            cache_mb: self.cache_mb.or(other.cache_mb),
            requirepass: self.requirepass.or(other.requirepass),
            maxclients: self.maxclients.or(other.maxclients),
            threads: self.threads.or(other.threads),
            log_segment_kb: self.log_segment_kb.or(other.log_segment_kb),
            config: None,
        }
    }

    fn with_file(self) -> Result<Self, ConfigError> {
        let Some(path) = &self.config else { return Ok(self) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
        let file = toml::from_str(&text)
            .map_err(|error| ConfigError(format!("in {}: {error}", path.display())))?;
        Ok(self.or(file))
    }

    fn into_config(self) -> Config {
        let mut usual = Config::default();
        if let Some(kb) = self.log_segment_kb {
            usual.log.segment_bytes = kb << 10;
            usual.log.reserve_bytes = usual.log.segment_bytes / 8;
        }
        Config {
            bind: self.bind.map_or(usual.bind, |list| list.0),
            port: self.port.unwrap_or(usual.port),
            directory: self.dir.unwrap_or(usual.directory),
            sync: self.sync.unwrap_or(usual.sync),
            memory: self.memory.unwrap_or(usual.memory),
            cache_mb: self.cache_mb.unwrap_or(usual.cache_mb),
            requirepass: self.requirepass.filter(|password| !password.is_empty()),
            maxclients: self.maxclients.unwrap_or(usual.maxclients).max(1),
            threads: self.threads.or(usual.threads),
            storage: usual.storage,
            log: usual.log,
            // Recovery is the tested way out of a half-made change.
            abort_on_panic: true,
        }
    }
}

/// Runs the server to its end.
pub(crate) fn serve(options: ServeOptions) -> anyhow::Result<()> {
    crate::logging::start("info");
    let config = options.with_file()?.into_config();
    // Before the start: from the first reply on, a signal must not simply kill the process.
    let tell_signals = stop_on_signals()?;
    let server = Server::start(config).map_err(|error| match error {
        StartError::Unprotected { .. } => ConfigError(error.to_string()).into(),
        _ => anyhow::Error::new(error).context("start the server"),
    })?;
    // The receiver is there until the first signal was handled.
    let _ = tell_signals.send(server.shutdown_handle());
    server.wait().context("the server ended badly")
}

/// SIGTERM or SIGINT stops the server, whose handle is to be sent, in order. Another SIGTERM
/// changes nothing: who supervises the server may send it more than once. Another SIGINT is a
/// person who insists, and ends the process at once.
fn stop_on_signals() -> anyhow::Result<oneshot::Sender<ShutdownHandle>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("watch for signals")?;
    let (mut terminate, mut interrupt) = {
        let _context = runtime.enter();
        let watch = |kind| signal(kind).context("watch for signals");
        (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?)
    };
    let (sender, started) = oneshot::channel::<ShutdownHandle>();
    let watch = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        match tokio::time::timeout(START_PATIENCE, started).await {
            Ok(Ok(handle)) => handle.shutdown(),
            // It could not start, and says so.
            Ok(Err(_)) => return,
            // Recovery takes long. It may be cut short anywhere, as by a crash.
            Err(_) => std::process::exit(0),
        }
        interrupt.recv().await;
        eprintln!("millstream: interrupted again, ending at once");
        std::process::exit(1);
    };
    // Not joined: it ends with the process.
    thread::Builder::new()
        .name("millstream-signals".to_owned())
        .spawn(move || runtime.block_on(watch))
        .context("watch for signals")?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(arguments: &[&str]) -> Vec<String> {
        let joined = join_bind_addresses(arguments.iter().map(OsString::from));
        joined.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn addresses_behind_bind_become_one_argument() {
        assert_eq!(
            joined(&["m", "serve", "--bind", "127.0.0.1", "-::1", "--port", "0"]),
            ["m", "serve", "--bind=127.0.0.1,-::1,", "--port", "0"]
        );
        assert_eq!(joined(&["m", "serve", "-h"]), ["m", "serve", "-h"]);
        assert_eq!(joined(&["m", "--bind=::1", "-x"]), ["m", "--bind=::1", "-x"]);
    }

    #[test]
    fn a_file_has_known_keys_only() {
        let options: ServeOptions = toml::from_str(
            "port = 1\nbind = [\"127.0.0.1\", \"-::1\"]\nsync = \"everysec\"\ncache-mb = 3",
        )
        .expect("all keys are known");
        let config = options.into_config();
        assert_eq!((config.port, config.bind.len(), config.cache_mb), (1, 2, 3));
        assert_eq!(config.sync, SyncMode::Everysec);
        assert!(toml::from_str::<ServeOptions>("prot = 1").is_err());
        assert!(toml::from_str::<ServeOptions>("sync = \"sometimes\"").is_err());
    }

    #[test]
    fn a_flag_beats_the_file() {
        let flags = ServeOptions { port: Some(1), ..ServeOptions::default() };
        let file = ServeOptions { port: Some(2), threads: Some(3), ..ServeOptions::default() };
        let config = flags.or(file).into_config();
        assert_eq!((config.port, config.threads), (1, Some(3)));
    }
}
