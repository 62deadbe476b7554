//! XINFO. The order of the fields is Redis': some clients read them by position.

use bytes::Bytes;
use millstream_engine::Transaction;
use millstream_model::{Consumer, ConsumerId, Direction, EntryId, Group, Order, Stream};

use super::{group_policy, retention};
use crate::Reply;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const FULL_COUNT_DEFAULT: usize = 10;

pub(crate) fn stream(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let key = args[2];
    let stream = txn.stream(db, key)?.ok_or(Refusal::NO_SUCH_KEY)?;
    let wrong_form = || Refusal::unknown_subcommand_form(args[1], "XINFO");
    let mut options = Options::new(args, 3);
    let mut fields = counters(stream);
    if options.left() == 0 {
        fields.push((Reply::Text("groups"), Reply::count(stream.group_count())));
        txn.count_lookups(false);
        let (first, last) = txn.edges(db, key)?.unwrap_or_default();
        fields.push((Reply::Text("first-entry"), first.map_or(Reply::Nil, Reply::Entry)));
        fields.push((Reply::Text("last-entry"), last.map_or(Reply::Nil, Reply::Entry)));
        let stream = txn.stream(db, key)?.ok_or(Refusal::NO_SUCH_KEY)?;
        fields.extend(schedule(stream));
        fields.extend(kept(stream));
        return Ok(Reply::Map(fields));
    }
    if !options.take_word("FULL", 0) {
        return Err(wrong_form());
    }
    let mut count = FULL_COUNT_DEFAULT;
    if options.left() > 0 {
        if options.left() != 2 || !options.take_word("COUNT", 1) {
            return Err(wrong_form());
        }
        count = match options.integer()? {
            0 => usize::MAX,
            given => usize::try_from(given).unwrap_or(FULL_COUNT_DEFAULT),
        };
    }
    txn.count_lookups(false);
    let entries = txn.range(db, key, EntryId::MIN, EntryId::MAX, count, Direction::Ascending)?;
    let entries = entries.unwrap_or_default();
    let clock = Clock::of(txn);
    let stream = txn.stream(db, key)?.ok_or(Refusal::NO_SUCH_KEY)?;
    let groups = stream.groups().map(|(_, group)| full_group(stream, group, count, &clock));
    fields.push((Reply::Text("entries"), Reply::Entries(entries)));
    fields.push((Reply::Text("groups"), Reply::Array(groups.collect())));
    fields.extend(schedule(stream));
    fields.extend(kept(stream));
    Ok(Reply::Map(fields))
}

/// Of a stream that has or had delayed entries only, and behind all that Redis has.
fn schedule(stream: &Stream) -> Vec<(Reply, Reply)> {
    let Some(schedule) = stream.schedule() else { return Vec::new() };
    let next = schedule.first().map_or(Reply::Nil, |token| Reply::number(token.due_ms));
    vec![
        (Reply::Text("scheduled"), Reply::count(schedule.len())),
        (Reply::Text("next-due-ms"), next),
        (Reply::Text("schedule-failures"), Reply::number(schedule.failures())),
    ]
}

/// Of a stream with a retention only, and behind all that Redis has.
fn kept(stream: &Stream) -> Vec<(Reply, Reply)> {
    let Some(kept) = stream.retention() else { return Vec::new() };
    let bytes = stream.entries().payload_bytes().filter(|_| kept.max_bytes > 0);
    let bytes = bytes.map(|bytes| (Reply::Text("bytes"), Reply::number(bytes)));
    let items = (Reply::Text("retention"), retention::describe(kept));
    bytes.into_iter().chain([items]).collect()
}

