//! Streams larger than memory.

use std::env;
use std::ops::Range;
use std::time::{Duration, Instant};

use redis::{Connection, Pipeline, cmd};

use crate::entries::{Entry, check, fill, length, page, scan, value};
use crate::store::{Running, Store};

/// Entries of a page.
const PAGE: u64 = 1000;
const STREAM: &str = "s";

type Read = Option<Vec<(String, Vec<Entry>)>>;

/// Reads the stream to its end by what one command returns after an id, checking all of it.
fn read_all(count: u64, mut read: impl FnMut(u64) -> Read) {
    let mut next = 1;
    while next <= count {
        let streams = read(next - 1).unwrap_or_else(|| panic!("{next} is there to be read"));
        let [(_, entries)] = &streams[..] else { panic!("one stream was asked for") };
        let some = next..(next + PAGE).min(count + 1);
        next = some.end;
        check(STREAM, entries, some);
    }
    assert_eq!(read(count), None, "there is no more");
}

fn xread(connection: &mut Connection, after: u64) -> Read {
    let command = format!("XREAD COUNT {PAGE} STREAMS {STREAM} {after}-1");
    line(&command).query(connection).expect("XREAD")
}

fn xreadgroup(connection: &mut Connection) -> Read {
    let command = format!("XREADGROUP GROUP g c COUNT {PAGE} STREAMS {STREAM} >");
    let read: Read = line(&command).query(connection).expect("XREADGROUP");
    // As a consumer does: what is pending stays in memory.
    if let Some([(_, entries)]) = read.as_deref() {
        let ids: Vec<&String> = entries.iter().map(|(id, _)| id).collect();
        let acked: usize = cmd("XACK").arg(STREAM).arg("g").arg(&ids).query(connection).expect("");
        assert_eq!(acked, ids.len());
    }
    read
}

fn line(text: &str) -> redis::Cmd {
    let words: Vec<&str> = text.split(' ').collect();
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    command
}

fn timed(what: &str, server: &mut Running, work: impl FnOnce(&mut Running)) -> Duration {
    let begun = Instant::now();
    work(server);
    let took = begun.elapsed();
    println!("{what}: {:.1} s, peak {} MB", took.as_secs_f64(), server.peak_mb());
    took
}

#[test]
fn a_stream_may_be_larger_than_memory() {
    let asked = env::var("MILLSTREAM_FILL_MB").ok().and_then(|text| text.parse::<u64>().ok());
    let fill_mb = asked.unwrap_or(256);
    // Small runs must not pass by keeping half of it.
    let (cache, limit_mb) = if asked.is_some() { ("64", 400) } else { ("16", 110) };
    let arguments = ["--cache-mb", cache];
    let count = fill_mb << 10;
    let store = Store::new();
    let mut server = store.start(&arguments);
    let start_mb = server.peak_mb();
    timed("fill", &mut server, |server| fill(&mut server.connection, STREAM, 1..count + 1));
    timed("XRANGE", &mut server, |server| {
        scan(&mut server.connection, STREAM, 1..count + 1, PAGE);
    });
    timed("XREAD", &mut server, |server| {
        read_all(count, |after| xread(&mut server.connection, after));
    });
    line(&format!("XGROUP CREATE {STREAM} g 0")).exec(&mut server.connection).expect("XGROUP");
    timed("XREADGROUP", &mut server, |server| {
        read_all(count, |_| xreadgroup(&mut server.connection));
    });
    let (peak_mb, read) = (server.peak_mb(), server.number("blocks_read"));
    println!("{fill_mb} MB: peak {peak_mb} MB ({start_mb} at the start), {read} blocks read");
    assert!(peak_mb < limit_mb, "{peak_mb} MB for {fill_mb} MB, more than {limit_mb}");
    assert!(read > 3 * count / 8, "{read} blocks were read, of {count} entries three times");
    server.kill();

    let begun = Instant::now();
    let mut server = store.start(&arguments);
    assert_eq!(length(&mut server.connection, STREAM), count);
    let records = server.number("replayed_records");
    println!("first answer after {:.2} s, {records} records", begun.elapsed().as_secs_f64());
    for at in (0..20).map(|part| 1 + part * (count - 50) / 20) {
        scan(&mut server.connection, STREAM, at..at + 50, 50);
    }
    scan(&mut server.connection, STREAM, count - 49..count + 1, 50);
    assert_eq!(xreadgroup(&mut server.connection), None, "all was delivered");
    let peak_mb = server.peak_mb();
    assert!(peak_mb < limit_mb, "{peak_mb} MB after the start, more than {limit_mb}");
}

const HOT: Range<u64> = 1..2001;
const BIG: Range<u64> = 1..40_001;

/// Blocks that reading the hot stream took from disk.
fn read_hot(server: &mut Running) -> u64 {
    let before = server.number("blocks_read");
    let mut lookups = Pipeline::new();
    for n in HOT {
        lookups.cmd("XRANGE").arg("hot").arg(format!("{n}-1")).arg(format!("{n}-1"));
    }
    let found: Vec<Vec<Entry>> = lookups.query(&mut server.connection).expect("XRANGE");
    let found: Vec<Entry> = found.into_iter().flatten().collect();
    check("hot", &found, HOT);
    server.number("blocks_read") - before
}

#[test]
fn pages_of_what_fits_the_cache_stay_in_memory_when_they_are_read_again() {
    let store = Store::new();
    let mut server =
        store.start(&["--cache-mb", "16", "--sync", "everysec", "--checkpoint-log-kb", "4096"]);
    fill(&mut server.connection, "hot", HOT);
    fill(&mut server.connection, "big", BIG);
    // Until then the budget is full of what cannot leave.
    server.wait_for_checkpoint();
    let mut passes = Vec::new();
    for _ in 0..4 {
        let before = server.number("blocks_read");
        scan(&mut server.connection, "hot", HOT, 500);
        passes.push(server.number("blocks_read") - before);
    }
    println!("blocks read in each pass: {passes:?}");
    assert!(passes[0] > 400, "only {} blocks had left memory", passes[0]);
    assert_eq!(passes[2..], [0, 0], "the second time they stay");
}

#[test]
fn a_scan_larger_than_the_cache_leaves_what_is_read_again_and_again() {
    let store = Store::new();
    let mut server = store.start(&["--cache-mb", "16", "--sync", "everysec"]);
    fill(&mut server.connection, "hot", HOT);
    fill(&mut server.connection, "big", BIG);
    let first = read_hot(&mut server);
    assert!(first > 400, "only {first} blocks had left memory");
    let again: Vec<u64> = (0..5).map(|_| read_hot(&mut server)).collect();
    let before = server.number("blocks_read");
    scan(&mut server.connection, "big", BIG, 1000);
    let scanned = server.number("blocks_read") - before;
    let after = read_hot(&mut server);
    println!("hot: {first} blocks read, then {again:?}, then {scanned} of others, then {after}");
    assert_eq!(again[2..], [0, 0, 0], "a hot stream that fits is not read again and again");
    assert!(scanned > 5000, "{scanned} blocks are not more than the cache");
    assert!(after * 20 <= first, "the scan drove out {after} of {first} hot blocks");
    // Of the other stream, too, nothing is wrong.
    let some = page(&mut server.connection, "big", &(7..8)).expect("XRANGE");
    assert_eq!(some[0].1[1], value("big", 7));
}
