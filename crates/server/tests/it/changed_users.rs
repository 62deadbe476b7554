//! Users that are changed while they are connected, and passwords of all lengths.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;

use millstream_server::Config;

use crate::client::{Client, command, memory, show, start};

/// Symptom: whoever set a password of 64 KiB ended their connection, in a transaction the server.
#[test]
fn a_password_of_any_length_is_taken_or_refused() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let long = "x".repeat(16 << 10);
    assert_eq!(client.shown(&format!("CONFIG SET requirepass {long}")), "OK");
    let mut other = Client::connect(&server);
    assert_eq!(other.shown(&format!("AUTH {long}")), "OK");
    let refused = "ERR CONFIG SET failed (possibly related to argument 'requirepass') - argument \
                   must have at most 16384 bytes";
    for length in [(16 << 10) + 1, 1 << 16, 1 << 20] {
        let set = format!("CONFIG SET requirepass {}", "y".repeat(length));
        assert_eq!(client.shown(&set), refused, "{length}");
        client.call("MULTI");
        client.call(&set);
        assert_eq!(client.shown("EXEC"), format!("[{refused}]"), "{length}");
    }
    assert_eq!(client.shown("CONFIG GET requirepass"), format!("[requirepass, {long}]"));
    // Of a file or a flag.
    let requirepass = Some("z".repeat(1 << 16));
    let server = start(Config { requirepass, ..memory() });
    assert!(Client::connect(&server).shown("PING").starts_with("NOAUTH"));
}

/// Symptom: a transaction went on with the rights of a user that it had deleted.
#[test]
fn nothing_runs_any_more_for_a_user_that_was_deleted() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("ACL SETUSER bob on >pw ~* +@all"), "OK");
    let mut bob = Client::connect(&server);
    assert_eq!(bob.shown("AUTH bob pw"), "OK");
    let lines = ["MULTI", "ACL DELUSER bob", "SET k 1", "EXEC"];
    bob.send_bytes(&lines.map(command).concat());
    for expected in ["OK", "QUEUED", "QUEUED"] {
        assert_eq!(show(&bob.read()), expected);
    }
    let done = show(&bob.read());
    assert!(done.starts_with("[1, NOPERM"), "{done}");
    assert_eq!(admin.shown("EXISTS k"), "0");
}

/// Symptom: who had connected while a password was wanted was asked for one for ever.
#[test]
fn a_connection_from_before_the_password_was_taken_away_needs_none() {
    let server = start(Config { requirepass: Some("pw".to_owned()), ..memory() });
    let mut early = Client::connect(&server);
    assert!(early.shown("PING").starts_with("NOAUTH"));
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("AUTH pw"), "OK");
    assert_eq!(admin.shown("ACL SETUSER default nopass"), "OK");
    assert_eq!(early.shown("PING"), "PONG");
}

/// Symptom: XREAD that may begin with COUNT only was ended by any change of rules, and one that
/// might no longer begin so waited on.
#[test]
fn a_waiting_read_goes_on_as_long_as_its_first_word_is_allowed() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("XGROUP CREATE s g $ MKSTREAM"), "OK");
    for (name, word, other, rest) in [
        ("xread", "count", "block", "9 BLOCK 0 STREAMS s $"),
        ("xread", "block", "count", "0 STREAMS s $"),
        ("xread", "MAXCOUNT", "block", "9 BLOCK 0 STREAMS s $"),
        ("xreadgroup", "group", "noack", "g STREAMS BLOCK 0 STREAMS s >"),
        ("xreadgroup", "noack", "group", "GROUP g c BLOCK 0 STREAMS s >"),
        ("xreadgroup", "BLOCK", "group", "0 GROUP g c STREAMS s >"),
    ] {
        let line = format!("{name} {word} {rest}");
        assert_eq!(admin.shown(&format!("ACL SETUSER u reset on nopass ~s +{name}|{word}")), "OK");
        assert_eq!(admin.shown("XGROUP SETID s g $"), "OK");
        let mut reader = Client::connect(&server);
        assert_eq!(reader.shown("AUTH u x"), "OK");
        reader.send(&line);
        admin.await_info("blocked_clients", "1");
        assert_eq!(admin.shown("ACL SETUSER somebody on"), "OK");
        admin.call("XADD s * f v");
        let read = show(&reader.read());
        assert!(read.contains("[f, v]"), "{line}: {read}");
        reader.send(&line);
        admin.await_info("blocked_clients", "1");
        assert_eq!(admin.shown(&format!("ACL SETUSER u -{name} +{name}|{other}")), "OK");
        let refused = format!("NOPERM User u has no permissions to run the '{name}' command");
        assert_eq!(show(&reader.read()), refused, "{line}");
    }
}

/// Symptom: MONITOR and others that were sent together with a slow command ran by the rules from
/// before it; who was a monitor by then stayed one.
#[test]
fn what_was_sent_behind_a_slow_command_is_judged_when_it_runs() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("users.acl");
    let users = "user default on nopass ~* +@all\nuser bob on nopass ~* +@all\n";
    fs::write(&path, users).expect("write");
    let server = start(Config { acl_file: Some(path.clone()), ..memory() });
    // Each has a thread of the server.
    let mut admin = Client::connect(&server);
    let mut bob = Client::connect(&server);
    assert_eq!(bob.shown("AUTH bob x"), "OK");
    // ACL LOAD takes until the pipe ends.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    fs::remove_file(&path).expect("remove");
    symlink(format!("/dev/fd/{}", reader.as_raw_fd()), &path).expect("a link");
    bob.send_bytes(&["ACL LOAD", "CLIENT SETNAME late", "MONITOR"].map(command).concat());
    // More than a pipe holds: once it is written, ACL LOAD reads.
    writer.write_all(&[b'\n'; 256 << 10]).expect("write");
    assert_eq!(admin.shown("ACL SETUSER bob -monitor -client|setname"), "OK");
    writer.write_all(b"nobody").expect("write");
    drop(writer);
    let loaded = show(&bob.read());
    assert!(loaded.ends_with("The users are as they were"), "{loaded}");
    for name in ["client|setname", "monitor"] {
        let refused = format!("NOPERM User bob has no permissions to run the '{name}' command");
        assert_eq!(show(&bob.read()), refused);
    }
}
