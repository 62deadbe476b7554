//! SLOWLOG, and the time that commands are counted with.

use millstream_server::Config;

use crate::client::{Client, command, memory, show, start};

fn logging_all() -> Config {
    Config { slowlog_slower_than_us: 0, ..memory() }
}

/// The arguments of the entries, the newest first.
fn logged(client: &mut Client) -> Vec<String> {
    let entries = client.call("SLOWLOG GET -1");
    let args = |entry: &millstream_resp::Value| show(&entry.as_slice().expect("an entry")[3]);
    entries.as_slice().expect("entries").iter().map(args).collect()
}

#[test]
fn what_runs_is_logged_and_what_is_refused_is_not() {
    let server = start(logging_all());
    let mut client = Client::connect(&server);
    for line in ["CLIENT SETNAME me", "SLOWLOG RESET", "XADD s 1-1 a b", "XADD s", "NOSUCH"] {
        client.call(line);
    }
    assert_eq!(logged(&mut client), ["[XADD, s, 1-1, a, b]", "[SLOWLOG, RESET]"]);
    assert_eq!(client.shown("SLOWLOG LEN"), "3");
    let entry = client.call("SLOWLOG GET 1");
    let fields = entry.as_slice().expect("entries")[0].as_slice().expect("six fields");
    assert!(show(&fields[4]).starts_with("127.0.0.1:"));
    assert_eq!((show(&fields[3]), show(&fields[5])), ("[SLOWLOG, LEN]".into(), "me".into()));
}

#[test]
fn a_transaction_is_logged_by_its_commands() {
    let server = start(logging_all());
    let mut client = Client::connect(&server);
    for line in ["SLOWLOG RESET", "MULTI", "XADD s 1-1 a b", "XLEN s", "EXEC", "EXEC"] {
        client.call(line);
    }
    let expected = ["[XLEN, s]", "[XADD, s, 1-1, a, b]", "[MULTI]", "[SLOWLOG, RESET]"];
    assert_eq!(logged(&mut client), expected);
    let exec = client.info("cmdstat_exec");
    assert!(exec.starts_with("calls=2,") && exec.ends_with(",failed_calls=1"), "{exec}");
    assert!(client.info("cmdstat_xlen").starts_with("calls=1,"));
}

#[test]
fn queued_commands_that_never_run_are_not_counted() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["MULTI", "XADD s 1-1 a b", "DISCARD"] {
        client.call(line);
    }
    assert!(!client.shown("INFO commandstats").contains("cmdstat_xadd"));
}

#[test]
fn a_wait_counts_when_it_ends_and_without_its_time() {
    let server = start(logging_all());
    let mut client = Client::connect(&server);
    let mut waiter = Client::connect(&server);
    waiter.send("XREAD BLOCK 60 STREAMS s $");
    client.await_info("blocked_clients", "1");
    assert!(!client.shown("INFO commandstats").contains("cmdstat_xread"));
    assert_eq!(show(&waiter.read()), "nil");
    let stat = client.info("cmdstat_xread");
    let usec = stat.split(',').find_map(|field| field.strip_prefix("usec="));
    let usec: u64 = usec.and_then(|text| text.parse().ok()).expect("a number");
    assert!(stat.starts_with("calls=1,") && usec < 50_000, "{stat}");
    assert!(logged(&mut client).contains(&"[XREAD, BLOCK, 60, STREAMS, s, $]".to_owned()));
}

/// In a long pipeline fast commands share one look at the clock, and a slow one is found still.
#[test]
fn a_slow_command_in_a_pipeline_is_found() {
    const ENTRIES: usize = 300_000;
    let server = start(Config { slowlog_slower_than_us: 10_000, ..memory() });
    let mut client = Client::connect(&server);
    let mut sender = client.second_handle();
    let sending = std::thread::spawn(move || {
        let add = |number| command(&format!("XADD s {number}-1 f v"));
        (0..ENTRIES / 100).for_each(|hundred| {
            let adds: Vec<Vec<u8>> = (0..100).map(|one| add(hundred * 100 + one)).collect();
            sender.send_bytes(&adds.concat());
        });
    });
    (0..ENTRIES).for_each(|_| drop(client.read()));
    sending.join().expect("everything was sent");
    client.call("SLOWLOG RESET");
    let before = command("XADD t * f v").repeat(21);
    let ids: Vec<String> = (0..ENTRIES).map(|number| format!("{number}-1")).collect();
    let slow = command(&format!("XDEL s {}", ids.join(" ")));
    let quick = command("XDEL s 0-5").repeat(11);
    client.send_bytes(&[&before[..], &quick, &slow, &quick, &before].concat());
    (0..21 + 11 + 1 + 11 + 21).for_each(|_| drop(client.read()));
    let found = logged(&mut client);
    assert!(found.iter().all(|args| args.starts_with("[XDEL, s, 0-1, 1-1, ")), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    let calls = client.info("cmdstat_xdel");
    assert!(calls.starts_with("calls=23,"), "{calls}");
}
