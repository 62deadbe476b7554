//! What the owner of a server chooses before it starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::{BlockOptions, LogOptions, Storage};
use millstream_runtime::SyncMode;

use crate::{ConfigFile, Spans, Tls};

/// Who may use DEBUG, whose subcommands are tools for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugAccess {
    /// Nobody.
    #[default]
    No,
    /// Connections from this machine.
    Local,
    /// Everybody.
    Yes,
}

impl DebugAccess {
    /// The word for it, as in Redis' `enable-debug-command`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Local => "local",
            Self::Yes => "yes",
        }
    }
}

impl fmt::Display for DebugAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for DebugAccess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::No, Self::Local, Self::Yes]
            .into_iter()
            .find(|access| access.word() == text)
            .ok_or_else(|| format!("'{text}' is none of no, local, yes"))
    }
}

/// One address to listen on. A leading `-` in its text marks it as optional: where the machine has
/// no such address, the server starts without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// The address.
    pub ip: IpAddr,
    /// Start without it if it is not there.
    pub is_optional: bool,
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (is_optional, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let ip = match name {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => name.parse().map_err(|_| format!("'{text}' is no IP address"))?,
        };
        Ok(Self { ip, is_optional })
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_optional { "-" } else { "" }, self.ip)
    }
}

/// What new groups do by themselves that nobody gave a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPolicyRule {
    /// Pattern for the key of the stream, as of KEYS.
    pub stream: String,
    /// Pattern for the name of the group.
    pub group: String,
    /// Items and their values, as XGROUP CFGSET takes them.
    pub items: Vec<String>,
}

impl FromStr for GroupPolicyRule {
    type Err = String;

    /// Both patterns and the items, with blanks between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace().map(str::to_owned);
        match (words.next(), words.next()) {
            (Some(stream), Some(group)) => Ok(Self { stream, group, items: words.collect() }),
            _ => Err("a pattern for streams, one for groups, and items are needed".to_owned()),
        }
    }
}

/// Everything a server needs to start. `Default` is what the binary does without flags.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; with none of them, TCP is off.
    pub bind: Vec<BindAddress>,
    /// TCP port; 0 lets the system choose one, the same for all addresses; `None`: there is none.
    pub port: Option<u16>,
    /// The same of connections by TLS, for which [`Self::tls`] has to be on.
    pub tls_port: Option<u16>,
    /// Certificates and what else is chosen about TLS.
    pub tls: Arc<Tls>,
    /// How long a client has for the handshake of TLS.
    pub tls_handshake_timeout: Duration,
    /// Path of a Unix socket to listen on, too. With an empty `bind` it is the only way in.
    pub unix_socket: Option<PathBuf>,
    /// Permissions of its file; `None`: those of any new file.
    pub unix_socket_permissions: Option<u32>,
    /// Data directory; created if missing.
    pub directory: PathBuf,
    /// In place of the directory, for tests: a disk that fails or waits on command.
    pub storage: Option<Arc<dyn Storage>>,
    /// Sizes of the log's files; the salt is chosen at each start.
    pub log: LogOptions,
    /// Sizes of checkpoints and block files; the cache is `cache_mb`.
    pub blocks: BlockOptions,
    /// When replies leave.
    pub sync: SyncMode,
    /// Keep nothing: neither the directory nor the sync mode matters.
    pub memory: bool,
    /// Memory for blocks of entries, MiB. What is not on disk yet cannot leave it.
    pub cache_mb: u64,
    /// Password of the user `default`; without one everybody may do everything.
    pub requirepass: Option<String>,
    /// File of users, as ACL SAVE writes it; it must be there. `None`: users are gone at the end.
    pub acl_file: Option<PathBuf>,
    /// Most connections at a time.
    pub maxclients: usize,
    /// Files that others in this process may have open, such as connections of a dashboard: clients
    /// leave room for them. See [`files_for_others`](crate::files_for_others).
    pub files_of_others: usize,
    /// A command that runs for at least so many microseconds goes into the slow log: 0 logs all, a
    /// negative number none.
    pub slowlog_slower_than_us: i64,
    /// Commands kept in the slow log.
    pub slowlog_entries_max: u64,
    /// What takes at least so many milliseconds is kept for LATENCY; 0: nothing.
    pub latency_threshold_ms: u64,
    /// Name of the program's memory allocator, shown by INFO.
    pub allocator: &'static str,
    /// Other settings by the names and in the words of CONFIG SET, as if it were said at the start.
    pub settings: Vec<(&'static str, String)>,
    /// Policies of new groups; the first that fits counts.
    pub group_policies: Vec<GroupPolicyRule>,
    /// Where CONFIG REWRITE writes; `None`: there is no file.
    pub config_file: Option<Arc<dyn ConfigFile>>,
    /// Who takes spans of commands; `None`: nobody.
    pub spans: Option<Spans>,
    /// Who may use DEBUG.
    pub debug: DebugAccess,
    /// Worker threads; `None`: one for every two cores, at least one, at most eight.
    pub threads: Option<usize>,
    /// A panic in the middle of a change, or of a thread or task that the server cannot do without,
    /// ends the process, so that recovery can do its work. For a server that shares its process
    /// with others: false, then the server refuses further work.
    pub abort_on_panic: bool,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |ip: IpAddr, is_optional: bool| BindAddress { ip, is_optional };
        Self {
            bind: vec![
                loopback(Ipv4Addr::LOCALHOST.into(), false),
                loopback(Ipv6Addr::LOCALHOST.into(), true),
            ],
            port: Some(6379),
            tls_port: None,
            tls: Arc::default(),
            tls_handshake_timeout: Duration::from_secs(10),
            unix_socket: None,
            unix_socket_permissions: None,
            directory: PathBuf::from("millstream-data"),
            storage: None,
            log: LogOptions::default(),
            blocks: BlockOptions::default(),
            sync: SyncMode::Always,
            memory: false,
            cache_mb: 256,
            requirepass: None,
            acl_file: None,
            maxclients: 10_000,
            files_of_others: 0,
            slowlog_slower_than_us: 10_000,
            slowlog_entries_max: 128,
            latency_threshold_ms: 0,
            allocator: "libc",
            settings: Vec::new(),
            group_policies: Vec::new(),
            config_file: None,
            spans: None,
            debug: DebugAccess::No,
            threads: None,
            abort_on_panic: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_mark() {
        let address: BindAddress = "-::1".parse().expect("an address");
        assert_eq!(address, BindAddress { ip: Ipv6Addr::LOCALHOST.into(), is_optional: true });
        assert_eq!(address.to_string(), "-::1");
        assert!("nonsense".parse::<BindAddress>().is_err());
        assert_eq!("*".parse::<BindAddress>().map(|a| a.ip.is_unspecified()), Ok(true));
    }
}
