//! Answers with entries, taken apart without more copies than there are.

use redis::Value;

use super::payload::number_in;

/// An entry of an answer.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Vec<u8>,
    fields: Value,
}

impl Entry {
    /// Its number, if it holds one and is as large as it was.
    pub(super) fn number(&self, bytes: usize) -> Option<u32> {
        let (mut first, mut total) = (None, 0);
        let mut see = |value: &Value| {
            let Value::BulkString(value) = value else { return };
            first = first.or_else(|| number_in(value));
            total += value.len();
        };
        match &self.fields {
            Value::Array(all) => all.iter().skip(1).step_by(2).for_each(&mut see),
            Value::Map(all) => all.iter().for_each(|(_, value)| see(value)),
            _ => {}
        }
        first.filter(|_| total == bytes)
    }
}

/// What an answer holds; `None`: it is another one than this command has.
pub(super) fn entries(answer: Value) -> Option<impl Iterator<Item = Option<Entry>>> {
    let Value::Array(all) = answer else { return None };
    Some(all.into_iter().map(|entry| match entry {
        Value::Array(parts) => {
            let [id, fields] = <[Value; 2]>::try_from(parts).ok()?;
            let Value::BulkString(id) = id else { return None };
            Some(Entry { id, fields })
        }
        _ => None,
    }))
}

/// The entries in the answer to a read of one stream; an empty array where there were none.
pub(super) fn of_read(answer: Value) -> Option<Value> {
    let one = match answer {
        Value::Nil => return Some(Value::Array(Vec::new())),
        Value::Map(streams) => {
            let [(_, entries)] = <[(Value, Value); 1]>::try_from(streams).ok()?;
            return Some(entries);
        }
        Value::Array(streams) => <[Value; 1]>::try_from(streams).ok()?,
        _ => return None,
    };
    let [Value::Array(stream)] = one else { return None };
    let [_, entries] = <[Value; 2]>::try_from(stream).ok()?;
    Some(entries)
}

/// The answer to XAUTOCLAIM: the next cursor, the entries, and those that are gone.
pub(super) fn of_claim(answer: Value) -> Option<(Vec<u8>, Value, u64)> {
    let Value::Array(parts) = answer else { return None };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(cursor)), Some(entries)) = (parts.next(), parts.next()) else {
        return None;
    };
    let gone = match parts.next() {
        Some(Value::Array(gone)) => gone.len() as u64,
        // Redis 6.2 does not tell.
        _ => 0,
    };
    Some((cursor, entries, gone))
}

/// Whether it is the id of an entry that was added.
pub(super) fn is_id(answer: &Value) -> bool {
    matches!(answer, Value::BulkString(id) if id.len() >= 3 && id.contains(&b'-'))
}

/// A number that is no less than 0.
pub(super) fn count(answer: &Value) -> Option<u64> {
    match answer {
        Value::Int(count) => u64::try_from(*count).ok(),
        _ => None,
    }
}
