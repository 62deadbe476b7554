//! Checkpoints that cannot be written: writes go on as long as the log may grow, are refused in
//! words then, and go on by themselves when the cause is gone.

use std::fs;
use std::path::Path;

use redis::cmd;

use crate::entries::{add, error_text, fill, length, scan, try_fill};
use crate::store::{Running, Store, poll};

/// Enough log for more than the four checkpoints that may be overdue.
const TOO_MANY: u64 = 20_000;

/// Writes until that is refused; the number of the entry that was.
fn fill_until_refused(server: &mut Running, from: u64) -> (u64, String) {
    let (n, error) = try_fill(&mut server.connection, "s", from..TOO_MANY)
        .expect_err("the log may not grow for ever");
    (n, error_text::<()>(Err(error)))
}

/// Holds a server whose checkpoints fail to what it promises, then mends the cause.
fn check_refusal(arguments: &[&str], break_it: impl FnOnce(&Path), mend: impl FnOnce(&Path)) {
    let store = Store::new();
    let mut server = store.start(arguments);
    fill(&mut server.connection, "s", 1..301);
    server.wait_for_checkpoint();
    cmd("XGROUP").arg(&["CREATE", "s", "g", "0"]).exec(&mut server.connection).expect("XGROUP");
    let _: redis::Value = cmd("XREADGROUP")
        .arg(&["GROUP", "g", "c", "COUNT", "10", "STREAMS", "s", ">"])
        .query(&mut server.connection)
        .expect("XREADGROUP");
    break_it(&store.path);
    let (refused, said) = fill_until_refused(&mut server, 301);
    assert!(said.starts_with("MISCONF no checkpoint can be made"), "{said}");
    assert!(server.number("checkpoint_failures") > 0);
    let status: String = server.info().get("millstream_checkpoint_status").expect("in INFO");
    assert_eq!(status, "err");
    assert_eq!(server.number("checkpoint_overdue"), 1);
    // Reads go on, and so does what frees space.
    scan(&mut server.connection, "s", 1..refused, 500);
    for line in ["XACK s g 1-1 2-1", "XDEL s 301-1", "XTRIM s MINID 11-1"] {
        let words: Vec<&str> = line.split(' ').collect();
        let done = cmd(words[0]).arg(&words[1..]).query::<u64>(&mut server.connection);
        assert!(done.as_ref().is_ok_and(|count| *count > 0), "{line}: {done:?}");
    }
    mend(&store.path);
    let writes = poll(|| add("s", refused).query::<String>(&mut server.connection).is_ok());
    assert!(writes, "the cause is gone, writes are refused as before");
    assert_eq!(server.number("checkpoint_overdue"), 0);
    fill(&mut server.connection, "s", refused + 1..refused + 1000);
    server.wait_for_checkpoint();
    server.kill();
    let mut server = store.start(arguments);
    assert_eq!(length(&mut server.connection, "s"), refused + 999 - 11);
    scan(&mut server.connection, "s", 11..301, 500);
    scan(&mut server.connection, "s", 302..refused + 1000, 500);
}

fn replace_by_a_file(path: &Path) {
    fs::rename(path.join("checkpoints"), path.join("aside")).expect("take it away");
    fs::write(path.join("checkpoints"), "in the way").expect("put something in its place");
}

fn put_back(path: &Path) {
    fs::remove_file(path.join("checkpoints")).expect("remove what is in the way");
    fs::rename(path.join("aside"), path.join("checkpoints")).expect("put it back");
}

#[test]
fn writes_are_refused_in_words_while_checkpoints_fail_and_go_on_afterwards() {
    let arguments = ["--checkpoint-log-kb", "256"];
    check_refusal(&arguments, replace_by_a_file, put_back);
}

#[test]
fn the_words_are_the_same_where_memory_runs_out_before_the_log_may_not_grow() {
    let arguments = ["--checkpoint-log-kb", "1024", "--cache-mb", "1"];
    check_refusal(&arguments, replace_by_a_file, put_back);
}

#[test]
fn a_folder_of_checkpoints_that_was_removed_comes_back_with_a_full_one() {
    let arguments = ["--checkpoint-log-kb", "128", "--log-segment-kb", "64"];
    let store = Store::new();
    let mut server = store.start(&arguments);
    fill(&mut server.connection, "s", 1..501);
    server.wait_for_checkpoint();
    fs::remove_dir_all(store.path.join("checkpoints")).expect("remove it");
    fill(&mut server.connection, "s", 501..1001);
    server.wait_for_checkpoint();
    server.kill();
    let mut server = store.start(&arguments);
    assert_eq!(length(&mut server.connection, "s"), 1000);
    scan(&mut server.connection, "s", 1..1001, 500);
}
