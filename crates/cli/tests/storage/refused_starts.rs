//! Files that are damaged, cut short or missing at the start: the server says which and does not
//! start, or it starts because nothing is lost. A refused start changes nothing: with the file as
//! it was, everything is there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::entries::{fill, length, scan, value};
use crate::store::{Running, Store, flip, offset_of};

const ENTRIES: u64 = 2000;
/// Segments are as short as checkpoints are close, so the log in front of one is gone.
const SHORT_LOG: [&str; 6] =
    ["--cache-mb", "1", "--checkpoint-log-kb", "128", "--log-segment-kb", "64"];
/// One segment holds everything, so the log in front of checkpoints is there.
const LONG_LOG: [&str; 4] = ["--cache-mb", "1", "--checkpoint-log-kb", "128"];

/// A store whose newest checkpoint is a delta, killed.
fn filled_store(arguments: &[&str]) -> Store {
    let store = Store::new();
    let mut server = store.start(arguments);
    let mut filled = 0;
    // A few entries more make another checkpoint due, and after a full one that is a delta. Where
    // two lie close together, what is before the newest is still in the log.
    while filled < ENTRIES || !ends_with_delta(&store, arguments == SHORT_LOG) {
        fill(&mut server.connection, "s", filled + 1..filled + 101);
        filled += 100;
        assert!(filled < 20 * ENTRIES, "there is no delta, or the log is never removed");
        server.wait_for_checkpoint();
    }
    server.kill();
    store
}

/// Whether the newest checkpoint is a delta, and the log before it gone if it is to be.
fn ends_with_delta(store: &Store, without_log: bool) -> bool {
    let is_delta = newest_checkpoint(store).to_string_lossy().ends_with(".delta");
    is_delta && (!without_log || log_start(store) > position_before_newest(store))
}

fn newest_checkpoint(store: &Store) -> PathBuf {
    let published = |path: &PathBuf| path.extension().is_some_and(|end| end != "tmp");
    store.files("checkpoints").into_iter().rfind(published).expect("there is a checkpoint")
}

/// Where the oldest segment of the log begins.
fn log_start(store: &Store) -> u64 {
    let names = store.files("log");
    let names = names.iter().filter(|path| path.extension().is_some_and(|end| end == "log"));
    let first = names.filter_map(|path| path.file_stem()?.to_str()?.parse().ok()).min();
    first.expect("there is a log")
}

/// What the checkpoint before the newest covers, by its header.
fn position_before_newest(store: &Store) -> u64 {
    let files = store.files("checkpoints");
    let header = fs::read(&files[files.len() - 2]).expect("a checkpoint");
    u64::from_le_bytes(header[24..32].try_into().expect("eight bytes"))
}

fn check_everything(server: &mut Running) {
    let count = length(&mut server.connection, "s");
    assert!(count >= ENTRIES, "{count} of {ENTRIES} are there");
    scan(&mut server.connection, "s", 1..count + 1, 500);
}

