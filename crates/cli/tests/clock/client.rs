//! Short words for what the tests ask the server.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use redis::streams::{StreamPendingCountReply, StreamReadReply};
use redis::{Connection, FromRedisValue, cmd};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

#[track_caller]
pub(crate) fn ask<T: FromRedisValue>(client: &mut Connection, words: &[&str]) -> T {
    let answer = cmd(words[0]).arg(&words[1..]).query(client);
    answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// There is no event for what the server does by itself.
#[track_caller]
pub(crate) fn becomes<T: FromRedisValue + PartialEq + Debug>(
    client: &mut Connection,
    words: &[&str],
    expected: &T,
) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found: T = ask(client, words);
        if found == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{words:?}: {found:?}, not {expected:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn add(client: &mut Connection, key: &str) -> (u64, u64) {
    id(&ask::<String>(client, &["XADD", key, "*", "f", "v"]))
}

pub(crate) fn id(text: &str) -> (u64, u64) {
    let (ms, seq) = text.split_once('-').expect("an id");
    (ms.parse().expect("milliseconds"), seq.parse().expect("a number"))
}

/// The ids that a read gives; none where there is nothing.
pub(crate) fn read(client: &mut Connection, words: &[&str]) -> Vec<String> {
    let reply: Option<StreamReadReply> = ask(client, words);
    let streams = reply.into_iter().flat_map(|reply| reply.keys);
    streams.flat_map(|stream| stream.ids).map(|entry| entry.id).collect()
}

/// What `bob` is handed out, if anything within a time.
pub(crate) fn handed_out(client: &mut Connection, key: &str, block_ms: &str) -> Vec<String> {
    read(client, &["XREADGROUP", "GROUP", "g", "bob", "BLOCK", block_ms, "STREAMS", key, ">"])
}

/// Returns behind a look of the timer: that alone ends a blocked read.
pub(crate) fn await_timer(client: &mut Connection) {
    assert!(read(client, &["XREAD", "BLOCK", "100", "STREAMS", "nothing", "$"]).is_empty());
}

/// A group whose only entry `ann` has.
pub(crate) fn in_work(client: &mut Connection, key: &str, policy: &[&str]) -> String {
    let create = ["XGROUP", "CREATE", key, "g", "0", "MKSTREAM"];
    let () = ask(
        client,
        &[&create[..], if policy.is_empty() { &[] } else { &["CFG"] }, policy].concat(),
    );
    let added: String = ask(client, &["XADD", key, "*", "f", "v"]);
    let words = ["XREADGROUP", "GROUP", "g", "ann", "STREAMS", key, ">"];
    assert_eq!(read(client, &words), [&*added]);
    added
}

pub(crate) fn idle_ms(client: &mut Connection, key: &str) -> u64 {
    let pending: StreamPendingCountReply = ask(client, &["XPENDING", key, "g", "-", "+", "1"]);
    pending.ids[0].last_delivered_ms as u64
}

pub(crate) fn claimable(client: &mut Connection, key: &str, min_idle_ms: &str) -> Vec<String> {
    let words = ["XAUTOCLAIM", key, "g", "eve", min_idle_ms, "0", "JUSTID"];
    let (_, claimed, _): (String, Vec<String>, Vec<String>) = ask(client, &words);
    claimed
}

pub(crate) fn count(client: &mut Connection, words: &[&str]) -> u64 {
    ask(client, words)
}
