//! XACK, XNACK, XFENCE.

use millstream_engine::{Fence, Nack, NackMode, Transaction};
use millstream_model::EntryId;

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::{Options, id, ids};
use crate::refusal::{Outcome, Refusal};

pub(crate) fn xack(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    if args[3].eq_ignore_ascii_case(b"FENCE") {
        return xack_fenced(args, db, txn);
    }
    if !txn.has_group(db, args[1], args[2])? {
        return Ok(Reply::Int(0));
    }
    txn.count_lookups(false);
    // One id is the common case of a worker that settles entry by entry.
    let acked = match &args[3..] {
        [one] => txn.acknowledge(db, args[1], args[2], &[id(one)?])?,
        many => txn.acknowledge(db, args[1], args[2], &ids(many)?)?,
    };
    Ok(Reply::count(acked))
}

/// XACK key group FENCE consumer [ATTEMPT n] id [id ...]. What follows is checked whether or not
/// there is such a group.
fn xack_fenced(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (fence, ids) = fence(args, 4, "xack")?;
    txn.count_lookups(false);
    Ok(Reply::count(txn.acknowledge_fenced(db, args[1], args[2], fence, &ids)?))
}

/// consumer [ATTEMPT n] id [id ...], from there to the end.
fn fence<'a>(
    args: &'a [&'a [u8]],
    at: usize,
    command: &'static str,
) -> Result<(Fence<'a>, Vec<EntryId>), Refusal> {
    let mut options = Options::new(args, at);
    let Some(consumer) = options.next() else { return Err(Refusal::wrong_arity(command)) };
    let mut fence = Fence { consumer, delivery_count: None };
    if options.take_word("ATTEMPT", 1) {
        let given = parse_i64(options.value()).and_then(|count| u64::try_from(count).ok());
        let text = "ERR ATTEMPT must be a delivery count, 0 or more";
        fence.delivery_count = Some(given.ok_or(Refusal::text(text))?);
    }
    if options.left() == 0 {
        return Err(Refusal::wrong_arity(command));
    }
    Ok((fence, ids(options.rest())?))
}

/// XFENCE key group consumer [ATTEMPT n] id [id ...]. What it does to a transaction is in
/// [`broken_fence`].
pub(crate) fn xfence(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (fence, ids) = fence(args, 3, "xfence")?;
    Ok(Reply::count(txn.count_fenced(db, args[1], args[2], fence, &ids)?))
}

/// Before a transaction begins, of each XFENCE in it: what EXEC answers, and does nothing, because
/// its consumer does not have all that it names, as after a WATCH that failed. `None`: this one is
/// in nobody's way.
///
/// The key is looked for in the database that EXEC begins in.
#[must_use]
pub fn broken_fence(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Option<Reply> {
    let held = fence(args, 3, "xfence").and_then(|(fence, ids)| {
        Ok(txn.count_fenced(db, args[1], args[2], fence, &ids)? == ids.len())
    });
    match held {
        Ok(true) => None,
        Ok(false) => Some(Reply::NilArray),
        Err(refusal) => {
            let reason = refusal.text_without_code();
            let text = format!("EXECABORT Transaction discarded because of: {reason}");
            Some(Reply::Error(text.into()))
        }
    }
}

pub(crate) fn xnack(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    txn.check_group(db, args[1], args[2])?;
    let mut options = Options::new(args, 3);
    let mode = if options.take_word("SILENT", 0) {
        NackMode::Silent
    } else if options.take_word("FAIL", 0) {
        NackMode::Fail
    } else if options.take_word("FATAL", 0) {
        NackMode::Fatal
    } else {
        return Err(Refusal::text("ERR mode must be SILENT, FAIL, or FATAL"));
    };
    let mut texts = None;
    let mut nack = Nack::new(mode);
    while options.left() > 0 {
        if options.take_word("IDS", 1) {
            let count = parse_i64(options.value()).and_then(|count| i32::try_from(count).ok());
            let count = count
                .and_then(|count| usize::try_from(count).ok())
                .filter(|count| *count > 0)
                .ok_or(Refusal::text("ERR numids must be a positive integer"))?;
            let text = "ERR number of IDs doesn't match numids";
            texts = Some(options.rest().get(..count).ok_or(Refusal::text(text))?);
            options.skip(count);
        } else if options.take_word("RETRYCOUNT", 1) {
            let text = "ERR Invalid RETRYCOUNT value, must be >= 0";
            let count = options.integer()?;
            let count = u64::try_from(count).map_err(|_| Refusal::text(text))?;
            nack.delivery_count = Some(count);
        } else if options.take_word("FORCE", 0) {
            nack.force = true;
        } else if options.take_word("DELAY", 1) {
            let text = "ERR DELAY must be a number of milliseconds, 0 or more";
            let given = parse_i64(options.value()).and_then(|ms| u64::try_from(ms).ok());
            let is_first = nack.delay_ms.replace(given.ok_or(Refusal::text(text))?).is_none();
            if !is_first || mode == NackMode::Fatal {
                return Err(Refusal::SYNTAX);
            }
        } else if options.take_word("ERROR", 1) {
            if nack.error.replace(options.value()).is_some() {
                return Err(Refusal::SYNTAX);
            }
        } else {
            let word = options.value();
            let parts: [&[u8]; 3] = [b"ERR Unrecognized XNACK option '", word, b"'"];
            return Err(Refusal::Bytes(parts.concat()));
        }
    }
    let texts = texts.ok_or(Refusal::text("ERR syntax error, expected IDS keyword"))?;
    Ok(Reply::count(txn.nack(db, args[1], args[2], &nack, &ids(texts)?)?))
}
