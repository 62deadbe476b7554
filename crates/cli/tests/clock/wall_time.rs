//! What has to do with people goes by the wall clock: expiry, retention by age, delayed entries,
//! and what the server says of times.

use std::collections::HashMap;
use std::time::Instant;

use redis::{Connection, FromRedisValue, Value};

use crate::client::{DAY_MS, HOUR_MS, LIMIT, ask, await_timer, becomes, count, id, read};
use crate::command_line::connect;
use crate::moved_clock::{BEFORE_1970, DAY, HOUR, MovedClock, moved_ms};
use crate::raw::Raw;

#[test]
fn keys_expire_and_entries_age_by_the_wall_clock() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let c = &mut client;
    let () = ask(c, &["SET", "hours", "v", "PX", &HOUR_MS.to_string()]);
    let () = ask(c, &["SET", "days", "v", "PX", &(10 * DAY_MS).to_string()]);
    let () = ask(c, &["XADD", "old", "*", "f", "v"]);
    let () = ask(c, &["XCFGSET", "old", "MAXAGE", &HOUR_MS.to_string()]);
    server.jump(-DAY);
    let left_ms = count(c, &["PTTL", "days"]);
    assert!(left_ms.abs_diff(11 * DAY_MS) < HOUR_MS, "{left_ms}");
    server.jump(DAY);
    let left_ms = count(c, &["PTTL", "days"]);
    assert!(left_ms.abs_diff(9 * DAY_MS) < HOUR_MS, "{left_ms}");
    becomes(c, &["EXISTS", "hours"], &0);
    becomes(c, &["DBSIZE"], &2);
    becomes(c, &["XLEN", "old"], &0);
    // Before 1970 the time is 0 and stands still.
    server.jump(BEFORE_1970);
    let () = ask(c, &["SET", "k", "v", "EX", "100"]);
    assert_eq!(count(c, &["TTL", "k"]), 100);
    server.jump(-DAY);
    becomes(c, &["EXISTS", "k"], &0);
    // It goes on, however far the clock was set back.
    let () = ask(c, &["SET", "k", "v", "PX", "200"]);
    becomes(c, &["EXISTS", "k"], &0);
    let () = ask(c, &["XADD", "young", "1-1", "f", "v"]);
    let () = ask(c, &["XCFGSET", "young", "MAXAGE", &HOUR_MS.to_string()]);
    becomes(c, &["XLEN", "young"], &0);
    server.stop();
}

#[test]
fn delayed_entries_fire_by_the_wall_clock() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let c = &mut client;
    for (delay_ms, value) in [("60000", "soon"), ("3600000", "in an hour")] {
        let () = ask(c, &["XSCHEDULE", "ADD", "s", "DELAY", delay_ms, "f", value]);
    }
    let after = |c: &mut Connection, last: (u64, u64)| {
        let last = format!("{}-{}", last.0, last.1);
        let found = read(c, &["XREAD", "BLOCK", "20000", "STREAMS", "s", &last]);
        assert_eq!(found.len(), 1, "{found:?}");
        id(&found[0])
    };
    for offset_s in [-HOUR, BEFORE_1970, 0] {
        server.jump(offset_s);
        await_timer(c);
        assert_eq!(count(c, &["XLEN", "s"]), 0, "none is due, at {offset_s}");
    }
    server.jump(120);
    let soon = after(c, (0, 0));
    server.jump(2 * HOUR);
    let later = after(c, soon);
    assert!(later.0 > soon.0 + HOUR_MS, "{later:?} after {soon:?}");
    for offset_s in [-DAY, BEFORE_1970, 0] {
        server.jump(offset_s);
        let last = ask::<String>(c, &["XADD", "s", "*", "f", "v"]);
        let () = ask(c, &["XSCHEDULE", "ADD", "s", "DELAY", "0", "f", "again"]);
        assert!(after(c, id(&last)) > id(&last));
    }
    server.stop();
}

/// Symptom: it came a day late, after a clock that was a day ahead had been set right.
#[test]
fn a_delayed_entry_that_was_refused_comes_soon_after_the_clock_was_set_back() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let c = &mut client;
    let () = ask(c, &["XADD", "s", "1-1", "f", "v"]);
    let () = ask(c, &["XCFGSET", "s", "MAXLEN", "1", "OVERFLOW", "REJECT"]);
    let at = (server.wall_ms() + 1000).to_string();
    let () = ask(c, &["XSCHEDULE", "ADD", "s", "AT", &at, "f", "v"]);
    server.jump(DAY);
    let failures = |c: &mut Connection| {
        let facts: Vec<Value> = ask(c, &["XINFO", "STREAM", "s"]);
        let is_name =
            |it: &Value| String::from_redis_value_ref(it).is_ok_and(|it| it == "schedule-failures");
        let place = facts.iter().position(is_name).expect("it has a schedule");
        u64::from_redis_value_ref(&facts[place + 1]).expect("a number")
    };
    let deadline = Instant::now() + LIMIT;
    while failures(c) == 0 {
        assert!(Instant::now() < deadline, "it is not tried");
    }
    server.jump(0);
    assert_eq!(count(c, &["XDEL", "s", "1-1"]), 1);
    assert_eq!(read(c, &["XREAD", "BLOCK", "20000", "STREAMS", "s", "1-1"]).len(), 1);
    server.stop();
}

/// Symptom: LASTSAVE stayed where it was for a day, and with it a script that saves and waits for
/// LASTSAVE to change.
#[test]
fn lastsave_moves_after_the_clock_was_set_back() {
    for sync in ["always", "everysec", "no"] {
        let Some(mut server) = MovedClock::start(0, &["--sync", sync]) else { return };
        let mut client = connect(server.address());
        let c = &mut client;
        for offset_s in [DAY, 0, -DAY, BEFORE_1970, HOUR] {
            server.jump(offset_s);
            let () = ask(c, &["SET", "k", &offset_s.to_string()]);
            let () = ask(c, &["SAVE"]);
            let deadline = Instant::now() + LIMIT;
            while (count(c, &["LASTSAVE"]) * 1000).abs_diff(moved_ms(offset_s)) > HOUR_MS / 2 {
                assert!(Instant::now() < deadline, "at {offset_s}, --sync {sync}");
            }
        }
        server.stop();
    }
}

#[test]
fn what_is_in_the_acl_log_has_no_age_before_it_happened() {
    let Some(mut server) = MovedClock::start(0, &["--auth-failure-delay", "0"]) else { return };
    let mut client = connect(server.address());
    let mut wrong = Raw::connect(server.address());
    for offset_s in [DAY, 0, BEFORE_1970, HOUR] {
        server.jump(offset_s);
        assert!(wrong.call(&["AUTH", "somebody", "wrong"]).starts_with("-WRONGPASS"));
        let log: Vec<HashMap<String, Value>> = ask(&mut client, &["ACL", "LOG"]);
        for entry in &log {
            let age = f64::from_redis_value_ref(&entry["age-seconds"]).expect("a number");
            assert!((0.0..-2.0 * BEFORE_1970 as f64).contains(&age), "{age}");
        }
        let newest = f64::from_redis_value_ref(&log[0]["age-seconds"]).expect("a number");
        assert!(newest < 60.0, "{newest}");
    }
    server.stop();
}
