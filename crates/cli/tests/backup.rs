//! `millstream backup` and `millstream restore`, of servers that are written to meanwhile and of
//! directories at rest.

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/process.rs"]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use command_line::{Outcome, connect, contents, files, flip, millstream};
use process::Process;
use redis::{Connection, cmd, pipe};
use serde_json::{Value, json};
use tempfile::TempDir;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// Checkpoints all the time, and little in memory.
fn serve(directory: &Path) -> Process {
    Process::start(|command| {
        command.args(["--checkpoint-log-kb", "64", "--log-segment-kb", "256", "--cache-mb", "1"]);
        command.arg("--dir").arg(directory);
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn url(server: &Process) -> String {
    format!("redis://{}/", server.address)
}

/// Numbered entries in a stream with a group, fifty at a time, with which one is read and left
/// pending.
fn produce(connection: &mut Connection, numbers: std::ops::Range<u64>) {
    for start in numbers.clone().step_by(50) {
        let mut batch = pipe();
        batch.atomic();
        for number in start..(start + 50).min(numbers.end) {
            let id = format!("{}-0", number + 1);
            let filler = format!("{number:0>200}");
            batch.cmd("XADD").arg("orders").arg(id).arg("n").arg(number).arg("f").arg(filler);
        }
        batch.cmd("XREADGROUP").arg(&["GROUP", "g", "c", "COUNT", "1", "STREAMS", "orders", ">"]);
        batch.exec(connection).expect("the server takes it");
    }
}

fn begin(server: &Process) -> Connection {
    let mut connection = connect(&server.address);
    let create = cmd("XGROUP").arg(&["CREATE", "orders", "g", "0", "MKSTREAM"]).clone();
    create.exec(&mut connection).expect("a group");
    connection
}

/// Asserts that the numbers run from 0 on without a gap; returns how many there are, and how many
/// are pending.
fn verify(directory: &Path) -> (u64, u64) {
    let server = serve(directory);
    let mut connection = connect(&server.address);
    let mut found = 0;
    let mut from = String::from("-");
    loop {
        let mut range = cmd("XRANGE");
        range.arg("orders").arg(&from).arg("+").arg("COUNT").arg(500);
        let page: Vec<(String, Vec<String>)> = range.query(&mut connection).expect("entries");
        let Some((last, _)) = page.last() else { break };
        from = format!("({last}");
        for (id, fields) in &page {
            assert_eq!(*id, format!("{}-0", found + 1));
            assert_eq!(fields[1], found.to_string());
            assert_eq!(fields[3], format!("{found:0>200}"));
            found += 1;
        }
    }
    let length: u64 = cmd("XLEN").arg("orders").query(&mut connection).expect("a length");
    assert_eq!(length, found);
    let pending: redis::Value =
        cmd("XPENDING").arg("orders").arg("g").query(&mut connection).expect("a summary");
    let redis::Value::Array(summary) = pending else { panic!("{pending:?}") };
    let redis::Value::Int(pending) = summary[0] else { panic!("{summary:?}") };
    (found, pending.unsigned_abs())
}

fn backups(target: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(target).expect("a target");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.join("manifest.json").exists()).collect();
    paths.sort();
    paths
}

#[test]
fn backups_of_a_server_under_load_hold_all_that_was_acknowledged_before() {
    let directory = scratch();
    let root = scratch();
    let (data, target) = (directory.path().join("data"), root.path().join("backups"));
    let server = serve(&data);
    let mut connection = begin(&server);
    produce(&mut connection, 0..20_000);
    let acknowledged = Arc::new(AtomicU64::new(20_000));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let from = acknowledged.load(Ordering::Relaxed);
                produce(&mut connection, from..from + 500);
                acknowledged.store(from + 500, Ordering::Release);
            }
        })
    };
    let mut least = Vec::new();
    for round in 0..3 {
        // Whole checkpoints and trims of the log happen in between.
        while acknowledged.load(Ordering::Acquire) < 20_000 + round * 5_000 {
            thread::yield_now();
        }
        least.push(acknowledged.load(Ordering::Acquire));
        let said = millstream(["backup", "--url", &url(&server), text(&target)]).success();
        if round > 0 {
            assert!(!said.contains("\n0 files as in the backup before"), "{said}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("all was acknowledged");
    drop(server);

    let made = backups(&target);
    assert_eq!(made.len(), 3);
    for (round, (backup, least)) in made.iter().zip(least).enumerate() {
        millstream(["check", text(backup)]).success();
        let restored = root.path().join(format!("restored-{round}"));
        let name = text(Path::new(backup.file_name().expect("a name")));
        let arguments = ["restore", text(&target), text(&restored), "--snapshot", name];
        let before = contents(backup);
        millstream(arguments).success();
        let (found, pending) = verify(&restored);
        assert!(found >= least, "{found} entries of {least} acknowledged before the backup");
        assert_eq!((found % 50, pending), (0, found / 50), "a part of a record group is missing");
        assert!(contents(backup) == before, "what was restored is no part of the backup");
    }
}

#[test]
fn a_directory_at_rest_is_copied_and_one_in_use_is_refused() {
    let root = scratch();
    let (data, target) = (root.path().join("data"), root.path().join("backups"));
    let server = serve(&data);
    produce(&mut begin(&server), 0..3_000);
    let refusal = millstream(["backup", "--dir", text(&data), text(&target)]).failure(1);
    assert!(refusal.contains("is in use by process"), "{refusal}");
    // As after a crash: what was acknowledged is in the copy, and the copy changes nothing.
    drop(server);
    let before = contents(&data);
    millstream(["backup", "--dir", text(&data), text(&target)]).success();
    assert!(contents(&data) == before);
    let listed = millstream(["restore", "--dry-run", text(&target), "nowhere"]).success();
    assert!(listed.contains("would restore"), "{listed}");
    let restored = root.path().join("restored");
    millstream(["restore", text(&target), text(&restored)]).success();
    assert_eq!(verify(&restored), (3_000, 60));
    let arguments = ["backup", "--dir", text(&data), text(&target), "--keep", "1", "--json"];
    let document: Value =
        serde_json::from_str(&millstream(arguments).success()).expect("it is JSON");
    let kept = backups(&target);
    assert_eq!((kept.len(), &document["backup"]), (1, &json!(text(&kept[0]))));
    assert_eq!(document["removed"].as_array().expect("a list").len(), 1);
    assert!(document["unchanged_files"].as_u64() > Some(0), "{document}");
    let again = root.path().join("again");
    for is_dry_run in [true, false] {
        let mut arguments = vec!["restore", text(&target), text(&again), "--json"];
        arguments.extend(is_dry_run.then_some("--dry-run"));
        let restored: Value =
            serde_json::from_str(&millstream(arguments).success()).expect("it is JSON");
        for same in ["backup", "files", "bytes", "log_position"] {
            assert_eq!(restored[same], document[same], "{same}");
        }
        assert_eq!(restored["is_dry_run"], is_dry_run);
        assert_eq!(restored.get("backups").is_some(), is_dry_run);
    }
    assert_eq!(verify(&again), (3_000, 60));
    // And the store itself goes on as if nothing had been.
    assert_eq!(verify(&data), (3_000, 60));
    let missing = root.path().join("missing");
    let refusal = millstream(["backup", "--dir", text(&missing), text(&target)]).failure(2);
    assert!(refusal.contains("is no data directory"), "{refusal}");
    assert!(!missing.exists());
}

#[test]
fn what_is_the_same_as_in_the_backup_before_takes_no_space_again() {
    use std::os::unix::fs::MetadataExt as _;
    let root = scratch();
    let (data, target) = (root.path().join("data"), root.path().join("backups"));
    produce(&mut begin(&serve(&data)), 0..10_000);
    // Begins another block file: those before do not grow any more.
    let server = serve(&data);
    let make = |options: &[&str]| {
        let url = url(&server);
        let arguments = ["backup", "--url", &url, text(&target)];
        millstream(arguments.iter().chain(options)).success();
        backups(&target).pop().expect("it was made")
    };
    let block_file = |backup: &Path| files(backup, "blocks", ".blk").remove(0);
    let inode = |path: &Path| fs::metadata(path).expect("a file").ino();
    let own = inode(&block_file(&data));
    let linked = make(&[]);
    assert_eq!(inode(&block_file(&linked)), own, "a second name of the store's");
    let copied = make(&["--copy"]);
    assert_ne!(inode(&block_file(&copied)), own, "--copy copies");
    let next = make(&[]);
    assert_eq!(inode(&block_file(&next)), inode(&block_file(&copied)), "unchanged");
    let log = |backup: &Path| inode(&files(backup, "log", ".log").remove(0));
    assert_eq!(log(&next), log(&copied), "the log has not grown");
    assert_ne!(log(&next), log(&data), "the log may still grow");
    // A backup that goes takes nothing of the others with it.
    make(&["--keep", "1"]);
    let kept = backups(&target);
    assert_eq!(kept.len(), 1);
    millstream(["check", text(&kept[0])]).success();
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_restored() {
    let root = scratch();
    let (data, target) = (root.path().join("data"), root.path().join("backups"));
    {
        let server = serve(&data);
        produce(&mut begin(&server), 0..3_000);
        millstream(["backup", "--copy", "--url", &url(&server), text(&target)]).success();
    }
    let backup = backups(&target).remove(0);
    let log = files(&backup, "log", ".log").pop().expect("a segment");
    flip(&log, 5_000);
    let restored = root.path().join("restored");
    let refusal = millstream(["restore", text(&target), text(&restored)]).failure(1);
    assert!(refusal.contains("is damaged: its checksum is"), "{refusal}");
    assert!(refusal.contains(text(&log)), "{refusal}");
    assert!(!restored.exists());
    let refusal = millstream(["restore", text(&target), text(&data)]).failure(2);
    assert!(refusal.contains("is not empty"), "{refusal}");
}

#[test]
fn a_server_that_cannot_be_copied_says_why() {
    let root = scratch();
    let target = root.path().join("backups");
    let server = Process::start(|command| _ = command.arg("--memory"));
    let refusal = millstream(["backup", "--url", &url(&server), text(&target)]).failure(1);
    let at = format!("millstream: cannot bring everything to disk at {}: ", url(&server));
    assert!(refusal.starts_with(&at) && refusal.contains("\n  next: "), "{refusal}");
    assert_eq!(refusal.matches("memory only").count(), 1, "{refusal}");
    assert!(backups(&target).is_empty());
    let refusal = millstream(["backup", "--url", "redis://127.0.0.1:1/", text(&target)]).failure(1);
    let told = "millstream: cannot connect to redis://127.0.0.1:1/: the server cannot be reached: ";
    assert!(refusal.starts_with(told), "{refusal}");
    let next = "\n  next: start a server with `millstream serve`, or name another one with --url \
                or REDIS_URL\n";
    assert!(refusal.ends_with(next), "{refusal}");
    assert_eq!(refusal.matches("Connection refused").count(), 1, "{refusal}");
}

/// With variables in the environment.
fn backup_with(variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.env_remove("REDIS_URL").env_remove("REDISCLI_AUTH");
    let done = command.arg("backup").args(arguments).envs(variables.iter().copied()).output();
    let done = done.expect("the binary of this package starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Outcome { code: done.status.code(), stdout: text(done.stdout), stderr: text(done.stderr) }
}

/// Symptom: with REDIS_URL in the environment `--dir` was refused, as it could not be used with
/// `--url`, which nobody had given.
#[test]
fn a_directory_is_copied_although_a_variable_names_a_server() {
    let root = scratch();
    let (data, target) = (root.path().join("data"), root.path().join("backups"));
    let server = serve(&data);
    produce(&mut begin(&server), 0..100);
    let url = url(&server);
    // The variable alone will do.
    backup_with(&[("REDIS_URL", &url)], &[text(&target)]).success();
    drop(server);
    let directory = [text(&target), "--dir", text(&data)];
    for address in [&*url, "nonsense", ""] {
        backup_with(&[("REDIS_URL", address)], &directory).success();
    }
    assert_eq!(backups(&target).len(), 4);
    let both = [&directory[..], &["--url", &url]].concat();
    let refusal = backup_with(&[], &both).failure(2);
    assert!(refusal.contains("--dir and --url name two places to copy from"), "{refusal}");
}

/// Symptom: an address that is none was printed with its password, and the exit code was 1.
#[test]
fn a_wrong_address_is_refused_without_its_password() {
    let root = scratch();
    let target = root.path().join("backups");
    for url in ["redis://:hunter2@127.0.0.1:99999", "http://ada:hunter2@127.0.0.1"] {
        for (variable, arguments) in [("OTHER", &["--url", url][..]), ("REDIS_URL", &[])] {
            let arguments = [&[text(&target)], arguments].concat();
            let refusal = backup_with(&[(variable, url)], &arguments).failure(2);
            assert!(!refusal.contains("hunter2"), "{refusal}");
            assert!(refusal.contains("cannot connect to ") && refusal.contains("\n  next: "));
        }
    }
    assert!(backups(&target).is_empty());
}

/// Symptom: REDISCLI_AUTH was not looked at.
#[test]
fn the_password_of_a_backup_may_be_in_the_environment() {
    let root = scratch();
    let (data, target) = (root.path().join("data"), root.path().join("backups"));
    let server = Process::start(|command| {
        command.args(["--requirepass", "hunter2"]).arg("--dir").arg(&data);
    });
    let url = url(&server);
    let arguments = [text(&target), "--url", &url];
    backup_with(&[("REDISCLI_AUTH", "hunter2")], &arguments).success();
    assert_eq!(backups(&target).len(), 1);
    for variables in [&[][..], &[("REDISCLI_AUTH", "")], &[("REDISCLI_AUTH", "wrong")]] {
        let refusal = backup_with(variables, &arguments).failure(1);
        let told = format!("millstream: cannot connect to {url}: the server says: ");
        assert!(refusal.starts_with(&told), "{refusal}");
        let next = "\n  next: put the password into the variable REDISCLI_AUTH";
        assert!(refusal.contains(next), "{refusal}");
        let codes = refusal.matches("NOAUTH").count() + refusal.matches("WRONGPASS").count();
        assert_eq!(codes, 1, "{refusal}");
    }
    assert_eq!(backups(&target).len(), 1);
}

#[test]
fn files_stay_as_long_as_they_are_pinned_and_go_afterwards() {
    let root = scratch();
    let data = root.path().join("data");
    let server = serve(&data);
    let mut connection = begin(&server);
    produce(&mut connection, 0..5_000);
    let mut other = connect(&server.address);
    let pinned: redis::Value = cmd("BACKUP").arg("PIN").query(&mut other).expect("a list");
    type Listed = Vec<(String, u64, u64, bool)>;
    let (_, _, _, _, _, listed): (String, String, String, u64, String, Listed) =
        redis::from_redis_value(pinned).expect("a list");
    let bytes = |listed: &Listed| -> Vec<Vec<u8>> {
        let read = |(name, bytes, ..): &(String, u64, u64, bool)| {
            let mut file = fs::read(data.join(name)).expect("a pinned file is there");
            file.truncate(usize::try_from(*bytes).expect("small"));
            file
        };
        listed.iter().map(read).collect()
    };
    let before = bytes(&listed);
    // Everything goes, many times over.
    for _ in 0..10 {
        cmd("XTRIM").arg(&["orders", "MAXLEN", "0"]).exec(&mut connection).expect("a trim");
        let batch = |connection: &mut Connection| {
            let mut batch = pipe();
            for _ in 0..2_000 {
                batch.cmd("XADD").arg("orders").arg("*").arg("f").arg("x".repeat(300));
            }
            batch.exec(connection).expect("entries");
        };
        batch(&mut connection);
    }
    assert!(bytes(&listed) == before, "pinned files do not change");
    let is_kept: bool = cmd("BACKUP").arg("UNPIN").query(&mut other).expect("an answer");
    assert!(is_kept);
    let is_kept: bool = cmd("BACKUP").arg("UNPIN").query(&mut other).expect("an answer");
    assert!(!is_kept);
    let first_log = listed.iter().find(|(name, ..)| name.starts_with("log/")).expect("a log");
    // The next checkpoint takes what only the pin held.
    let is_gone = (0..2_000).any(|_| {
        cmd("XADD")
            .arg("orders")
            .arg("*")
            .arg("f")
            .arg("x".repeat(2_000))
            .exec(&mut connection)
            .expect("an entry");
        !data.join(&first_log.0).exists()
    });
    assert!(is_gone, "{} goes", first_log.0);
}
