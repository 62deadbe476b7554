//! Protocol, pipelining, CLIENT, HELLO, CONFIG, INFO.

use std::time::{Duration, Instant};

use crate::client::{Client, command, memory, show, start};

#[test]
fn a_pipeline_is_answered_in_order_however_it_is_cut() {
    let server = start(memory());
    let mut input = Vec::new();
    for number in 0..1000 {
        input.extend(command(&format!("ECHO {number}")));
        input.extend(command(&format!("XADD s {}-1 n {number}", number + 1)));
    }
    for piece in [input.len(), 1000, 7] {
        let mut client = Client::connect(&server);
        client.call("FLUSHALL");
        let mut sender = client.second_handle();
        let bytes = input.clone();
        // Sending all before reading anything would fill the buffers of both sides.
        let sending = std::thread::spawn(move || {
            bytes.chunks(piece).for_each(|bytes| sender.send_bytes(bytes));
        });
        for number in 0..1000 {
            assert_eq!(show(&client.read()), number.to_string());
            assert_eq!(show(&client.read()), format!("{}-1", number + 1));
        }
        sending.join().expect("everything was sent");
        assert_eq!(client.shown("XLEN s"), "1000");
    }
}

#[test]
fn inline_commands_and_empty_requests_are_understood() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.send_bytes(b"PING\r\n\r\n*0\r\n*-1\r\nECHO \"a b\"\n");
    assert_eq!(show(&client.read()), "PONG");
    assert_eq!(show(&client.read()), "a b");
}

#[test]
fn a_protocol_error_is_answered_after_what_came_before_and_closes() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.send_bytes(b"PING\r\n*1\r\nPING\r\nPING\r\n");
    assert_eq!(
        client.read_to_end(),
        b"+PONG\r\n-ERR Protocol error: expected '$', got 'P'\r\n".to_vec()
    );
}

#[test]
fn a_browser_is_shown_the_door() {
    let server = start(memory());
    for request in ["POST / HTTP/1.1\r\nHost: x\r\n\r\n", "PING\r\nHost: example\r\nPING\r\n"] {
        let mut client = Client::connect(&server);
        client.send_bytes(request.as_bytes());
        let answer = client.read_to_end();
        assert!(answer.is_empty() || answer == b"+PONG\r\n", "{request}");
    }
}

#[test]
fn who_stops_sending_still_gets_all_replies() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = millstream_server::Config {
        memory: false,
        directory: directory.path().to_path_buf(),
        ..memory()
    };
    let server = start(config);
    let mut client = Client::connect(&server);
    client.send("XADD s 1-1 a b");
    client.send("XADD s 2-1 a b");
    client.send("QUIT");
    client.finish_sending();
    assert_eq!(client.read_to_end(), b"$3\r\n1-1\r\n$3\r\n2-1\r\n+OK\r\n".to_vec());
}

#[test]
fn hello_switches_the_protocol_from_its_own_reply_on() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let bytes = [command("XREAD STREAMS s 0"), command("HELLO 3"), command("XREAD STREAMS s 0")];
    client.send_bytes(&bytes.concat());
    assert_eq!(client.read().to_bytes(), b"*-1\r\n");
    assert_eq!(client.read().field("proto").and_then(|proto| proto.as_int()), Some(3));
    assert_eq!(client.read().to_bytes(), b"_\r\n");
    assert_eq!(client.shown("RESET"), "RESET");
    assert_eq!(client.call("XREAD STREAMS s 0").to_bytes(), b"*-1\r\n");
    assert_eq!(client.shown("HELLO 4"), "NOPROTO unsupported protocol version");
}

#[test]
fn connections_describe_themselves_and_each_other() {
    let server = start(memory());
    let mut one = Client::connect(&server);
    let mut other = Client::connect(&server);
    assert_eq!(one.shown("CLIENT SETNAME worker-1"), "OK");
    assert_eq!(one.shown("CLIENT SETINFO LIB-NAME tests"), "OK");
    assert_eq!(one.shown("CLIENT GETNAME"), "worker-1");
    let id = one.id();
    let list = other.shown(&format!("CLIENT LIST ID {id}"));
    assert!(list.starts_with(&format!("id={id} ")) && list.contains(" name=worker-1 "), "{list}");
    assert!(list.contains(" lib-name=tests ") && list.contains(" cmd=client|id "), "{list}");
    assert_eq!(other.shown("CLIENT LIST").lines().count(), 2);
    assert_eq!(other.shown(&format!("CLIENT KILL ID {id}")), "1");
    assert!(one.read_to_end().is_empty());
    other.await_info("connected_clients", "1");
}

#[test]
fn databases_are_apart() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call("XADD s 1-1 a b");
    assert_eq!(client.shown("SELECT 5"), "OK");
    assert_eq!(client.shown("XLEN s"), "0");
    assert_eq!(client.shown("SELECT 16"), "ERR DB index is out of range");
    assert_eq!(client.info("db0"), "keys=1,expires=0,avg_ttl=0,subexpiry=0");
}

#[test]
fn settings_are_read_by_pattern_and_changed_all_or_none() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("CONFIG GET sav? appendonly"), "[appendonly, no, save, ]");
    assert_eq!(client.shown("CONFIG SET stream-node-max-entries 7 maxclients 50"), "OK");
    assert_eq!(
        client.shown("CONFIG SET stream-node-max-entries 9 port 1"),
        "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config"
    );
    assert_eq!(
        client.shown("CONFIG GET stream-node-max-entries maxclients"),
        "[maxclients, 50, stream-node-max-entries, 7]"
    );
    assert_eq!(
        client.shown("CONFIG SET nosuch 1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"
    );
}

#[test]
fn commands_and_errors_are_counted() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call("CONFIG RESETSTAT");
    for id in ["1-1", "2-1", "1-1"] {
        client.call(&format!("XADD s {id} a b"));
    }
    client.call("XADD s");
    let stat = client.info("cmdstat_xadd");
    assert!(stat.starts_with("calls=3,") && stat.ends_with(",rejected_calls=1,failed_calls=1"));
    assert_eq!(client.info("errorstat_ERR"), "count=2");
}

#[test]
fn waiting_for_replicas_ends_with_its_time() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("WAIT 0 0"), "0");
    let started = Instant::now();
    assert_eq!(client.shown("WAIT 1 30"), "0");
    assert!((30..1000).contains(&started.elapsed().as_millis()));
    client.send("WAIT 1 0");
    let mut other = Client::connect(&server);
    other.await_info("blocked_clients", "1");
    client.send("PING");
    assert!(client.is_silent_for(Duration::from_millis(30)));
    let list = other.shown("CLIENT LIST");
    let line = list.lines().find(|line| line.contains(" flags=b ")).expect("it is listed");
    let id = line.split(' ').next().and_then(|field| field.strip_prefix("id=")).expect("a number");
    assert_eq!(other.shown(&format!("CLIENT UNBLOCK {id}")), "1");
    assert_eq!(show(&client.read()), "0");
    assert_eq!(show(&client.read()), "PONG");
}
