//! `millstream demo` as a user runs it: the whole program, on its own server.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_demo_accounts_for_every_order_and_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().expect("a temporary directory can be made");
    let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["demo", "--orders", "60", "--seed", "7"])
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of this package starts");
    let started = Instant::now();
    // It says less than a pipe holds, so nobody has to read before it ends.
    while child.try_wait().expect("look after the demo").is_none() {
        if started.elapsed() > LIMIT {
            child.kill().expect("end the demo");
            panic!("the demo takes more than {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("read what it said");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{errors}");
    assert!(said.contains("Orders: 60 in "), "{said}");
    assert_eq!(
        said.lines().last(),
        Some("Every order was processed or dead-lettered, once."),
        "{said}"
    );
    let left = std::fs::read_dir(scratch.path()).expect("list the scratch directory").count();
    assert_eq!(left, 0, "the demo's store is removed");
}

#[test]
fn a_program_gets_the_outcome_as_one_document() {
    let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["demo", "--orders", "20", "--seed", "7", "--json"])
        .output()
        .expect("the binary of this package starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let count = |name: &str| document[name].as_u64().expect(name);
    assert_eq!((count("seed"), count("orders")), (7, 20));
    assert_eq!(count("processed") + count("dead_lettered"), 20);
}

/// Symptom: the demo ended with a panic where its progress could not be written.
#[test]
fn nobody_has_to_watch_its_progress() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["demo", "--orders", "20", "--seed", "7"])
        .stderr(full)
        .output()
        .expect("the binary of this package starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("Every order was processed or dead-lettered, once.\n"), "{said}");
}

#[test]
fn too_few_orders_are_a_wrong_command_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["demo", "--orders", "19"])
        .output()
        .expect("the binary of this package starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--orders"));
}
