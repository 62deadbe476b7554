//! A block that is damaged on disk: whoever needs it is told, nobody else notices.

use std::path::PathBuf;

use redis::{RedisResult, Value, cmd};

use crate::entries::{VALUE_BYTES, add, check, error_text, fill, length, page, scan, value};
use crate::store::{Running, Store, flip, offset_of};

const ENTRIES: u64 = 3000;
/// Its block is damaged.
const BAD: u64 = 1500;
const SMALL: [&str; 4] = ["--cache-mb", "1", "--checkpoint-log-kb", "256"];

/// A store with streams `a` and `b` on disk, and a damaged block in `a`.
fn damaged_store() -> (Store, PathBuf) {
    let store = Store::new();
    let mut server = store.start(&SMALL);
    fill(&mut server.connection, "a", 1..ENTRIES + 1);
    fill(&mut server.connection, "b", 1..ENTRIES + 1);
    for stream in ["a", "b"] {
        let create = ["CREATE", stream, "g", "0"];
        cmd("XGROUP").arg(&create).exec(&mut server.connection).expect("XGROUP");
    }
    server.stop();
    let value = value("a", BAD);
    let (path, offset) = store
        .files("blocks")
        .into_iter()
        .find_map(|path| Some((path.clone(), offset_of(&path, &value)?)))
        .expect("values cannot be compressed, so one stands as it is");
    flip(&path, offset + VALUE_BYTES / 2);
    (store, path)
}

fn query(server: &mut Running, line: &str) -> RedisResult<Value> {
    let words: Vec<&str> = line.split(' ').collect();
    cmd(words[0]).arg(&words[1..]).query(&mut server.connection)
}

fn groups(server: &mut Running) -> [Value; 2] {
    ["a", "b"].map(|stream| query(server, &format!("XINFO GROUPS {stream}")).expect("XINFO"))
}

#[test]
fn a_damaged_block_is_an_error_that_names_its_file_and_nothing_else_suffers() {
    let (store, path) = damaged_store();
    let name = path.to_str().expect("temporary paths are UTF-8").to_owned();
    for _ in 0..2 {
        let mut server = store.start(&SMALL);
        query(&mut server, "XREADGROUP GROUP g c COUNT 1 STREAMS a >").expect("XREADGROUP");
        let before = (length(&mut server.connection, "a"), groups(&mut server));
        let (near, at) = (BAD - 50, format!("{BAD}-1"));
        for touching in [
            "XRANGE a - +".to_owned(),
            "XREVRANGE a + -".to_owned(),
            format!("XRANGE a {at} {at}"),
            format!("XREAD COUNT 100 STREAMS a {near}"),
            format!("XREAD STREAMS b a {near} {near}"),
            format!("XDEL a {at}"),
            format!("XDEL a 10-1 {at}"),
            format!("XTRIM a MINID {at}"),
            format!("XREADGROUP GROUP g c COUNT {BAD} STREAMS a >"),
            "XREADGROUP GROUP g c STREAMS b a > >".to_owned(),
            format!("XCLAIM a g c 0 {at} FORCE"),
            "COPY a copy".to_owned(),
            "DUMP a".to_owned(),
        ] {
            let said = error_text(query(&mut server, &touching));
            let is_told = said.contains(&name) && said.contains("is damaged at byte");
            assert!(is_told, "{touching}: {said}");
            let after = (length(&mut server.connection, "a"), groups(&mut server));
            assert_eq!(after, before, "{touching} failed and changed something");
            assert!(server.is_alive(), "{touching}");
        }
        assert_eq!(query(&mut server, "EXISTS copy"), Ok(Value::Int(0)));
        // What lies in front of it, behind it, and elsewhere.
        scan(&mut server.connection, "a", 1..BAD - 10, 100);
        scan(&mut server.connection, "a", BAD + 10..ENTRIES + 1, 100);
        scan(&mut server.connection, "b", 1..ENTRIES + 1, 1000);
    }
    let mut server = store.start(&SMALL);
    fill(&mut server.connection, "a", ENTRIES + 1..ENTRIES + 11);
    let some = ENTRIES + 1..ENTRIES + 11;
    let entries = page(&mut server.connection, "a", &some).expect("what is new is readable");
    check("a", &entries, some);
    assert_eq!(query(&mut server, "XDEL a 10-1"), Ok(Value::Int(1)));
    assert_eq!(query(&mut server, "XTRIM a MINID 1000-1"), Ok(Value::Int(998)));
    // Whole blocks go unread, so this gets rid of the damage.
    query(&mut server, "XTRIM a MINID 2000-1").expect("XTRIM");
    scan(&mut server.connection, "a", 2000..ENTRIES + 11, 1000);
    add("a", ENTRIES + 11).exec(&mut server.connection).expect("XADD");
    server.kill();
    let mut server = store.start(&SMALL);
    scan(&mut server.connection, "a", 2000..ENTRIES + 12, 1000);
    server.wait_for_checkpoint();
}

#[test]
fn a_stream_with_a_damaged_block_can_be_deleted() {
    let (store, _) = damaged_store();
    let mut server = store.start(&SMALL);
    assert_eq!(query(&mut server, "DEL a"), Ok(Value::Int(1)));
    fill(&mut server.connection, "a", 1..11);
    server.wait_for_checkpoint();
    server.kill();
    let mut server = store.start(&SMALL);
    scan(&mut server.connection, "a", 1..11, 10);
    scan(&mut server.connection, "b", 1..ENTRIES + 1, 1000);
}
