//! Users that are changed while they are connected, and passwords of all lengths.

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
