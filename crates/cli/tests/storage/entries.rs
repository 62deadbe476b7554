//! Entries of about 1 KB whose content follows from stream and number, so that each can be checked
//! without being kept.

use std::ops::Range;

use redis::{Cmd, Connection, ErrorKind, Pipeline, RedisError, RedisResult, cmd};

/// Bytes of an entry's value.
pub(crate) const VALUE_BYTES: usize = 1000;
/// Entries sent at once.
const BATCH: u64 = 250;

/// An id, and names and values.
pub(crate) type Entry = (String, Vec<Vec<u8>>);

/// What entry `n` of a stream holds. Cannot be compressed, so that bytes on disk can be counted.
pub(crate) fn value(stream: &str, n: u64) -> Vec<u8> {
    let name = stream.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
    let mut state = (name << 32 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(VALUE_BYTES / 8).flatten().collect()
}

/// The command that adds entry `n`.
pub(crate) fn add(stream: &str, n: u64) -> Cmd {
    let mut add = cmd("XADD");
    add.arg(stream).arg(format!("{n}-1")).arg("v").arg(value(stream, n));
    add
}

/// Adds entries, and gives up at the first that is refused; those before it are there.
pub(crate) fn try_fill(
    connection: &mut Connection,
    stream: &str,
    numbers: Range<u64>,
) -> Result<(), (u64, RedisError)> {
    let mut first = numbers.start;
    while first < numbers.end {
        let end = numbers.end.min(first + BATCH);
        let mut batch = Pipeline::new();
        batch.ignore_errors();
        for n in first..end {
            batch.add_command(add(stream, n));
        }
        let replies: Vec<RedisResult<String>> =
            batch.query(connection).map_err(|error| (first, error))?;
        for (n, reply) in (first..end).zip(replies) {
            reply.map_err(|error| (n, error))?;
        }
        first = end;
    }
    Ok(())
}

pub(crate) fn fill(connection: &mut Connection, stream: &str, numbers: Range<u64>) {
    try_fill(connection, stream, numbers).expect("entries are added");
}

/// Holds entries to be those of these numbers, whole.
pub(crate) fn check(stream: &str, entries: &[Entry], numbers: Range<u64>) {
    assert_eq!(entries.len() as u64, numbers.end - numbers.start, "{stream}: {numbers:?}");
    for ((id, fields), n) in entries.iter().zip(numbers) {
        assert_eq!(*id, format!("{n}-1"), "{stream}");
        let expected = value(stream, n);
        let is_right = fields.len() == 2 && fields[0] == b"v" && fields[1] == expected;
        assert!(is_right, "{stream}: entry {id} is another one");
    }
}

/// One page of a stream, or the error.
pub(crate) fn page(
    connection: &mut Connection,
    stream: &str,
    numbers: &Range<u64>,
) -> RedisResult<Vec<Entry>> {
    let (start, end) = (format!("{}-0", numbers.start), format!("({}-0", numbers.end));
    cmd("XRANGE").arg(stream).arg(start).arg(end).query(connection)
}

/// Reads entries by pages of `count` and checks each.
pub(crate) fn scan(connection: &mut Connection, stream: &str, numbers: Range<u64>, count: u64) {
    let mut first = numbers.start;
    while first < numbers.end {
        let some = first..numbers.end.min(first + count);
        let entries = page(connection, stream, &some).expect("XRANGE");
        first = some.end;
        check(stream, &entries, some);
    }
}

pub(crate) fn length(connection: &mut Connection, stream: &str) -> u64 {
    cmd("XLEN").arg(stream).query(connection).expect("XLEN")
}

/// The text of an error reply; anything else is a failure.
pub(crate) fn error_text<T: std::fmt::Debug>(reply: RedisResult<T>) -> String {
    let error = reply.expect_err("an error is due");
    assert_ne!(error.kind(), ErrorKind::Io, "the connection broke: {error}");
    format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
}