/// Holds the store to refuse, naming this file, and to be whole again after `mend`.
fn check_refused(store: &Store, path: &Path, mend: impl FnOnce()) {
    let name = path.to_str().expect("temporary paths are UTF-8");
    for _ in 0..2 {
        let said = store.refused();
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    mend();
    check_everything(&mut store.start(&SHORT_LOG));
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let store = filled_store(&SHORT_LOG);
    for path in store.files("checkpoints") {
        let bytes = fs::read(&path).expect("a checkpoint").len();
        for offset in [20, bytes / 2, bytes - 1] {
            flip(&path, offset);
            let said = store.refused();
            assert!(said.contains(path.to_str().expect("UTF-8")), "byte {offset}: {said}");
            flip(&path, offset);
        }
    }
    check_everything(&mut store.start(&SHORT_LOG));
}

#[test]
fn a_checkpoint_cut_short_is_refused_by_name() {
    let store = filled_store(&SHORT_LOG);
    let path = newest_checkpoint(&store);
    let bytes = fs::read(&path).expect("a checkpoint");
    for length in [0, 40, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("cut it short");
        let said = store.refused();
        assert!(said.contains(path.to_str().expect("UTF-8")), "{length} bytes: {said}");
    }
    check_refused(&store, &path, || fs::write(&path, &bytes).expect("put it back"));
}

#[test]
fn without_its_newest_checkpoint_a_store_is_refused_if_the_log_before_it_is_gone() {
    let store = filled_store(&SHORT_LOG);
    let path = newest_checkpoint(&store);
    let aside = store.path.join("aside");
    fs::rename(&path, &aside).expect("take it away");
    let log = store.path.join("log");
    check_refused(&store, &log, || fs::rename(&aside, &path).expect("put it back"));
}

#[test]
fn without_any_checkpoint_a_store_is_refused_if_the_log_before_it_is_gone() {
    let store = filled_store(&SHORT_LOG);
    let (folder, aside) = (store.path.join("checkpoints"), store.path.join("aside"));
    fs::rename(&folder, &aside).expect("take them away");
    check_refused(&store, &store.path.join("log"), || {
        fs::remove_dir(&folder).expect("the refused start made an empty one");
        fs::rename(&aside, &folder).expect("put them back");
    });
}

#[test]
fn a_delta_without_the_full_checkpoint_before_it_is_refused() {
    let store = filled_store(&SHORT_LOG);
    let path = store.files("checkpoints").swap_remove(0);
    assert!(path.to_string_lossy().ends_with(".full"), "{path:?}");
    let aside = store.path.join("aside");
    fs::rename(&path, &aside).expect("take it away");
    // Which kind is missing cannot be known: its number is.
    let number = path.with_extension("");
    check_refused(&store, &number, || fs::rename(&aside, &path).expect("put it back"));
}

#[test]
fn without_its_newest_checkpoint_a_store_is_whole_if_the_log_before_it_is_there() {
    let store = filled_store(&LONG_LOG);
    fs::remove_file(newest_checkpoint(&store)).expect("take it away");
    let mut server = store.start(&LONG_LOG);
    assert!(server.number("replayed_records") > 0, "the log says what the checkpoint said");
    check_everything(&mut server);
    server.wait_for_checkpoint();
    server.kill();
    check_everything(&mut store.start(&LONG_LOG));
}

#[test]
fn without_any_checkpoint_a_store_is_whole_if_all_of_the_log_is_there() {
    let store = filled_store(&LONG_LOG);
    fs::remove_dir_all(store.path.join("checkpoints")).expect("take them away");
    check_everything(&mut store.start(&LONG_LOG));
    check_everything(&mut store.start(&LONG_LOG));
}

#[test]
fn a_missing_block_file_is_refused_by_name() {
    let store = filled_store(&SHORT_LOG);
    let aside = store.path.join("aside");
    let path = store.files("blocks").swap_remove(0);
    fs::rename(&path, &aside).expect("take it away");
    check_refused(&store, &path, || fs::rename(&aside, &path).expect("put it back"));
}

#[test]
fn a_block_file_cut_short_is_refused_by_name() {
    let store = filled_store(&SHORT_LOG);
    let path = store.files("blocks").swap_remove(0);
    let bytes = fs::read(&path).expect("a block file");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("cut it short");
    check_refused(&store, &path, || fs::write(&path, &bytes).expect("put it back"));
}

#[test]
fn damage_in_the_log_behind_the_checkpoint_is_refused_by_name() {
    let store = Store::new();
    let mut server = store.start(&SHORT_LOG);
    fill(&mut server.connection, "s", 1..ENTRIES + 1);
    server.stop();
    // From here on the log only.
    let mut server = store.start(&["--log-segment-kb", "256"]);
    fill(&mut server.connection, "s", ENTRIES + 1..ENTRIES + 1001);
    server.kill();
    let value = value("s", ENTRIES + 100);
    let (path, offset) = store
        .files("log")
        .into_iter()
        .find_map(|path| Some((path.clone(), offset_of(&path, &value)?)))
        .expect("the log holds what no checkpoint does");
    flip(&path, offset);
    check_refused(&store, &path, || flip(&path, offset));
}
