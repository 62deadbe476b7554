//! `millstream check`: says what is damaged, changes nothing, and saves the rest elsewhere.

#[path = "support/command_line.rs"]
mod command_line;
#[path = "support/process.rs"]
mod process;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_line::{Outcome, connect, contents, files, flip, millstream};
use process::Process;
use redis::{Connection, cmd, pipe};
use serde_json::{Value, json};
use tempfile::TempDir;

const ENTRIES: u64 = 2_000;

fn serve(directory: &Path, checkpoint_log_kb: &str) -> Process {
    Process::start(|command| {
        command.args(["--checkpoint-log-kb", checkpoint_log_kb, "--cache-mb", "1"]);
        command.arg("--dir").arg(directory);
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn json_of(printed: &str) -> Value {
    assert_eq!(printed.matches('\n').count(), 1, "one document: {printed}");
    serde_json::from_str(printed).expect("it is JSON")
}

/// A store that was stopped in order: everything is in a checkpoint; then one that was killed, with
/// some more in the log.
struct Damaged {
    root: TempDir,
    data: PathBuf,
}

fn produce(connection: &mut Connection, key: &str, numbers: std::ops::Range<u64>) {
    let mut batch = pipe();
    for number in numbers {
        let filler = format!("{number:0>150}");
        batch.cmd("XADD").arg(key).arg(format!("{}-0", number + 1)).arg("f").arg(filler);
    }
    batch.exec(connection).expect("the server takes it");
}

impl Damaged {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let data = root.path().join("data");
        let mut server = serve(&data, "100000");
        let mut connection = connect(&server.address);
        for key in ["a", "b", "c"] {
            produce(&mut connection, key, 0..ENTRIES);
            let create = cmd("XGROUP").arg(&["CREATE", key, "g", "0"]).clone();
            create.exec(&mut connection).expect("a group");
            let mut read = cmd("XREADGROUP");
            read.arg(&["GROUP", "g", "me", "COUNT", "500", "STREAMS", key, ">"]);
            read.exec(&mut connection).expect("entries");
        }
        cmd("SET").arg(&["plain", "value"]).exec(&mut connection).expect("a string");
        let _: redis::RedisResult<()> = cmd("SHUTDOWN").query(&mut connection);
        assert!(server.child.wait().expect("it ends").success());
        drop(server);
        let server = serve(&data, "100000");
        let mut connection = connect(&server.address);
        produce(&mut connection, "a", ENTRIES..ENTRIES + 100);
        produce(&mut connection, "b", ENTRIES..ENTRIES + 100);
        // A later batch says that those before it were on disk.
        cmd("SET").arg(&["plain", "later"]).exec(&mut connection).expect("a string");
        drop(server);
        Self { root, data }
    }

    fn check(&self) -> Outcome {
        let before = contents(&self.data);
        let outcome = millstream(["check", text(&self.data)]);
        assert!(contents(&self.data) == before, "a check changes nothing");
        outcome
    }

    /// Repairs, and serves what comes of it. The server is the last word on whether it is whole.
    fn repair(&self) -> (String, Process) {
        let before = contents(&self.data);
        let repaired = self.root.path().join("repaired");
        let said = millstream(["check", text(&self.data), "--repair", text(&repaired)]).success();
        assert!(contents(&self.data) == before, "a repair leaves the damaged store as it is");
        millstream(["check", text(&repaired)]).success();
        (said, serve(&repaired, "100000"))
    }

    fn refused(&self) -> String {
        let mut server = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["serve", "--port", "0", "--dir"])
            .env("MILLSTREAM_ADMIN_PORT", "off")
            .arg(&self.data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary of this package starts");
        let mut said = String::new();
        for line in BufReader::new(server.stderr.take().expect("a pipe")).lines() {
            said += &line.expect("text");
            if said.contains("listening on") {
                let _ = server.kill();
            }
        }
        assert_eq!(server.wait().expect("it ends").code(), Some(1), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }
}

fn length(server: &Process, key: &str) -> u64 {
    cmd("XLEN").arg(key).query(&mut connect(&server.address)).expect("a length")
}

fn pending(server: &Process, key: &str) -> u64 {
    let mut connection = connect(&server.address);
    let summary: redis::Value =
        cmd("XPENDING").arg(key).arg("g").query(&mut connection).expect("a summary");
    let redis::Value::Array(summary) = summary else { panic!("{summary:?}") };
    let redis::Value::Int(count) = summary[0] else { panic!("{summary:?}") };
    count.unsigned_abs()
}

/// All entries of a stream are what was produced.
fn verify(server: &Process, key: &str) -> u64 {
    let mut range = cmd("XRANGE");
    range.arg(&[key, "-", "+"]);
    let all: Vec<(String, Vec<String>)> =
        range.query(&mut connect(&server.address)).expect("entries");
    for (id, fields) in &all {
        let number: u64 = id.strip_suffix("-0").expect("an id").parse().expect("an id");
        assert_eq!(fields[1], format!("{:0>150}", number - 1));
    }
    all.len() as u64
}

#[test]
fn an_intact_store_is_intact_and_stays_as_it_is() {
    let store = Damaged::new();
    let said = store.check().success();
    assert!(said.contains("everything is intact"), "{said}");
    let counted = "4 keys, of them 3 streams with 6200 entries and 3 groups with 1500 pending";
    assert!(said.contains(counted), "{said}");
    let document = json_of(&millstream(["check", text(&store.data), "--json"]).success());
    assert_eq!(
        document,
        json!({
            "dir": text(&store.data), "is_intact": true, "keys": 4, "streams": 3, "entries": 6200,
            "groups": 3, "pending": 1500, "scheduled": 0, "blocks": document["blocks"],
            "block_bytes": document["block_bytes"], "losses": [], "loss_count": 0,
            "faults": [], "repaired": null,
        })
    );
    let server = serve(&store.data, "100000");
    let refusal = millstream(["check", text(&store.data)]).failure(1);
    assert!(refusal.contains("is in use by process"), "{refusal}");
    drop(server);
    let missing = store.root.path().join("missing");
    let refusal = millstream(["check", text(&missing)]).failure(2);
    assert!(refusal.contains("is no data directory"), "{refusal}");
    assert!(!missing.exists());
    let refusal =
        millstream(["check", text(&store.data), "--repair", text(&store.data)]).failure(2);
    assert!(refusal.contains("is not empty"), "{refusal}");
}

#[test]
fn a_damaged_block_costs_its_entries_and_no_others() {
    let store = Damaged::new();
    let block_file = files(&store.data, "blocks", ".blk").remove(0);
    let middle = fs::metadata(&block_file).expect("a file").len() as usize / 2;
    flip(&block_file, middle);
    let said = store.check();
    assert!(said.stdout.contains("Lost is:\n- "), "{said:?}");
    assert!(said.stdout.contains(text(&block_file)), "{said:?}");
    assert!(said.failure(1).contains("1 faults; to save the rest: millstream check"));
    let told = millstream(["check", text(&store.data), "--json"]);
    let document = json_of(&told.stdout);
    told.failure(1);
    assert_eq!((&document["is_intact"], &document["loss_count"]), (&json!(false), &json!(1)));
    assert!(document["losses"][0].as_str().expect("a text").contains(text(&block_file)));
    let saved = store.root.path().join("saved");
    let arguments = ["check", text(&store.data), "--json", "--repair", text(&saved)];
    let document = json_of(&millstream(arguments).success());
    assert_eq!((&document["repaired"], &document["loss_count"]), (&json!(text(&saved)), &json!(1)));
    let (said, server) = store.repair();
    let lost: u64 = {
        let (_, listed) = said.split_once("\n- ").expect("a list");
        listed.split_once(' ').expect("a number").0.parse().expect("a number")
    };
    assert!((1..=100).contains(&lost), "{said}");
    let found = ["a", "b", "c"].map(|key| verify(&server, key));
    assert_eq!(found.iter().sum::<u64>(), 3 * ENTRIES + 200 - lost);
    let lengths = ["a", "b", "c"].map(|key| length(&server, key));
    assert_eq!(lengths, found);
    assert_eq!(["a", "b", "c"].map(|key| pending(&server, key)), [500, 500, 500]);
}

#[test]
fn a_missing_block_file_is_refused_and_the_rest_can_be_saved() {
    let store = Damaged::new();
    for file in files(&store.data, "blocks", ".blk") {
        fs::remove_file(file).expect("a file");
    }
    assert!(store.refused().contains(".blk"));
    store.check().failure(1);
    let (_, server) = store.repair();
    // What was in the log only, and the last entries before, which were in the checkpoint itself.
    for key in ["a", "b"] {
        let found = verify(&server, key);
        assert!((100..200).contains(&found), "{found}");
    }
    assert_eq!(pending(&server, "a"), 500);
}

#[test]
fn a_damaged_log_is_cut_there_and_what_is_before_is_saved() {
    let store = Damaged::new();
    let log = files(&store.data, "log", ".log").pop().expect("a segment");
    let bytes = fs::read(&log).expect("a segment");
    // Within the entries of "b", of which the first hundred in the log are "a"'s.
    let wanted = format!("{:0>150}", ENTRIES + 50);
    let find = |from: usize| {
        let at = bytes[from..].windows(wanted.len()).position(|some| some == wanted.as_bytes());
        from + at.expect("it was produced")
    };
    flip(&log, find(find(0) + 1));
    assert!(store.refused().contains("is damaged at byte"), "it is not taken for a torn end");
    let said = store.check();
    assert!(said.stdout.contains("- everything logged from position"), "{said:?}");
    let (_, server) = store.repair();
    assert_eq!(verify(&server, "a"), ENTRIES + 100);
    assert_eq!(verify(&server, "b"), ENTRIES + 50);
    assert_eq!(pending(&server, "b"), 500);
}

#[test]
fn a_damaged_checkpoint_costs_what_stands_there_and_no_more() {
    let store = Damaged::new();
    let checkpoint = files(&store.data, "checkpoints", ".full").pop().expect("a checkpoint");
    let bytes = fs::read(&checkpoint).expect("a checkpoint");
    // In the second half: something of the streams.
    flip(&checkpoint, bytes.len() * 3 / 4);
    assert!(store.refused().contains("is damaged at byte"));
    let said = store.check();
    assert!(said.stdout.contains("of a checkpoint, strings and whole streams"), "{said:?}");
    let (_, server) = store.repair();
    let keys: Vec<String> =
        cmd("KEYS").arg("*").query(&mut connect(&server.address)).expect("keys");
    for key in keys.iter().filter(|key| *key != "plain") {
        verify(&server, key);
    }
}

#[test]
fn a_store_without_its_checkpoints_is_refused_and_loses_nothing_by_the_attempt() {
    let store = Damaged::new();
    let aside = store.root.path().join("aside");
    fs::rename(store.data.join("checkpoints"), &aside).expect("it can be moved");
    let blocks = files(&store.data, "blocks", ".blk");
    assert!(!blocks.is_empty());
    store.refused();
    assert_eq!(files(&store.data, "blocks", ".blk"), blocks, "an attempt to start removes no data");
    let refusal = store.check().failure(1);
    assert!(refusal.contains("nothing that can be opened is left"), "{refusal}");
    fs::remove_dir_all(store.data.join("checkpoints")).expect("an empty folder");
    fs::rename(&aside, store.data.join("checkpoints")).expect("it can be moved back");
    store.check().success();
}

#[test]
fn a_format_of_a_newer_version_is_refused_in_words() {
    let store = Damaged::new();
    for (folder, suffix) in [("checkpoints", ".full"), ("blocks", ".blk"), ("log", ".log")] {
        let path = files(&store.data, folder, suffix).pop().expect("a file");
        let before = fs::read(&path).expect("a file");
        let mut bytes = before.clone();
        bytes[8] = 9;
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&path, bytes).expect("it can be written");
        assert!(store.refused().contains("was written by a newer version"));
        let repaired = store.root.path().join("repaired");
        let check = ["check", text(&store.data), "--repair", text(&repaired)];
        if folder != "blocks" {
            assert!(millstream(check).failure(1).contains("was written by a newer version"));
            assert!(!repaired.exists());
        }
        fs::write(&path, before).expect("it can be written");
    }
}
