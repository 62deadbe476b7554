//! Everything durable that an engine holds, as text: two engines are the same if their dumps are.
//!
//! Left out: when consumers were last seen. Attempts that change nothing else are not logged.

use std::fmt::Write;

use millstream_engine::{DATABASE_COUNT, Engine, Now, ObjectKind, Transaction};
use millstream_model::{Direction, EntryId, Group, GroupCounters, Stream};

/// Dumps all databases. As of time 0, so that keys show whose time has come but that are there.
pub(crate) fn dump(engine: &Engine) -> String {
    let mut transaction = engine.lock(Now::default());
    transaction.check();
    let mut text = String::new();
    for db in 0..DATABASE_COUNT {
        let mut keys = crate::store::keys(&mut transaction, db);
        keys.sort();
        for key in keys {
            dump_key(&mut transaction, db, &key, &mut text);
        }
    }
    text
}

/// Appends formatted text; a string takes all of it.
macro_rules! line {
    ($text:expr, $($format:tt)*) => {
        writeln!($text, $($format)*).expect("strings grow")
    };
}

fn dump_key(transaction: &mut Transaction<'_>, db: u8, key: &[u8], text: &mut String) {
    let lifetime = transaction.lifetime(db, key);
    line!(text, "{db} {} {lifetime:?}", key.escape_ascii());
    match transaction.kind(db, key).expect("the key was listed") {
        ObjectKind::String => {
            let value = transaction.string(db, key).expect("a string").expect("listed");
            line!(text, "  string {}", value.escape_ascii());
        }
        ObjectKind::Stream => {
            transaction.load_value(db, key).expect("blocks are intact");
            dump_stream(transaction.stream(db, key).expect("a stream").expect("listed"), text);
            dump_schedule(transaction, db, key, text);
        }
    }
}

fn dump_schedule(transaction: &mut Transaction<'_>, db: u8, key: &[u8], text: &mut String) {
    let stream = transaction.stream(db, key).expect("a stream").expect("listed");
    let Some(schedule) = stream.schedule() else { return };
    line!(text, "  schedule {} failures {}", schedule.next_sequence(), schedule.failures());
    let listing = transaction.list_schedule(db, key, None, 1000).expect("blocks are intact");
    assert_eq!(listing.next, None, "small");
    for (token, entry) in listing.entries {
        write!(text, "    {token}").expect("strings grow");
        for (name, value) in entry.as_ref().pairs() {
            write!(text, " {}={}", name.escape_ascii(), value.escape_ascii())
                .expect("strings grow");
        }
        text.push('\n');
    }
}

fn dump_stream(stream: &Stream, text: &mut String) {
    line!(
        text,
        "  last {} added {} deleted {} blocks {}",
        stream.last_id(),
        stream.entries_added(),
        stream.max_deleted_id(),
        stream.entries().block_count()
    );
    let all = stream.entries().slice(EntryId::MIN, EntryId::MAX, usize::MAX, Direction::Ascending);
    all.expect("all is in memory").for_each(|entry| {
        write!(text, "  {}", entry.id()).expect("strings grow");
        for (name, value) in entry.pairs() {
            write!(text, " {}={}", name.escape_ascii(), value.escape_ascii())
                .expect("strings grow");
        }
        text.push('\n');
    });
    let productions = stream.idempotence();
    line!(
        text,
        "  productions {:?} tracked {} of {} added {} repeated {}",
        productions.limits(),
        productions.tracked(),
        productions.producer_count(),
        productions.added(),
        productions.duplicates()
    );
    for (producer, iid) in (0..2).flat_map(|p| (0..4).map(move |i| (p, i))) {
        if let Some(id) = productions.find(&[b'p' + producer], &[b'0' + iid]) {
            line!(text, "    {producer}/{iid} made {id}");
        }
    }
    if let Some(retention) = stream.retention() {
        line!(text, "  {retention:?} of {:?} bytes", stream.entries().payload_bytes());
    }
    for (id, group) in stream.groups() {
        line!(text, "  group {} {id:?} lag {:?}", group.name().escape_ascii(), stream.lag(group));
        dump_group(group, text);
    }
}

fn dump_group(group: &Group, text: &mut String) {
    line!(text, "    at {} read {:?}", group.last_delivered_id(), group.entries_read());
    for (id, consumer) in group.consumers() {
        line!(
            text,
            "    consumer {} {id:?} active {:?} pending {}",
            consumer.name.escape_ascii(),
            consumer.active_ms,
            consumer.pending_count
        );
    }
    for record in group.pending().range(EntryId::MIN, EntryId::MAX) {
        line!(
            text,
            "    pending {} of {:?} since {} count {}",
            record.id,
            record.owner,
            record.delivered_at_ms,
            record.delivery_count
        );
        if record.available_at_ms > 0 {
            line!(text, "      not before {}", record.available_at_ms);
        }
    }
    for (id, failure) in group.pending().failures() {
        let (who, what) = (failure.consumer.escape_ascii(), failure.error.escape_ascii());
        line!(text, "    failed {id} at {who}: {what}");
    }
    if let Some(order) = group.order() {
        let pending = group.pending().range(EntryId::MIN, EntryId::MAX);
        let values: Vec<_> = pending.filter_map(|e| Some((e.id, order.value(e.id)?))).collect();
        let held: Vec<_> = order.held().collect();
        line!(text, "    values {values:?} held {held:?}");
    }
    if let (Some(policy), Some(counters)) = (group.policy(), group.counters()) {
        // The one that is not logged.
        let counters = GroupCounters { dead_letter_failed: 0, ..*counters };
        line!(text, "    {policy:?} {counters:?}");
    }
    let order: Vec<_> =
        group.pending().oldest_first().map(|record| record.id.to_string()).collect();
    line!(text, "    oldest first {}", order.join(" "));
}
