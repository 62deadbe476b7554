//! XLEN, XRANGE, XREVRANGE.

use millstream_engine::Transaction;
use millstream_model::Direction;

use crate::Reply;
use crate::id::{parse_range_end, parse_range_start};
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

pub(crate) fn xlen(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let length = txn.stream(db, args[1])?.map_or(0, |stream| stream.entries().len());
    Ok(Reply::number(length))
}

pub(crate) fn xrange(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    range(args, db, txn, Direction::Ascending)
}

pub(crate) fn xrevrange(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    range(args, db, txn, Direction::Descending)
}

fn range(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>, direction: Direction) -> Outcome {
    let (low, high) = match direction {
        Direction::Ascending => (args[2], args[3]),
        Direction::Descending => (args[3], args[2]),
    };
    let from = parse_range_start(low)?;
    let to = parse_range_end(high)?;
    let mut options = Options::new(args, 4);
    let mut count = None;
    while options.left() > 0 {
        if !options.take_word("COUNT", 1) {
            return Err(Refusal::SYNTAX);
        }
        count = Some(options.integer()?);
    }
    if txn.stream(db, args[1])?.is_none() {
        return Ok(Reply::Array(Vec::new()));
    }
    let count = match count {
        None => usize::MAX,
        Some(count) if count <= 0 => return Ok(Reply::NilArray),
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
    };
    if from > to {
        return Ok(Reply::Array(Vec::new()));
    }
    txn.count_lookups(false);
    let entries = txn.range(db, args[1], from, to, count, direction)?;
    Ok(Reply::Entries(entries.unwrap_or_default()))
}
