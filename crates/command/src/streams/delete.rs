//! XDEL, XDELEX, XACKDEL: removing entries by id.

use millstream_engine::{Deletion, Transaction};
use millstream_model::References;

use super::trim_grammar::take_references;
use crate::Reply;
use crate::options::{Options, ids};
use crate::refusal::{Outcome, Refusal};

pub(crate) fn xdel(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    if txn.stream(db, args[1])?.is_none() {
        return Ok(Reply::Int(0));
    }
    Ok(Reply::number(txn.delete(db, args[1], &ids(&args[2..])?)?))
}

pub(crate) fn xdelex(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let exists = txn.stream(db, args[1])?.is_some();
    let (references, texts) = options(args, 2)?;
    if !exists {
        return Ok(deletions(vec![Deletion::NotFound; texts.len()]));
    }
    let ids = ids(texts)?;
    Ok(deletions(txn.delete_with_references(db, args[1], references, &ids)?))
}

pub(crate) fn xackdel(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let exists = txn.has_group(db, args[1], args[2])?;
    let (references, texts) = options(args, 3)?;
    if !exists {
        return Ok(deletions(vec![Deletion::NotFound; texts.len()]));
    }
    let ids = ids(texts)?;
    Ok(deletions(txn.acknowledge_and_delete(db, args[1], args[2], references, &ids)?))
}

/// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, in any order; the last IDS counts.
fn options<'a>(args: &'a [&'a [u8]], at: usize) -> Result<(References, &'a [&'a [u8]]), Refusal> {
    let mut options = Options::new(args, at);
    let mut references = None;
    let mut ids = None;
    while options.left() > 0 {
        if options.take_word("IDS", 1) {
            let count = options.integer().ok().filter(|count| *count > 0);
            let count =
                count.ok_or(Refusal::text("ERR Number of IDs must be a positive integer"))?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            ids = Some(options.rest().get(..count).ok_or(Refusal::text(
                "ERR The `numids` parameter must match the number of arguments",
            ))?);
            options.skip(count);
        } else if references.is_some() {
            return Err(Refusal::SYNTAX);
        } else {
            references = Some(take_references(&mut options).ok_or(Refusal::SYNTAX)?);
        }
    }
    let ids = ids.ok_or(Refusal::text("ERR IDS option is required"))?;
    Ok((references.unwrap_or_default(), ids))
}

fn deletions(deletions: Vec<Deletion>) -> Reply {
    let code = |deletion| match deletion {
        Deletion::NotFound => -1,
        Deletion::Deleted => 1,
        Deletion::Kept => 2,
    };
    Reply::Array(deletions.into_iter().map(|deletion| Reply::Int(code(deletion))).collect())
}
