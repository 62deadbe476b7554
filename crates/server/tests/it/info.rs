//! INFO: sections, and fields that programs read.

use millstream_server::Config;

use crate::client::{Client, command, memory, start};

fn sections(client: &mut Client, words: &str) -> Vec<String> {
    let text = client.shown(format!("INFO {words}").trim_end());
    text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
}

#[test]
fn sections_come_as_asked_for_and_in_their_order() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let usual = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Threads",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Limits",
        "Keyspace",
    ];
    assert_eq!(sections(&mut client, ""), usual);
    assert_eq!(sections(&mut client, "default"), usual);
    assert_eq!(sections(&mut client, "nosuch SERVER"), ["Server"]);
    assert_eq!(sections(&mut client, "keyspace server server"), ["Server", "Keyspace"]);
    assert_eq!(client.shown("INFO nosuch"), "");
    for all in ["all", "everything", "all commandstats"] {
        let shown = sections(&mut client, all);
        assert_eq!(shown.len(), usual.len() + 2);
        assert_eq!(shown[9..12], ["Commandstats", "Errorstats", "Latencystats"]);
    }
    assert_eq!(sections(&mut client, "default latencystats").len(), usual.len() + 1);
}

#[test]
fn every_field_stands_once_and_has_a_value_where_programs_read_numbers() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let text = client.shown("INFO everything");
    let fields: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for name in [
        "uptime_in_seconds",
        "connected_clients",
        "client_recent_max_input_buffer",
        "blocked_clients",
        "total_watched_keys",
        "used_memory",
        "used_memory_startup",
        "used_memory_dataset",
        "total_system_memory",
        "mem_clients_normal",
        "rdb_last_save_time",
        "rdb_changes_since_last_save",
        "instantaneous_ops_per_sec",
        "instantaneous_input_kbps",
        "total_error_replies",
        "total_reads_processed",
        "evicted_keys",
        "latest_fork_usec",
        "used_cpu_user_main_thread",
        "used_cpu_sys_children",
        "master_repl_offset",
    ] {
        let value = fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = value.unwrap_or_else(|| panic!("{name} is missing"));
        assert!(value.parse::<f64>().is_ok(), "{name}:{value}");
    }
    let port = server.addresses()[0].port();
    assert_eq!(client.info("listener0"), format!("name=tcp,bind=127.0.0.1,bind=-::1,port={port}"));
}

#[test]
fn a_rate_is_seen_while_there_is_traffic() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let pings = command("PING").repeat(100);
    let deadline = std::time::Instant::now() + crate::client::LIMIT;
    while client.info("instantaneous_ops_per_sec") == "0" {
        client.send_bytes(&pings);
        (0..100).for_each(|_| drop(client.read()));
        assert!(std::time::Instant::now() < deadline, "no rate");
    }
    assert_ne!(client.info("instantaneous_input_kbps"), "0.00");
}

#[test]
fn percentiles_and_errors_are_those_of_what_ran() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["XADD s 1-1 a b", "XADD s 1-1 a b", "NOSUCH", "AUTH wrong"] {
        client.call(line);
    }
    let times = client.info("latency_percentiles_usec_xadd");
    let shown: Vec<f64> =
        times.split(',').filter_map(|field| field.split_once('=')?.1.parse().ok()).collect();
    assert!(times.starts_with("p50=") && times.contains(",p99.9="), "{times}");
    assert!(shown.len() == 3 && shown[0] <= shown[1] && shown[1] <= shown[2], "{times}");
    assert_eq!(client.info("total_error_replies"), "3");
    client.call("CONFIG RESETSTAT");
    assert!(!client.shown("INFO latencystats").contains("xadd"));
    assert_eq!(client.info("total_error_replies"), "0");
}

