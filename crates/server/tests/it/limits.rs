//! What a client may not do: strangers, floods, slow readers.

use millstream_server::{Config, Server, StartError};

use crate::client::{Client, command, memory, show, start};

#[test]
fn before_the_password_only_four_commands_run() {
    let server = start(Config { requirepass: Some("secret".to_owned()), ..memory() });
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("PING"), "NOAUTH Authentication required.");
    assert_eq!(client.shown("MULTI"), "NOAUTH Authentication required.");
    assert_eq!(
        client.shown("EXEC"),
        "EXECABORT Transaction discarded because of: NOAUTH Authentication required."
    );
    assert_eq!(client.shown("PING a b c").split(' ').next(), Some("NOAUTH"));
    assert_eq!(client.shown("ECHO"), "ERR wrong number of arguments for 'echo' command");
    assert_eq!(client.shown("NOSUCH"), "ERR unknown command 'NOSUCH'");
    assert!(client.shown("HELLO 3").starts_with("NOAUTH HELLO must be called"));
    assert!(client.shown("AUTH wrong").starts_with("WRONGPASS "));
    assert!(client.shown("AUTH other secret").starts_with("WRONGPASS "));
    // What is pipelined behind the password is judged after it.
    let large = "x".repeat(20_000);
    client.send_bytes(&[command("AUTH secret"), command(&format!("ECHO {large}"))].concat());
    assert_eq!(show(&client.read()), "OK");
    assert_eq!(show(&client.read()), large);
    assert_eq!(client.shown("RESET"), "RESET");
    assert_eq!(client.shown("PING"), "NOAUTH Authentication required.");
    let hello = client.call("HELLO 2 AUTH default secret SETNAME me");
    assert_eq!(hello.as_slice().map(<[_]>::len), Some(14));
    assert_eq!(client.shown("PING"), "PONG");
}

#[test]
fn strangers_may_not_send_much() {
    let server = start(Config { requirepass: Some("secret".to_owned()), ..memory() });
    for (request, text) in [
        (format!("ECHO {}", "x".repeat(20_000)), "unauthenticated bulk length"),
        ("AUTH 1 2 3 4 5 6 7 8 9 10 11".to_owned(), "unauthenticated multibulk length"),
    ] {
        let mut client = Client::connect(&server);
        client.send(&request);
        let answer = client.read_to_end();
        assert_eq!(answer, format!("-ERR Protocol error: {text}\r\n").into_bytes());
    }
}

/// Symptom: how many arguments a command may have could not be set.
#[test]
fn a_command_has_no_more_arguments_than_the_setting_allows() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert!(client.shown("CONFIG SET proto-max-array-len 1023").starts_with("ERR CONFIG SET"));
    assert_eq!(client.shown("CONFIG SET proto-max-array-len 1024"), "OK");
    let with = |arguments: usize| format!("DEL{}", " k".repeat(arguments - 1));
    assert_eq!(client.shown(&with(1024)), "0");
    client.send(&with(1025));
    assert_eq!(client.read_to_end(), b"-ERR Protocol error: invalid multibulk length\r\n");
    assert_eq!(Client::connect(&server).info("limit_proto_max_array_len"), "1024");
}

#[test]
fn an_open_address_needs_a_password() {
    let open = || Config { bind: vec!["0.0.0.0".parse().expect("an address")], ..memory() };
    let refused = Server::start(open());
    assert!(matches!(refused, Err(StartError::Unprotected { .. })));
    let empty = Server::start(Config { requirepass: Some(String::new()), ..open() });
    assert!(matches!(empty, Err(StartError::Unprotected { .. })));
}

#[test]
fn a_port_in_use_is_reported() {
    let server = start(memory());
    let port = server.addresses()[0].port();
    let second = Server::start(Config { port: Some(port), ..memory() });
    assert!(matches!(second, Err(StartError::Bind { .. })));
}

