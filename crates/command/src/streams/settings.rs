//! XSETID, XCFGSET, XIDMPRECORD: what a stream counts, remembers and keeps.

use millstream_engine::{CounterOptions, Production, Transaction};

use super::retention::RetentionChange;
use crate::Reply;
use crate::options::{Options, id};
use crate::refusal::{Outcome, Refusal};

const DURATION_S_MAX: i64 = 86_400;
const PER_PRODUCER_MAX: i64 = 10_000;

pub(crate) fn xsetid(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let last_id = id(args[2])?;
    let mut options = Options::new(args, 3);
    let mut counters = CounterOptions::default();
    while options.left() > 0 {
        if options.take_word("ENTRIESADDED", 1) {
            let added = u64::try_from(options.integer()?)
                .map_err(|_| Refusal::text("ERR entries_added must be positive"))?;
            counters.entries_added = Some(added);
        } else if options.take_word("MAXDELETEDID", 1) {
            let max_deleted_id = id(options.value())?;
            if last_id < max_deleted_id {
                return Err(Refusal::text(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
            counters.max_deleted_id = Some(max_deleted_id);
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    txn.set_counters(db, args[1], last_id, counters)?;
    Ok(Reply::OK)
}

pub(crate) fn xcfgset(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    if txn.stream(db, args[1])?.is_none() {
        return Err(Refusal::NO_SUCH_KEY);
    }
    let mut options = Options::new(args, 2);
    let (mut duration_s, mut per_producer) = (None, None);
    let mut retention = RetentionChange::default();
    while options.left() > 0 {
        if options.take_word("IDMP-DURATION", 1) {
            let texts = [
                "ERR IDMP-DURATION specified multiple times",
                "ERR IDMP-DURATION must be between 1 and 86400 seconds",
            ];
            set_once(&mut duration_s, &mut options, DURATION_S_MAX, texts)?;
        } else if options.take_word("IDMP-MAXSIZE", 1) {
            let texts = [
                "ERR IDMP-MAXSIZE specified multiple times",
                "ERR IDMP-MAXSIZE must be between 1 and 10000 entries",
            ];
            set_once(&mut per_producer, &mut options, PER_PRODUCER_MAX, texts)?;
        } else if !retention.take(&mut options)? {
            return Err(Refusal::SYNTAX);
        }
    }
    let is_idempotence = duration_s.is_some() || per_producer.is_some();
    if !is_idempotence && retention.is_empty() {
        return Err(Refusal::text("ERR At least one parameter must be specified"));
    }
    if !retention.is_empty() {
        let changed = retention.apply(txn.retention(db, args[1])?)?;
        // First, since it may have to wait for blocks.
        txn.set_retention(db, args[1], changed)?;
    }
    if is_idempotence {
        txn.set_idempotence(db, args[1], duration_s, per_producer)?;
    }
    Ok(Reply::OK)
}

/// Takes a value from 1 to `max`. The texts: given before, out of range.
fn set_once(
    item: &mut Option<u32>,
    options: &mut Options<'_>,
    max: i64,
    texts: [&'static str; 2],
) -> Result<(), Refusal> {
    if item.is_some() {
        return Err(Refusal::text(texts[0]));
    }
    let value = options.integer()?;
    if !(1..=max).contains(&value) {
        return Err(Refusal::text(texts[1]));
    }
    *item = u32::try_from(value).ok();
    Ok(())
}

pub(crate) fn xidmprecord(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let entry_id = id(args[4])?;
    let (producer, iid) = (args[2], args[3]);
    if producer.is_empty() {
        return Err(Refusal::text("ERR producer ID must be non-empty"));
    }
    if iid.is_empty() {
        return Err(Refusal::text("ERR idempotent ID must be non-empty"));
    }
    txn.record_production(db, args[1], Production { producer, iid }, entry_id)?;
    Ok(Reply::OK)
}
