//! A pending entry, as the server shows it.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use crate::EntryId;
use crate::reply::{self, NotUnderstood};

/// An entry that was delivered and not acknowledged, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingEntry {
    /// Which entry. It may be gone from the stream.
    pub id: EntryId,
    /// Who has it. `None`: nobody (Millstream, Redis 8.8), since it was given back.
    pub consumer: Option<Bytes>,
    /// Since its last delivery. `None`: nobody has it.
    pub idle: Option<Duration>,
    /// How often it was delivered. Servers count in 64 bits with a sign: a delivery after
    /// [`NackMode::Fatal`](super::NackMode::Fatal) makes some show a negative count, which is the
    /// number after the highest one here.
    pub deliveries: u64,
    /// What was said when it failed last: see
    /// [`PendingEntries::with_errors`](super::PendingEntries::with_errors). Any bytes, 4 KiB at
    /// most. `None`: nothing, or nobody asked.
    pub error: Option<Bytes>,
}

impl PendingEntry {
    /// Of XPENDING with a range.
    pub(crate) fn parse_all(answer: Value) -> Result<Vec<Self>, NotUnderstood> {
        reply::array(answer)?.into_iter().map(Self::parse).collect()
    }

    fn parse(row: Value) -> Result<Self, NotUnderstood> {
        let mut parts = reply::array(row)?.into_iter();
        let mut next = || parts.next().ok_or(NotUnderstood);
        let (id, consumer) = (reply::id(&next()?)?, reply::bytes(next()?)?);
        let idle_ms = reply::integer(&next()?)?;
        let deliveries = reply::integer(&next()?)?.cast_unsigned();
        let error = match parts.next() {
            None | Some(Value::Nil) => None,
            Some(error) => Some(reply::bytes(error)?),
        };
        // A consumer may have the empty name, and a time that was set back is no mark either.
        let is_owned = !(consumer.is_empty() && idle_ms == -1);
        let idle = Duration::from_millis(idle_ms.max(0).unsigned_abs());
        Ok(Self {
            id,
            consumer: is_owned.then_some(consumer),
            idle: is_owned.then_some(idle),
            deliveries,
            error,
        })
    }

    /// The count as the server shows it.
    pub(super) fn shown_deliveries(&self) -> i64 {
        self.deliveries.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(consumer: &[u8], idle_ms: i64) -> Value {
        row_of_count(consumer, idle_ms, 3)
    }

    fn row_of_count(consumer: &[u8], idle_ms: i64, deliveries: i64) -> Value {
        let (id, consumer) = (b"1-2".to_vec(), consumer.to_vec());
        let (id, consumer) = (Value::BulkString(id), Value::BulkString(consumer));
        Value::Array(vec![id, consumer, Value::Int(idle_ms), Value::Int(deliveries)])
    }

    #[test]
    fn names_are_any_bytes_and_nobody_is_told_from_an_empty_name() {
        let rows = vec![row(b"\xff", 7), row(b"", 7), row(b"", -1), row(b"a", -1)];
        let parsed = PendingEntry::parse_all(Value::Array(rows)).expect("rows");
        let owners: Vec<_> = parsed.iter().map(|row| row.consumer.as_deref()).collect();
        assert_eq!(owners, [Some(&b"\xff"[..]), Some(b""), None, Some(b"a")]);
        let idle: Vec<_> = parsed.iter().map(|row| row.idle).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(idle, [ms(7), ms(7), None, ms(0)]);
        let cut = Value::Array(vec![Value::Array(vec![Value::BulkString(b"1-2".to_vec())])]);
        assert_eq!(PendingEntry::parse_all(cut), Err(NotUnderstood));
    }

    #[test]
    fn an_error_may_stand_behind_the_rest() {
        let with = |error: Option<Value>| {
            let Value::Array(mut parts) = row(b"a", 7) else { unreachable!("it is made so") };
            parts.extend(error);
            PendingEntry::parse(Value::Array(parts)).expect("a row").error
        };
        assert_eq!(with(None), None);
        assert_eq!(with(Some(Value::Nil)), None);
        assert_eq!(
            with(Some(Value::BulkString(b"no \xff".to_vec()))).as_deref(),
            Some(&b"no \xff"[..])
        );
    }

    #[test]
    fn a_count_that_ran_over_was_no_answer_at_all() {
        let rows = Value::Array(vec![row_of_count(b"a", 7, i64::MIN)]);
        let parsed = PendingEntry::parse_all(rows).expect("a row");
        assert_eq!(parsed[0].deliveries, 1 << 63);
        assert_eq!(parsed[0].shown_deliveries(), i64::MIN, "as it is compared on the server");
    }
}
