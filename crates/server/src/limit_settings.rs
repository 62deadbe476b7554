//! Settings that bound what clients may take: how CONFIG shows and changes them. What each bounds
//! stands in `docs/limits.md`.

use std::sync::atomic::Ordering;

use millstream_command::integer::parse_i64;
use millstream_engine::Settings as EngineSettings;
use millstream_resp::RequestLimits;

use crate::memory_budget::ClientsMax;
use crate::output_limit::OutputLimits;
use crate::shared::Shared;
use crate::{open_files, session};

/// Those of INFO's section, in its order.
pub(crate) const LIMITS: [&str; 22] = [
    "maxclients",
    "blocked-clients-max",
    "timeout",
    "tcp-keepalive",
    "auth-failure-delay",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "proto-max-array-len",
    "client-output-buffer-limit",
    "maxmemory",
    "maxmemory-hard",
    "maxmemory-clients",
    "stream-entries-max",
    "stream-bytes-max",
    "stream-groups-max",
    "group-consumers-max",
    "group-held-max",
    "stream-idmp-producers-max",
    "stream-idmp-maxsize",
    "name-bytes-max",
    "slowlog-max-len",
    "acllog-max-len",
];

/// Bounds that nobody sets, as INFO's section names them.
pub(crate) fn fixed(shared: &Shared) -> [(&'static str, u64); 9] {
    [
        ("inline_bytes", RequestLimits::default().inline_bytes_max as u64),
        ("stranger_arguments", RequestLimits::UNAUTHENTICATED_ARGS_MAX.into()),
        ("stranger_argument_bytes", RequestLimits::UNAUTHENTICATED_BULK_BYTES_MAX),
        ("stranger_request_bytes", RequestLimits::UNAUTHENTICATED_REQUEST_BYTES_MAX.into()),
        ("multi_bytes", session::QUEUED_BYTES_MAX as u64),
        ("monitor_bytes", shared.settings.monitor_bytes_max()),
        ("client_pause_bytes", session::OUTBOX_BYTES_MAX as u64),
        ("tls_handshakes", open_files::handshakes_max(&shared.config) as u64),
        ("tls_handshake_seconds", shared.config.tls_handshake_timeout.as_secs()),
    ]
}

/// `None`: it is not one of these.
pub(crate) fn value(shared: &Shared, engine: &EngineSettings, name: &str) -> Option<String> {
    let (memory, bounds) = (&shared.memory, &engine.bounds);
    Some(match name {
        "blocked-clients-max" => shared.settings.blocked_max.load(Ordering::Relaxed).to_string(),
        "client-output-buffer-limit" => shared.settings.output_limits().to_string(),
        "group-consumers-max" => bounds.consumers_max.to_string(),
        "maxmemory" => memory.max().to_string(),
        "maxmemory-clients" => match memory.clients_setting() {
            ClientsMax::Bytes(bytes) => bytes.to_string(),
            ClientsMax::Percent(percent) => format!("{percent}%"),
        },
        "maxmemory-hard" => memory.hard_setting().to_string(),
        "name-bytes-max" => bounds.name_bytes_max.to_string(),
        "proto-max-array-len" => shared.settings.args_max.load(Ordering::Relaxed).to_string(),
        "stream-bytes-max" => bounds.bytes_max.to_string(),
        "stream-entries-max" => bounds.entries_max.to_string(),
        "stream-groups-max" => bounds.groups_max.to_string(),
        "stream-idmp-producers-max" => bounds.producers_max.to_string(),
        _ => return None,
    })
}

/// Takes a number that was checked.
pub(crate) fn apply(shared: &Shared, engine: &mut EngineSettings, name: &str, number: u64) {
    let bounds = &mut engine.bounds;
    let as_usize = usize::try_from(number).unwrap_or(usize::MAX);
    match name {
        "blocked-clients-max" => shared.settings.blocked_max.store(as_usize, Ordering::Relaxed),
        "group-consumers-max" => bounds.consumers_max = as_usize,
        "maxmemory" => shared.memory.set_max(number),
        "maxmemory-hard" => shared.memory.set_hard(number),
        "name-bytes-max" => bounds.name_bytes_max = as_usize,
        "proto-max-array-len" => {
            let max = u32::try_from(number).unwrap_or(u32::MAX);
            shared.settings.args_max.store(max, Ordering::Relaxed);
        }
        "stream-bytes-max" => bounds.bytes_max = number,
        "stream-entries-max" => bounds.entries_max = number,
        "stream-groups-max" => bounds.groups_max = as_usize,
        "stream-idmp-producers-max" => bounds.producers_max = as_usize,
        _ => {}
    }
}

/// Takes a text that was checked.
pub(crate) fn apply_text(shared: &Shared, name: &str, text: &str) {
    match name {
        "client-output-buffer-limit" => {
            let mut limits = shared.settings.output_limits();
            if limits.set(text.as_bytes(), parse_bytes).is_ok() {
                shared.settings.set_output_limits(limits);
            }
        }
        "maxmemory-clients" => {
            if let Ok(max) = parse_clients_max(text.as_bytes()) {
                shared.memory.set_clients_max(max);
            }
        }
        _ => {}
    }
}

/// # Errors
/// What is wrong, in Redis' words, as of all here.
pub(crate) fn check_output_limits(text: &[u8]) -> Result<(), &'static str> {
    OutputLimits::default().set(text, parse_bytes)
}

/// Bytes, or a share of `maxmemory`: `5%`.
pub(crate) fn parse_clients_max(text: &[u8]) -> Result<ClientsMax, &'static str> {
    let wrong = "argument must be a memory or percent value";
    if let Some(digits) = text.strip_suffix(b"%") {
        let percent = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        return match percent.ok_or(wrong)? {
            percent @ 0..=100 => Ok(ClientsMax::Percent(percent)),
            _ => Err("percentage argument must be less or equal to 100"),
        };
    }
    let bytes = parse_bytes(text).ok_or(wrong)?;
    Ok(ClientsMax::Bytes(u64::try_from(bytes).map_err(|_| wrong)?))
}

/// `4096`, `4k`, `4kb`, `1mb`: units with `b` are powers of 1024, those without powers of 1000.
pub(crate) fn parse_bytes(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match &unit.to_ascii_lowercase()[..] {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    parse_i64(number)?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_values_have_units() {
        assert_eq!(parse_bytes(b"4kb"), Some(4096));
        assert_eq!(parse_bytes(b"4K"), Some(4000));
        assert_eq!(parse_bytes(b"512mb"), Some(512 << 20));
        assert_eq!(parse_bytes(b"17"), Some(17));
        for wrong in ["", "kb", "1tb", "-1", "1 kb", "9223372036854775807gb"] {
            assert_eq!(parse_bytes(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn memory_of_clients_is_bytes_or_a_share() {
        assert_eq!(parse_clients_max(b"5%"), Ok(ClientsMax::Percent(5)));
        assert_eq!(parse_clients_max(b"5mb"), Ok(ClientsMax::Bytes(5 << 20)));
        assert_eq!(parse_clients_max(b"0"), Ok(ClientsMax::Bytes(0)));
        for wrong in ["x", "101%", "%", "-1%", "-5", ""] {
            assert!(parse_clients_max(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
