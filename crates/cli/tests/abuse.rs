//! What hostile and broken clients do, while a good one works and measures how long it waits.
//!
//! The latencies are printed and not judged here: other tests run on the machine meanwhile.
//! `cargo xtask long abuse` runs it alone, each kind for `MILLSTREAM_ABUSE_SECONDS`, and judges
//! them (`MILLSTREAM_ABUSE_P99_MS`).

#[path = "support/open_files.rs"]
mod open_files;
#[path = "support/process.rs"]
mod process;
#[path = "support/raw.rs"]
mod raw;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use open_files::allow_files;
use process::Process;
use raw::{Raw, command, resident_bytes};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A server on a disk of its own.
struct Victim {
    process: Process,
    _directory: TempDir,
}

impl Victim {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let process = Process::start(|command| {
            command.args(["--threads", "2", "--sync", "no"]).args(arguments);
            command.arg("--dir").arg(directory.path());
        });
        Self { process, _directory: directory }
    }

    fn address(&self) -> &str {
        &self.process.address
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// How long each kind of abuse goes on.
fn duration() -> Duration {
    Duration::from_secs(number("MILLSTREAM_ABUSE_SECONDS").unwrap_or(1))
}

/// A worker that adds, reads and acknowledges until it is told to stop.
struct GoodClient {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl GoodClient {
    fn start(address: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, mut client) = (Arc::clone(&is_over), Raw::connect(address));
        let created = client.call(&["XGROUP", "CREATE", "good", "g", "0", "MKSTREAM"]);
        assert!(created == "+OK\r\n" || created.starts_with("-BUSYGROUP"), "{created}");
        let thread = thread::spawn(move || {
            let mut waits = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let read = ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "good", ">"];
                let mut timed = |words: &[&str]| {
                    let begun = Instant::now();
                    let reply = client.call(words);
                    waits.push(begun.elapsed());
                    reply
                };
                timed(&["XADD", "good", "MAXLEN", "~", "1000", "*", "f", "v"]);
                let entry = timed(&read);
                let id = entry.split("\r\n").find(|word| word.contains('-')).expect("an id");
                assert_eq!(timed(&["XACK", "good", "g", id]), ":1\r\n");
                thread::sleep(Duration::from_millis(1));
            }
            waits
        });
        Self { is_over, thread }
    }

    /// Prints how long it had to wait, and judges it where that is wanted.
    fn finish(self, what: &str) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("the good client was served");
        waits.sort_unstable();
        assert!(!waits.is_empty());
        let ms = |wait: Duration| wait.as_secs_f64() * 1000.0;
        let p99 = ms(waits[waits.len() * 99 / 100]);
        let max = ms(*waits.last().expect("not empty"));
        println!("{what}: {} calls, p99 {p99:.2} ms, max {max:.2} ms", waits.len());
        if let Some(limit) = number("MILLSTREAM_ABUSE_P99_MS") {
            assert!(p99 < limit as f64, "{what}: p99 {p99:.2} ms");
        }
    }
}

#[test]
fn random_bytes_and_half_commands() {
    let victim = Victim::start(&[]);
    let good = GoodClient::start(victim.address());
    let whole = command(&["XADD", "s", "*", "field", "a value of some length"]);
    let (begun, mut dice, mut rounds) = (Instant::now(), Rng::with_seed(7), 0);
    while begun.elapsed() < duration() || rounds < 200 {
        let Ok(mut bad) = Raw::try_connect(victim.address()) else { continue };
        let bytes: Vec<u8> = match rounds % 4 {
            0 => (0..dice.u16(..4000)).map(|_| dice.u8(..)).collect(),
            1 => whole[..dice.usize(..whole.len())].to_vec(),
            2 => format!("*{}\r\n${}\r\n", dice.u32(..3_000_000_000), dice.u64(..)).into_bytes(),
            _ => {
                let mut bytes = whole.repeat(5);
                let at = dice.usize(..bytes.len());
                bytes[at] = dice.u8(..);
                bytes
            }
        };
        // It may be gone before all is sent.
        let _ = bad.try_send(&bytes);
        rounds += 1;
    }
    good.finish("random bytes and half commands");
    let mut after = Raw::connect(victim.address());
    after.await_info("connected_clients", "1", LIMIT);
    println!("{rounds} connections, {} MB", resident_bytes(victim.process.child.id()) >> 20);
}

