//! Random rules for users, ours beside real servers: what SETUSER answers, how the user reads back,
//! and what it may run.

use std::cell::RefCell;

use millstream_conformance::{Client, Program, Server, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Commands that all servers have, some of them more than once in a way.
const COMMANDS: [&str; 14] = [
    "get",
    "set",
    "xadd",
    "XREAD",
    "xgroup",
    "xgroup|create",
    "xinfo",
    "xinfo|stream",
    "client|id",
    "config",
    "config|get",
    "select",
    "ping",
    "flushall",
];
const CATEGORIES: [&str; 12] = [
    "all",
    "read",
    "write",
    "stream",
    "string",
    "keyspace",
    "fast",
    "slow",
    "dangerous",
    "admin",
    "hash",
    "connection",
];

/// Lines to ask for: of each a command, a key or none.
const LINES: [&str; 24] = [
    "get a1",
    "get b1",
    "set a1 x",
    "set b1 x",
    "set b1 x get",
    "xadd a1 * f v",
    "xadd c1 * f v",
    "xread streams a1 b1 0 0",
    "xreadgroup group g c streams a1 c1 > >",
    "xgroup create a1 g 0",
    "xgroup destroy b1 g",
    "xinfo stream a1",
    "xinfo groups c1",
    "xlen b1",
    "copy a1 c1",
    "exists a1 b1",
    "rename b1 c1",
    "select 0",
    "select 1",
    "client id",
    "config get x",
    "config set x y",
    "ping",
    "flushall",
];

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn selector_rule() -> impl Strategy<Value = String> {
    let sign = || word(&["+", "-"]);
    let patterns = &["a*", "b*", "[ab]1", "*", "c1", "", "a?"];
    prop_oneof![
        6 => (sign(), word(&COMMANDS)).prop_map(|(sign, name)| sign + &name),
        4 => (sign(), word(&CATEGORIES)).prop_map(|(sign, name)| format!("{sign}@{name}")),
        5 => (word(&["~", "%R~", "%W~", "%RW~", "%wr~", "%~", "%RR~"]), word(patterns))
            .prop_map(|(mark, pattern)| mark + &pattern)
            // Written as `~*` by Redis, which it refuses to read with another pattern behind it.
            .prop_filter("all keys in other words", |rule| !rule.ends_with("~*") || rule == "~*"),
        1 => word(patterns).prop_map(|pattern| format!("&{pattern}")),
        3 => word(&[
            "allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands",
            "ALLKEYS", "+select|0", "+select|1", "-select|1", "+get|a1", "+xgroup|create|a1",
            "+foo", "-@foo", "foo", "",
        ]),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let selector = prop::collection::vec(selector_rule(), 0..4)
        .prop_map(|rules| format!("({})", rules.join(" ")));
    prop_oneof![
        12 => selector_rule(),
        2 => selector,
        3 => word(&[
            "on", "off", "nopass", "resetpass", ">one", ">two", "<one", "reset", "clearselectors",
            "#ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "#x", ">", "(~a",
            "!ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "(on)", ")",
        ]),
    ]
}

/// What a server says to a sequence of changes, and how the user is after each.
fn transcript(client: &mut Client, changes: &[Vec<String>]) -> Vec<(String, Value)> {
    let mut said = Vec::new();
    let mut ask = |words: Vec<&str>| {
        let reply = client.call(&words).expect("an answer");
        said.push((words.join(" "), reply));
    };
    ask(vec!["ACL", "SETUSER", "u", "reset"]);
    for rules in changes {
        let words = ["ACL", "SETUSER", "u"].into_iter().chain(rules.iter().map(String::as_str));
        ask(words.collect());
        ask(vec!["ACL", "GETUSER", "u"]);
        for line in LINES {
            ask(["ACL", "DRYRUN", "u"].into_iter().chain(line.split(' ')).collect());
        }
    }
    ask(vec!["ACL", "LIST"]);
    ask(vec!["ACL", "DELUSER", "u"]);
    said
}

/// How many sequences; more of them by `MILLSTREAM_ACCESS_CASES`.
fn cases() -> u32 {
    let given = std::env::var("MILLSTREAM_ACCESS_CASES").ok();
    given.map_or(300, |text| text.parse().expect("a number of cases"))
}

fn compare(peer: &str, says_alike: impl Fn(&Value, &Value) -> bool) {
    let Some(peer) = Program::named(peer).expect("find the peer") else { return };
    let ours = Server::start(&Program::millstream().expect("ours")).expect("start ours");
    let theirs = Server::start(&peer).expect("start the peer");
    let ours = RefCell::new(ours.connect().expect("connect to ours"));
    let theirs = RefCell::new(theirs.connect().expect("connect to the peer"));
    let sequences = prop::collection::vec(prop::collection::vec(rule(), 1..5), 1..6);
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&sequences, |changes| {
        let ours = transcript(&mut ours.borrow_mut(), &changes);
        let theirs = transcript(&mut theirs.borrow_mut(), &changes);
        for ((asked, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            prop_assert!(says_alike(ours, theirs), "{asked}: {ours} and not {theirs}");
        }
        Ok(())
    });
    outcome.expect("the same as the peer");
}

#[test]
fn rules_mean_what_they_mean_to_redis_8_2() {
    compare("redis-8.2", |ours, theirs| ours == theirs);
}

/// Valkey shows databases where there is no rule about them, and says nothing of payloads.
#[test]
fn rules_mean_what_they_mean_to_valkey_9_1() {
    fn plain(value: &Value) -> String {
        let text = value.to_string();
        let left_out = [", sanitize-payload", " sanitize-payload", ", databases, alldbs"];
        left_out.into_iter().fold(text, |text, word| text.replace(word, ""))
    }
    compare("valkey-9.1", |ours, theirs| plain(ours) == plain(theirs));
}
