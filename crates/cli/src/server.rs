//! The server that a command talks to, and how the command line names it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream::{
    ConnectOptions, ConsumerGroupManager, ConsumerGroupMonitor, Error, Millstream, PendingEntries,
    StreamManager,
};

use crate::duration::parse_duration;
use crate::name::Name;
use crate::server_error::ServerError;
use crate::server_url::{ServerUrl, ServerUrlParser};
use crate::usage_error::usage;

/// Has the password where the URL has none; redis-cli's name for it.
const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";

/// Where the server is unless it is said.
pub(crate) const USUAL_URL: &str = "redis://127.0.0.1:6379";

/// Options of all commands that talk to a server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server and output")]
pub(crate) struct ServerOptions {
    /// The server: redis://[user:password@]host[:port][/database], rediss:// by TLS,
    /// redis+unix:///path, redis+cluster://host,host or redis+sentinel://host,host/service. A
    /// password that is not in it is taken from the variable REDISCLI_AUTH
    #[arg(
        long,
        global = true,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = USUAL_URL,
        value_name = "URL",
        value_parser = ServerUrlParser
    )]
    url: ServerUrl,
    /// The server's certificate must be signed by one of those in this file (PEM). Default: those
    /// that the system trusts
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Certificate to show to the server, with those between it and its authority (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How long an answer of the server may take, such as 500ms or 1m
    #[arg(
        long,
        global = true,
        default_value = "10s",
        value_name = "TIME",
        value_parser = parse_duration
    )]
    pub(crate) timeout: Duration,
    /// Print JSON: one document, or for what goes on and on one in each line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read \n, \xff, \u{202e} and \\ in names of streams, groups and consumers as they are shown
    /// in tables. Without it names are taken as they stand
    #[arg(long, global = true)]
    escapes: bool,
}

/// A server that was reached.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) millstream: Millstream,
    /// Without the password.
    pub(crate) address: String,
}

impl ServerOptions {
    /// The same with another server.
    pub(crate) fn at(mut self, url: String) -> Self {
        self.url = ServerUrl::typed(url);
        self
    }

    /// Whether the command line itself has the address.
    pub(crate) fn is_url_typed(&self) -> bool {
        self.url.is_typed
    }

    /// A name of the command line.
    ///
    /// # Errors
    /// There are escapes in it that are none.
    pub(crate) fn name(&self, argument: &std::ffi::OsStr) -> anyhow::Result<Name> {
        Name::parse(argument, self.escapes)
    }

    /// # Errors
    /// It cannot be reached, or lets nobody in.
    pub(crate) async fn connect(&self) -> anyhow::Result<Server> {
        self.connect_for(self.timeout).await
    }

    /// The same for commands whose answers may take so long, or as long as `--timeout` says if that
    /// is longer.
    ///
    /// # Errors
    /// As above.
    pub(crate) async fn connect_for(&self, patience: Duration) -> anyhow::Result<Server> {
        if self.has_tls_files() && !is_tls(&self.url.text) {
            return Err(usage(
                "--tls-ca, --tls-cert and --tls-key are for addresses with rediss://",
            ));
        }
        let way = self.way()?.response_timeout(self.timeout.max(patience));
        Server::connect(&way).await
    }

    /// How to get to the server.
    ///
    /// # Errors
    /// The password in the environment is no text.
    pub(crate) fn way(&self) -> anyhow::Result<ConnectOptions> {
        self.way_to(&self.url.text, PASSWORD_VARIABLE)
    }

    /// How to get to another one, whose password may be in this variable.
    ///
    /// # Errors
    /// The password in the environment is no text.
    pub(crate) fn way_to(&self, url: &str, variable: &str) -> anyhow::Result<ConnectOptions> {
        let mut options = ConnectOptions::new(url).response_timeout(self.timeout);
        if is_tls(url) {
            if let Some(path) = &self.tls_ca {
                options = options.tls_authorities(read(path)?);
            }
            if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
                options = options.tls_identity(read(certificate)?, read(key)?);
            }
        }
        match std::env::var(variable) {
            // Empty: as good as not there.
            Ok(password) if password.is_empty() => Ok(options),
            Ok(password) => Ok(options.password(password)),
            Err(std::env::VarError::NotPresent) => Ok(options),
            Err(error) => Err(usage(format!("{variable}: {error}"))),
        }
    }

    fn has_tls_files(&self) -> bool {
        self.tls_files().next().is_some()
    }

    /// The options for TLS that were given, and their files.
    pub(crate) fn tls_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let Self { tls_ca, tls_cert, tls_key, .. } = self;
        let all = [("--tls-ca", tls_ca), ("--tls-cert", tls_cert), ("--tls-key", tls_key)];
        all.into_iter().filter_map(|(option, file)| Some((option, file.as_deref()?)))
    }
}

fn is_tls(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.starts_with("rediss") || scheme.starts_with("valkeys")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| usage(format!("cannot read {}: {error}", path.display())))
}

impl Server {
    /// # Errors
    /// It cannot be reached, or lets nobody in.
    pub(crate) async fn connect(way: &ConnectOptions) -> anyhow::Result<Self> {
        let address = way.address();
        match way.connect().await {
            Ok(millstream) => Ok(Self { millstream, address }),
            Err(error) => Err(ServerError::unreached(address, error).into()),
        }
    }

    /// What the server calls itself.
    pub(crate) fn is_called(&self) -> &str {
        &self.millstream.abilities().server
    }

    pub(crate) fn stream(&self, key: &Name) -> StreamManager {
        StreamManager::new(&self.millstream, key)
    }

    pub(crate) fn groups(&self, key: &Name) -> ConsumerGroupManager {
        ConsumerGroupManager::new(&self.millstream, key)
    }

    pub(crate) fn monitor(&self, key: &Name) -> ConsumerGroupMonitor {
        ConsumerGroupMonitor::new(&self.millstream, key)
    }

    pub(crate) fn pending(&self, key: &Name, group: &Name) -> PendingEntries {
        PendingEntries::new(&self.millstream, key, group)
    }

    /// Says of an error what it kept from being done, and where.
    pub(crate) fn cannot(&self, what: impl Into<String>) -> impl Fn(Error) -> anyhow::Error + '_ {
        let what = what.into();
        move |error| ServerError::new(&what, &self.address, error).into()
    }

    /// There is none, and what to do about it.
    pub(crate) fn no_stream(&self, key: &Name) -> anyhow::Error {
        anyhow::anyhow!(
            "there is no stream {key} at {}\n  next: `millstream stream ls` shows those that there are",
            self.address
        )
    }

    /// The same of a group.
    pub(crate) fn no_group(&self, key: &Name, group: &Name) -> anyhow::Error {
        anyhow::anyhow!(
            "the stream {key} at {} has no group {group}\n  next: `millstream group ls` shows those \
             that there are, `millstream group create` makes one",
            self.address
        )
    }
}
