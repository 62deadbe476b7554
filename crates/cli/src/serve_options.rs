//! What `millstream serve` may be told: by flags, environment and configuration file.
//!
//! Every setting is a flag, a variable `MILLSTREAM_*` and a key of the TOML file, in this order of
//! precedence. A key that does not exist is refused, since it is a misspelt one.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use millstream_dashboard::DashboardOptions;
use millstream_server::{
    AuthClients, BindAddress, Config, DebugAccess, SyncMode, Tls, TlsError, TlsSettings,
};
use serde::{Deserialize, Serialize};

use crate::admin::Admin;
use crate::logging::LogFormat;
use crate::otlp::OtlpOptions;
use crate::policy_rule::PolicyRule;
use crate::serve_values::{BindList, Part, Permissions, Port, Setting, as_text, parse_text};

mod precedence;

pub(crate) use precedence::ConfigError;

/// Where the dashboard is unless it is said.
const ADMIN_PORT: u16 = 8379;

/// What the user may choose.
#[derive(Debug, Default, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ServeOptions {
    /// Addresses to listen on; one with a leading - may be missing [default: 127.0.0.1 -::1]
    #[arg(long, env = "MILLSTREAM_BIND", value_name = "ADDRESS...", allow_hyphen_values = true)]
    bind: Option<BindList>,
    /// Port; 0 lets the system choose one, which is printed; off: only TLS and the Unix socket lead
    /// in [default: 6379]
    #[arg(long, env = "MILLSTREAM_PORT")]
    port: Option<Port>,
    /// Port for clients that speak TLS; 0 lets the system choose one, which is printed; off: none
    /// [default: off]
    #[arg(long, env = "MILLSTREAM_TLS_PORT", value_name = "PORT")]
    tls_port: Option<Port>,
    /// The server's certificate, with those between it and its authority (PEM)
    #[arg(long, env = "MILLSTREAM_TLS_CERT_FILE", value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, env = "MILLSTREAM_TLS_KEY_FILE", value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// What the key is encrypted with
    #[arg(
        long,
        env = "MILLSTREAM_TLS_KEY_FILE_PASS",
        hide_env_values = true,
        value_name = "PASSPHRASE"
    )]
    pub(crate) tls_key_file_pass: Option<String>,
    /// Who signs the certificates of clients (PEM)
    #[arg(long, env = "MILLSTREAM_TLS_CA_CERT_FILE", value_name = "FILE")]
    tls_ca_cert_file: Option<PathBuf>,
    /// The same, as a directory of such files
    #[arg(long, env = "MILLSTREAM_TLS_CA_CERT_DIR", value_name = "PATH")]
    tls_ca_cert_dir: Option<PathBuf>,
    /// Whether clients by TLS must show a certificate: yes, no, optional [default: yes]
    #[arg(long, env = "MILLSTREAM_TLS_AUTH_CLIENTS", value_name = "WORD")]
    #[serde(deserialize_with = "parse_text", serialize_with = "as_text")]
    tls_auth_clients: Option<AuthClients>,
    /// CN: a client whose certificate is verified is the user of that name, without a password;
    /// off: certificates name nobody [default: off]
    #[arg(long, env = "MILLSTREAM_TLS_AUTH_CLIENTS_USER", value_name = "FIELD")]
    tls_auth_clients_user: Option<Setting>,
    /// Versions of TLS that are spoken, with blanks between them [default: TLSv1.2 and TLSv1.3]
    #[arg(long, env = "MILLSTREAM_TLS_PROTOCOLS", value_name = "VERSIONS")]
    tls_protocols: Option<String>,
    /// Port of the dashboard, /metrics, /healthz and /readyz; 0 lets the system choose one, which
    /// is printed; off: none [default: 8379, or none where that is taken]
    #[arg(long, env = "MILLSTREAM_ADMIN_PORT", value_name = "PORT")]
    admin_port: Option<Port>,
    /// Address that the dashboard listens on [default: 127.0.0.1]
    #[arg(long, env = "MILLSTREAM_ADMIN_BIND", value_name = "ADDRESS")]
    admin_bind: Option<IpAddr>,
    /// Let the dashboard be reached by HTTPS, with the certificate of --tls-cert-file
    #[arg(
        long,
        env = "MILLSTREAM_ADMIN_TLS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    admin_tls: Option<bool>,
    /// Let the dashboard change something also where there is no password
    #[arg(
        long,
        env = "MILLSTREAM_ADMIN_WRITE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    admin_write: Option<bool>,
    /// Name that the dashboard is called by, beside its address and localhost. May be given several
    /// times; , stands between several in the variable
    #[arg(long, env = "MILLSTREAM_ADMIN_HOST", value_name = "NAME", value_delimiter = ',')]
    admin_host: Vec<String>,
    /// How log lines look: text, json [default: text]
    #[arg(long, env = "MILLSTREAM_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(deserialize_with = "parse_text", serialize_with = "as_text")]
    pub(crate) log_format: Option<LogFormat>,
    /// Send spans of slow commands to this OpenTelemetry collector: http://127.0.0.1:4318
    #[arg(long, env = "MILLSTREAM_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Send also spans of this part of all batches of commands, of each connection: 0.01
    /// [default: 0]
    #[arg(long, env = "MILLSTREAM_OTLP_SAMPLE", value_name = "PART")]
    otlp_sample: Option<Part>,
    /// Data directory [default: ./millstream-data]
    #[arg(long, env = "MILLSTREAM_DIR", value_name = "PATH")]
    dir: Option<PathBuf>,
    /// When replies leave: always (once on disk), everysec, no [default: always]
    #[arg(long, env = "MILLSTREAM_SYNC", value_name = "MODE")]
    #[serde(deserialize_with = "parse_text", serialize_with = "as_text")]
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
    pub(crate) requirepass: Option<String>,
    /// File of users and their rules, as ACL SAVE writes it; it must be there, and may be empty
    #[arg(long, env = "MILLSTREAM_ACLFILE", value_name = "PATH")]
    aclfile: Option<PathBuf>,
    /// Most refusals kept for ACL LOG [default: 128]
    #[arg(long, env = "MILLSTREAM_ACLLOG_MAX_LEN", value_name = "COUNT")]
    acllog_max_len: Option<Setting>,
    /// How long the answer to a wrong password is held back, from the fourth on, twice as long each
    /// time; 0: not at all [default: 100]
    #[arg(long, env = "MILLSTREAM_AUTH_FAILURE_DELAY", value_name = "MS")]
    auth_failure_delay: Option<Setting>,
    /// Most connections at a time [default: 10000]
    #[arg(long, env = "MILLSTREAM_MAXCLIENTS", value_name = "COUNT")]
    maxclients: Option<usize>,
    /// Worker threads [default: half the cores, 8 at most]
    #[arg(long, env = "MILLSTREAM_THREADS", value_name = "COUNT")]
    threads: Option<usize>,
    /// Path of a Unix socket to listen on, too; with an empty --bind, TCP is off
    #[arg(long, env = "MILLSTREAM_UNIXSOCKET", value_name = "PATH")]
    unixsocket: Option<PathBuf>,
    /// Permissions of the Unix socket, in octal digits such as 700 [default: the system's]
    #[arg(long, env = "MILLSTREAM_UNIXSOCKETPERM", value_name = "MODE")]
    unixsocketperm: Option<Permissions>,
    /// Who may use DEBUG, whose subcommands are tools for tests: no, local, yes [default: no]
    #[arg(
        long,
        env = "MILLSTREAM_ENABLE_DEBUG",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "yes",
        value_name = "ACCESS"
    )]
    #[serde(deserialize_with = "parse_text", serialize_with = "as_text")]
    enable_debug: Option<DebugAccess>,
    /// Most bytes of one request [default: 1gb]
    #[arg(long, env = "MILLSTREAM_CLIENT_QUERY_BUFFER_LIMIT", value_name = "BYTES")]
    client_query_buffer_limit: Option<Setting>,
    /// Events that take so long are kept for LATENCY; 0: none [default: 0]
    #[arg(long, env = "MILLSTREAM_LATENCY_MONITOR_THRESHOLD", value_name = "MS")]
    latency_monitor_threshold: Option<Setting>,
    /// Most arguments of one command [default: 2147483647]
    #[arg(long, env = "MILLSTREAM_PROTO_MAX_ARRAY_LEN", value_name = "COUNT")]
    proto_max_array_len: Option<Setting>,
    /// Most bytes of one argument [default: 512mb]
    #[arg(long, env = "MILLSTREAM_PROTO_MAX_BULK_LEN", value_name = "BYTES")]
    proto_max_bulk_len: Option<Setting>,
    /// Commands that run so long are kept for SLOWLOG; -1: none [default: 10000]
    #[arg(
        long,
        env = "MILLSTREAM_SLOWLOG_LOG_SLOWER_THAN",
        value_name = "MICROSECONDS",
        allow_negative_numbers = true
    )]
    slowlog_log_slower_than: Option<Setting>,
    /// Most commands kept for SLOWLOG [default: 128]
    #[arg(long, env = "MILLSTREAM_SLOWLOG_MAX_LEN", value_name = "COUNT")]
    slowlog_max_len: Option<Setting>,
    /// Most entries that a group with ORDERBY holds back [default: 10000]
    #[arg(long, env = "MILLSTREAM_GROUP_HELD_MAX", value_name = "COUNT")]
    group_held_max: Option<Setting>,
    /// Most clients that wait in a blocking read at a time; 0: all that connect [default: 0]
    #[arg(long, env = "MILLSTREAM_BLOCKED_CLIENTS_MAX", value_name = "COUNT")]
    blocked_clients_max: Option<Setting>,
    /// What may wait for a client that takes nothing: class, hard and soft limit in bytes, seconds
    /// [default: normal 0 1 300]
    #[arg(long, env = "MILLSTREAM_CLIENT_OUTPUT_BUFFER_LIMIT", value_name = "LIMITS")]
    client_output_buffer_limit: Option<Setting>,
    /// Most consumers of a group; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_GROUP_CONSUMERS_MAX", value_name = "COUNT")]
    group_consumers_max: Option<Setting>,
    /// Memory above which commands that take more are refused with -OOM; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_MAXMEMORY", value_name = "BYTES")]
    maxmemory: Option<Setting>,
    /// Memory that buffers of clients may take together, or a share of maxmemory such as 20%;
    /// those with the largest are closed; 0: no limit [default: 1gb]
    #[arg(long, env = "MILLSTREAM_MAXMEMORY_CLIENTS", value_name = "BYTES")]
    maxmemory_clients: Option<Setting>,
    /// Memory above which only commands that free some are accepted; 0: a quarter above maxmemory
    /// [default: 0]
    #[arg(long, env = "MILLSTREAM_MAXMEMORY_HARD", value_name = "BYTES")]
    maxmemory_hard: Option<Setting>,
    /// Longest name of a new stream, group, consumer or producer; 0: no limit [default: 64kb]
    #[arg(long, env = "MILLSTREAM_NAME_BYTES_MAX", value_name = "BYTES")]
    name_bytes_max: Option<Setting>,
    /// Bytes of names and values above which a stream takes no entry; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_STREAM_BYTES_MAX", value_name = "BYTES")]
    stream_bytes_max: Option<Setting>,
    /// Entries above which a stream takes no more; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_STREAM_ENTRIES_MAX", value_name = "COUNT")]
    stream_entries_max: Option<Setting>,
    /// Most groups of a stream; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_STREAM_GROUPS_MAX", value_name = "COUNT")]
    stream_groups_max: Option<Setting>,
    /// Most idempotent producers that a stream remembers; 0: no limit [default: 0]
    #[arg(long, env = "MILLSTREAM_STREAM_IDMP_PRODUCERS_MAX", value_name = "COUNT")]
    stream_idmp_producers_max: Option<Setting>,
    /// How long new streams recognise a repeated production [default: 100]
    #[arg(long, env = "MILLSTREAM_STREAM_IDMP_DURATION", value_name = "SECONDS")]
    stream_idmp_duration: Option<Setting>,
    /// Most productions of one producer that are recognised [default: 100]
    #[arg(long, env = "MILLSTREAM_STREAM_IDMP_MAXSIZE", value_name = "COUNT")]
    stream_idmp_maxsize: Option<Setting>,
    /// Bytes after which a block of a stream ends; 0: no limit [default: 4096]
    #[arg(long, env = "MILLSTREAM_STREAM_NODE_MAX_BYTES", value_name = "BYTES")]
    stream_node_max_bytes: Option<Setting>,
    /// Entries after which a block of a stream ends; 0: no limit [default: 100]
    #[arg(long, env = "MILLSTREAM_STREAM_NODE_MAX_ENTRIES", value_name = "COUNT")]
    stream_node_max_entries: Option<Setting>,
    /// After so long a silent peer is asked whether it is there; 0: never [default: 300]
    #[arg(long, env = "MILLSTREAM_TCP_KEEPALIVE", value_name = "SECONDS")]
    tcp_keepalive: Option<Setting>,
    /// Idle connections are closed after so long; 0: never [default: 0]
    #[arg(long, env = "MILLSTREAM_TIMEOUT", value_name = "SECONDS")]
    timeout: Option<Setting>,
    /// Policy of new groups: patterns for streams and groups, then items as of XGROUP CFGSET; the
    /// first that fits counts. May be given several times; ; stands between several in the variable
    #[arg(
        long,
        env = "MILLSTREAM_GROUP_POLICY",
        value_name = "STREAM GROUP ITEM VALUE...",
        value_delimiter = ';'
    )]
    #[serde(alias = "group_policy")]
    group_policy: Vec<PolicyRule>,
    /// For tests: size of a log segment, so that small amounts of data fill several
    #[arg(long, env = "MILLSTREAM_LOG_SEGMENT_KB", hide = true)]
    log_segment_kb: Option<u64>,
    /// For tests: a checkpoint is made each time so much was logged
    #[arg(long, env = "MILLSTREAM_CHECKPOINT_LOG_KB", hide = true)]
    checkpoint_log_kb: Option<u64>,
    /// TOML file with these settings
    #[arg(long, env = "MILLSTREAM_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
}

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
    /// What CONFIG SET can change, too, and judges.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("acllog-max-len", &self.acllog_max_len),
            ("auth-failure-delay", &self.auth_failure_delay),
            ("client-query-buffer-limit", &self.client_query_buffer_limit),
            ("latency-monitor-threshold", &self.latency_monitor_threshold),
            ("proto-max-array-len", &self.proto_max_array_len),
            ("proto-max-bulk-len", &self.proto_max_bulk_len),
            ("slowlog-log-slower-than", &self.slowlog_log_slower_than),
            ("slowlog-max-len", &self.slowlog_max_len),
            ("group-held-max", &self.group_held_max),
            ("blocked-clients-max", &self.blocked_clients_max),
            ("client-output-buffer-limit", &self.client_output_buffer_limit),
            ("group-consumers-max", &self.group_consumers_max),
            ("maxmemory", &self.maxmemory),
            ("maxmemory-clients", &self.maxmemory_clients),
            ("maxmemory-hard", &self.maxmemory_hard),
            ("name-bytes-max", &self.name_bytes_max),
            ("stream-bytes-max", &self.stream_bytes_max),
            ("stream-entries-max", &self.stream_entries_max),
            ("stream-groups-max", &self.stream_groups_max),
            ("stream-idmp-producers-max", &self.stream_idmp_producers_max),
            ("stream-idmp-duration", &self.stream_idmp_duration),
            ("stream-idmp-maxsize", &self.stream_idmp_maxsize),
            ("stream-node-max-bytes", &self.stream_node_max_bytes),
            ("stream-node-max-entries", &self.stream_node_max_entries),
            ("tcp-keepalive", &self.tcp_keepalive),
            ("timeout", &self.timeout),
            ("tls-auth-clients-user", &self.tls_auth_clients_user),
        ];
        let given = |(name, value): (_, &Option<Setting>)| Some((name, value.clone()?.0));
        all.into_iter().filter_map(given).collect()
    }

    /// How the dashboard is to be; `None`: there is to be none.
    pub(crate) fn admin(&self) -> Option<Admin> {
        let (port, is_chosen) = match self.admin_port {
            Some(Port::Off) => return None,
            Some(Port::Port(port)) => (port, true),
            None => (ADMIN_PORT, false),
        };
        let options = DashboardOptions {
            can_strangers_write: self.admin_write.unwrap_or(false),
            hosts: self.admin_host.clone(),
            https: None,
        };
        let ip = self.admin_bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let is_https = self.admin_tls == Some(true);
        Some(Admin { ip, port, is_chosen, is_https, options })
    }

    /// Where spans go.
    pub(crate) fn otlp(&self) -> OtlpOptions {
        let sample = self.otlp_sample.map_or(0.0, Into::into);
        OtlpOptions { endpoint: self.otlp_endpoint.clone(), sample }
    }

    /// TLS of the server and of the dashboard, with all files read if one of them speaks it.
    ///
    /// # Errors
    /// What is wrong with the first file that cannot be used.
    pub(crate) fn tls(&self) -> Result<Arc<Tls>, TlsError> {
        let path = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        let settings = TlsSettings {
            cert_file: path(&self.tls_cert_file),
            key_file: path(&self.tls_key_file),
            key_file_pass: self.tls_key_file_pass.clone().unwrap_or_default(),
            ca_cert_file: path(&self.tls_ca_cert_file),
            ca_cert_dir: path(&self.tls_ca_cert_dir),
            auth_clients: self.tls_auth_clients.unwrap_or_default(),
            protocols: self.tls_protocols.clone().unwrap_or_default(),
        };
        let has_port = self.tls_port.and_then(Port::number).is_some();
        let has_admin = self.admin_tls == Some(true) && self.admin_port != Some(Port::Off);
        Ok(Arc::new(match (has_port, has_admin) {
            (true, _) => Tls::load(settings)?,
            (false, true) => Tls::load_for_https(settings)?,
            (false, false) => Tls::off(settings),
        }))
    }

    pub(crate) fn into_config(self) -> Config {
        let settings = self.settings();
        let mut usual = Config::default();
        if let Some(kb) = self.log_segment_kb {
            usual.log.segment_bytes = kb << 10;
            usual.log.reserve_bytes = usual.log.segment_bytes / 8;
            usual.blocks.file_bytes = usual.log.segment_bytes;
        }
        if let Some(kb) = self.checkpoint_log_kb {
            usual.blocks.checkpoint_log_bytes = kb << 10;
            usual.blocks.reserve_bytes = usual.blocks.reserve_bytes.min(2 * (kb << 10));
        }
        Config {
            bind: self.bind.map_or(usual.bind, |list| list.0),
            port: self.port.map_or(usual.port, Port::number),
            tls_port: self.tls_port.and_then(Port::number),
            directory: self.dir.unwrap_or(usual.directory),
            sync: self.sync.unwrap_or(usual.sync),
            memory: self.memory.unwrap_or(usual.memory),
            cache_mb: self.cache_mb.unwrap_or(usual.cache_mb),
            requirepass: self.requirepass.filter(|password| !password.is_empty()),
            acl_file: self.aclfile.filter(|path| !path.as_os_str().is_empty()),
            maxclients: self.maxclients.unwrap_or(usual.maxclients).max(1),
            threads: self.threads.or(usual.threads),
            unix_socket: self.unixsocket.filter(|path| !path.as_os_str().is_empty()),
            unix_socket_permissions: self.unixsocketperm.map(|permissions| permissions.0),
            settings,
            group_policies: self.group_policy.into_iter().map(|rule| rule.rule).collect(),
            config_file: None,
            debug: self.enable_debug.unwrap_or(usual.debug),
            storage: usual.storage,
            log: usual.log,
            blocks: usual.blocks,
            // Recovery is the tested way out of a half-made change.
            abort_on_panic: true,
            allocator: "mimalloc",
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(arguments: &[&str]) -> Vec<String> {
        let joined = join_bind_addresses(arguments.iter().map(OsString::from));
        joined.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn policies_of_new_groups_come_from_tables_and_from_texts() {
        let options: ServeOptions = toml::from_str(
            "[[group-policy]]\nstream = 'orders:*'\nvisibility = 30_000\nmaxdeliveries = 5\n\
             backoff = [100, 1.5, 2000]\npaused = true\n\
             [[group-policy]]\nstream = '*'\ngroup = 'a b'\nbackoff = '1 2 3'\ndeadletter = 'x y'\n",
        )
        .expect("two tables");
        let rules: Vec<_> = options.group_policy.iter().map(|it| it.rule.clone()).collect();
        assert_eq!((&rules[0].stream[..], &rules[0].group[..]), ("orders:*", "*"));
        let words = "backoff 100 1.5 2000 maxdeliveries 5 paused 1 visibility 30000";
        assert_eq!(rules[0].items.join(" "), words);
        assert_eq!(rules[1].items, ["backoff", "1", "2", "3", "deadletter", "x y"]);
        let rule: PolicyRule = "orders:* * VISIBILITY 500".parse().expect("a rule");
        assert_eq!(rule.rule.items, ["VISIBILITY", "500"]);
        let options: ServeOptions =
            toml::from_str("group-policy = ['orders:* * VISIBILITY 500']").expect("a text");
        assert_eq!(options.group_policy[0].rule, rule.rule);
        assert!("orders:*".parse::<PolicyRule>().is_err());
        assert!(toml::from_str::<ServeOptions>("[[group-policy]]\nvisibility = 1").is_err());
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
        assert_eq!((config.port, config.bind.len(), config.cache_mb), (Some(1), 2, 3));
        let options: ServeOptions = toml::from_str("port = \"off\"").expect("a word");
        assert_eq!(options.into_config().port, None);
        assert_eq!(config.sync, SyncMode::Everysec);
        assert!(toml::from_str::<ServeOptions>("prot = 1").is_err());
        assert!(toml::from_str::<ServeOptions>("sync = \"sometimes\"").is_err());
    }
}
