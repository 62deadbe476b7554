//! `millstream serve` as an operator meets it: what it says, what it refuses, how it ends.

#[path = "support/process.rs"]
mod process;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use process::Process;
use redis::{Client, Connection, TypedCommands as _, cmd, pipe};
use rustix::process::Signal;
use tempfile::TempDir;

const REPLY_LIMIT: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn serve_in(directory: &Path, arguments: &[&str]) -> Process {
    Process::start(|command| {
        command.args(arguments).arg("--dir").arg(directory);
    })
}

/// Runs a command line that is to be refused.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .arg("serve")
        .env("MILLSTREAM_ADMIN_PORT", "off")
        .args(arguments)
        .output()
        .expect("the binary of this package starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn connect(address: &str) -> Connection {
    let client = Client::open(format!("redis://{address}/")).expect("a well-formed URL");
    let connection = client.get_connection_with_timeout(REPLY_LIMIT).expect("the server accepts");
    connection.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    connection
}

/// Adds entries in batches until the connection breaks; how many were acknowledged.
fn write_until_the_end(address: &str, stream: &str, first_reply: &mpsc::Sender<()>) -> usize {
    let mut connection = connect(address);
    let mut acknowledged = 0;
    loop {
        let mut batch = pipe();
        for _ in 0..20 {
            batch.cmd("XADD").arg(stream).arg("*").arg("f").arg("v");
        }
        let Ok(ids) = batch.query::<Vec<String>>(&mut connection) else { return acknowledged };
        acknowledged += ids.len();
        let _ = first_reply.send(());
    }
}

#[test]
fn sigterm_under_load_keeps_what_was_acknowledged_in_every_mode() {
    for sync in ["always", "everysec", "no"] {
        let directory = scratch();
        let mut process = serve_in(directory.path(), &["--sync", sync]);
        let (sender, receiver) = mpsc::channel();
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let (address, sender) = (process.address.clone(), sender.clone());
                thread::spawn(move || write_until_the_end(&address, &format!("s{number}"), &sender))
            })
            .collect();
        for _ in 0..WRITERS * 10 {
            receiver.recv_timeout(REPLY_LIMIT).expect("the writers get on");
        }
        process.stop();
        let acknowledged: Vec<_> =
            writers.into_iter().map(|writer| writer.join().expect("a writer ends")).collect();

        let process = serve_in(directory.path(), &["--sync", sync]);
        let mut connection = connect(&process.address);
        for (number, acknowledged) in acknowledged.into_iter().enumerate() {
            let stored = connection.xlen(format!("s{number}")).expect("XLEN");
            assert!(stored >= acknowledged, "--sync {sync}: {stored} of {acknowledged} are there");
        }
    }
}

#[test]
fn a_repeated_sigterm_does_not_cut_the_orderly_end_short() {
    let directory = scratch();
    let mut process = serve_in(directory.path(), &["--sync", "no"]);
    cmd("SET").arg("k").arg("v").exec(&mut connect(&process.address)).expect("SET");
    // Some process managers signal the process and its group.
    let twice = format!("kill -TERM {0}; kill -TERM {0}; true", process.child.id());
    Command::new("sh").args(["-c", &twice]).status().expect("a shell starts");
    assert_eq!(process.ended().code(), Some(0));
    let process = serve_in(directory.path(), &[]);
    let value = connect(&process.address).get("k").expect("GET");
    assert_eq!(value.as_deref(), Some("v"));
}

#[test]
fn it_says_where_the_data_is_and_warns_of_a_new_store_only() {
    let directory = scratch();
    let start = || {
        Process::start(|command| {
            command.current_dir(directory.path()).args(["--dir", "data"]);
        })
    };
    let path = directory.path().join("data");
    let says = |process: &Process, words: &str| {
        process.first_lines.iter().any(|line| line.contains(words))
    };
    let mut process = start();
    assert!(says(&process, &format!("data is in {}", path.display())), "{:?}", process.first_lines);
    assert!(says(&process, "a new, empty one was created"), "{:?}", process.first_lines);
    process.signal(Signal::INT);
    assert_eq!(process.ended().code(), Some(0));
    let process = start();
    assert!(says(&process, "replayed "), "{:?}", process.first_lines);
    assert!(!says(&process, "a new, empty one was created"), "{:?}", process.first_lines);
}

#[test]
fn a_directory_has_one_server() {
    let directory = scratch();
    let process = serve_in(directory.path(), &[]);
    let (code, said) = refused(&["--port", "0", "--dir", text(directory.path())]);
    assert_eq!(code, Some(1), "{said}");
    let reason = format!("is in use by process {}", process.child.id());
    assert!(said.contains(text(directory.path())) && said.contains(&reason), "{said}");
}

