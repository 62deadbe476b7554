//! What was said of pending entries, over crashes and restarts.

use redis::{Connection, cmd};

use crate::store::Store;

/// As XPENDING shows it.
type Row = (String, String, i64, u64, Option<Vec<u8>>);

/// Ids, and what was said of them last.
fn errors(connection: &mut Connection) -> Vec<(String, Option<Vec<u8>>)> {
    let rows: Vec<Row> = cmd("XPENDING")
        .arg(&["s", "g", "WITHERRORS", "-", "+", "10"])
        .query(connection)
        .expect("a list");
    rows.into_iter().map(|(id, .., error)| (id, error)).collect()
}

#[test]
fn what_was_said_of_a_pending_entry_is_there_after_kill_9_and_after_a_stop() {
    let (store, log_alone) = (Store::new(), ["--checkpoint-log-kb", "65536"]);
    let mut server = store.start(&log_alone);
    for line in [
        "XGROUP CREATE s g 0 MKSTREAM CFG VISIBILITY 3600000",
        "XADD s 1-0 f v",
        "XADD s 2-0 f v",
        "XREADGROUP GROUP g a STREAMS s >",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let mut command = cmd(words[0]);
        command.arg(&words[1..]).exec(&mut server.connection).expect("it does it");
    }
    // So much is kept, and no more.
    let said = [b'\xff'; 5000];
    let mut nack = cmd("XNACK");
    nack.arg(&["s", "g", "FAIL", "IDS", "1", "2-0", "ERROR"]).arg(&said[..]);
    nack.exec(&mut server.connection).expect("it is given back");
    let all = vec![("1-0".to_owned(), None), ("2-0".to_owned(), Some(said[..4096].to_vec()))];
    assert_eq!(errors(&mut server.connection), all);
    server.kill();
    let mut server = store.start(&log_alone);
    assert_eq!(errors(&mut server.connection), all, "from the log");
    server.stop();
    let mut server = store.start(&log_alone);
    assert_eq!(errors(&mut server.connection), all, "from a checkpoint");
}
