//! Limits on memory, as an operator meets them: a real process, bytes on sockets, and what the
//! operating system says the process takes.

#[path = "support/open_files.rs"]
mod open_files;
#[path = "support/process.rs"]
mod process;
#[path = "support/raw.rs"]
mod raw;

use std::time::{Duration, Instant};

use open_files::allow_files;
use process::Process;
use raw::{Raw, command, resident_bytes};

const LIMIT: Duration = Duration::from_secs(60);
const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
const MB: u64 = 1 << 20;

fn serve(arguments: &[&str]) -> Process {
    Process::start(|command| {
        command.args(["--memory", "--threads", "2"]).args(arguments);
    })
}

/// Adds entries of about a kilobyte until one is refused; returns the refusal.
fn fill(client: &mut Raw, key: &str) -> String {
    let one = command(&["XADD", key, "*", "f", &"x".repeat(1000)]);
    let batch = one.repeat(100);
    loop {
        client.send(&batch);
        let replies: Vec<String> = (0..100).map(|_| client.line_or_bulk()).collect();
        if let Some(refusal) = replies.into_iter().find(|reply| reply.starts_with('-')) {
            return refusal;
        }
    }
}

/// There is no event for memory that was given back.
fn await_success(client: &mut Raw, words: &[&str]) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let reply = client.call(words);
        if !reply.starts_with('-') {
            return;
        }
        assert!(reply.starts_with("-OOM"), "{reply}");
        assert!(Instant::now() < deadline, "{reply}");
    }
}