#[test]
fn a_port_has_one_server() {
    let directory = scratch();
    let process = serve_in(directory.path(), &[]);
    let (_, port) = process.address.split_once(':').expect("host and port");
    let other = directory.path().join("other");
    let (code, said) = refused(&["--port", port, "--dir", text(&other)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {}", process.address)), "{said}");
    assert!(!other.exists(), "a server that cannot listen makes no store");
}

#[test]
fn what_others_can_reach_wants_a_password() {
    let directory = scratch();
    let store = directory.path().join("store");
    let (code, said) =
        refused(&["--bind", "0.0.0.0", "--port", "0", "--dir", text(&store), "--sync", "no"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("0.0.0.0") && said.contains("--requirepass"), "{said}");
    assert!(!store.exists(), "a refused server makes no store");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let directory = scratch();
    let file = directory.path().join("millstream.toml");
    std::fs::write(&file, "port = 0\nprot = 1\n").expect("write the file");
    let (code, said) = refused(&["--config", text(&file)]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`prot`") && said.contains("line 2"), "{said}");

    let missing = directory.path().join("missing.toml");
    let (code, said) = refused(&["--config", text(&missing)]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("missing.toml"), "{said}");

    let (code, said) = refused(&["--sync", "sometimes"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("sometimes"), "{said}");
}

#[test]
fn in_memory_nothing_is_stored_and_it_says_so() {
    let directory = scratch();
    let mut process = Process::start(|command| {
        command.current_dir(directory.path()).arg("--memory");
    });
    assert!(process.first_lines.iter().any(|line| line.contains("nothing is stored")));
    cmd("SET").arg("k").arg("v").exec(&mut connect(&process.address)).expect("SET");
    process.stop();
    let left = std::fs::read_dir(directory.path()).expect("list the directory").count();
    assert_eq!(left, 0, "no file is written");
}

/// What a supervisor is told, up to a message that holds this.
fn told_until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| {
            panic!("{wanted} is not told: {error}; {all:?}");
        });
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if all.last().is_some_and(|last| last.contains(wanted)) {
            return all;
        }
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let directory = scratch();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    let mut process = Process::start(|command| {
        command.env("NOTIFY_SOCKET", &path).arg("--dir").arg(directory.path().join("data"));
    });
    let told = told_until(&socket, "READY=1");
    let (last, before) = told.split_last().expect("something was told");
    assert!(before.iter().all(|it| it.contains("EXTEND_TIMEOUT_USEC=30000000")), "{told:?}");
    assert!(before[0].contains("STATUS=reads its data, 0 s so far"), "{told:?}");
    assert!(last.contains(&format!("STATUS=listening on {}", process.address)), "{told:?}");
    process.signal(Signal::TERM);
    let told = told_until(&socket, "STOPPING=1");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(process.ended().code(), Some(0));
}

/// A server with a password whose log goes there, once it runs.
fn serve_logging_to(directory: &Path, log: impl Into<Stdio>, format: &str) -> Process {
    let path = directory.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
    let child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["serve", "--port", "0", "--requirepass", "right", "--log-format", format, "--dir"])
        .arg(directory.join("data"))
        .env("MILLSTREAM_ADMIN_PORT", "off")
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary of this package starts");
    let mut process = Process::unheard(child);
    let told = told_until(&socket, "READY=1").pop().expect("something was told");
    let port = told.split_once("listening on 127.0.0.1:").expect("an address").1;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    process.address = format!("127.0.0.1:{port}");
    process
}

fn answers_while_wrong_passwords_are_tried(process: &mut Process) {
    let at = |password: &str| format!("redis://:{password}@{}/", process.address);
    for _ in 0..3 {
        let client = Client::open(at("wrong")).expect("a well-formed URL");
        let refused = client.get_connection_with_timeout(REPLY_LIMIT).err().expect("it is wrong");
        assert!(refused.to_string().contains("uthentication"), "{refused}");
    }
    let client = Client::open(at("right")).expect("a well-formed URL");
    let mut connection = client.get_connection_with_timeout(REPLY_LIMIT).expect("it goes on");
    connection.set("k", "v").expect("SET");
    process.stop();
}

/// Symptom: a log line that did not fit on a full disk ended the server (SIGABRT).
#[test]
fn a_log_on_a_full_disk_does_not_end_the_server() {
    for format in ["text", "json"] {
        let directory = scratch();
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
        let mut process = serve_logging_to(directory.path(), full, format);
        answers_while_wrong_passwords_are_tried(&mut process);
    }
}

/// Symptom: a server whose log nobody read any more ended with its next line (SIGABRT).
#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_server() {
    for format in ["text", "json"] {
        let directory = scratch();
        let mut process = serve_logging_to(directory.path(), Stdio::piped(), format);
        drop(process.child.stderr.take());
        answers_while_wrong_passwords_are_tried(&mut process);
    }
}
