//! Known answers of Redis: trimming (its nodes set by hand), references, lag.

use super::reference::carry_out;
use crate::entries::test_disk::TestDisk;
use crate::{
    BlockLimits, ColdBlocks, Direction, EntryId, GroupId, IdempotenceLimits, PendingEntry,
    References, Settled, Stream, TrimBy, TrimOptions, TrimPlan,
};

const GROUP: GroupId = GroupId(0);

fn stream(entries: u64, node_entries_max: u64) -> Stream {
    let mut stream = Stream::new(IdempotenceLimits::default());
    for ms in 1..=entries {
        append(&mut stream, ms, node_entries_max);
    }
    stream
}

fn append(stream: &mut Stream, ms: u64, node_entries_max: u64) {
    let limits = BlockLimits { entries_max: node_entries_max, ..BlockLimits::default() };
    stream.append(EntryId::new(ms, 0), &[b"f", b"v"], limits);
}

fn exactly(by: TrimBy) -> TrimOptions {
    TrimOptions { by, approximate: false, limit: None, references: References::Keep }
}

fn about(by: TrimBy, limit: Option<u64>) -> TrimOptions {
    TrimOptions { approximate: true, limit, ..exactly(by) }
}

fn trim(stream: &mut Stream, options: TrimOptions) -> u64 {
    let plan = stream.plan_trim(&options).expect("all is in memory");
    carry_out(stream, &plan);
    stream.check();
    plan.count()
}

fn with_group(mut stream: Stream) -> Stream {
    stream.create_group(GROUP, b"g", EntryId::MIN, None);
    let consumer = stream.group(GROUP).next_consumer_id();
    stream.create_consumer(GROUP, consumer, b"c", 1);
    stream
}

/// Reads `count` new entries.
fn read(stream: &mut Stream, count: usize) {
    let group = stream.group(GROUP).clone();
    let from = group.last_delivered_id().next().expect("below the largest id");
    let new = stream.entries().slice(from, EntryId::MAX, count, Direction::Ascending);
    let new: Vec<_> = new.expect("all is in memory").ids().collect();
    let (position, entries_read) = stream.position_after(&group, new.iter().copied());
    let consumer = group.find_consumer(b"c").expect("there is one");
    stream.deliver(GROUP, consumer, 5, &new);
    stream.set_group_position(GROUP, position, entries_read);
}

fn read_and_lag(stream: &Stream) -> (Option<u64>, Option<i64>) {
    let group = stream.group(GROUP);
    (group.entries_read(), stream.lag(group))
}

#[test]
fn trimming_follows_nodes() {
    let mut hundred = stream(100, 10);
    append(&mut hundred, 101, 10);
    assert_eq!(trim(&mut hundred, about(TrimBy::MaxLen(55), Some(30))), 30);
    assert_eq!(hundred.entries().len(), 71);
    append(&mut hundred, 102, 10);
    assert_eq!(trim(&mut hundred, about(TrimBy::MaxLen(55), Some(30))), 10);
    assert_eq!(hundred.entries().len(), 62);

    let mut singles = stream(102, 1);
    assert_eq!(trim(&mut singles, about(TrimBy::MaxLen(1), Some(100))), 100);
    assert_eq!(trim(&mut singles, exactly(TrimBy::MaxLen(1))), 1);

    let mut thousand = stream(1000, 100);
    let mut left_after = |options| {
        trim(&mut thousand, options);
        thousand.entries().len()
    };
    assert_eq!(left_after(exactly(TrimBy::MaxLen(666))), 666);
    assert_eq!(left_after(exactly(TrimBy::MaxLen(555))), 555);
    assert_eq!(left_after(about(TrimBy::MaxLen(444), None)), 500);
    assert_eq!(left_after(about(TrimBy::MaxLen(400), None)), 400);
}

#[test]
fn approximate_bounds_round_to_whole_nodes() {
    let removed = |options| trim(&mut stream(1000, 100), options);
    for (keep, count) in [(990, 0), (901, 0), (900, 100)] {
        assert_eq!(removed(about(TrimBy::MaxLen(keep), None)), count, "MAXLEN ~ {keep}");
    }
    assert_eq!(removed(about(TrimBy::MaxLen(0), Some(150))), 100);
    assert_eq!(removed(about(TrimBy::MaxLen(0), Some(99))), 0);
    let min_id = TrimBy::MinId(EntryId::new(250, 0));
    assert_eq!(removed(about(min_id, None)), 200);
    assert_eq!(removed(exactly(min_id)), 249);
    assert_eq!(removed(exactly(TrimBy::MinId(EntryId::MAX))), 1000);
    assert_eq!(trim(&mut stream(12_000, 100), about(TrimBy::MaxLen(0), Some(10_000))), 10_000);
}

#[test]
fn a_trimmed_stream_keeps_its_counters() {
    let mut stream = stream(5, 100);
    trim(&mut stream, exactly(TrimBy::MaxLen(0)));
    assert_eq!((stream.entries_added(), stream.last_id()), (5, EntryId::new(5, 0)));
    assert_eq!(stream.max_deleted_id(), EntryId::MIN);
}

