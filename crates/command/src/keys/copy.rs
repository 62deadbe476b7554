//! COPY, MOVE, SWAPDB, RANDOMKEY.

use millstream_engine::{CopyError, DATABASE_COUNT, Transaction};

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const SAME: Refusal = Refusal::text("ERR source and destination objects are the same");
const NO_INDEX: Refusal =
    Refusal::text("ERR value is out of range, value must between -2147483648 and 2147483647");
const OUT_OF_RANGE: Refusal = Refusal::text("ERR DB index is out of range");

/// A number of a database that exists.
fn database(text: &[u8]) -> Result<u8, Refusal> {
    let number = parse_i64(text).ok_or(Refusal::NOT_AN_INTEGER)?;
    let number = i32::try_from(number).map_err(|_| NO_INDEX)?;
    existing(number)
}

fn existing(number: i32) -> Result<u8, Refusal> {
    u8::try_from(number).ok().filter(|db| *db < DATABASE_COUNT).ok_or(OUT_OF_RANGE)
}

/// COPY source destination [DB db] [REPLACE]
pub(crate) fn copy(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 3);
    let (mut to_db, mut replaces) = (db, false);
    while options.left() > 0 {
        if options.take_word("REPLACE", 0) {
            replaces = true;
        } else if options.take_word("DB", 1) {
            to_db = database(options.value())?;
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    if to_db == db && args[1] == args[2] {
        return Err(SAME);
    }
    // As in Redis the source counts, and the target does not.
    txn.count_lookups(true);
    txn.kind(db, args[1]);
    txn.count_lookups(false);
    match txn.copy_key((db, args[1]), (to_db, args[2]), replaces) {
        Ok(copied) => Ok(Reply::Int(copied.into())),
        Err(CopyError::Taken) => Ok(Reply::Int(0)),
        Err(error) => Err(error.into()),
    }
}

/// MOVE key db
pub(crate) fn move_key(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let to_db = database(args[2])?;
    if to_db == db {
        return Err(SAME);
    }
    txn.check_move(db, args[1])?;
    Ok(Reply::Int(txn.move_key(db, to_db, args[1]).into()))
}

/// SWAPDB a b
pub(crate) fn swap_databases(args: &[&[u8]], txn: &mut Transaction<'_>) -> Outcome {
    let number = |text: &[u8], which: &'static str| {
        let invalid = || Refusal::Text(format!("ERR invalid {which} DB index").into());
        let number = parse_i64(text).and_then(|number| i32::try_from(number).ok());
        number.ok_or_else(invalid)
    };
    let (a, b) = (number(args[1], "first")?, number(args[2], "second")?);
    txn.swap_databases(existing(a)?, existing(b)?);
    Ok(Reply::OK)
}

/// RANDOMKEY
pub(crate) fn random_key(db: u8, txn: &mut Transaction<'_>) -> Reply {
    txn.random_key(db).map_or(Reply::Nil, Reply::Bulk)
}
