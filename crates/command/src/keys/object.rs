//! OBJECT, TOUCH, MEMORY USAGE: how a value is kept and used.

use millstream_engine::Transaction;

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

/// TOUCH
pub(crate) fn touch(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    Reply::count(args[1..].iter().filter(|key| txn.touch(db, key)).count())
}

/// OBJECT ENCODING
pub(crate) fn encoding(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    txn.encoding(db, args[2]).map_or(Reply::Nil, Reply::Text)
}

/// OBJECT IDLETIME, in seconds.
pub(crate) fn idle_time(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    txn.idle_ms(db, args[2]).map_or(Reply::Nil, |idle_ms| Reply::number(idle_ms / 1000))
}

/// OBJECT REFCOUNT: no value is shared by two keys.
pub(crate) fn reference_count(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Reply {
    txn.kind(db, args[2]).map_or(Reply::Nil, |_| Reply::Int(1))
}

/// OBJECT FREQ: refused as it is in Redis under the one policy that this server has.
pub(crate) fn frequency(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    if txn.kind(db, args[2]).is_none() {
        return Ok(Reply::Nil);
    }
    Err(Refusal::text(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
         that when switching between policies at runtime LRU and LFU data will take some time to \
         adjust.",
    ))
}

/// MEMORY USAGE key [SAMPLES n]: all parts are counted, whatever the number of samples. Or DISK:
/// what of it is in block files.
pub(crate) fn memory_usage(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 3);
    if options.left() == 1 && options.take_word("DISK", 0) {
        txn.count_lookups(false);
        return Ok(txn.disk_bytes(db, args[2]).map_or(Reply::Nil, Reply::number));
    }
    while options.left() > 0 {
        if !options.take_word("SAMPLES", 1) {
            return Err(Refusal::SYNTAX);
        }
        let samples = parse_i64(options.value()).ok_or(Refusal::NOT_AN_INTEGER)?;
        if samples < 0 {
            return Err(Refusal::SYNTAX);
        }
    }
    // Not counted in Redis.
    txn.count_lookups(false);
    Ok(txn.memory_bytes(db, args[2]).map_or(Reply::Nil, Reply::count))
}