#[test]
fn the_largest_id_can_be_trimmed() {
    for references in [References::Keep, References::Delete, References::Acked] {
        let mut stream = stream(2, 100);
        stream.append(EntryId::MAX, &[b"f", b"v"], BlockLimits::default());
        let options = TrimOptions { references, ..exactly(TrimBy::MaxLen(0)) };
        assert_eq!(trim(&mut stream, options), 3, "{references:?}");
        assert!(stream.entries().is_empty());
    }
}

#[test]
fn references_decide_entry_by_entry() {
    let mut two = with_group(stream(2, 100));
    read(&mut two, 2);
    let with = |options: TrimOptions, references| TrimOptions { references, ..options };
    let all = about(TrimBy::MaxLen(0), None);
    assert_eq!(trim(&mut two, with(all, References::Acked)), 0);
    let below_9 = about(TrimBy::MinId(EntryId::new(9, 0)), None);
    assert_eq!(trim(&mut two, with(below_9, References::Acked)), 0);
    assert_eq!(trim(&mut two, with(all, References::Delete)), 2);
    assert!(two.group(GROUP).pending().is_empty());

    let mut ungrouped = stream(2, 100);
    let but_one = about(TrimBy::MaxLen(1), None);
    assert_eq!(trim(&mut ungrouped, with(but_one, References::Acked)), 1);

    let mut seven = stream(7, 3);
    let limited = |limit| about(TrimBy::MaxLen(0), Some(limit));
    assert_eq!(trim(&mut seven, limited(1)), 0);
    assert_eq!(trim(&mut seven, limited(2)), 0);
    assert_eq!(trim(&mut seven, limited(3)), 3);
    assert_eq!(trim(&mut seven, with(limited(2), References::Delete)), 0);
    assert_eq!(trim(&mut seven, with(limited(4), References::Delete)), 4);
}

#[test]
fn acked_skips_what_is_pending_and_goes_on() {
    let mut stream = with_group(stream(6, 2));
    read(&mut stream, 6);
    for ms in [2, 4, 5] {
        assert_eq!(stream.remove_pending(GROUP, &[EntryId::new(ms, 0)], Settled::Acked), 1);
    }
    let options =
        TrimOptions { references: References::Acked, ..exactly(TrimBy::MinId(EntryId::new(5, 0))) };
    assert_eq!(trim(&mut stream, options), 2);
    let left = stream.entries().slice(EntryId::MIN, EntryId::MAX, usize::MAX, Direction::Ascending);
    let left = left.expect("all is in memory");
    assert!(left.ids().map(|id| id.ms).eq([1, 3, 5, 6]));
}

#[test]
fn whether_an_entry_is_referenced_follows_the_slowest_group_at_once() {
    let mut stream = with_group(stream(2, 100));
    read(&mut stream, 1);
    let first = EntryId::new(1, 0);
    assert!(stream.is_referenced(first), "pending");
    stream.remove_pending(GROUP, &[first], Settled::Acked);
    assert!(!stream.is_referenced(first));
    let slow = stream.next_group_id();
    stream.create_group(slow, b"slow", EntryId::MIN, None);
    assert!(stream.is_referenced(first), "not read by the other group");
    stream.destroy_group(slow);
    assert!(!stream.is_referenced(first));
    let absent = EntryId::new(77, 0);
    assert!(stream.is_referenced(absent), "looks at ids only");
}

#[test]
fn lag_is_counted_where_it_can_be() {
    let mut five = with_group(stream(5, 100));
    assert_eq!(read_and_lag(&five), (None, Some(5)));
    read(&mut five, 1);
    assert_eq!(read_and_lag(&five), (Some(1), Some(4)));
    read(&mut five, 4);
    assert_eq!(read_and_lag(&five), (Some(5), Some(0)));
    append(&mut five, 6, 100);
    assert_eq!(read_and_lag(&five), (Some(5), Some(1)));
}

#[test]
fn lag_is_unknown_behind_a_tombstone() {
    let mut five = stream(5, 100);
    five.remove_entry(EntryId::new(3, 0), true);
    let mut five = with_group(five);
    for _ in 0..3 {
        assert_eq!(read_and_lag(&five), (None, None));
        read(&mut five, 1);
    }
    assert_eq!(read_and_lag(&five), (None, None), "4-0 was read, 5-0 not");
    read(&mut five, 1);
    assert_eq!(read_and_lag(&five), (Some(5), Some(0)));
}

#[test]
fn lag_after_trimming_is_what_is_left() {
    let mut five = with_group(stream(5, 100));
    read(&mut five, 1);
    trim(&mut five, exactly(TrimBy::MaxLen(1)));
    assert_eq!(read_and_lag(&five), (Some(1), Some(1)));
    assert_eq!(five.max_deleted_id(), EntryId::MIN);
    read(&mut five, 1);
    assert_eq!(read_and_lag(&five), (Some(5), Some(0)));
}

