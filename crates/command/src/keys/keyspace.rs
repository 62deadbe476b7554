//! TYPE, EXISTS, DEL, RENAME, KEYS, DBSIZE, FLUSHDB and their like.

use millstream_engine::{ObjectKind, Transaction};

use crate::Reply;
use crate::key_matches::KeyMatches;
use crate::refusal::{Outcome, Refusal};

/// The word by which TYPE and SCAN know a kind of value.
pub(crate) fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Stream => "stream",
        ObjectKind::String => "string",
    }
}

/// The kind of value that SCAN asks for, if there is one of that name.
pub(crate) fn kind_of_word(word: &[u8]) -> Option<ObjectKind> {
    let kinds = [ObjectKind::Stream, ObjectKind::String];
    kinds.into_iter().find(|kind| word.eq_ignore_ascii_case(kind_word(*kind).as_bytes()))
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

/// KEYS: only the listing is taken while the engine is held; what matches is found as the reply is
/// encoded.
pub(crate) fn keys(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::Keys(Box::new(KeyMatches::new(txn.list_keys(db), args[1])))
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
