//! Whether everything that was sent came to an end, and to which.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, Value, cmd};

use crate::ledger::{GROUPS, Ledger, STREAMS, dead_letters, work_stream};

type Facts = HashMap<String, Value>;

fn stream(connection: &mut Connection, key: &str) -> Facts {
    cmd("XINFO").arg("STREAM").arg(key).query(connection).expect("facts of a stream")
}

fn groups(connection: &mut Connection, key: &str) -> HashMap<String, Facts> {
    let list: Vec<Facts> = cmd("XINFO").arg("GROUPS").arg(key).query(connection).expect("groups");
    let named = |facts: Facts| match &facts["name"] {
        Value::BulkString(name) => (String::from_utf8_lossy(name).into_owned(), facts),
        other => panic!("no name: {other:?}"),
    };
    list.into_iter().map(named).collect()
}

fn number(facts: &Facts, name: &str) -> u64 {
    match facts.get(name) {
        Some(Value::Int(number)) => u64::try_from(*number).expect("it counts something"),
        other => panic!("{name} is {other:?}"),
    }
}

/// What is still to be done, for people; `None`: nothing.
fn left(connection: &mut Connection) -> Option<String> {
    for key in (0..STREAMS).map(work_stream) {
        let facts = stream(connection, &key);
        for name in ["length", "scheduled"] {
            // The second is there only if there was a schedule.
            if facts.contains_key(name) && number(&facts, name) > 0 {
                return Some(format!("{key}: {name} {}", number(&facts, name)));
            }
        }
        for (group, facts) in groups(connection, &key) {
            let (pending, lag) = (number(&facts, "pending"), number(&facts, "lag"));
            if pending + lag > 0 {
                return Some(format!("{key}, {group}: {pending} pending, {lag} not delivered"));
            }
        }
    }
    let lag = number(&groups(connection, "events")["tail"], "lag");
    (lag > 0).then(|| format!("events: {lag} not delivered"))
}

/// Waits until nothing is left to do.
pub(crate) fn await_the_end(connection: &mut Connection, limit: Duration) {
    let deadline = Instant::now() + limit;
    while let Some(what) = left(connection) {
        assert!(Instant::now() < deadline, "still left: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Each message was handled and settled, by each group, and counted as that.
pub(crate) fn judge_accounts(ledger: &Ledger, connection: &mut Connection) {
    assert_eq!(left(connection), None);
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (added, poisoned) = (ledger.added(), of(&ledger.poisoned));
    let (mut entries, mut acked, mut dead, mut letters) = (0, 0, 0, 0);
    for number_of_stream in 0..STREAMS {
        let key = work_stream(number_of_stream);
        entries += number(&stream(connection, &key), "entries-added");
        let billing = &groups(connection, &key)[GROUPS[0]];
        acked += number(billing, "acked");
        dead += number(billing, "dead-lettered");
        let facts = stream(connection, &dead_letters(number_of_stream));
        letters += number(&facts, "entries-added");
        assert!(number(&facts, "length") <= 1000, "as many as the stream may keep");
    }
    assert_eq!(entries, added, "each message was added once");
    assert_eq!(acked + dead, added, "each was acknowledged or given up, once");
    assert_eq!((dead, letters), (poisoned, poisoned), "given up was what never works, alone");
    for (name, account) in GROUPS.iter().zip(&ledger.groups) {
        assert_eq!(account.first_missing(added), None, "{name} handled every message");
        assert_eq!(of(&account.handled), added, "{name}");
    }
    let [billing, audit] = &ledger.groups;
    let (least, unseen) = (of(&billing.acknowledged), of(&billing.unknown));
    assert!((least..=least + unseen).contains(&acked), "{acked}: {least} and {unseen} unseen");
    let (least, unseen) = (of(&audit.acknowledged), of(&audit.unknown));
    assert!((least..=least + unseen).contains(&added), "{added}: {least} and {unseen} unseen");

    let events = stream(connection, "events");
    assert_eq!(number(&events, "entries-added"), of(&ledger.events));
    assert!(number(&events, "length") < 110_000, "trimmed as it grew");
}
