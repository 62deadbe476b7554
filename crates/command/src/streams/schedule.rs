//! XSCHEDULE: entries that are appended later. `docs/delivery.md` has the rules.

use bytes::Bytes;
use millstream_engine::{RunError, Transaction};
use millstream_model::{PinnedEntry, ScheduleToken};

use crate::Reply;
use crate::integer::{parse_i64, parse_u64};
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

/// Entries of one LIST without COUNT.
const COUNT_DEFAULT: usize = 100;
/// The cursor of the beginning and of the end.
const START: &[u8] = b"0";

const INVALID_TOKEN: Refusal =
    Refusal::text("ERR Invalid schedule token, it is the one that XSCHEDULE ADD returned");
const INVALID_TIME: Refusal = Refusal::text("ERR DELAY and AT need milliseconds, 0 or more");
const TIME_OUT_OF_RANGE: Refusal = Refusal::text("ERR DELAY ends beyond the largest time there is");

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Rejected(rejection) => rejection.into(),
            RunError::NoRoom { .. } => Self::NeedsRoom,
        }
    }
}

/// XSCHEDULE ADD key DELAY ms|AT unix-ms field value [field value ...]
pub(crate) fn add(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let is_delay = match args[3] {
        word if word.eq_ignore_ascii_case(b"DELAY") => true,
        word if word.eq_ignore_ascii_case(b"AT") => false,
        _ => return Err(Refusal::SYNTAX),
    };
    let given = parse_i64(args[4]).filter(|ms| *ms >= 0).ok_or(INVALID_TIME)?;
    let now_ms = i64::try_from(txn.now().wall_ms).unwrap_or(i64::MAX);
    let due_ms = if is_delay { now_ms.checked_add(given) } else { Some(given) };
    let due_ms = due_ms.ok_or(TIME_OUT_OF_RANGE)?.cast_unsigned();
    let fields = &args[5..];
    if !fields.len().is_multiple_of(2) {
        return Err(Refusal::wrong_arity("xschedule|add"));
    }
    Ok(token_reply(txn.schedule(db, args[2], due_ms, fields)?))
}

/// XSCHEDULE LIST key [CURSOR cursor] [COUNT count]
pub(crate) fn list(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 3);
    let (mut after, mut count) = (None, COUNT_DEFAULT);
    while options.left() > 0 {
        if options.take_word("CURSOR", 1) {
            after = match options.value() {
                START => None,
                text => Some(token(text)?),
            };
        } else if options.take_word("COUNT", 1) {
            let given = usize::try_from(options.integer()?).ok().filter(|count| *count > 0);
            count = given.ok_or(Refusal::text("ERR COUNT must be > 0"))?;
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let listing = txn.list_schedule(db, args[2], after, count)?;
    let next = listing.next.map_or(Reply::Bulk(Bytes::from_static(START)), token_reply);
    let entries = listing.entries.iter().map(|(token, entry)| {
        let (name, due_ms) = (token_reply(*token), Reply::number(token.due_ms));
        Reply::Array(vec![name, due_ms, fields_reply(entry)])
    });
    Ok(Reply::Array(vec![next, Reply::Array(entries.collect())]))
}

/// XSCHEDULE CANCEL key token [token ...]
pub(crate) fn cancel(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let tokens = tokens(&args[3..])?;
    Ok(Reply::number(txn.cancel_scheduled(db, args[2], &tokens)?))
}

/// XSCHEDULE RUN key token [token ...]
pub(crate) fn run(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let tokens = tokens(&args[3..])?;
    Ok(Reply::number(txn.run_scheduled(db, args[2], &tokens)?))
}

fn tokens(texts: &[&[u8]]) -> Result<Vec<ScheduleToken>, Refusal> {
    texts.iter().map(|text| token(text)).collect()
}

/// Only as ADD wrote it: what a client holds is one text.
fn token(text: &[u8]) -> Result<ScheduleToken, Refusal> {
    let dash = text.iter().position(|byte| *byte == b'-').ok_or(INVALID_TOKEN)?;
    let number = |digits: &[u8]| {
        let is_canonical = digits == b"0" || !digits.starts_with(b"0");
        parse_u64(digits).filter(|_| is_canonical).ok_or(INVALID_TOKEN)
    };
    let (due_ms, sequence) = (number(&text[..dash])?, number(&text[dash + 1..])?);
    Ok(ScheduleToken { due_ms, sequence })
}

fn token_reply(token: ScheduleToken) -> Reply {
    Reply::bulk(token.to_string())
}

fn fields_reply(entry: &PinnedEntry) -> Reply {
    let bulk = |bytes: &[u8]| Reply::Bulk(Bytes::copy_from_slice(bytes));
    let pairs = entry.as_ref().pairs();
    Reply::Array(pairs.flat_map(|(name, value)| [bulk(name), bulk(value)]).collect())
}
