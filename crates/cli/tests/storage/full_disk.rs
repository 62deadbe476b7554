//! A disk that is really full: a small file system of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use redis::cmd;
use tempfile::TempDir;

use crate::entries::{add, error_text, fill, length, scan, try_fill};
use crate::store::{Running, Store, poll};

const SIZE: &str = "size=64m";
/// More than it holds.
const TOO_MANY: u64 = 1_000_000;
const SMALL: [&str; 6] =
    ["--cache-mb", "4", "--checkpoint-log-kb", "4096", "--log-segment-kb", "4096"];

/// A file system in memory, gone with this.
struct Disk {
    directory: TempDir,
}

impl Disk {
    /// None, with a line that says so, where nothing may be mounted.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(directory.path());
        let is_mounted = mount.stderr(Stdio::null()).status().is_ok_and(|s| s.success());
        if is_mounted {
            return Some(Self { directory });
        }
        let is_required = std::env::var("MILLSTREAM_REQUIRE_PEERS").is_ok_and(|v| v == "1");
        assert!(!is_required, "a full disk is to be tested, but nothing may be mounted here");
        println!("SKIP: full disk: nothing may be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever process still uses it, the folder must be empty to be removed.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Takes space, as another program may, until there is none left; the file.
fn take_space(disk: &Disk, bytes_max: usize) -> PathBuf {
    use std::io::Write as _;
    let path = disk.path().join("ballast");
    let mut file = fs::File::create(&path).expect("create a file");
    let mut left = bytes_max;
    for piece in [64 << 10, 512] {
        while left >= piece && file.write_all(&vec![1; piece]).is_ok() {
            left -= piece;
        }
    }
    path
}

fn fill_until_refused(server: &mut Running, from: u64) -> u64 {
    let (n, error) =
        try_fill(&mut server.connection, "s", from..TOO_MANY).expect_err("the disk has an end");
    let said = error_text::<()>(Err(error));
    // Which of both is met first depends on who takes the last of the space.
    let texts = ["MISCONF the disk is full", "MISCONF no checkpoint can be made"];
    assert!(texts.iter().any(|text| said.starts_with(text)), "{said}");
    println!("full at entry {n}: {said}");
    n
}

fn can_write(server: &mut Running, n: u64) -> bool {
    poll(|| add("s", n).query::<String>(&mut server.connection).is_ok())
}

/// Waits until what was trimmed is off the disk, and the disk counts as free.
fn wait_for_space(server: &mut Running) {
    server.wait("block_file_bytes", |bytes| bytes < 8 << 20);
    server.wait("disk_full", |is_full| is_full == 0);
}

/// Commands that free space, each of which must do something.
fn free_some(server: &mut Running, lines: &[&str]) {
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let done = cmd(words[0]).arg(&words[1..]).query::<u64>(&mut server.connection);
        assert!(done.as_ref().is_ok_and(|count| *count > 0), "{line}: {done:?}");
    }
}

fn begin(disk: &Disk) -> (Store, Running) {
    let store = Store::at(&disk.path().join("store"));
    let mut server = store.start(&SMALL);
    fill(&mut server.connection, "s", 1..101);
    cmd("XGROUP").arg(&["CREATE", "s", "g", "0"]).exec(&mut server.connection).expect("XGROUP");
    let _: redis::Value = cmd("XREADGROUP")
        .arg(&["GROUP", "g", "c", "COUNT", "50", "STREAMS", "s", ">"])
        .query(&mut server.connection)
        .expect("XREADGROUP");
    (store, server)
}

#[test]
fn a_store_that_filled_the_disk_reads_on_and_writes_again_after_trimming() {
    let Some(disk) = Disk::mount() else { return };
    let (store, mut server) = begin(&disk);
    let refused = fill_until_refused(&mut server, 101);
    assert!(refused > 30_000, "64 MB were full after {refused} entries");
    println!("full: {refused} entries of 1 KB in 64 MB");
    scan(&mut server.connection, "s", 1..refused, 1000);
    free_some(&mut server, &["XACK s g 1-1 2-1", "XDEL s 3-1", "XTRIM s MINID 101-1"]);
    scan(&mut server.connection, "s", 101..refused, 1000);
    server.kill();

    let mut server = store.start(&SMALL);
    assert_eq!(length(&mut server.connection, "s"), refused - 101);
    scan(&mut server.connection, "s", 101..refused, 1000);
    let kept = refused - 1000;
    free_some(&mut server, &[&format!("XTRIM s MINID {kept}-1")]);
    wait_for_space(&mut server);
    assert!(can_write(&mut server, refused), "trimming gave no space back");
    fill(&mut server.connection, "s", refused + 1..refused + 10_001);
    server.kill();
    let mut server = store.start(&SMALL);
    scan(&mut server.connection, "s", kept..refused + 10_001, 1000);
}

#[test]
fn trimming_gives_space_back_without_a_restart_however_often() {
    let Some(disk) = Disk::mount() else { return };
    let (_store, mut server) = begin(&disk);
    let mut next = 101;
    for _ in 0..3 {
        let begun = next;
        // The log gives its space back with the next checkpoint: who fills the disk faster than
        // that is refused once more before all of it is there.
        for refusals in 1.. {
            let refused = fill_until_refused(&mut server, next);
            let kept = refused - 1000;
            free_some(&mut server, &[&format!("XTRIM s MINID {kept}-1")]);
            wait_for_space(&mut server);
            assert!(can_write(&mut server, refused), "trimming gave no space back");
            scan(&mut server.connection, "s", kept..refused + 1, 1000);
            next = refused + 1;
            let fit = next - begun;
            if fit > 20_000 {
                break;
            }
            assert!(refusals < 4, "only {fit} entries fit, with {refusals} refusals");
        }
    }
}

#[test]
fn a_disk_that_others_filled_and_emptied_again_does_no_harm() {
    let Some(disk) = Disk::mount() else { return };
    let (store, mut server) = begin(&disk);
    fill(&mut server.connection, "s", 101..10_001);
    let ballast = take_space(&disk, usize::MAX);
    let refused = fill_until_refused(&mut server, 10_001);
    scan(&mut server.connection, "s", 1..refused, 1000);
    free_some(&mut server, &["XACK s g 1-1", "XDEL s 1-1"]);
    server.kill();
    // It starts without a byte to spare.
    let mut server = store.start(&SMALL);
    assert_eq!(length(&mut server.connection, "s"), refused - 2);
    scan(&mut server.connection, "s", 2..refused, 1000);
    let refused = match add("s", refused).query::<String>(&mut server.connection) {
        Ok(_) => fill_until_refused(&mut server, refused + 1),
        Err(_) => refused,
    };
    fs::remove_file(ballast).expect("others give it back");
    assert!(can_write(&mut server, refused), "there is space, writes are refused as before");
    fill(&mut server.connection, "s", refused + 1..refused + 5001);
    server.wait_for_checkpoint();
    server.kill();
    let mut server = store.start(&SMALL);
    scan(&mut server.connection, "s", 2..refused + 5001, 1000);
}