fn counters(stream: &Stream) -> Vec<(Reply, Reply)> {
    let entries = stream.entries();
    let productions = stream.idempotence();
    let limits = productions.limits();
    let first = entries.first_id().unwrap_or(EntryId::MIN);
    vec![
        (Reply::Text("length"), Reply::number(entries.len())),
        (Reply::Text("radix-tree-keys"), Reply::count(entries.block_count())),
        // There is no radix tree here; Redis' has one node more than this at the least.
        (Reply::Text("radix-tree-nodes"), Reply::count(entries.block_count() + 1)),
        (Reply::Text("last-generated-id"), Reply::Id(stream.last_id())),
        (Reply::Text("max-deleted-entry-id"), Reply::Id(stream.max_deleted_id())),
        (Reply::Text("entries-added"), Reply::number(stream.entries_added())),
        (Reply::Text("recorded-first-entry-id"), Reply::Id(first)),
        (Reply::Text("idmp-duration"), Reply::Int(limits.duration_s.into())),
        (Reply::Text("idmp-maxsize"), Reply::Int(limits.per_producer_max.into())),
        (Reply::Text("pids-tracked"), Reply::count(productions.producer_count())),
        (Reply::Text("iids-tracked"), Reply::count(productions.tracked())),
        (Reply::Text("iids-added"), Reply::number(productions.added())),
        (Reply::Text("iids-duplicates"), Reply::number(productions.duplicates())),
    ]
}

fn name(name: &[u8]) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(name))
}

fn entries_read(group: &Group) -> Reply {
    group.entries_read().map_or(Reply::Nil, Reply::number)
}

fn lag(stream: &Stream, group: &Group) -> Reply {
    stream.lag(group).map_or(Reply::Nil, Reply::Int)
}

/// Of a managed group only, and behind all that Redis has: some clients read by position.
fn managed(stream: &Stream, group: &Group, clock: &Clock) -> Vec<(Reply, Reply)> {
    let (Some(policy), Some(counters)) = (group.policy(), group.counters()) else {
        return Vec::new();
    };
    let pending = group.pending();
    let in_flight = pending.len() - pending.unowned_len();
    let age = |now_ms: u64, at_ms: Option<u64>| {
        at_ms.map_or(Reply::Nil, |at_ms| Reply::number(now_ms.saturating_sub(at_ms)))
    };
    let undelivered = stream.first_undelivered(group).map(|id| id.ms);
    let is_full = policy.in_flight_max > 0 && in_flight as u64 >= policy.in_flight_max;
    let held = group.order().map_or(0, Order::held_len);
    let blocked_by = if policy.is_paused {
        "paused"
    } else if is_full {
        "max-in-flight"
    } else if held >= clock.held_max {
        "held"
    } else {
        ""
    };
    vec![
        (Reply::Text("policy"), group_policy::describe(policy)),
        (Reply::Text("delivered"), Reply::number(counters.delivered)),
        (Reply::Text("acked"), Reply::number(counters.acked)),
        (Reply::Text("nacked"), Reply::number(counters.nacked)),
        (Reply::Text("redelivered"), Reply::number(counters.redelivered)),
        (Reply::Text("dead-lettered"), Reply::number(counters.dead_lettered)),
        (Reply::Text("dead-letter-failed"), Reply::number(counters.dead_letter_failed)),
        (Reply::Text("vanished"), Reply::number(counters.vanished)),
        (Reply::Text("dropped"), Reply::number(counters.dropped)),
        (Reply::Text("in-flight"), Reply::count(in_flight)),
        (Reply::Text("held"), Reply::count(held)),
        (Reply::Text("delayed"), Reply::count(pending.delayed_len())),
        (Reply::Text("oldest-pending-ms"), age(clock.steady_ms, pending.oldest_delivery_ms())),
        (Reply::Text("oldest-undelivered-ms"), age(clock.wall_ms, undelivered)),
        (Reply::Text("blocked-by"), Reply::Text(blocked_by)),
    ]
}

/// What a group is measured against.
struct Clock {
    steady_ms: u64,
    wall_ms: u64,
    /// So many entries a group holds.
    held_max: usize,
}

impl Clock {
    fn of(txn: &Transaction<'_>) -> Self {
        let held_max = txn.settings().held_max;
        Self { steady_ms: txn.steady_ms(), wall_ms: txn.now().wall_ms, held_max }
    }
}