#[test]
fn eight_thousand_idle_connections() {
    const CONNECTIONS: usize = 8000;
    if !allow_files(CONNECTIONS as u64 + 200) {
        return;
    }
    let victim = Victim::start(&[]);
    let mut observer = Raw::connect(victim.address());
    let before = resident_bytes(victim.process.child.id());
    let good = GoodClient::start(victim.address());
    let idle: Vec<Raw> = (0..CONNECTIONS).map(|_| Raw::connect(victim.address())).collect();
    let all = (CONNECTIONS + 2).to_string();
    observer.await_info("connected_clients", &all, LIMIT);
    thread::sleep(duration());
    let grown = resident_bytes(victim.process.child.id()).saturating_sub(before);
    println!("{} idle connections take {} KB each", idle.len(), grown / CONNECTIONS as u64 / 1024);
    assert!(grown < 200 << 20, "{grown}");
    good.finish("8,000 idle connections");
    drop(idle);
    observer.await_info("connected_clients", "1", LIMIT);
}

#[test]
fn slow_senders() {
    const SENDERS: usize = 300;
    let victim = Victim::start(&[]);
    let good = GoodClient::start(victim.address());
    let mut senders: Vec<Raw> = (0..SENDERS).map(|_| Raw::connect(victim.address())).collect();
    let one = command(&["XADD", "slow", "*", "f", "v"]);
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < duration() || sent < 2 {
        for byte in &one {
            senders.iter_mut().for_each(|sender| sender.send(&[*byte]));
        }
        sent += 1;
        senders.iter_mut().for_each(|sender| assert!(sender.reply().starts_with('$')));
    }
    good.finish("slow senders");
    let mut after = Raw::connect(victim.address());
    assert_eq!(after.call(&["XLEN", "slow"]), format!(":{}\r\n", SENDERS * sent));
}

