//! Answers of a server taken apart. Both forms of maps are understood, RESP2's flat arrays and
//! RESP3's.

use bytes::Bytes;
use redis::Value;

use crate::message::Fields;
use crate::{EntryId, Error};

/// An entry as a read or a claim returns it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    /// `None`: it is gone from the stream, only its pending record is left.
    pub(crate) fields: Option<Fields>,
    /// How often it was delivered before, where the answer says so.
    pub(crate) deliveries_before: Option<u64>,
}

/// One row of XPENDING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRow {
    pub(crate) id: EntryId,
    /// Empty: nobody has it.
    pub(crate) consumer: String,
    pub(crate) idle_ms: u64,
    pub(crate) deliveries: u64,
}

/// What was not understood; the caller knows the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotUnderstood;

impl NotUnderstood {
    /// As an error, with the command that was asked.
    pub(crate) fn of(command: &'static str) -> impl FnOnce(Self) -> Error {
        move |_| Error::Answer(command)
    }
}

type Parsed<T> = Result<T, NotUnderstood>;

pub(crate) fn array(value: Value) -> Parsed<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(NotUnderstood),
    }
}

/// Keys and values in turn.
pub(crate) fn pairs(value: Value) -> Parsed<Vec<(Value, Value)>> {
    if let Value::Map(pairs) = value {
        return Ok(pairs);
    }
    let mut items = array(value)?.into_iter();
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let Some(key) = items.next() {
        pairs.push((key, items.next().ok_or(NotUnderstood)?));
    }
    Ok(pairs)
}

pub(crate) fn integer(value: &Value) -> Parsed<i64> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::BulkString(_) | Value::SimpleString(_) => {
            text(value)?.parse().map_err(|_| NotUnderstood)
        }
        _ => Err(NotUnderstood),
    }
}

/// A number that is no less than 0.
pub(crate) fn count(value: &Value) -> Parsed<u64> {
    u64::try_from(integer(value)?).map_err(|_| NotUnderstood)
}

pub(crate) fn text(value: &Value) -> Parsed<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).map_err(|_| NotUnderstood),
        // INFO, with RESP3.
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text),
        _ => Err(NotUnderstood),
    }
}

/// The same, with marks in place of what is not UTF-8: names of others may be anything.
pub(crate) fn lossy_text(value: &Value) -> Parsed<String> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.clone()),
        Value::Nil => Ok(String::new()),
        _ => Err(NotUnderstood),
    }
}

pub(crate) fn bytes(value: Value) -> Parsed<Bytes> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.into()),
        Value::SimpleString(text) => Ok(text.into()),
        _ => Err(NotUnderstood),
    }
}

pub(crate) fn id(value: &Value) -> Parsed<EntryId> {
    text(value)?.parse().map_err(|_| NotUnderstood)
}

pub(crate) fn fields(value: Value) -> Parsed<Option<Fields>> {
    if value == Value::Nil {
        return Ok(None);
    }
    let all = pairs(value)?.into_iter().map(|(name, value)| Ok((bytes(name)?, bytes(value)?)));
    all.collect::<Parsed<_>>().map(Some)
}

fn entry(value: Value) -> Parsed<Entry> {
    let mut parts = array(value)?.into_iter();
    let id = id(&parts.next().ok_or(NotUnderstood)?)?;
    let fields = fields(parts.next().ok_or(NotUnderstood)?)?;
    // With CLAIM: how long it was idle, and how often delivered.
    let deliveries_before = parts.nth(1).map(|value| count(&value)).transpose()?;
    Ok(Entry { id, fields, deliveries_before })
}

/// An entry of its own, or nil.
pub(crate) fn entry_if_there(value: Value) -> Parsed<Option<Entry>> {
    if value == Value::Nil { Ok(None) } else { entry(value).map(Some) }
}

/// Of XRANGE and XCLAIM, and of what XAUTOCLAIM and reads contain. XCLAIM of an old server has nil
/// in place of what is gone.
pub(crate) fn entries(value: Value) -> Parsed<Vec<Entry>> {
    let there = array(value)?.into_iter().filter(|it| *it != Value::Nil);
    there.map(entry).collect()
}

/// Of XREADGROUP: by stream. Nothing at all: the time was over.
pub(crate) fn read(value: Value) -> Parsed<Vec<(Bytes, Vec<Entry>)>> {
    let streams = match value {
        Value::Map(pairs) => pairs,
        other => {
            let each = array(other)?.into_iter().map(|stream| {
                let mut parts = array(stream)?.into_iter();
                let key = parts.next().ok_or(NotUnderstood)?;
                Ok((key, parts.next().ok_or(NotUnderstood)?))
            });
            each.collect::<Parsed<_>>()?
        }
    };
    streams.into_iter().map(|(key, found)| Ok((bytes(key)?, entries(found)?))).collect()
}