#[test]
fn one_connection_too_many_is_told_so() {
    let server = start(Config { maxclients: 2, ..memory() });
    let mut first = Client::connect(&server);
    assert_eq!(first.shown("PING"), "PONG");
    let mut second = Client::connect(&server);
    assert_eq!(second.shown("PING"), "PONG");
    let mut third = Client::connect(&server);
    assert_eq!(third.read_to_end(), b"-ERR max number of clients reached\r\n".to_vec());
    drop(second);
    first.await_info("connected_clients", "1");
    assert_eq!(Client::connect(&server).shown("PING"), "PONG");
    assert_eq!(first.info("rejected_connections"), "1");
}

#[test]
fn a_slow_reader_costs_little_and_gets_everything() {
    const ENTRIES: usize = 400;
    const READS: usize = 20;
    let server = start(memory());
    let mut writer = Client::connect(&server);
    let value = "v".repeat(10_000);
    for id in 1..=ENTRIES {
        writer.send(&format!("XADD s {id}-1 f {value}"));
    }
    (0..ENTRIES).for_each(|_| drop(writer.read()));
    // 80 MB of replies.
    let mut slow = Client::connect(&server);
    let id = slow.id();
    (0..READS).for_each(|_| slow.send("XRANGE s - +"));
    slow.send("PING");
    assert!(await_buffered(&mut writer, id) < 1 << 20);
    for _ in 0..READS {
        let reply = slow.read();
        let entries = reply.as_slice().expect("entries");
        assert_eq!(entries.len(), ENTRIES);
        assert!(show(&entries[ENTRIES - 1]).starts_with(&format!("[{ENTRIES}-1, [f, vvv")));
    }
    assert_eq!(show(&slow.read()), "PONG");
}

/// Symptom: replies of a batch were encoded together, so 256 small requests for a large value cost
/// 256 times its size, and EXEC's reply was encoded whole.
#[test]
fn a_batch_of_requests_for_large_values_costs_little() {
    const READS: usize = 200;
    const BYTES: usize = 200_000;
    let server = start(memory());
    let mut writer = Client::connect(&server);
    writer.call(&format!("SET large {}", "v".repeat(BYTES)));
    let one = command("GET large");
    let queued = [command("MULTI"), one.repeat(READS), command("EXEC")].concat();
    for requests in [one.repeat(READS), queued] {
        let is_queued = requests.len() > one.len() * READS;
        let mut slow = Client::connect(&server);
        let id = slow.id();
        slow.send_bytes(&requests);
        // Less than 1 MiB before a batch, which ends with the reply that makes it 1 MiB more.
        assert!(await_buffered(&mut writer, id) < (2 << 20) + BYTES + (1 << 16));
        let replies = if is_queued {
            (0..=READS).for_each(|_| drop(slow.read()));
            slow.read().as_slice().expect("EXEC answers all").to_vec()
        } else {
            (0..READS).map(|_| slow.read()).collect()
        };
        assert_eq!(replies.len(), READS);
        assert!(replies.iter().all(|reply| reply.as_bytes().map(<[u8]>::len) == Some(BYTES)));
        assert_eq!(slow.shown("PING"), "PONG");
    }
}

/// Waits until the client has replies to take that do not fit its socket; returns their bytes.
fn await_buffered(observer: &mut Client, id: i64) -> usize {
    let deadline = std::time::Instant::now() + crate::client::LIMIT;
    loop {
        let line = observer.shown(&format!("CLIENT LIST ID {id}"));
        let field = line.split(' ').find_map(|field| field.strip_prefix("omem="));
        let bytes: usize = field.and_then(|bytes| bytes.parse().ok()).expect("a number");
        if bytes > 0 {
            return bytes;
        }
        assert!(std::time::Instant::now() < deadline, "the reader is never slow");
    }
}

#[test]
fn a_flood_without_reading_is_stopped_and_resumed() {
    const ECHOS: usize = 3000;
    let server = start(memory());
    let mut client = Client::connect(&server);
    let request = command(&format!("ECHO {}", "e".repeat(4000)));
    let mut sender = client.second_handle();
    let sending = std::thread::spawn(move || {
        (0..ECHOS).for_each(|_| sender.send_bytes(&request));
    });
    for _ in 0..ECHOS {
        assert_eq!(client.read().as_bytes().map(<[u8]>::len), Some(4000));
    }
    sending.join().expect("everything was sent");
}
