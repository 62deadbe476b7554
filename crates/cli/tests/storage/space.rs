//! Space on disk comes back without a restart, in time that does not depend on what is written
//! afterwards.

use redis::{Pipeline, cmd};

use crate::entries::{fill, length, scan};
use crate::store::Store;

const MB: u64 = 1 << 20;
const SMALL: [&str; 8] = [
    "--cache-mb",
    "4",
    "--checkpoint-log-kb",
    "4096",
    "--log-segment-kb",
    "4096",
    "--sync",
    "everysec",
];

/// Log that may stay: up to a checkpoint's worth, the segment in use, the next one and two spares.
const LOG_BYTES_MAX: u64 = 32 * MB;

#[test]
fn what_was_trimmed_gives_its_space_back() {
    let store = Store::new();
    let mut server = store.start(&SMALL);
    fill(&mut server.connection, "s", 1..60_001);
    let before = store.disk_bytes("blocks");
    assert!(before > 45 * MB, "{before} bytes of blocks");
    assert!(store.disk_bytes("log") < LOG_BYTES_MAX, "{} of log", store.disk_bytes("log"));
    let trimmed: u64 =
        cmd("XTRIM").arg(&["s", "MAXLEN", "10"]).query(&mut server.connection).expect("XTRIM");
    assert_eq!(trimmed, 59_990);
    let is_small = crate::store::poll(|| store.disk_bytes("blocks") < 2 * MB);
    assert!(is_small, "{} bytes of blocks stay", store.disk_bytes("blocks"));
    assert!(store.disk_bytes("log") < LOG_BYTES_MAX, "{} of log", store.disk_bytes("log"));
    println!("trimmed: {before} -> {} bytes of blocks", store.disk_bytes("blocks"));
    scan(&mut server.connection, "s", 59_991..60_001, 10);
    server.kill();
    let mut server = store.start(&SMALL);
    scan(&mut server.connection, "s", 59_991..60_001, 10);
}

/// Streams whose blocks lie side by side in each file.
const STREAMS: u64 = 50;
const ENTRIES: u64 = 1500;
/// Of so many streams one stays.
const KEPT: u64 = 10;

#[test]
fn files_that_are_mostly_dead_are_emptied() {
    let store = Store::new();
    let mut server = store.start(&SMALL);
    for first in (1..ENTRIES).step_by(100) {
        for stream in 0..STREAMS {
            fill(&mut server.connection, &format!("s{stream}"), first..first + 100);
        }
    }
    let written = store.disk_bytes("blocks");
    assert!(written > 65 * MB, "{written} bytes are not more than a file");
    let mut gone = Pipeline::new();
    for stream in (0..STREAMS).filter(|stream| stream % KEPT != 0) {
        gone.cmd("DEL").arg(format!("s{stream}")).ignore();
    }
    gone.exec(&mut server.connection).expect("DEL");
    let live = written / KEPT;
    let is_small = crate::store::poll(|| store.disk_bytes("blocks") < 3 * live);
    println!("deleted: {written} -> {} bytes of blocks", store.disk_bytes("blocks"));
    let held = server.number("block_live_bytes");
    assert!(is_small, "{} bytes stay, {held} of them live", store.disk_bytes("blocks"));
    server.kill();
    let mut server = store.start(&SMALL);
    for stream in (0..STREAMS).filter(|stream| stream % KEPT == 0) {
        let stream = format!("s{stream}");
        assert_eq!(length(&mut server.connection, &stream), ENTRIES);
        scan(&mut server.connection, &stream, 1..ENTRIES + 1, 500);
    }
}