/// Of XAUTOCLAIM: where to go on (`0-0`: it was all), and what was claimed.
pub(crate) fn auto_claim(value: Value) -> Parsed<(EntryId, Vec<Entry>)> {
    let mut parts = array(value)?.into_iter();
    let cursor = id(&parts.next().ok_or(NotUnderstood)?)?;
    Ok((cursor, entries(parts.next().ok_or(NotUnderstood)?)?))
}

/// Of XCLAIM JUSTID.
pub(crate) fn ids(value: Value) -> Parsed<Vec<EntryId>> {
    array(value)?.iter().map(id).collect()
}

/// Of XPENDING with a range.
pub(crate) fn pending_rows(value: Value) -> Parsed<Vec<PendingRow>> {
    let row = |row: Value| {
        let parts = array(row)?;
        let [id_of, consumer, idle, deliveries, ..] = &parts[..] else {
            return Err(NotUnderstood);
        };
        Ok(PendingRow {
            id: id(id_of)?,
            consumer: lossy_text(consumer)?,
            // A clock that was set back makes it negative.
            idle_ms: integer(idle)?.max(0).unsigned_abs(),
            deliveries: count(deliveries)?,
        })
    };
    array(value)?.into_iter().map(row).collect()
}

/// A table of names and values, as of XINFO.
#[derive(Debug)]
pub(crate) struct Facts(Vec<(String, Value)>);

impl Facts {
    pub(crate) fn parse(value: Value) -> Parsed<Self> {
        let named = pairs(value)?.into_iter().map(|(name, value)| Ok((lossy_text(&name)?, value)));
        named.collect::<Parsed<_>>().map(Self)
    }

    pub(crate) fn list(value: Value) -> Parsed<Vec<Self>> {
        array(value)?.into_iter().map(Self::parse).collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value)
    }

    /// A fact that this server may not have.
    pub(crate) fn count_if_there(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|value| count(value).ok())
    }

    pub(crate) fn count(&self, name: &str) -> Parsed<u64> {
        count(self.get(name).ok_or(NotUnderstood)?)
    }

    pub(crate) fn text(&self, name: &str) -> Parsed<String> {
        lossy_text(self.get(name).ok_or(NotUnderstood)?)
    }

    pub(crate) fn bytes(&self, name: &str) -> Parsed<Bytes> {
        bytes(self.get(name).ok_or(NotUnderstood)?.clone())
    }

    pub(crate) fn id(&self, name: &str) -> Parsed<EntryId> {
        id(self.get(name).ok_or(NotUnderstood)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn list(items: &[Value]) -> Value {
        Value::Array(items.to_vec())
    }

    #[test]
    fn a_read_is_understood_in_both_protocols_with_claim_and_with_what_is_gone() {
        let plain = list(&[bulk("1-1"), list(&[bulk("f"), bulk("v")])]);
        let claimed =
            list(&[bulk("2-1"), list(&[bulk("f"), bulk("w")]), Value::Int(77), Value::Int(3)]);
        let gone = list(&[bulk("3-1"), Value::Nil]);
        let found = list(&[plain, claimed, gone]);
        let two = list(&[list(&[bulk("s"), found.clone()])]);
        let three = Value::Map(vec![(bulk("s"), found)]);
        let read_two = read(two).expect("RESP2");
        assert_eq!(read(three).expect("RESP3"), read_two);
        let (key, entries) = &read_two[0];
        assert_eq!(key, "s");
        let counts: Vec<_> = entries.iter().map(|entry| entry.deliveries_before).collect();
        assert_eq!(counts, [None, Some(3), None]);
        assert_eq!(entries[1].fields.as_ref().and_then(|fields| fields.text("f")), Some("w"));
        assert_eq!(entries[2].fields, None);
        assert_eq!(read(Value::Nil), Ok(Vec::new()));
    }

    #[test]
    fn what_no_server_says_is_not_understood() {
        let wrong = [
            list(&[list(&[bulk("s")])]),
            list(&[list(&[bulk("s"), list(&[list(&[bulk("x")])])])]),
            list(&[list(&[bulk("s"), list(&[list(&[bulk("1-1"), list(&[bulk("f")])])])])]),
            Value::Int(1),
        ];
        for value in wrong {
            assert_eq!(read(value.clone()), Err(NotUnderstood), "{value:?}");
        }
        assert_eq!(pending_rows(list(&[list(&[bulk("1-1")])])), Err(NotUnderstood));
        assert_eq!(auto_claim(list(&[bulk("0-0")])), Err(NotUnderstood));
    }
}
