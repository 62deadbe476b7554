//! Arbitrary lines as settings, a name and a value each: refused with a reason, or right.

#![no_main]

use millstream_server::{BindAddress, Config, DebugAccess, GroupPolicyRule, Server, SyncMode};

/// Those that CONFIG SET knows and that are numbers, sizes or words.
const NAMES: [&str; 16] = [
    "blocked-clients-max",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "group-held-max",
    "latency-monitor-threshold",
    "latency-tracking",
    "maxmemory",
    "maxmemory-clients",
    "maxmemory-hard",
    "name-bytes-max",
    "proto-max-bulk-len",
    "slowlog-log-slower-than",
    "stream-bytes-max",
    "stream-idmp-duration",
    "stream-node-max-bytes",
    "timeout",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut config = Config::default();
    for line in text.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "bind" => config.bind.extend(value.parse::<BindAddress>()),
            "sync" => config.sync = value.parse::<SyncMode>().unwrap_or(config.sync),
            "enable-debug" => config.debug = value.parse::<DebugAccess>().unwrap_or_default(),
            "group-policy" => config.group_policies.extend(value.parse::<GroupPolicyRule>()),
            name => {
                let known = NAMES.iter().find(|known| **known == name);
                config.settings.extend(known.map(|known| (*known, value.to_owned())));
            }
        }
    }
    if let Err(error) = Server::check(&config) {
        assert!(!error.to_string().is_empty());
    }
});