#[test]
fn blocked_readers_that_vanish() {
    const READERS: usize = 3000;
    if !allow_files(READERS as u64 + 200) {
        return;
    }
    let victim = Victim::start(&[]);
    let mut observer = Raw::connect(victim.address());
    observer.call(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
    let good = GoodClient::start(victim.address());
    let mut staying = Raw::connect(victim.address());
    let begun = Instant::now();
    loop {
        let readers: Vec<Raw> = (0..READERS)
            .map(|n| {
                let mut reader = Raw::connect(victim.address());
                let name = format!("c{n}");
                let words = ["XREADGROUP", "GROUP", "g", &name, "BLOCK", "0", "STREAMS", "s", ">"];
                reader.send(&command(&words));
                reader
            })
            .collect();
        observer.await_info("blocked_clients", &READERS.to_string(), LIMIT);
        drop(readers);
        observer.await_info("blocked_clients", "0", LIMIT);
        if begun.elapsed() >= duration() {
            break;
        }
    }
    // Nothing is delivered to those that are gone.
    let words = ["XREADGROUP", "GROUP", "g", "staying", "BLOCK", "0", "STREAMS", "s", ">"];
    staying.send(&command(&words));
    observer.await_info("blocked_clients", "1", LIMIT);
    observer.call(&["XADD", "s", "1-1", "f", "v"]);
    assert!(staying.reply().contains("1-1"));
    good.finish("blocked readers that vanish");
}

#[test]
fn reconnect_storms() {
    const STORMS: usize = 4;
    let victim = Victim::start(&[]);
    let good = GoodClient::start(victim.address());
    let begun = Instant::now();
    let storms: Vec<_> = (0..STORMS)
        .map(|storm| {
            let address = victim.address().to_owned();
            thread::spawn(move || {
                let mut count = 0;
                while begun.elapsed() < duration() || count < 200 {
                    let mut client = Raw::connect(&address);
                    // Some say something, some leave at once, some in the middle of a word.
                    match (count + storm) % 3 {
                        0 => assert_eq!(client.call(&["PING"]), "+PONG\r\n"),
                        1 => client.send(b"*1\r\n$4\r\nPI"),
                        _ => {}
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    let count: usize = storms.into_iter().map(|storm| storm.join().expect("it connects")).sum();
    good.finish("reconnect storms");
    println!("{count} connections");
    Raw::connect(victim.address()).await_info("connected_clients", "1", LIMIT);
}

/// Symptom that this looks for: accept in a loop that takes a whole processor, and a log that
/// cannot open its next segment. It could not once the dashboard's visitors had what was left.
#[test]
fn file_descriptors_are_used_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address_of = |process: &Process| process.address.clone();
    let process = Process::start_with("sh", |command: &mut Command| {
        let line = "ulimit -n 160; exec \"$0\" serve --port 0 --threads 1 --sync no \
                    --log-segment-kb 1024 --dir \"$1\"";
        command.args(["-c", line, env!("CARGO_BIN_EXE_millstream")]).arg(directory.path());
        command.env("MILLSTREAM_ADMIN_PORT", "0");
    });
    let address = address_of(&process);
    // More than are answered at a time; the others wait with the operating system.
    let admin = admin_address(&process);
    let connect = |_| TcpStream::connect(&admin).expect("connect to the dashboard");
    let silent: Vec<TcpStream> = (0..100).map(connect).collect();
    let mut good = Raw::connect(&address);
    let fit = good.number("maxclients");
    assert!(fit < 160, "{fit}");
    // All that may, and as many that may not.
    let mut others: Vec<Raw> = (0..2 * fit).map(|_| Raw::connect(&address)).collect();
    let refused = others.split_off(fit as usize - 1);
    for mut other in refused {
        assert_eq!(other.line_or_bulk(), "-ERR max number of clients reached\r\n");
    }
    // The log goes on: several segments, and a checkpoint.
    let one = command(&["XADD", "s", "*", "f", &"x".repeat(10_000)]);
    for _ in 0..50 {
        good.send(&one.repeat(10));
        (0..10).for_each(|_| assert!(good.line_or_bulk().starts_with('$')));
    }
    assert_eq!(good.info("millstream_log_prepare_status"), "ok");
    let before = processor_time(&process);
    thread::sleep(Duration::from_millis(500));
    let spent = processor_time(&process) - before;
    println!("processor time while all descriptors are in use: {spent:?} of 500 ms");
    drop((others, silent));
    // The other one is the dashboard's.
    let begun = Instant::now();
    while good.number("connected_clients") > 2 {
        assert!(begun.elapsed() < LIMIT, "clients that went away stay");
    }
    let healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = http(&admin, healthy.as_bytes(), false);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(Raw::connect(&address).call(&["PING"]), "+PONG\r\n");
}

/// User and system time of a process.
fn processor_time(process: &Process) -> Duration {
    let path = format!("/proc/{}/stat", process.child.id());
    let stat = std::fs::read_to_string(path).expect("it runs");
    let after_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Bytes that are no HTTP, and HTTP that is no request of ours, at the admin port.
#[test]
fn random_requests_at_the_admin_port() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let process = Process::start(|command| {
        command.args(["--sync", "no", "--dir"]).arg(directory.path());
        command.env("MILLSTREAM_ADMIN_PORT", "0");
    });
    let admin = admin_address(&process);
    let good = GoodClient::start(&process.address);
    let requests = [
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /api/streams?count=5&cursor=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /streams/a%2Fb%00/groups/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 11\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\npassword=%2",
        "POST /api/streams/s/entries HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"fields\":[[\"f\",\"v\\u00\"]]}",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ];
    let (begun, mut dice, mut rounds) = (Instant::now(), Rng::with_seed(3), 0);
    while begun.elapsed() < duration() || rounds < 300 {
        let mut bytes = requests[rounds % requests.len()].as_bytes().to_vec();
        for _ in 0..dice.u8(..6) {
            let at = dice.usize(..bytes.len());
            match dice.u8(..4) {
                0 => bytes[at] = dice.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.splice(at..at, b"%00%ff/../".iter().copied())),
                _ => bytes.insert(at, dice.choice(*b"\r\n: %?&=").expect("there are some")),
            }
        }
        http(&admin, &bytes, true);
        rounds += 1;
    }
    let healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = http(&admin, healthy.as_bytes(), false);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    println!("{rounds} requests");
    good.finish("random requests at the admin port");
}

/// Where its dashboard is.
fn admin_address(process: &Process) -> String {
    let line = process.first_lines.iter().find_map(|line| line.split_once("dashboard on http://"));
    line.expect("it says where its dashboard is").1.trim().to_owned()
}

/// Sends, ends its side if nobody knows whether that was all, and returns what comes back.
fn http(address: &str, request: &[u8], ends: bool) -> String {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
    let _ = stream.write_all(request);
    if ends {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "no end: {error}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}