fn full_group(stream: &Stream, group: &Group, count: usize, clock: &Clock) -> Reply {
    let pending = group.pending();
    let records = pending.range(EntryId::MIN, EntryId::MAX).take(count).map(|record| {
        let owner = record.owner.map_or(Reply::Text(""), |o| name(&group.consumer(o).name));
        Reply::Array(vec![
            Reply::Id(record.id),
            owner,
            Reply::number(record.delivered_at_ms),
            Reply::number(record.delivery_count),
        ])
    });
    let consumers =
        group.consumers().map(|(id, consumer)| full_consumer(group, id, consumer, count));
    let mut fields = vec![
        (Reply::Text("name"), name(group.name())),
        (Reply::Text("last-delivered-id"), Reply::Id(group.last_delivered_id())),
        (Reply::Text("entries-read"), entries_read(group)),
        (Reply::Text("lag"), lag(stream, group)),
        (Reply::Text("pel-count"), Reply::count(pending.len())),
        (Reply::Text("nacked-count"), Reply::count(pending.unowned_len())),
        (Reply::Text("pending"), Reply::Array(records.collect())),
        (Reply::Text("consumers"), Reply::Array(consumers.collect())),
    ];
    fields.extend(managed(stream, group, clock));
    Reply::Map(fields)
}

fn full_consumer(group: &Group, id: ConsumerId, consumer: &Consumer, count: usize) -> Reply {
    let records = group.pending().range_of(id, EntryId::MIN, EntryId::MAX).take(count);
    let records = records.map(|record| {
        Reply::Array(vec![
            Reply::Id(record.id),
            Reply::number(record.delivered_at_ms),
            Reply::number(record.delivery_count),
        ])
    });
    Reply::Map(vec![
        (Reply::Text("name"), name(&consumer.name)),
        (Reply::Text("seen-time"), Reply::number(consumer.seen_ms)),
        (Reply::Text("active-time"), consumer.active_ms.map_or(Reply::Int(-1), Reply::number)),
        (Reply::Text("pel-count"), Reply::count(consumer.pending_count)),
        (Reply::Text("pending"), Reply::Array(records.collect())),
    ])
}

pub(crate) fn groups(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let clock = Clock::of(txn);
    let stream = txn.stream(db, args[2])?.ok_or(Refusal::NO_SUCH_KEY)?;
    let groups = stream.groups().map(|(_, group)| {
        let mut fields = vec![
            (Reply::Text("name"), name(group.name())),
            (Reply::Text("consumers"), Reply::count(group.consumer_count())),
            (Reply::Text("pending"), Reply::count(group.pending().len())),
            (Reply::Text("last-delivered-id"), Reply::Id(group.last_delivered_id())),
            (Reply::Text("entries-read"), entries_read(group)),
            (Reply::Text("lag"), lag(stream, group)),
        ];
        fields.extend(managed(stream, group, &clock));
        Reply::Map(fields)
    });
    Ok(Reply::Array(groups.collect()))
}

pub(crate) fn consumers(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let now_ms = txn.steady_ms();
    let (key, group_name) = (args[2], args[3]);
    let stream = txn.stream(db, key)?.ok_or(Refusal::NO_SUCH_KEY)?;
    let Some(group) = stream.find_group(group_name) else {
        let (key, group) = (key.into(), group_name.into());
        return Err(millstream_model::Rejection::NoGroup { key, group }.into());
    };
    let since = |at_ms: u64| Reply::number(now_ms.saturating_sub(at_ms));
    let consumers = stream.group(group).consumers().map(|(_, consumer)| {
        Reply::Map(vec![
            (Reply::Text("name"), name(&consumer.name)),
            (Reply::Text("pending"), Reply::count(consumer.pending_count)),
            (Reply::Text("idle"), since(consumer.seen_ms)),
            (Reply::Text("inactive"), consumer.active_ms.map_or(Reply::Int(-1), since)),
        ])
    });
    Ok(Reply::Array(consumers.collect()))
}
