//! XCLAIM and XAUTOCLAIM.

use millstream_engine::{ClaimOptions, DeliveredAt, Transaction};
use millstream_model::{EntryId, PinnedEntry};

use crate::Reply;
use crate::id::{parse_range_start, parse_strict};
use crate::integer::parse_i64;
use crate::options::{Options, id};
use crate::refusal::{Outcome, Refusal};

/// Redis' limit, beyond which its reply could not be allocated.
const COUNT_MAX: i64 = i64::MAX / 16;
const COUNT_DEFAULT: usize = 100;

pub(crate) fn xclaim(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (key, group, consumer) = (args[1], args[2], args[3]);
    txn.check_group(db, key, group)?;
    txn.count_lookups(false);
    let min_idle_ms = min_idle(args[4], "ERR Invalid min-idle-time argument for XCLAIM")?;
    // Ids go on until the first argument that is none; from there on there are only options.
    let ids: Vec<_> = args[5..].iter().map_while(|text| parse_strict(text, 0)).collect();
    let mut claim = ClaimOptions { min_idle_ms, ..ClaimOptions::default() };
    let mut options = Options::new(args, 5 + ids.len());
    while options.left() > 0 {
        claim_option(&mut claim, &mut options)?;
    }
    let claimed = txn.claim(db, key, group, consumer, &claim, &ids)?;
    Ok(entries(claimed, claim.just_ids))
}

fn claim_option(claim: &mut ClaimOptions, options: &mut Options<'_>) -> Result<(), Refusal> {
    if options.take_word("FORCE", 0) {
        claim.force = true;
    } else if options.take_word("JUSTID", 0) {
        claim.just_ids = true;
    } else if options.take_word("FENCE", 0) {
        claim.is_fenced = true;
    } else if options.take_word("IDLE", 1) {
        let text = "ERR Invalid IDLE option argument for XCLAIM";
        let idle_ms = parse_i64(options.value()).ok_or(Refusal::text(text))?;
        claim.delivered_at = Some(DeliveredAt::Idle(idle_ms));
    } else if options.take_word("TIME", 1) {
        let text = "ERR Invalid TIME option argument for XCLAIM";
        let at_ms = parse_i64(options.value()).ok_or(Refusal::text(text))?;
        claim.delivered_at = Some(DeliveredAt::At(at_ms));
    } else if options.take_word("RETRYCOUNT", 1) {
        let text = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
        let count = parse_i64(options.value()).ok_or(Refusal::text(text))?;
        claim.delivery_count = u64::try_from(count).ok();
    } else if options.take_word("LASTID", 1) {
        claim.last_id = Some(id(options.value())?);
    } else {
        let word = options.value();
        let parts: [&[u8]; 3] = [b"ERR Unrecognized XCLAIM option '", word, b"'"];
        return Err(Refusal::Bytes(parts.concat()));
    }
    Ok(())
}

pub(crate) fn xautoclaim(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (key, group, consumer) = (args[1], args[2], args[3]);
    let min_idle_ms = min_idle(args[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = parse_range_start(args[5])?;
    let mut options = Options::new(args, 6);
    let (mut count, mut just_ids) = (COUNT_DEFAULT, false);
    while options.left() > 0 {
        if options.take_word("COUNT", 1) {
            let given = parse_i64(options.value()).filter(|count| (1..=COUNT_MAX).contains(count));
            let given = given.ok_or(Refusal::text("ERR COUNT must be > 0"))?;
            count = usize::try_from(given).unwrap_or(usize::MAX);
        } else if options.take_word("JUSTID", 0) {
            just_ids = true;
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let done = txn.autoclaim(db, key, group, consumer, min_idle_ms, start, count, just_ids)?;
    Ok(Reply::Array(vec![
        Reply::Id(done.cursor),
        entries(done.claimed, just_ids),
        Reply::Array(done.deleted.into_iter().map(Reply::Id).collect::<Vec<_>>()),
    ]))
}

fn min_idle(text: &[u8], refusal: &'static str) -> Result<u64, Refusal> {
    let min_idle_ms = parse_i64(text).ok_or(Refusal::text(refusal))?;
    Ok(u64::try_from(min_idle_ms).unwrap_or(0))
}

fn entries(entries: Vec<PinnedEntry>, just_ids: bool) -> Reply {
    let id = |entry: &PinnedEntry| -> EntryId { entry.id() };
    Reply::Array(if just_ids {
        entries.iter().map(|entry| Reply::Id(id(entry))).collect()
    } else {
        entries.into_iter().map(Reply::Entry).collect()
    })
}