#[test]
fn above_maxmemory_what_takes_memory_is_refused_until_there_is_less() {
    let server = serve(&["--maxmemory=100mb"]);
    let mut client = Raw::connect(&server.address);
    client.call(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
    let mut queued = Raw::connect(&server.address);
    queued.call(&["MULTI"]);
    assert_eq!(queued.call(&["XADD", "s", "*", "f", "v"]), "+QUEUED\r\n");
    assert_eq!(fill(&mut client, "s"), OOM);
    let resident = resident_bytes(server.child.id());
    assert!(resident < 130 * MB, "{resident}");
    assert_eq!(client.info("limit_maxmemory"), "104857600");
    // Redis' own words, in a transaction too: queued before, queued now, and what takes nothing.
    let abort = "-EXECABORT Transaction discarded because of: OOM command not allowed when used \
                 memory > 'maxmemory'.\r\n";
    assert_eq!(queued.call(&["EXEC"]), abort);
    assert_eq!(queued.call(&["MULTI"]), "+OK\r\n");
    assert_eq!(queued.call(&["SET", "k", "v"]), OOM);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    assert_eq!(queued.call(&["EXEC"]), aborted);
    assert_eq!(queued.call(&["MULTI"]), "+OK\r\n");
    assert_eq!(queued.call(&["GET", "k"]), "+QUEUED\r\n");
    assert_eq!(queued.call(&["EXEC"]), "*1\r\n$-1\r\n");
    for denied in
        [&["SET", "k", "v"][..], &["XGROUP", "CREATE", "s", "h", "0"], &["COPY", "s", "t"]]
    {
        assert_eq!(client.call(denied), OOM, "{denied:?}");
    }
    // Workers go on.
    let read = client.call(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"]);
    assert!(read.starts_with("*1\r\n"), "{read}");
    let id = read.split("\r\n").find(|word| word.contains('-')).expect("an id").to_owned();
    assert_eq!(client.call(&["XACK", "s", "g", &id]), ":1\r\n");
    assert_eq!(client.call(&["XDEL", "s", &id]), ":1\r\n");
    assert_eq!(client.info("maxmemory_policy"), "noeviction");
    assert!(client.info("errorstat_OOM").starts_with("count="));
    client.call(&["XTRIM", "s", "MAXLEN", "0"]);
    await_success(&mut client, &["XADD", "s", "*", "f", "v"]);
}

#[test]
fn above_the_hard_limit_only_what_frees_memory_runs() {
    let server = serve(&["--maxmemory=80mb", "--maxmemory-hard=80mb"]);
    let mut client = Raw::connect(&server.address);
    client.call(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
    assert_eq!(fill(&mut client, "s"), OOM);
    assert_eq!(client.info("limit_maxmemory_hard_in_force"), "83886080");
    let read = ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"];
    let refused = client.call(&read);
    let expected = "-OOM command not allowed when used memory > 'maxmemory-hard': only commands \
                    that free memory are accepted\r\n";
    assert_eq!(refused, expected);
    assert_eq!(client.call(&["XACK", "s", "g", "1-1"]), ":0\r\n");
    assert_eq!(client.call(&["XDEL", "s", "1-1"]), ":0\r\n");
    assert_eq!(client.call(&["XSCHEDULE", "CANCEL", "s", "1-1"]), ":0\r\n");
    assert!(client.call(&["XDLQ", "PURGE", "s", "COUNT", "1"]).starts_with("*3\r\n"));
    assert!(client.call(&["XLEN", "s"]).starts_with(':'));
    assert!(!client.call(&["XTRIM", "s", "MAXLEN", "10"]).starts_with('-'));
    await_success(&mut client, &read);
}

/// It was let in while there was room.
#[test]
fn above_the_hard_limit_delayed_entries_dead_letters_and_waiting_readers_go_on() {
    let server = serve(&[]);
    let mut client = Raw::connect(&server.address);
    let mut readers = [Raw::connect(&server.address), Raw::connect(&server.address)];
    for words in [
        "XGROUP CREATE orders g 0 MKSTREAM CFG VISIBILITY 1000 MAXDELIVERIES 1 DEADLETTER dead",
        "XADD orders 1-1 f never-works",
        "XREADGROUP GROUP g c STREAMS orders >",
        "XGROUP CREATE dead h 0 MKSTREAM",
        "XGROUP CREATE later h 0 MKSTREAM",
        "XSCHEDULE ADD later DELAY 1000 f much-later",
    ] {
        let reply = client.call(&words.split(' ').collect::<Vec<_>>());
        assert!(!reply.starts_with('-'), "{words}: {reply}");
    }
    for (reader, stream) in readers.iter_mut().zip(["dead", "later"]) {
        let words = ["XREADGROUP", "GROUP", "h", "c", "BLOCK", "0", "STREAMS", stream, ">"];
        reader.send(&command(&words));
    }
    client.await_info("blocked_clients", "2", LIMIT);
    client.call(&["CONFIG", "SET", "maxmemory", "1mb", "maxmemory-hard", "1mb"]);
    let read = ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "orders", ">"];
    let deadline = Instant::now() + LIMIT;
    while !client.call(&read).contains("'maxmemory-hard'") {
        assert!(Instant::now() < deadline, "it is never above its limit");
    }
    for (reader, value) in readers.iter_mut().zip(["never-works", "much-later"]) {
        let served = reader.reply();
        assert!(served.contains(value), "{served}");
    }
    assert!(client.call(&read).contains("'maxmemory-hard'"), "it is not above its limit any more");
}

/// What is counted where the operating system's number says too much.
#[test]
fn what_is_counted_is_what_is_resident() {
    let server = serve(&[]);
    let mut client = Raw::connect(&server.address);
    let look = |client: &mut Raw, what: &str| {
        // As a limit that is exceeded, so that it is counted.
        client.call(&["CONFIG", "SET", "maxmemory", "1mb"]);
        let deadline = Instant::now() + LIMIT;
        loop {
            let (used, resident) = (client.number("used_memory"), client.number("used_memory_rss"));
            let share = used as f64 / resident as f64;
            if share >= 0.7 {
                println!("{what}: {used} counted of {resident} resident, {share:.2}");
                break;
            }
            assert!(Instant::now() < deadline, "{what}: {used} of {resident}: {share:.2}");
        }
        client.call(&["CONFIG", "SET", "maxmemory", "0"]);
    };
    look(&mut client, "nothing");
    let many = |client: &mut Raw, count: usize, one: &dyn Fn(usize) -> Vec<u8>| {
        for from in (0..count).step_by(500) {
            let batch: Vec<u8> = (from..from + 500).flat_map(one).collect();
            client.send(&batch);
            (0..500).for_each(|_| drop(client.line_or_bulk()));
        }
    };
    let value = "v".repeat(200);
    many(&mut client, 100_000, &|_| command(&["XADD", "s", "*", "field", &value]));
    look(&mut client, "entries");
    client.call(&["XGROUP", "CREATE", "s", "g", "0"]);
    for _ in 0..100 {
        client.call(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "1000", "STREAMS", "s", ">"]);
    }
    look(&mut client, "pending entries");
    many(&mut client, 100_000, &|n| command(&["SET", &format!("key {n}"), &value]));
    look(&mut client, "strings");
    many(&mut client, 30_000, &|n| command(&["XADD", &format!("stream {n}"), "*", "f", "v"]));
    look(&mut client, "streams");
    many(&mut client, 30_000, &|n| {
        command(&["XGROUP", "CREATECONSUMER", "s", "g", &format!("consumer {n}")])
    });
    look(&mut client, "consumers");
    client.call(&["FLUSHALL"]);
    // Freed, whatever the operating system says.
    client.call(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let deadline = Instant::now() + LIMIT;
    while client.number("used_memory") > 60 * MB {
        assert!(Instant::now() < deadline, "{}", client.number("used_memory"));
    }
}

/// Symptom: each reply had half a megabyte of compressed blocks in its hands, which were ten
/// megabytes once they were loaded: 16 GB for a thousand readers.
#[test]
fn a_thousand_readers_that_take_nothing_cost_little() {
    const READERS: usize = 1000;
    if !allow_files(READERS as u64 + 200) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let on_disk = Process::start(|command| {
        command.args(["--threads", "2", "--sync", "no", "--cache-mb", "4", "--dir"]);
        command.arg(directory.path());
    });
    for (server, bound_mb) in [(serve(&[]), 450), (on_disk, 1000)] {
        let mut good = Raw::connect(&server.address);
        let one = command(&["XADD", "s", "*", "f", &"x".repeat(1000)]);
        for _ in 0..200 {
            good.send(&one.repeat(100));
            (0..100).for_each(|_| drop(good.line_or_bulk()));
        }
        // 20 MB each time, 200 GB in all.
        let request = command(&["XRANGE", "s", "-", "+"]).repeat(10);
        let readers: Vec<Raw> = (0..READERS)
            .map(|_| {
                let mut reader = Raw::connect(&server.address);
                reader.send(&request);
                reader
            })
            .collect();
        // Looked at again and again: until all have been stopped by what they do not take.
        let mut peak = 0;
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            peak = peak.max(resident_bytes(server.child.id()));
            assert_eq!(good.call(&["PING"]), "+PONG\r\n");
        }
        println!("{} readers: {} MB", readers.len(), peak / MB);
        assert!(peak < bound_mb * MB, "{} MB", peak / MB);
        drop(readers);
        assert!(good.call(&["XLEN", "s"]).starts_with(":20000"));
    }
}

#[test]
fn one_reader_that_asks_for_gigabytes_and_takes_nothing_is_paused_then_closed() {
    let server = serve(&["--client-output-buffer-limit=normal 0 1 1"]);
    let mut good = Raw::connect(&server.address);
    let one = command(&["XADD", "s", "*", "f", &"x".repeat(1000)]);
    for _ in 0..200 {
        good.send(&one.repeat(100));
        (0..100).for_each(|_| drop(good.line_or_bulk()));
    }
    let before = resident_bytes(server.child.id());
    // 20 MB each: 7 GB.
    let mut greedy = Raw::connect(&server.address);
    greedy.send(&command(&["XRANGE", "s", "-", "+"]).repeat(350));
    let deadline = Instant::now() + LIMIT;
    while good.info("client_output_buffer_limit_disconnections") == "0" {
        let grown = resident_bytes(server.child.id()).saturating_sub(before);
        assert!(grown < 50 * MB, "{} MB", grown / MB);
        assert!(Instant::now() < deadline, "it is never closed");
    }
    good.await_info("connected_clients", "1", LIMIT);
    // Whoever reads slowly and reads is left alone.
    let mut slow = Raw::connect(&server.address);
    slow.send(&command(&["XRANGE", "s", "-", "+"]));
    let mut left = 15_000_000;
    while left > 0 {
        let taken = slow.read_some(700_000);
        assert!(taken > 0, "a slow reader is closed, {left} bytes too early");
        left -= taken.min(left);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(good.info("client_output_buffer_limit_disconnections"), "1");
}
