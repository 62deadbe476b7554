//! MONITOR. Lines come to sessions on other threads too, so there are two workers.

use millstream_server::{Config, RunningServer};

use crate::client::{Client, command, memory, show, start};

/// The next line without its time and address.
fn line(monitor: &mut Client) -> String {
    let shown = show(&monitor.read());
    let shown = shown.trim_start_matches('+');
    let (at, rest) = shown.split_once(" [").expect("a time");
    assert!(at.split_once('.').is_some_and(|(_, micros)| micros.len() == 6), "{shown}");
    let (place, args) = rest.split_once("] ").expect("a database and an address");
    assert!(place.contains(" 127.0.0.1:"), "{shown}");
    format!("{} {args}", place.split(' ').next().unwrap_or_default())
}

#[test]
fn monitors_on_every_worker_see_everything_in_order() {
    let server = start(memory());
    let mut monitors: Vec<Client> = (0..3).map(|_| Client::connect(&server)).collect();
    let mut client = Client::connect(&server);
    client.call("PING");
    monitors.iter_mut().for_each(|monitor| assert_eq!(monitor.shown("MONITOR"), "OK"));
    client.send_bytes(&command("XADD s * f v").repeat(500));
    (0..500).for_each(|_| drop(client.read()));
    client.call("SELECT 3");
    for monitor in &mut monitors {
        (0..500).for_each(|_| assert_eq!(line(monitor), r#"0 "XADD" "s" "*" "f" "v""#));
        assert_eq!(line(monitor), r#"3 "SELECT" "3""#);
    }
}

#[test]
fn passwords_and_administration_are_not_shown() {
    let server = start(Config { requirepass: Some("secret".to_owned()), ..memory() });
    let mut monitor = Client::connect(&server);
    monitor.call("AUTH secret");
    assert_eq!(monitor.shown("MONITOR"), "OK");
    let mut client = Client::connect(&server);
    for line in [
        "AUTH wrong",
        "AUTH secret",
        "CONFIG SET requirepass other",
        "HELLO 2 AUTH default other",
        "PING",
    ] {
        client.call(line);
    }
    for expected in [
        r#"0 "AUTH" "(redacted)""#,
        r#"0 "AUTH" "(redacted)""#,
        r#"0 "HELLO" "2" "AUTH" "(redacted)" "(redacted)""#,
        r#"0 "PING""#,
    ] {
        assert_eq!(line(&mut monitor), expected);
    }
}

#[test]
fn a_monitor_runs_no_commands_about_data_and_can_end() {
    let server = start(memory());
    let mut monitor = Client::connect(&server);
    let mut client = Client::connect(&server);
    assert_eq!(monitor.shown("MONITOR"), "OK");
    assert_eq!(monitor.shown("XLEN s"), "ERR Replica can't interact with the keyspace");
    assert!(client.shown("CLIENT LIST").contains(" flags=O "));
    assert_eq!(monitor.shown("RESET"), "RESET");
    assert!(!client.shown("CLIENT LIST").contains(" flags=O "));
    client.call("PING");
    assert_eq!(monitor.shown("XLEN s"), "0");
    monitor.call("MONITOR");
    monitor.send("QUIT");
    assert_eq!(monitor.read_to_end(), b"+OK\r\n");
    client.await_info("connected_clients", "1");
}

#[test]
fn a_monitor_that_does_not_read_is_cut_off() {
    let server = start(memory());
    let mut monitor = Client::connect(&server);
    assert_eq!(monitor.shown("MONITOR"), "OK");
    let mut client = Client::connect(&server);
    let value = "v".repeat(1 << 20);
    for _ in 0..60 {
        client.call(&format!("SET k {value}"));
    }
    client.await_info("connected_clients", "1");
    assert_eq!(client.info("client_output_buffer_limit_disconnections"), "1");
}

/// Has a monitor's lines gather; what waits for it is more than its socket takes.
fn monitor_that_does_not_read(server: &RunningServer, lines: usize) -> (Client, Client) {
    let mut monitor = Client::connect(server);
    assert_eq!(monitor.shown("MONITOR"), "OK");
    let mut client = Client::connect(server);
    let value = "v".repeat(1 << 20);
    for _ in 0..lines {
        client.call(&format!("SET k {value}"));
    }
    (monitor, client)
}

/// Symptom: the hard limit of `client-output-buffer-limit` looked at what was encoded only, so a
/// monitor that does not read had 32 MiB whatever it said.
#[test]
fn the_hard_limit_of_clients_is_for_monitors_too() {
    let limit = ("client-output-buffer-limit", "normal 2mb 0 0".to_owned());
    let server = start(Config { settings: vec![limit], ..memory() });
    let (_monitor, mut client) = monitor_that_does_not_read(&server, 24);
    client.await_info("connected_clients", "1");
    assert_eq!(client.info("client_output_buffer_limit_disconnections"), "1");
}

/// Symptom: what waited for a monitor was nobody's memory, so that `maxmemory-clients` closed none.
#[test]
fn what_waits_for_a_monitor_is_its_memory() {
    let server = start(memory());
    let (_monitor, mut client) = monitor_that_does_not_read(&server, 24);
    let buffers = client.info("mem_clients_normal").parse::<usize>().expect("a number");
    let list = client.shown("CLIENT LIST");
    let monitor = list.lines().find(|line| line.contains(" flags=O ")).expect("it is there");
    let of_one = monitor.split(' ').find_map(|field| field.strip_prefix("tot-mem="));
    let of_one = of_one.and_then(|bytes| bytes.parse::<usize>().ok()).expect("a number");
    assert!(of_one > 4 << 20 && of_one <= buffers, "{of_one} of {buffers}");
    assert_eq!(client.shown("CONFIG SET maxmemory-clients 4mb"), "OK");
    client.await_info("connected_clients", "1");
    assert_eq!(client.info("evicted_clients"), "1");
}
