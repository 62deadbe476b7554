//! CLIENT REPLY. What it does command by command is in the scenarios; here, what they cannot see.

use crate::client::{Client, command, memory, show, start};

fn pipelined(client: &mut Client, lines: &[&str]) {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| command(line)).collect();
    client.send_bytes(&bytes);
}

#[test]
fn replies_are_dropped_within_a_batch_as_between_batches() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    pipelined(
        &mut client,
        &["ECHO a", "CLIENT REPLY OFF", "ECHO b", "NOSUCH", "CLIENT REPLY ON", "ECHO c"],
    );
    assert_eq!(show(&client.read()), "a");
    assert_eq!(show(&client.read()), "OK");
    assert_eq!(show(&client.read()), "c");
    pipelined(&mut client, &["CLIENT REPLY SKIP", "ECHO a", "ECHO b"]);
    assert_eq!(show(&client.read()), "b");
}

#[test]
fn large_replies_are_dropped_without_a_trace() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call(&format!("SET k {}", "v".repeat(1 << 20)));
    pipelined(&mut client, &["CLIENT REPLY OFF", "GET k", "GET k", "CLIENT REPLY ON", "PING"]);
    assert_eq!(show(&client.read()), "OK");
    assert_eq!(show(&client.read()), "PONG");
}

#[test]
fn a_protocol_error_is_not_answered_either() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.send_bytes(&[command("CLIENT REPLY OFF"), b"*1\r\n$-5\r\n".to_vec()].concat());
    assert!(client.read_to_end().is_empty());
}

#[test]
fn within_exec_it_has_a_place_in_the_reply_and_works_after_it() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    pipelined(&mut client, &["MULTI", "CLIENT REPLY OFF", "ECHO a", "EXEC", "PING"]);
    (0..3).for_each(|_| drop(client.read()));
    assert_eq!(show(&client.read()), "[OK, a]");
    assert_eq!(client.shown("CLIENT REPLY ON"), "OK");
}
