//! Connections through a Unix socket, in place of TCP or beside it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use millstream_server::{Config, Server, StartError};

use crate::client::{Client, LIMIT, command, memory, start};

fn at(path: &Path) -> Config {
    Config { unix_socket: Some(path.to_owned()), ..memory() }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.sock");
    (directory, path)
}

/// A connection through the socket; replies are read as lines.
struct Connection(BufReader<UnixStream>);

impl Connection {
    fn open(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connect");
        stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
        Self(BufReader::new(stream))
    }

    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(&command(line)).expect("send");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn call(&mut self, line: &str) -> String {
        self.send(line);
        self.line()
    }
}

#[test]
fn it_serves_like_tcp_and_is_told_apart() {
    let (_directory, path) = scratch();
    let server = start(at(&path));
    let mut tcp = Client::connect(&server);
    let mut unix = Connection::open(&path);
    assert_eq!(unix.call("SET k v"), "+OK");
    assert_eq!(tcp.shown("GET k"), "v");
    let ends = format!("addr={0}:0 laddr={0}:0 ", path.display());
    let id = unix.call("CLIENT ID")[1..].to_owned();
    let line = tcp.shown(&format!("CLIENT LIST ID {id}"));
    assert!(line.contains(&ends) && line.contains(" flags=U "), "{line}");
    assert!(!tcp.shown("CLIENT INFO").contains(&ends));
    let names = tcp.call("CONFIG GET unixsocket*");
    let names = names.as_slice().expect("two settings");
    assert_eq!(names[1].as_str(), path.to_str());
    assert_eq!(names[3].as_str(), Some("0"));
    // A reply larger than what a socket takes at once.
    let large = "x".repeat(3 << 20);
    assert_eq!(unix.call(&format!("SET large {large}")), "+OK");
    assert_eq!(unix.call("GET large"), format!("${}", large.len()));
    assert_eq!(unix.line(), large);
    let address = format!("{}:0", path.display());
    assert_eq!(tcp.shown(&format!("CLIENT KILL ADDR {address}")), "1");
    assert_eq!(unix.0.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn without_addresses_it_is_the_only_way_in() {
    let (_directory, path) = scratch();
    let server = start(Config { bind: Vec::new(), ..at(&path) });
    assert!(server.addresses().is_empty());
    assert_eq!(Connection::open(&path).call("PING"), "+PONG");
    let nothing = Server::start(Config { bind: Vec::new(), ..memory() });
    assert!(matches!(nothing, Err(StartError::NoAddress)));
}

#[test]
fn its_file_has_its_permissions_and_goes_at_the_end() {
    let (_directory, path) = scratch();
    let server = start(Config { unix_socket_permissions: Some(0o700), ..at(&path) });
    let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut unix = Connection::open(&path);
    unix.send("SHUTDOWN");
    server.wait().expect("an orderly end");
    assert!(!path.exists());
}

#[test]
fn only_a_dead_socket_is_replaced() {
    let (directory, path) = scratch();
    let server = start(at(&path));
    assert!(matches!(Server::start(at(&path)), Err(StartError::UnixSocketInUse { .. })));
    assert_eq!(Connection::open(&path).call("PING"), "+PONG", "the first one lives on");
    drop(server);
    drop(UnixListener::bind(&path).expect("bind"));
    drop(start(at(&path)));
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").expect("write");
    assert!(matches!(Server::start(at(&file)), Err(StartError::NoSocket { .. })));
    assert!(file.exists());
}

#[test]
fn one_connection_too_many_is_told_so() {
    let (_directory, path) = scratch();
    let server = start(Config { maxclients: 1, ..at(&path) });
    let mut tcp = Client::connect(&server);
    assert_eq!(tcp.shown("PING"), "PONG");
    assert_eq!(Connection::open(&path).line(), "-ERR max number of clients reached");
}
