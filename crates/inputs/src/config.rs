//! Arbitrary lines as settings, a name and a value each. The file that they stand in is TOML, and
//! read by the program itself: random changes of one are in `crates/cli/src/serve_inputs.rs`.

use std::fmt::Debug;
use std::str::FromStr;

use millstream_server::{BindAddress, Config, DebugAccess, GroupPolicyRule, Server, SyncMode};

/// Those that CONFIG SET knows and that are numbers, sizes or words.
const NAMES: [&str; 27] = [
    "acllog-max-len",
    "auth-failure-delay",
    "blocked-clients-max",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "group-consumers-max",
    "group-held-max",
    "latency-monitor-threshold",
    "latency-tracking",
    "maxmemory",
    "maxmemory-clients",
    "maxmemory-hard",
    "name-bytes-max",
    "proto-max-array-len",
    "proto-max-bulk-len",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "stream-bytes-max",
    "stream-entries-max",
    "stream-groups-max",
    "stream-idmp-duration",
    "stream-idmp-maxsize",
    "stream-idmp-producers-max",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "tcp-keepalive",
    "timeout",
];

/// Refused with a reason, or settings that are the same once written and read again.
///
/// # Panics
/// If neither.
pub fn check_config(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut config = Config::default();
    let mut has_some = false;
    for line in text.lines() {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let taken = match name {
            "bind" => parsed(value, BindAddress::to_string).map(|it| config.bind.push(it)),
            "sync" => parsed(value, SyncMode::to_string).map(|it| config.sync = it),
            "enable-debug" => parsed(value, DebugAccess::to_string).map(|it| config.debug = it),
            "group-policy" => parsed(value, policy_text).map(|it| config.group_policies.push(it)),
            name => NAMES
                .iter()
                .find(|known| **known == name)
                .map(|known| config.settings.push((known, value.to_owned()))),
        };
        has_some |= taken.is_some();
    }
    match Server::check(&config) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
        Ok(()) => has_some,
    }
}

/// The value, if it is one.
fn parsed<T>(text: &str, write: fn(&T) -> String) -> Option<T>
where
    T: FromStr<Err = String> + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(write(&value).parse().as_ref(), Ok(&value), "{text}");
            Some(value)
        }
        Err(why) => {
            assert!(!why.is_empty(), "{text}");
            None
        }
    }
}

fn policy_text(rule: &GroupPolicyRule) -> String {
    format!("{} {} {}", rule.stream, rule.group, rule.items.join(" "))
}
