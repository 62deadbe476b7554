//! LATENCY and MEMORY.

use millstream_server::Config;

use crate::client::{Client, command, memory, show, start};

/// Makes a command take some milliseconds.
fn run_slowly(client: &mut Client) {
    const ENTRIES: usize = 100_000;
    let add = |number| command(&format!("XADD slow {number}-1 f v"));
    let ids: Vec<String> = (0..ENTRIES).map(|number| format!("{number}-1")).collect();
    let mut sender = client.second_handle();
    let sending = std::thread::spawn(move || {
        (1..=ENTRIES / 100).for_each(|hundred| {
            let adds: Vec<Vec<u8>> = (0..100).map(|one| add(hundred * 100 + one)).collect();
            sender.send_bytes(&adds.concat());
        });
    });
    (0..ENTRIES).for_each(|_| drop(client.read()));
    sending.join().expect("everything was sent");
    client.call(&format!("XDEL slow {}", ids.join(" ")));
    client.call("DEL slow");
}

#[test]
fn slow_commands_leave_samples_until_they_are_reset() {
    let server = start(Config { latency_threshold_ms: 1, ..memory() });
    let mut client = Client::connect(&server);
    run_slowly(&mut client);
    let latest = client.call("LATENCY LATEST");
    let events = latest.as_slice().expect("events");
    let event = events.iter().find(|event| show(event).starts_with("[fast-command, "));
    let row = event.expect("XDEL is said to be fast").as_slice().expect("four fields");
    assert_eq!(row.len(), 4);
    let worst = row[3].as_int().expect("a number");
    assert!(worst >= 1 && row[2].as_int().is_some_and(|last| last <= worst));
    let history = client.call("LATENCY HISTORY fast-command");
    assert!(!history.as_slice().expect("samples").is_empty());
    let graph = client.shown("LATENCY GRAPH fast-command");
    assert!(graph.starts_with("fast-command - high "), "{graph}");
    let doctor = client.shown("LATENCY DOCTOR");
    assert!(doctor.contains("fast-command: "), "{doctor}");
    assert_eq!(client.shown("LATENCY RESET fast-command nosuch"), "1");
    assert_eq!(client.shown("LATENCY HISTORY fast-command"), "[]");
    let gone = "ERR No samples available for event 'fast-command'";
    assert_eq!(client.shown("LATENCY GRAPH fast-command"), gone);
}

#[test]
fn histograms_are_of_calls_and_have_subcommands() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["XGROUP CREATE s g $ MKSTREAM", "XADD s 1-1 a b", "XADD s 2-1 a b"] {
        client.call(line);
    }
    for names in ["xadd", "XADD nosuch xrange"] {
        let shown = client.shown(&format!("LATENCY HISTOGRAM {names}"));
        assert!(shown.starts_with("[xadd, [calls, 2, histogram_usec, ["), "{shown}");
        assert!(shown.ends_with(", 2]]]"), "{shown}");
    }
    let shown = client.shown("LATENCY HISTOGRAM xgroup");
    assert!(shown.starts_with("[xgroup|create, [calls, 1, "), "{shown}");
    client.call("CONFIG RESETSTAT");
    assert_eq!(client.shown("LATENCY HISTOGRAM xadd"), "[]");
    assert_eq!(client.shown("CONFIG SET latency-tracking no"), "OK");
    client.call("XADD s 3-1 a b");
    assert_eq!(client.shown("LATENCY HISTOGRAM xadd"), "[]");
    assert!(client.info("cmdstat_xadd").starts_with("calls=1,"));
}

#[test]
fn memory_is_told_of_keys_and_of_the_whole() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("MEMORY USAGE nosuch"), "nil");
    client.call("XADD s 1-1 a b");
    let small = client.call("MEMORY USAGE s").as_int().expect("bytes");
    client.call(&format!("XADD s 2-1 a {}", "v".repeat(10_000)));
    let large = client.call("MEMORY USAGE s SAMPLES 0").as_int().expect("bytes");
    assert!(small > 0 && large > small + 10_000, "{small} {large}");
    for (options, text) in [
        ("SAMPLES x", "ERR value is not an integer or out of range"),
        ("SAMPLES -1", "ERR syntax error"),
        ("SAMPLES", "ERR syntax error"),
        ("FOO 1", "ERR syntax error"),
    ] {
        assert_eq!(client.shown(&format!("MEMORY USAGE nosuch {options}")), text);
    }
    client.call("HELLO 3");
    let stats = client.call("MEMORY STATS");
    assert_eq!(stats.field("keys.count").and_then(|count| count.as_int()), Some(1));
    let number = |name| stats.field(name).and_then(|value| value.as_int()).expect("a number");
    assert!(number("peak.allocated") >= number("total.allocated"));
    let shares = number("overhead.total") + number("dataset.bytes");
    assert_eq!(shares, number("total.allocated"));
    assert_eq!(client.shown("MEMORY PURGE"), "OK");
}
