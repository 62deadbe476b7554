//! What clients may have in their buffers, how many may wait, and what is done about those that
//! take too much.

use std::time::Instant;

use millstream_server::Config;

use crate::client::{Client, LIMIT, command, memory, show, start};

fn with(settings: &[(&'static str, &str)]) -> Config {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Config { settings, ..memory() }
}

#[test]
fn the_client_with_the_largest_buffers_is_closed() {
    let server = start(with(&[("maxmemory-clients", "6mb")]));
    let mut good = Client::connect(&server);
    let mut spared = Client::connect(&server);
    assert_eq!(spared.shown("CLIENT NO-EVICT on"), "OK");
    // The beginning of a command that never ends.
    let part = [b"*2\r\n$4\r\nECHO\r\n$100000000\r\n".to_vec(), vec![b'x'; 3 << 20]].concat();
    spared.send_bytes(&part);
    let mut large = Client::connect(&server);
    large.send_bytes(&part);
    assert_eq!(large.read_to_end(), b"");
    assert_eq!(good.info("evicted_clients"), "1");
    good.await_info("connected_clients", "2");
    assert_eq!(good.shown("PING"), "PONG");
    // It needs its place still.
    spared.send_bytes(b"y");
    assert!(good.info("mem_clients_normal").parse::<usize>().expect("a number") > 3 << 20);
}

/// Symptom: buffers were doubled, so the largest argument took up to twice its bytes, more than all
/// clients may take together.
#[test]
fn an_argument_takes_little_more_than_its_bytes_while_it_comes() {
    let server = start(memory());
    let mut other = Client::connect(&server);
    let mut client = Client::connect(&server);
    let request = command(&format!("SET k {}", "v".repeat(10 << 20)));
    let (most, rest) = request.split_at(request.len() - 10);
    client.send_bytes(most);
    let mut number = |field| other.info(field).parse::<usize>().expect("a number");
    let deadline = Instant::now() + LIMIT;
    while number("total_net_input_bytes") < most.len() {
        assert!(Instant::now() < deadline, "it does not come");
    }
    let buffers = number("mem_clients_normal");
    assert!(buffers < 14 << 20, "{buffers}");
    client.send_bytes(rest);
    assert_eq!(show(&client.read()), "OK");
}

#[test]
fn more_than_the_hard_limit_for_a_client_ends_its_connection() {
    let server = start(with(&[("client-output-buffer-limit", "normal 100kb 0 0")]));
    let mut good = Client::connect(&server);
    good.call(&format!("SET k {}", "v".repeat(50_000)));
    let mut greedy = Client::connect(&server);
    greedy.send_bytes(&command("GET k").repeat(2000));
    greedy.read_to_end();
    assert_eq!(good.info("client_output_buffer_limit_disconnections"), "1");
    assert_eq!(good.call("GET k").as_bytes().map(<[u8]>::len), Some(50_000));
}

#[test]
fn no_more_clients_wait_than_may() {
    let server = start(with(&[("blocked-clients-max", "1")]));
    let mut first = Client::connect(&server);
    first.send("XREAD BLOCK 0 STREAMS s $");
    let mut second = Client::connect(&server);
    second.await_info("blocked_clients", "1");
    let refused = second.shown("XREAD BLOCK 0 STREAMS s $");
    assert!(refused.starts_with("ERR as many clients wait as the setting blocked-clients-max"));
    assert_eq!(second.shown("XREAD STREAMS s $"), "nil");
    second.call("XADD s 1-1 f v");
    assert_eq!(show(&first.read()), "[[s, [[1-1, [f, v]]]]]");
    // WAIT waits, too, for replicas that there are not; what need not wait is answered.
    first.send("XREAD BLOCK 0 STREAMS s $");
    second.await_info("blocked_clients", "1");
    let refused = second.shown("WAIT 1 0");
    assert!(refused.starts_with("ERR as many clients wait as the setting blocked-clients-max"));
    assert_eq!(second.shown("WAIT 0 0"), "0");
    assert_eq!(second.info("millstream_refused_waits"), "2");
    second.call("XADD s 2-1 f v");
    assert_eq!(show(&first.read()), "[[s, [[2-1, [f, v]]]]]");
    // The place is free again, and is given back by who goes away, too.
    first.send("XREAD BLOCK 0 STREAMS s $");
    second.await_info("blocked_clients", "1");
    drop(first);
    second.await_info("connected_clients", "1");
    assert_eq!(second.shown("XREAD BLOCK 1 STREAMS s $"), "nil");
}

#[test]
fn names_and_their_numbers_are_bounded() {
    let server = start(with(&[
        ("name-bytes-max", "5"),
        ("stream-groups-max", "1"),
        ("group-consumers-max", "2"),
        ("stream-idmp-producers-max", "1"),
    ]));
    let mut client = Client::connect(&server);
    let long = "ERR a name of the stream, the group, the consumer or the producer is longer than \
                the setting name-bytes-max allows";
    assert_eq!(client.shown("XADD toolong 1-1 f v"), long);
    assert_eq!(client.shown("XGROUP CREATE toolong g $ MKSTREAM"), long);
    assert_eq!(client.shown("EXISTS toolong"), "0");
    assert_eq!(client.shown("XADD s 1-1 f v"), "1-1");
    assert_eq!(client.shown("XGROUP CREATE s toolong $"), long);
    assert_eq!(client.shown("XGROUP CREATE s g 0"), "OK");
    let groups = client.shown("XGROUP CREATE s h 0");
    assert!(groups.starts_with("ERR the stream has as many groups"), "{groups}");
    assert_eq!(client.shown("XGROUP CREATECONSUMER s g toolong"), long);
    assert_eq!(client.shown("XGROUP CREATECONSUMER s g a"), "1");
    assert_eq!(client.shown("XREADGROUP GROUP g b STREAMS s >"), "[[s, [[1-1, [f, v]]]]]");
    for command in [
        "XREADGROUP GROUP g c STREAMS s >",
        "XCLAIM s g c 0 1-1",
        "XAUTOCLAIM s g c 0 0",
        "XGROUP CREATECONSUMER s g c",
    ] {
        let refused = client.shown(command);
        assert!(refused.starts_with("ERR the group has as many consumers"), "{refused}");
    }
    assert!(client.shown("XADD s IDMP p 1 * f v").contains("-0"));
    let producers = client.shown("XADD s IDMP q 1 * f v");
    assert!(producers.starts_with("ERR the stream knows as many producers"), "{producers}");
    assert!(!client.shown("XADD s IDMP p 2 * f v").starts_with("ERR"));
    assert_eq!(client.shown("XADD s IDMP toolong 1 * f v"), long);
    assert_eq!(client.shown("XLEN s"), "3");
}

#[test]
fn a_stream_takes_no_more_than_the_server_lets_any() {
    let server = start(with(&[("stream-entries-max", "2"), ("stream-bytes-max", "100")]));
    let mut client = Client::connect(&server);
    client.call("XADD s 1-1 f v");
    client.call("XADD s 2-1 f v");
    let full = client.shown("XADD s 3-1 f v");
    assert!(full.starts_with("STREAMFULL the stream has as many entries as the setting"), "{full}");
    // What trims makes its own room, and a limit of the stream's own counts instead.
    assert_eq!(client.shown("XADD s MAXLEN = 2 3-1 f v"), "3-1");
    assert_eq!(client.shown("XCFGSET s MAXLEN 3"), "OK");
    assert_eq!(client.shown("XADD s 4-1 f v"), "4-1");
    let large = format!("XADD t 1-1 f {}", "v".repeat(98));
    assert_eq!(client.shown(&large), "1-1");
    let full = client.shown("XADD t 2-1 f v");
    assert!(full.starts_with("STREAMFULL the stream has as many bytes as the setting"), "{full}");
    assert_eq!(client.shown("XTRIM t MAXLEN 0"), "1");
    assert_eq!(client.shown("XADD t 2-1 f v"), "2-1");
}

/// Symptom: with any trim of its own an XADD added what the bound does not allow, and the first
/// entry of a stream was not looked at.
#[test]
fn an_xadd_that_trims_or_creates_stays_within_the_bound_on_bytes() {
    let server = start(with(&[("stream-bytes-max", "100")]));
    let mut client = Client::connect(&server);
    let (most, more) = ("v".repeat(99), "v".repeat(100));
    let alone = "STREAMFULL the entry alone has more bytes than the setting stream-bytes-max";
    let full = "STREAMFULL the stream has as many bytes as the setting stream-bytes-max";
    let mut answers = |line: String, start: &str| {
        let reply = client.shown(&line);
        assert!(reply.starts_with(start), "{line}: {reply}");
    };
    answers(format!("XADD s 1-1 f {more}"), alone);
    answers(format!("XSCHEDULE ADD s DELAY 1 f {more}"), alone);
    answers("XADD s NOMKSTREAM 1-1 f v".to_owned(), "nil");
    answers("XADD s 1-1 f v".to_owned(), "1-1");
    answers("XADD s 2-1 f v".to_owned(), "2-1");
    // One of the two goes, and what goes is not known to be enough.
    answers(format!("XADD s MAXLEN = 2 3-1 f {most}"), full);
    answers(format!("XADD s MAXLEN = 1 3-1 f {more}"), alone);
    answers("XLEN s".to_owned(), "2");
    answers(format!("XADD s MAXLEN = 1 3-1 f {most}"), "3-1");
    answers("XLEN s".to_owned(), "1");
}

#[test]
fn all_limits_are_in_one_section_of_info() {
    let server = start(with(&[("maxmemory", "1gb"), ("maxmemory-clients", "10%")]));
    let mut client = Client::connect(&server);
    let text = client.shown("INFO limits");
    for line in [
        "# Limits",
        "limit_maxclients:10000",
        "limit_client_output_buffer_limit:normal 0 1 300 slave 268435456 67108864 60 pubsub \
         33554432 8388608 60",
        "limit_maxmemory:1073741824",
        "limit_maxmemory_hard_in_force:1342177280",
        "limit_maxmemory_clients:10%",
        "limit_name_bytes_max:65536",
        "limit_proto_max_array_len:2147483647",
        "limit_stream_idmp_maxsize:100",
        "limit_tcp_keepalive:300",
        "limit_slowlog_max_len:128",
        "limit_inline_bytes:65536",
        "limit_stranger_arguments:10",
        "limit_stranger_argument_bytes:16384",
        "limit_stranger_request_bytes:1048576",
        "limit_multi_bytes:536870912",
        "limit_monitor_bytes:33554432",
        "limit_client_pause_bytes:1048576",
        "limit_tls_handshakes:0",
        "limit_tls_handshake_seconds:10",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is missing:\n{text}");
    }
    for name in ["auth_failure_delay", "acllog_max_len"] {
        assert!(text.contains(&format!("limit_{name}:")), "{name} is missing:\n{text}");
    }
}
