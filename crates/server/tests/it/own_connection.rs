//! Connections of the server's own process.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use millstream_server::Config;

use crate::client::{Client, LIMIT, memory, start};

/// As clients of the process wait for their answer.
fn ask(stream: &mut UnixStream, line: &str) -> String {
    stream.set_nonblocking(false).expect("set an option");
    stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
    stream.write_all(format!("{line}\r\n").as_bytes()).expect("send");
    read(stream)
}

fn read(stream: &mut UnixStream) -> String {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..count]).trim_end().to_owned()
}

#[test]
fn strangers_within_the_process_need_the_password_and_trusted_ones_do_not() {
    let server = start(Config { requirepass: Some("secret".to_owned()), ..memory() });
    let connector = server.connector();
    let mut stranger = connector.connect().expect("a connection");
    assert_eq!(ask(&mut stranger, "PING"), "-NOAUTH Authentication required.");
    assert_eq!(ask(&mut stranger, "AUTH secret"), "+OK");
    assert_eq!(ask(&mut stranger, "PING"), "+PONG");
    let mut trusted = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut trusted, "SET k v"), "+OK");
    let listed = ask(&mut trusted, "CLIENT LIST");
    assert_eq!(listed.matches("addr=millstream:0 laddr=millstream:0").count(), 2, "{listed}");
}

#[test]
fn a_trusted_connection_is_served_however_many_clients_there_are() {
    let server = start(Config { maxclients: 1, ..memory() });
    let connector = server.connector();
    let mut first = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut first, "PING"), "+PONG");
    let mut only = Client::connect(&server);
    assert_eq!(only.shown("PING"), "PONG", "the server's own takes nobody's place");
    let mut trusted = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut trusted, "PING"), "+PONG");
    let mut stranger = connector.connect().expect("a connection");
    stranger.set_nonblocking(false).expect("set an option");
    assert_eq!(read(&mut stranger), "-ERR max number of clients reached");
}

#[test]
fn a_server_that_stops_lets_go_of_them_and_makes_no_more() {
    let server = start(memory());
    let connector = server.connector();
    let mut trusted = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut trusted, "PING"), "+PONG");
    server.shutdown().expect("it stops although they are there");
    assert_eq!(trusted.read(&mut [0; 1]).expect("an end"), 0);
    let refused = connector.connect().expect_err("it stopped");
    assert_eq!(refused.kind(), ErrorKind::NotConnected);
}

/// Symptom: one that had logged in as `default` waited on, whatever `default` might do by then.
#[test]
fn a_trusted_connection_that_logs_in_is_judged_while_it_waits() {
    let server = start(Config { requirepass: Some("secret".to_owned()), ..memory() });
    let mut admin = Client::connect(&server);
    assert_eq!(admin.shown("AUTH secret"), "OK");
    let connector = server.connector();
    let mut trusted = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut trusted, "PING"), "+PONG");
    let mut known = connector.connect_trusted().expect("a connection");
    assert_eq!(ask(&mut known, "AUTH secret"), "+OK");
    for stream in [&mut trusted, &mut known] {
        stream.write_all(b"XREAD BLOCK 0 STREAMS s $\r\n").expect("send");
    }
    admin.await_info("blocked_clients", "2");
    assert_eq!(admin.shown("ACL SETUSER default -xread"), "OK");
    let refused = "-NOPERM User default has no permissions to run the 'xread' command";
    assert_eq!(read(&mut known), refused);
    assert_eq!(admin.shown("XADD s 1-1 f v"), "1-1");
    assert!(read(&mut trusted).contains("1-1"), "no rule is about it");
}
