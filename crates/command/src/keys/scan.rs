//! SCAN.

use bytes::Bytes;
use millstream_engine::Transaction;

use super::keyspace::kind_of_word;
use crate::Reply;
use crate::glob;
use crate::integer::parse_u64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const COUNT_DEFAULT: i64 = 10;
/// One call looks at no more keys than this, so that it holds up others for a few milliseconds at
/// most.
const COUNT_MAX: i64 = 10_000;

pub(crate) fn scan(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let cursor = parse_u64(args[1]).ok_or(Refusal::text("ERR invalid cursor"))?;
    let mut options = Options::new(args, 2);
    let (mut pattern, mut kind, mut count) = (None, None, COUNT_DEFAULT);
    while options.left() > 0 {
        if options.take_word("MATCH", 1) {
            pattern = Some(options.value());
        } else if options.take_word("COUNT", 1) {
            count = options.integer()?;
            if count < 1 {
                return Err(Refusal::SYNTAX);
            }
        } else if options.take_word("TYPE", 1) {
            kind = Some(options.value());
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let count = usize::try_from(count.min(COUNT_MAX)).expect("from 1 to COUNT_MAX");
    let of_kind = kind.and_then(kind_of_word);
    // A type that there is not has no keys, but the walk goes on.
    let is_no_kind = kind.is_some() && of_kind.is_none();
    let mut keys = Vec::new();
    let next = txn.scan_keys(db, cursor, count, of_kind, |key| {
        if !is_no_kind && pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
            keys.push(Reply::Bulk(Bytes::copy_from_slice(key)));
        }
    });
    Ok(Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(keys)]))
}
