//! Replies of the engine as values of the client library, in the shapes of RESP2, which is what a
//! server is asked for.

use bytes::Bytes;
use millstream_command::{Reply, encode};
use millstream_engine::{ReadEntries, StreamRead};
use millstream_model::{EntryId, EntryRef, EntrySlice, PinnedEntry};
use millstream_resp::Protocol;
use redis::Value;

use crate::Error;

/// What the reply says.
///
/// # Errors
/// It is an error, or one is part of it.
pub(super) fn value(reply: Reply) -> Result<Value, Error> {
    Ok(match reply {
        Reply::Simple(text) if text == "OK" => Value::Okay,
        Reply::Simple(text) => Value::SimpleString(text.into_owned()),
        Reply::Error(text) => return Err(error(&text)),
        Reply::ErrorBytes(text) => return Err(error(&String::from_utf8_lossy(&text))),
        Reply::Int(number) => Value::Int(number),
        Reply::Id(id) => id_value(id),
        Reply::Bulk(bytes) => bulk(bytes),
        Reply::Text(text) => Value::BulkString(text.into()),
        Reply::Verbatim(text) => Value::BulkString(text.into()),
        Reply::Nil | Reply::NilArray => Value::Nil,
        Reply::Array(items) | Reply::Set(items) => {
            Value::Array(items.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        Reply::Map(pairs) => {
            let flat = pairs.into_iter().flat_map(|(key, value)| [key, value]);
            Value::Array(flat.map(value).collect::<Result<_, _>>()?)
        }
        Reply::Entry(entry) => entry_value(entry.as_ref()),
        Reply::Entries(slice) => Value::Array(slice_values(&slice, entry_value)),
        Reply::Read(outcome) => {
            Value::Array(outcome.streams.into_iter().map(stream_value).collect())
        }
        // Rare, and what they look like is the encoder's business.
        rare @ (Reply::Double(_) | Reply::Keys(_) | Reply::Wire { .. }) => {
            let mut encoded = Vec::new();
            encode(&rare, Protocol::Resp2, &mut encoded);
            redis::parse_redis_value(&encoded)?.extract_error()?
        }
    })
}

/// As one of a server: the first word is its code.
pub(super) fn error(text: &str) -> Error {
    let (code, text) = text.split_once(' ').unwrap_or((text, ""));
    if code == "NOGROUP" {
        return Error::NoGroup(text.to_owned());
    }
    Error::Refused { code: code.to_owned(), text: text.to_owned() }
}

fn bulk(bytes: Bytes) -> Value {
    Value::BulkString(bytes.into())
}

fn id_value(id: EntryId) -> Value {
    Value::BulkString(id.to_string().into())
}

fn fields_value(entry: EntryRef<'_>) -> Value {
    let flat = entry.pairs().flat_map(|(name, value)| [name, value]);
    Value::Array(flat.map(|bytes| Value::BulkString(bytes.to_vec())).collect())
}

fn entry_value(entry: EntryRef<'_>) -> Value {
    Value::Array(vec![id_value(entry.id()), fields_value(entry)])
}

fn counted_value(entry: EntryRef<'_>, idle_ms: u64, deliveries: u64) -> Value {
    let counts = [idle_ms, deliveries].map(|count| Value::Int(count.cast_signed()));
    let [idle, deliveries] = counts;
    Value::Array(vec![id_value(entry.id()), fields_value(entry), idle, deliveries])
}

/// Nothing but its id if the entry was deleted meanwhile.
fn own_value(id: EntryId, entry: Option<PinnedEntry>) -> Value {
    match entry {
        Some(entry) => entry_value(entry.as_ref()),
        None => Value::Array(vec![id_value(id), Value::Nil]),
    }
}

fn slice_values(slice: &EntrySlice, value: impl Fn(EntryRef<'_>) -> Value) -> Vec<Value> {
    let mut values = Vec::with_capacity(slice.len());
    slice.for_each(|entry| values.push(value(entry)));
    values
}

fn stream_value(stream: StreamRead) -> Value {
    let entries = match stream.entries {
        ReadEntries::Plain(slice) => slice_values(&slice, entry_value),
        ReadEntries::History(entries) => {
            entries.into_iter().map(|(id, entry)| own_value(id, entry)).collect()
        }
        ReadEntries::Redelivered { again, new } => {
            let mut values: Vec<Value> =
                again.iter().map(|entry| entry_value(entry.as_ref())).collect();
            values.extend(slice_values(&new, entry_value));
            values
        }
        ReadEntries::WithClaims { claimed, new } => {
            let claimed = claimed
                .iter()
                .map(|it| counted_value(it.entry.as_ref(), it.idle_ms, it.delivery_count));
            let mut values: Vec<Value> = claimed.collect();
            values.extend(slice_values(&new, |entry| counted_value(entry, 0, 0)));
            values
        }
    };
    Value::Array(vec![bulk(stream.key), Value::Array(entries)])
}
