//! Flags and variables before the file of settings.

use std::fmt;

use super::ServeOptions;
use crate::toml_fault;

/// The command line or the file asks for something impossible.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl ServeOptions {
    fn or(self, other: Self) -> Self {
        Self {
            bind: self.bind.or(other.bind),
            port: self.port.or(other.port),
            admin_port: self.admin_port.or(other.admin_port),
            tls_port: self.tls_port.or(other.tls_port),
            tls_cert_file: self.tls_cert_file.or(other.tls_cert_file),
            tls_key_file: self.tls_key_file.or(other.tls_key_file),
            tls_key_file_pass: self.tls_key_file_pass.or(other.tls_key_file_pass),
            tls_ca_cert_file: self.tls_ca_cert_file.or(other.tls_ca_cert_file),
            tls_ca_cert_dir: self.tls_ca_cert_dir.or(other.tls_ca_cert_dir),
            tls_auth_clients: self.tls_auth_clients.or(other.tls_auth_clients),
            tls_auth_clients_user: self.tls_auth_clients_user.or(other.tls_auth_clients_user),
            tls_protocols: self.tls_protocols.or(other.tls_protocols),
            admin_bind: self.admin_bind.or(other.admin_bind),
            admin_tls: self.admin_tls.or(other.admin_tls),
            admin_write: self.admin_write.or(other.admin_write),
            admin_host: match self.admin_host {
                given if given.is_empty() => other.admin_host,
                given => given,
            },
            log_format: self.log_format.or(other.log_format),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            otlp_sample: self.otlp_sample.or(other.otlp_sample),
            dir: self.dir.or(other.dir),
            sync: self.sync.or(other.sync),
            memory: self.memory.or(other.memory),
            cache_mb: self.cache_mb.or(other.cache_mb),
            requirepass: self.requirepass.or(other.requirepass),
            aclfile: self.aclfile.or(other.aclfile),
            acllog_max_len: self.acllog_max_len.or(other.acllog_max_len),
            auth_failure_delay: self.auth_failure_delay.or(other.auth_failure_delay),
            maxclients: self.maxclients.or(other.maxclients),
            threads: self.threads.or(other.threads),
            unixsocket: self.unixsocket.or(other.unixsocket),
            unixsocketperm: self.unixsocketperm.or(other.unixsocketperm),
            enable_debug: self.enable_debug.or(other.enable_debug),
            client_query_buffer_limit: self
                .client_query_buffer_limit
                .or(other.client_query_buffer_limit),
            latency_monitor_threshold: self
                .latency_monitor_threshold
                .or(other.latency_monitor_threshold),
            proto_max_array_len: self.proto_max_array_len.or(other.proto_max_array_len),
            proto_max_bulk_len: self.proto_max_bulk_len.or(other.proto_max_bulk_len),
            slowlog_log_slower_than: self.slowlog_log_slower_than.or(other.slowlog_log_slower_than),
            slowlog_max_len: self.slowlog_max_len.or(other.slowlog_max_len),
            group_held_max: self.group_held_max.or(other.group_held_max),
            blocked_clients_max: self.blocked_clients_max.or(other.blocked_clients_max),
            client_output_buffer_limit: self
                .client_output_buffer_limit
                .or(other.client_output_buffer_limit),
            group_consumers_max: self.group_consumers_max.or(other.group_consumers_max),
            maxmemory: self.maxmemory.or(other.maxmemory),
            maxmemory_clients: self.maxmemory_clients.or(other.maxmemory_clients),
            maxmemory_hard: self.maxmemory_hard.or(other.maxmemory_hard),
            name_bytes_max: self.name_bytes_max.or(other.name_bytes_max),
            stream_bytes_max: self.stream_bytes_max.or(other.stream_bytes_max),
            stream_entries_max: self.stream_entries_max.or(other.stream_entries_max),
            stream_groups_max: self.stream_groups_max.or(other.stream_groups_max),
            stream_idmp_producers_max: self
                .stream_idmp_producers_max
                .or(other.stream_idmp_producers_max),
            stream_idmp_duration: self.stream_idmp_duration.or(other.stream_idmp_duration),
            stream_idmp_maxsize: self.stream_idmp_maxsize.or(other.stream_idmp_maxsize),
            stream_node_max_bytes: self.stream_node_max_bytes.or(other.stream_node_max_bytes),
            stream_node_max_entries: self.stream_node_max_entries.or(other.stream_node_max_entries),
            tcp_keepalive: self.tcp_keepalive.or(other.tcp_keepalive),
            timeout: self.timeout.or(other.timeout),
            group_policy: match self.group_policy {
                given if given.is_empty() => other.group_policy,
                given => given,
            },
            log_segment_kb: self.log_segment_kb.or(other.log_segment_kb),
            checkpoint_log_kb: self.checkpoint_log_kb.or(other.checkpoint_log_kb),
            config: None,
        }
    }

    pub(crate) fn with_file(self) -> Result<Self, ConfigError> {
        let Some(path) = &self.config else { return Ok(self) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
        let file = toml::from_str(&text).map_err(|error| {
            let fault = toml_fault::describe(&text, error.span(), error.message());
            ConfigError(format!("in {}: {fault}", path.display()))
        })?;
        Ok(self.or(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve_values::Port;

    #[test]
    fn a_password_without_quotes_is_in_no_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m.toml");
        std::fs::write(&path, "port = 1\nrequirepass = hunter2\n").expect("write");
        let options = ServeOptions { config: Some(path), ..ServeOptions::default() };
        let error = options.with_file().map(|_| ()).expect_err("this is no TOML").to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("m.toml: line 2, column 15 (requirepass): "), "{error}");
    }

    #[test]
    fn a_flag_beats_the_file() {
        let flags = ServeOptions { port: Some(Port::Port(1)), ..ServeOptions::default() };
        let file =
            ServeOptions { port: Some(Port::Port(2)), threads: Some(3), ..ServeOptions::default() };
        let config = flags.or(file).into_config();
        assert_eq!((config.port, config.threads), (Some(1), Some(3)));
    }
}