#[test]
fn timed_waits_and_watched_keys_are_counted() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let mut forever = Client::connect(&server);
    let mut timed = Client::connect(&server);
    forever.send("XREAD BLOCK 0 STREAMS s $");
    timed.send("XREAD BLOCK 100000 STREAMS s $");
    client.await_info("blocked_clients", "2");
    assert_eq!(client.info("clients_in_timeout_table"), "1");
    client.call("WATCH a b c");
    // What a connection watches shows once it has run its batch.
    assert_eq!(client.info("total_watched_keys"), "3");
    client.call("XADD s 1-1 a b");
    client.await_info("clients_in_timeout_table", "0");
}

#[test]
fn what_happens_to_entries_of_all_groups_is_counted_with_and_without_a_policy() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let config = || Config { memory: false, directory: directory.path().to_owned(), ..memory() };
    let totals = |client: &mut Client| -> [u64; 6] {
        ["delivered", "acked", "nacked", "redelivered", "dead_lettered", "queue_wait_count"]
            .map(|name| client.info(&format!("millstream_{name}")).parse().expect("a number"))
    };
    let server = start(config());
    let mut client = Client::connect(&server);
    assert_eq!(totals(&mut client), [0; 6]);
    for id in 1..=4 {
        client.call(&format!("XADD s {id}-1 f v"));
    }
    client.call("XADD s * f v");
    client.call("XGROUP CREATE s plain 0");
    client.call("XGROUP CREATE s managed 0");
    client.call("XGROUP CFGSET s managed MAXDELIVERIES 1");
    client.call("XREADGROUP GROUP plain ada COUNT 2 STREAMS s >");
    client.call("XREADGROUP GROUP managed ada COUNT 1 STREAMS s >");
    assert_eq!(totals(&mut client), [3, 0, 0, 0, 0, 3]);
    // Handed out, but never pending.
    client.call("XREADGROUP GROUP plain ada COUNT 1 NOACK STREAMS s >");
    assert_eq!(totals(&mut client), [3, 0, 0, 0, 0, 4]);
    client.call("XCLAIM s plain bob 0 1-1");
    client.call("XACK s plain 1-1 9-9");
    client.call("XNACK s plain FAIL IDS 1 2-1");
    client.call("XNACK s managed FAIL IDS 1 1-1");
    client.await_info("millstream_dead_lettered", "1");
    assert_eq!(totals(&mut client), [3, 1, 2, 1, 1, 4]);

    // All of those had ids of long ago; this one has not.
    client.call("XREADGROUP GROUP managed ada STREAMS s >");
    let waits = client.info("millstream_queue_wait_ms_histogram");
    assert!(waits.starts_with("1=") && waits.ends_with(",134217728=1"), "{waits}");
    let (syncs, p99) =
        (client.info("millstream_fsync_count"), client.info("millstream_fsync_p99_us"));
    assert!(syncs.parse::<u64>().expect("a number") >= 5, "{syncs}");
    assert!(p99.parse::<u64>().expect("a number") > 0, "{p99}");
    let bytes = |name: &str, client: &mut Client| -> u64 {
        client.info(&format!("millstream_{name}_bytes")).parse().expect("a number")
    };
    // The log prepares its next file meanwhile, and there is no event for its end.
    let deadline = std::time::Instant::now() + crate::client::LIMIT;
    let told = loop {
        let (told, on_disk) = (bytes("disk", &mut client), files_bytes(directory.path()));
        if told.abs_diff(on_disk) < 1 << 20 {
            break told;
        }
        assert!(std::time::Instant::now() < deadline, "{told} told, {on_disk} there");
    };
    assert!(bytes("log", &mut client) < told);
    drop(server);

    // What the log tells again did not happen again.
    let server = start(config());
    let mut client = Client::connect(&server);
    assert_eq!(totals(&mut client), [0; 6]);
    assert_ne!(client.info("millstream_checkpoint_bytes"), "0", "that of the end");
}

fn files_bytes(directory: &std::path::Path) -> u64 {
    let all = std::fs::read_dir(directory).expect("it can be read").map(|file| {
        let file = file.expect("it can be read");
        let facts = file.metadata().expect("it is there");
        if facts.is_dir() { files_bytes(&file.path()) } else { facts.len() }
    });
    all.sum()
}
