//! Replies and the words of refusals, as Redis has them.

use millstream_resp::Value;

use super::stream::Entry;
use crate::id::Id;

pub(super) fn int(number: impl TryInto<i64>) -> Value {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

pub(super) fn bulk(bytes: &[u8]) -> Value {
    Value::Bulk(bytes.to_vec())
}

pub(super) fn id(id: Id) -> Value {
    Value::Bulk(id.to_string().into_bytes())
}

pub(super) fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

pub(super) fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

pub(super) fn wrong_type() -> Value {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

pub(super) fn no_such_key() -> Value {
    error("ERR no such key")
}

fn of_parts(parts: &[&[u8]]) -> Value {
    Value::Error(parts.concat())
}

/// To commands on pending entries.
pub(super) fn no_key_or_group(key: &[u8], group: &[u8]) -> Value {
    of_parts(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

pub(super) fn no_group_to_read(key: &[u8], group: &[u8]) -> Value {
    let tail = b" in XREADGROUP with GROUP option";
    of_parts(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", tail])
}

/// To the management of groups.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Value {
    of_parts(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

pub(super) fn group_needs_key() -> Value {
    error(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want \
         to use the MKSTREAM option to create an empty stream automatically.",
    )
}

fn fields(entry: &Entry) -> Value {
    let parts = entry.fields.iter().flat_map(|(name, value)| [bulk(name), bulk(value)]);
    Value::Array(parts.collect())
}

pub(super) fn entry(entry: &Entry) -> Value {
    Value::Array(vec![id(entry.id), fields(entry)])
}

pub(super) fn entry_with_counts(entry: &Entry, idle_ms: u64, deliveries: u64) -> Value {
    Value::Array(vec![id(entry.id), fields(entry), int(idle_ms), int(deliveries)])
}

pub(super) fn named(pairs: Vec<(&str, Value)>) -> Value {
    let flat = pairs.into_iter().flat_map(|(name, value)| [bulk(name.as_bytes()), value]);
    Value::Array(flat.collect())
}
