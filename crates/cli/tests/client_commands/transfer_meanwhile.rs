//! `import` of a stream that producers, workers and a trimmer work on meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use millstream_conformance::Value;

use crate::place::Place;
use crate::transfer::import;

/// Every id in an answer, wherever it stands at the front of a list.
fn ids(answer: &Value) -> Vec<String> {
    let Value::Array(rows) = answer else { panic!("no list: {answer:?}") };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let id = |row: &Value| match row {
        Value::Array(parts) => text(parts[0].bytes().expect("an id")),
        other => text(other.bytes().expect("an id")),
    };
    rows.iter().map(id).collect()
}

fn of_read(answer: &Value) -> Vec<String> {
    match answer {
        Value::Array(streams) => match &streams[0] {
            Value::Array(stream) => ids(&stream[1]),
            other => panic!("{other:?}"),
        },
        _ => Vec::new(),
    }
}

/// Adds, reads, acknowledges most of it and trims until it is told to stop. Returns what it
/// acknowledged.
fn work(place: &Place, is_over: &AtomicBool) -> BTreeSet<String> {
    let mut client = place.server.connect().expect("it accepts");
    let mut acknowledged = BTreeSet::new();
    let mut round = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        round += 1;
        for n in 0..20 {
            let n = n.to_string();
            client.call(&["XADD", "s", "*", "n", &n]).expect("it answers");
        }
        let read = ["XREADGROUP", "GROUP", "g", "ada", "COUNT", "15", "STREAMS", "s", ">"];
        let got = of_read(&client.call(&read).expect("it answers"));
        for id in got.iter().skip(2) {
            client.call(&["XACK", "s", "g", id]).expect("it answers");
            acknowledged.insert(id.clone());
        }
        if round.is_multiple_of(50) {
            client.call(&["XTRIM", "s", "MAXLEN", "20000"]).expect("it answers");
        }
    }
    acknowledged
}

fn nothing_is_lost_of_a_stream_at_work(source: &Place) {
    let target = Place::start("millstream").expect("it is there");
    source.feed((1..=20_000).map(|n| format!("XADD s {n}-1 n {n}")));
    source.redis("XGROUP CREATE s g 0");
    let mut read: BTreeSet<String> = BTreeSet::new();
    for _ in 0..10 {
        let line = "XREADGROUP GROUP g bob COUNT 500 STREAMS s >";
        read.extend(of_read(&source.redis(line)));
    }
    assert_eq!(read.len(), 5000);
    let is_over = AtomicBool::new(false);
    let (outcome, acknowledged) = thread::scope(|scope| {
        let worker = scope.spawn(|| work(source, &is_over));
        let outcome = import(source, &target, &[b"s", b"--json"]);
        is_over.store(true, Ordering::Relaxed);
        (outcome, worker.join().expect("it does not panic"))
    });
    let document = outcome.json();
    let stream = &document["streams"][0];
    // What the copy has of it need not have changed by the time it was read again.
    let outcome = stream["outcome"].as_str().expect("a text");
    assert!(matches!(outcome, "verified" | "verified, changed meanwhile"), "{document}");
    assert!(stream["added_meanwhile"].as_u64() > Some(0), "{document}");
    // Whatever the group has read by the cut is pending there, unless it was acknowledged.
    let there: BTreeSet<String> = ids(&target.redis("XRANGE s - +")).into_iter().collect();
    let pending = target.redis("XPENDING s g - + 1000000");
    let pending: BTreeSet<String> = ids(&pending).into_iter().collect();
    let group = target.run("group info s g --json").json();
    let last = group["last_delivered_id"].as_str().expect("an id");
    let number = |id: &str| {
        let (ms, seq) = id.split_once('-').expect("an id");
        (ms.parse::<u64>().expect("a number"), seq.parse::<u64>().expect("a number"))
    };
    let is_read = |id: &&String| number(id) <= number(last);
    let lost: Vec<_> = there
        .iter()
        .filter(is_read)
        .filter(|id| !pending.contains(*id) && !acknowledged.contains(*id))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(
        read.iter().filter(is_read).all(|id| pending.contains(id) || acknowledged.contains(id))
    );
    // And nothing is pending that nobody was given.
    assert!(pending.iter().all(|id| number(id) <= number(last)), "{last}");
}

crate::on_all_servers!(nothing_is_lost_of_a_stream_at_work);
