//! XDLQ LIST, REQUEUE and PURGE: dead letters. `docs/delivery.md` has the rules.

use millstream_engine::{LETTERS_MAX, LetterAction, LetterFilter, Transaction};
use millstream_model::EntryId;

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::{Options, id, ids};
use crate::refusal::{Outcome, Refusal};

const COUNT_DEFAULT: usize = 100;

pub(crate) fn list(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    run(LetterAction::List, args, db, txn)
}

pub(crate) fn requeue(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    run(LetterAction::Requeue { make_stream: false }, args, db, txn)
}

pub(crate) fn purge(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    run(LetterAction::Purge, args, db, txn)
}

fn run(mut action: LetterAction, args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 3);
    let mut filter = LetterFilter {
        ids: None,
        group: None,
        reason: None,
        consumer: None,
        min_age_ms: 0,
        count: COUNT_DEFAULT,
        cursor: EntryId::MIN,
    };
    let mut is_dry = false;
    let given;
    let mut texts = None;
    while options.left() > 0 {
        if options.take_word("IDS", 1) {
            texts = Some(id_texts(&mut options)?);
        } else if options.take_word("GROUP", 1) {
            filter.group = Some(options.value());
        } else if options.take_word("REASON", 1) {
            filter.reason = Some(options.value());
        } else if options.take_word("CONSUMER", 1) {
            filter.consumer = Some(options.value());
        } else if options.take_word("MINAGE", 1) {
            let ms = parse_i64(options.value()).and_then(|ms| u64::try_from(ms).ok());
            let text = "ERR MINAGE must be a number of milliseconds, 0 or more";
            filter.min_age_ms = ms.ok_or(Refusal::text(text))?;
        } else if options.take_word("COUNT", 1) {
            let count = parse_i64(options.value()).and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (1..=LETTERS_MAX).contains(count));
            filter.count = count.ok_or(Refusal::text("ERR COUNT must be from 1 to 1000"))?;
        } else if options.take_word("CURSOR", 1) {
            filter.cursor = id(options.value())?;
        } else if action != LetterAction::List && options.take_word("DRYRUN", 0) {
            is_dry = true;
        } else if let LetterAction::Requeue { make_stream } = &mut action
            && options.take_word("MKSTREAM", 0)
        {
            *make_stream = true;
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    if let Some(texts) = texts {
        given = ids(texts)?;
        filter.ids = Some(&given);
    }
    let done = txn.dead_letters(db, args[2], action, &filter, is_dry)?.unwrap_or_default();
    let what = if action == LetterAction::List {
        Reply::Array(done.listed.into_iter().map(Reply::Entry).collect())
    } else {
        Reply::count(done.done)
    };
    let mut parts = vec![what, Reply::count(done.skipped), Reply::Id(done.cursor)];
    if let LetterAction::Requeue { .. } = action {
        parts.push(Reply::count(done.appended));
    }
    Ok(Reply::Array(parts))
}

fn id_texts<'a>(options: &mut Options<'a>) -> Result<&'a [&'a [u8]], Refusal> {
    let count = parse_i64(options.value()).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or(Refusal::text("ERR numids must be a positive integer"))?;
    let text = "ERR number of IDs doesn't match numids";
    let texts = options.rest().get(..count).ok_or(Refusal::text(text))?;
    options.skip(count);
    Ok(texts)
}
