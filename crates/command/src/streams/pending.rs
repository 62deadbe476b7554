//! XPENDING.

use bytes::Bytes;
use millstream_engine::Transaction;
use millstream_model::{EntryId, Group, PendingEntry};

use crate::Reply;
use crate::id::{parse_range_end, parse_range_start};
use crate::options::integer;
use crate::refusal::{Outcome, Refusal};

/// Records that are shown with their errors at once: 4 MiB of those at most.
const WITH_ERRORS_MAX: usize = 1000;

/// The long form.
struct Listing<'a> {
    with_errors: bool,
    min_idle_ms: u64,
    from: EntryId,
    to: EntryId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

pub(crate) fn xpending(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (key, group) = (args[1], args[2]);
    let listing = if args.len() == 3 { None } else { Some(Listing::parse(&args[3..])?) };
    txn.check_group(db, key, group)?;
    txn.count_lookups(false);
    let now_ms = txn.steady_ms();
    let stream = txn.stream(db, key)?.expect("checked above");
    let group = stream.group(stream.find_group(group).expect("checked above"));
    Ok(match listing {
        None => summary(group),
        Some(listing) => listing.list(group, now_ms),
    })
}

fn summary(group: &Group) -> Reply {
    let pending = group.pending();
    let (Some(first), Some(last)) = (pending.first_id(), pending.last_id()) else {
        return Reply::Array(vec![Reply::Int(0), Reply::Nil, Reply::Nil, Reply::NilArray]);
    };
    let owners = group.consumers().filter(|(_, consumer)| consumer.pending_count > 0);
    let counts = owners.map(|(_, consumer)| {
        let count = consumer.pending_count.to_string();
        Reply::Array(vec![name(&consumer.name), Reply::bulk(count)])
    });
    Reply::Array(vec![
        Reply::count(pending.len()),
        Reply::Id(first),
        Reply::Id(last),
        Reply::Array(counts.collect()),
    ])
}

fn name(name: &[u8]) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(name))
}

impl<'a> Listing<'a> {
    fn parse(mut args: &[&'a [u8]]) -> Result<Self, Refusal> {
        // Where Redis has an id: no consumer can be meant.
        let with_errors = args[0].eq_ignore_ascii_case(b"WITHERRORS");
        args = &args[usize::from(with_errors)..];
        if !(3..=6).contains(&args.len()) {
            return Err(Refusal::SYNTAX);
        }
        let mut min_idle_ms = 0;
        if args[0].eq_ignore_ascii_case(b"IDLE") {
            min_idle_ms = u64::try_from(integer(args[1])?).unwrap_or(0);
            if args.len() < 5 {
                return Err(Refusal::SYNTAX);
            }
            args = &args[2..];
        }
        let count = usize::try_from(integer(args[2])?).unwrap_or(0);
        if with_errors && count > WITH_ERRORS_MAX {
            return Err(Refusal::text("ERR COUNT must be at most 1000 with WITHERRORS"));
        }
        let (from, to) = (parse_range_start(args[0])?, parse_range_end(args[1])?);
        Ok(Self { with_errors, min_idle_ms, from, to, count, consumer: args.get(3).copied() })
    }

    fn list(&self, group: &Group, now_ms: u64) -> Reply {
        let pending = group.pending();
        let idle_ms = |record: &PendingEntry| now_ms.saturating_sub(record.delivered_at_ms);
        let is_listed =
            |record: &PendingEntry| record.owner.is_none() || idle_ms(record) >= self.min_idle_ms;
        let show = |record: PendingEntry| {
            let (owner, idle) = match record.owner {
                Some(owner) => (name(&group.consumer(owner).name), Reply::number(idle_ms(&record))),
                None => (Reply::Text(""), Reply::Int(-1)),
            };
            let count = Reply::number(record.delivery_count);
            let mut parts = vec![Reply::Id(record.id), owner, idle, count];
            if self.with_errors {
                let error = pending.failure(record.id).map(|failure| &failure.error[..]);
                let error = error.filter(|error| !error.is_empty());
                parts.push(error.map_or(Reply::Nil, |error| Reply::bulk(error.to_vec())));
            }
            Reply::Array(parts)
        };
        let records: Vec<_> = match self.consumer.map(|name| group.find_consumer(name)) {
            _ if self.from > self.to => Vec::new(),
            Some(None) => Vec::new(),
            Some(Some(owner)) => {
                let records = pending.range_of(owner, self.from, self.to);
                records.filter(is_listed).take(self.count).map(show).collect()
            }
            None => {
                let records = pending.range(self.from, self.to);
                records.filter(is_listed).take(self.count).map(show).collect()
            }
        };
        Reply::Array(records)
    }
}
