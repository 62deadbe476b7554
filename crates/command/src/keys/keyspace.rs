//! TYPE, EXISTS, DEL, RENAME, KEYS, DBSIZE, FLUSHDB and their like.

use bytes::Bytes;
use millstream_engine::{ObjectKind, Transaction};

use crate::Reply;
use crate::glob;
use crate::refusal::{Outcome, Refusal};

/// The word by which TYPE and SCAN know a kind of value.
pub(crate) fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Stream => "stream",
        ObjectKind::String => "string",
    }
}

pub(crate) fn type_of(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::Simple(txn.kind(db, args[1]).map_or("none", kind_word).into())
}

pub(crate) fn exists(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::count(args[1..].iter().filter(|key| txn.kind(db, key).is_some()).count())
}

pub(crate) fn delete(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::count(args[1..].iter().filter(|key| txn.remove(db, key)).count())
}

pub(crate) fn rename(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    txn.rename(db, args[1], args[2], false)?;
    Ok(Reply::OK)
}

pub(crate) fn rename_if_free(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::Int(i64::from(txn.rename(db, args[1], args[2], true)?)))
}

pub(crate) fn keys(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    let mut keys = Vec::new();
    txn.for_each_key(db, |key| {
        if glob::matches(args[1], key) {
            keys.push(Reply::Bulk(Bytes::copy_from_slice(key)));
        }
    });
    Reply::Array(keys)
}

pub(crate) fn count(db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::count(txn.key_counts(db).keys)
}

/// FLUSHDB with a database, FLUSHALL without.
pub(crate) fn flush(args: &[&[u8]], db: Option<u8>, txn: &mut Transaction<'_>) -> Outcome {
    let is_known = match args {
        [_] => true,
        [_, how] => how.eq_ignore_ascii_case(b"SYNC") || how.eq_ignore_ascii_case(b"ASYNC"),
        _ => false,
    };
    if !is_known {
        return Err(Refusal::SYNTAX);
    }
    txn.flush(db);
    Ok(Reply::OK)
}
