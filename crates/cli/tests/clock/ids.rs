//! What the entries of a stream are called, and that all of them are there.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::client::{
    DAY_MS, HOUR_MS, LIMIT, add, ask, becomes, claimable, count, id, idle_ms, in_work, read,
};
use crate::command_line::connect;
use crate::moved_clock::{BEFORE_1970, DAY, HOUR, MovedClock, TO_2100, moved_ms};

#[test]
fn ids_go_up_whatever_the_wall_clock_does() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let (mut last, mut added) = (add(&mut client, "s"), 1);
    for offset_s in [-HOUR, 0, DAY, 0, -DAY, BEFORE_1970, HOUR, TO_2100, BEFORE_1970, 0] {
        let is_ahead = moved_ms(offset_s) > last.0 + HOUR_MS / 2;
        server.jump(offset_s);
        for _ in 0..20 {
            let next = add(&mut client, "s");
            if is_ahead {
                assert!(next.0.abs_diff(moved_ms(offset_s)) < HOUR_MS, "{next:?} at {offset_s}");
                assert!(next > last, "{next:?} after {last:?} at {offset_s}");
            } else if moved_ms(offset_s) + HOUR_MS / 2 < last.0 {
                assert_eq!(next, (last.0, last.1 + 1), "as in Redis, at {offset_s}");
            } else {
                assert!(next > last, "{next:?} after {last:?} at {offset_s}");
            }
            (last, added) = (next, added + 1);
        }
        assert_eq!(count(&mut client, &["XLEN", "s"]), added);
    }
    server.jump(BEFORE_1970);
    assert_eq!(add(&mut client, "another"), (0, 1), "the first there is");
    server.jump(0);
    assert!(add(&mut client, "another").0 > DAY_MS);
    server.stop();
    server.restart(0);
    let mut client = connect(server.address());
    assert_eq!(add(&mut client, "s"), (last.0, last.1 + 1));
    server.stop();
}

#[test]
fn a_restart_behind_the_last_logged_time_goes_on() {
    for is_killed in [false, true] {
        let Some(mut server) = MovedClock::start(DAY, &[]) else { return };
        let end = if is_killed { MovedClock::kill } else { MovedClock::stop };
        let mut client = connect(server.address());
        let entry = in_work(&mut client, "s", &[]);
        let () = ask(&mut client, &["XSCHEDULE", "ADD", "s", "DELAY", "60000", "f", "late"]);
        let mut last = id(&entry);
        for offset_s in [0, -HOUR, BEFORE_1970] {
            end(&mut server);
            server.restart(offset_s);
            client = connect(server.address());
            let next = add(&mut client, "s");
            assert_eq!(next, (last.0, last.1 + 1), "at {offset_s}");
            last = next;
            assert!(idle_ms(&mut client, "s") < HOUR_MS, "at {offset_s}");
            assert!(claimable(&mut client, "s", "3600000").is_empty(), "at {offset_s}");
            let deadline = Instant::now() + LIMIT;
            while claimable(&mut client, "s", "100") != [&*entry] {
                assert!(Instant::now() < deadline, "it never becomes idle, at {offset_s}");
            }
        }
        // The delayed entry waits for its time, and comes at once where that is over.
        assert_eq!(count(&mut client, &["XLEN", "s"]), 4);
        end(&mut server);
        server.restart(2 * DAY);
        client = connect(server.address());
        becomes(&mut client, &["XLEN", "s"], &5);
        assert!(add(&mut client, "s").0 > last.0 + HOUR_MS);
        server.stop();
    }
}

#[test]
fn nothing_is_lost_or_handed_out_twice_while_the_clock_jumps_at_random() {
    const JUMPS: usize = 300;
    let Some(mut server) = MovedClock::start(0, &["--sync", "everysec"]) else { return };
    let mut client = connect(server.address());
    let create = ["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM", "CFG", "VISIBILITY", "3600000"];
    let () = ask(&mut client, &create);
    // Where one fails the others end, too.
    let deadline = Instant::now() + 2 * LIMIT;
    let address = server.address();
    let (is_over, settled) = (AtomicBool::new(false), AtomicUsize::new(0));
    let produce = || {
        let (mut client, mut ids) = (connect(address), Vec::new());
        while !is_over.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "nobody ends it");
            let next = add(&mut client, "s");
            assert!(ids.last().is_none_or(|last| *last < next), "{next:?} after {:?}", ids.last());
            ids.push(next);
        }
        ids
    };
    let added_count = AtomicUsize::new(usize::MAX);
    let consume = |name: &str| {
        let (mut client, mut ids) = (connect(address), Vec::new());
        let head = ["XREADGROUP", "GROUP", "g", name, "COUNT", "10", "BLOCK", "100"];
        while settled.load(Ordering::Relaxed) < added_count.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "after {} entries", ids.len());
            let found = read(&mut client, &[&head[..], &["STREAMS", "s", ">"]].concat());
            for entry in found {
                assert_eq!(count(&mut client, &["XACK", "s", "g", &entry]), 1);
                ids.push(id(&entry));
                settled.fetch_add(1, Ordering::Relaxed);
            }
        }
        ids
    };
    let (added, handed_out) = thread::scope(|scope| {
        let producers = [(); 2].map(|()| scope.spawn(produce));
        let consumers = ["ann", "bob"].map(|name| scope.spawn(move || consume(name)));
        let mut dice = fastrand::Rng::with_seed(7);
        for jump in 0..JUMPS {
            let offset_s = match dice.u8(..20) {
                0 => BEFORE_1970,
                1 if jump > JUMPS / 2 => TO_2100,
                2..6 => 0,
                _ => dice.i64(-30 * DAY..30 * DAY),
            };
            server.jump(offset_s);
            assert!(claimable(&mut client, "s", "3600000").is_empty(), "at {offset_s}");
        }
        is_over.store(true, Ordering::Relaxed);
        let ids = producers.map(|it| it.join().expect("a producer is served"));
        let added = ids.concat();
        added_count.store(added.len(), Ordering::Relaxed);
        let handed_out = consumers.map(|it| it.join().expect("a consumer is served")).concat();
        (added, handed_out)
    });
    let sorted = |mut ids: Vec<(u64, u64)>| {
        ids.sort_unstable();
        ids
    };
    let (added, handed_out) = (sorted(added), sorted(handed_out));
    assert!(added.windows(2).all(|pair| pair[0] < pair[1]), "ids are unique");
    assert_eq!(added, handed_out, "each once");
    println!("{} entries, {JUMPS} jumps", added.len());
    assert_eq!(count(&mut client, &["XLEN", "s"]), added.len() as u64);
    server.stop();
    server.restart(0);
    let mut client = connect(server.address());
    assert_eq!(count(&mut client, &["XLEN", "s"]), added.len() as u64);
    let pending: (u64, Option<String>, Option<String>, Option<Vec<redis::Value>>) =
        ask(&mut client, &["XPENDING", "s", "g"]);
    assert_eq!(pending.0, 0);
    server.stop();
}