#[test]
fn lag_by_where_the_group_starts() {
    let at = |position: u64| {
        let mut stream = stream(5, 100);
        stream.create_group(GROUP, b"g", EntryId::new(position, 0), None);
        stream
    };
    assert_eq!(read_and_lag(&at(5)), (None, Some(0)));
    assert_eq!(read_and_lag(&at(3)), (None, None), "strictly inside");
    assert_eq!(read_and_lag(&at(1)), (None, Some(4)), "exactly at the first entry");
    assert_eq!(read_and_lag(&at(9)), (None, None), "beyond the last id");
    let mut end = at(5);
    append(&mut end, 6, 100);
    assert_eq!(read_and_lag(&end), (None, None), "now strictly inside");
    let mut read_last = with_group(stream(5, 100));
    read(&mut read_last, 3);
    read_last.remove_entry(EntryId::new(3, 0), true);
    assert_eq!(read_and_lag(&read_last), (Some(3), None), "the tombstone counts inclusively");
    trim(&mut read_last, exactly(TrimBy::MaxLen(0)));
    assert_eq!(read_and_lag(&read_last), (Some(3), Some(0)), "nothing is there");
}

#[test]
fn a_deleted_consumer_takes_its_records_and_leaves_unowned_ones() {
    let mut stream = with_group(stream(3, 100));
    read(&mut stream, 3);
    let back = PendingEntry {
        id: EntryId::new(2, 0),
        owner: None,
        delivered_at_ms: 0,
        available_at_ms: 0,
        delivery_count: 1,
    };
    stream.set_pending(GROUP, &[back]);
    let consumer = stream.group(GROUP).find_consumer(b"c").expect("there is one");
    assert_eq!(stream.delete_consumer(GROUP, consumer), 2);
    stream.check();
    assert!(stream.group(GROUP).pending().range(EntryId::MIN, EntryId::MAX).eq([back]));
    assert_eq!(stream.group(GROUP).next_consumer_id(), consumer, "its place is free again");
}

/// A stream of blocks of one entry, all of them cold.
fn cold_stream(entries: u64) -> (Stream, TestDisk) {
    let mut stream = stream(entries, 1);
    let mut disk = TestDisk::default();
    disk.write(&mut stream.entries, u64::MAX);
    disk.evict(&mut stream.entries, u64::MAX);
    (stream, disk)
}

#[test]
fn a_trim_of_whole_blocks_needs_no_contents() {
    let (mut stream, _) = cold_stream(1_000);
    assert_eq!(trim(&mut stream, exactly(TrimBy::MaxLen(900))), 100);
    assert_eq!(trim(&mut stream, exactly(TrimBy::MinId(EntryId::new(201, 0)))), 100);
    assert_eq!(trim(&mut stream, about(TrimBy::MaxLen(0), Some(50))), 50);
    assert_eq!(stream.entries().block_bytes(), 0);
    assert_eq!(stream.entries.take_freed().len(), 250);
}

#[test]
fn a_trim_by_references_asks_for_many_blocks_at_once() {
    let (stream, disk) = cold_stream(200);
    let mut stream = with_group(stream);
    let all = |references| TrimOptions { references, ..exactly(TrimBy::MaxLen(0)) };
    let asks = |stream: &Stream, options| match stream.plan_trim(&options) {
        Err(ColdBlocks(cold)) => cold.len(),
        Ok(plan) => panic!("{plan:?} without the blocks"),
    };
    assert_eq!(asks(&stream, all(References::Delete)), 64);
    let but_ten = TrimOptions { by: TrimBy::MaxLen(190), ..all(References::Delete) };
    assert_eq!(asks(&stream, but_ten), 10);
    let below_ten = TrimOptions { by: TrimBy::MinId(EntryId::new(10, 0)), ..but_ten };
    assert_eq!(asks(&stream, below_ten), 9);
    let limited = TrimOptions { limit: Some(5), approximate: true, ..but_ten };
    assert_eq!(asks(&stream, limited), 5);
    assert_eq!(stream.plan_trim(&all(References::Acked)), Ok(TrimPlan::Nothing), "all is unread");
    stream.set_group_position(GROUP, EntryId::new(30, 0), None);
    assert_eq!(asks(&stream, all(References::Acked)), 30);
    let mut rounds = 0;
    let plan = loop {
        match stream.plan_trim(&all(References::Delete)) {
            Ok(plan) => break plan,
            Err(cold) => disk.warm(&mut stream.entries, &cold),
        }
        rounds += 1;
    };
    assert_eq!((plan.count(), rounds), (200, 4));
}

#[test]
fn consumers_come_back_in_the_order_of_their_names() {
    let mut group = crate::Group::restore(b"g", EntryId::MIN, None, (0, 0));
    let id = crate::ConsumerId(1 << 20);
    group.restore_consumer(id, b"a", 0, None).expect("the group had a million consumers");
}
