//! Everything at once, for as long as is wanted: producers, workers that die in all ways, dead
//! letters, delayed entries, trimming, checkpoints; and at the end each message is accounted for.
//!
//! `cargo xtask long soak` runs it for an hour at half of what the machine can do
//! (`MILLSTREAM_SOAK_SECONDS`), and what the process takes is judged then; a short run judges the
//! accounts alone.

#[path = "soak/audience.rs"]
mod audience;
#[path = "soak/consumed.rs"]
mod consumed;
#[path = "soak/ledger.rs"]
mod ledger;
#[path = "support/process.rs"]
mod process;
#[path = "soak/producer.rs"]
mod producer;
#[path = "support/raw.rs"]
mod raw;
#[path = "soak/samples.rs"]
mod samples;
#[path = "soak/verdict.rs"]
mod verdict;
#[path = "soak/worker.rs"]
mod worker;

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use process::Process;

use crate::ledger::{GROUPS, Ledger, STREAMS, connect, dead_letters, work_stream};
use crate::raw::Raw;
use crate::samples::Samples;

/// Longer than this, a run finds the machine's limit first, and is judged by what it took.
const LONG: Duration = Duration::from_secs(60);
/// Messages a second of a short run.
const GENTLE: f64 = 4000.0;
const PRODUCERS: usize = 4;
/// Of each group, over all streams.
const WORKERS: usize = 8;
/// Far more than what is left to do at the end takes, on a machine that does more than this.
const LIMIT: Duration = Duration::from_secs(120);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Streams, groups and what they are to do by themselves.
fn prepare(client: &mut Raw) {
    let mut ok = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(client.call(&words), "+OK\r\n", "{words:?}");
    };
    for stream in 0..STREAMS {
        let (key, letters) = (work_stream(stream), dead_letters(stream));
        ok(&format!(
            "XGROUP CREATE {key} {} 0 MKSTREAM CFG VISIBILITY 5000 MAXDELIVERIES 5 \
             BACKOFF 100 2 1000 CONSUMERTTL 10000",
            GROUPS[0]
        ));
        ok(&format!("XGROUP CREATE {key} {} 0", GROUPS[1]));
        ok(&format!("XCFGSET {key} RETAIN UNACKED"));
        ok(&format!("XGROUP CREATE {letters} readers $ MKSTREAM"));
        ok(&format!("XCFGSET {letters} MAXLEN 1000"));
    }
    ok("XGROUP CREATE events tail 0 MKSTREAM");
}

/// What the machine can do: as much as all workers keep up with.
fn full_rate(ledger: &Arc<Ledger>) -> f64 {
    ledger.set_rate(f64::INFINITY);
    thread::sleep(Duration::from_secs(10));
    let (begun, before) = (Instant::now(), ledger.handled_by_all());
    thread::sleep(Duration::from_secs(20));
    (ledger.handled_by_all() - before) as f64 / begun.elapsed().as_secs_f64()
}

#[test]
fn nothing_grows_and_every_message_is_accounted_for() {
    let duration = Duration::from_secs(number("MILLSTREAM_SOAK_SECONDS").unwrap_or(6));
    let is_long = duration >= LONG;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = || {
        Process::start(|command| {
            command.args(["--threads", "2", "--admin-port", "0", "--dir"]).arg(directory.path());
            if !is_long {
                // Else there would be none in so short a time.
                command.args(["--checkpoint-log-kb", "1024"]);
            }
        })
    };
    let mut server = start();
    prepare(&mut Raw::connect(&server.address));
    let ledger = Arc::new(Ledger::new(&server.address, duration, is_long));
    ledger.set_rate(GENTLE);
    let producers: Vec<_> =
        (0..PRODUCERS).map(|number| producer::start(&ledger, number, PRODUCERS)).collect();
    let workers: Vec<_> = (0..GROUPS.len() * WORKERS)
        .map(|number| worker::start(&ledger, number % GROUPS.len(), number / GROUPS.len()))
        .collect();
    let audience = audience::start(&ledger);

    if is_long {
        let full = full_rate(&ledger);
        ledger.set_rate(full / 2.0);
        println!("soak: {full:.0} messages a second at most, half of it from here on");
    }
    let mut samples = Samples::new(&server, directory.path(), duration);
    // Whoever is gone before the end has failed.
    let is_well = || producers.iter().chain(&workers).chain(&audience).all(|it| !it.is_finished());
    while samples.take(&ledger) {
        assert!(is_well(), "a producer or a worker failed, see above");
    }

    ledger.stop_producing();
    producers.into_iter().for_each(|it| it.join().expect("a producer ends in order"));
    let added = ledger.added();
    verdict::await_the_end(&mut connect(&server.address), LIMIT);
    ledger.stop_working();
    workers.into_iter().for_each(|it| it.join().expect("a worker ends in order"));
    audience.into_iter().for_each(|it| it.join().expect("it ends in order"));

    verdict::judge_accounts(&ledger, &mut connect(&server.address));
    let errors: Vec<String> = server.said().into_iter().filter(|it| it.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    println!("soak: {added} messages, {}", ledger.summary());
    samples.print();
    if is_long {
        samples.judge();
    }
    // What is there after the next start, and what `check` says of it.
    server.stop();
    let mut check = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let check = check.arg("check").arg(directory.path()).output().expect("check runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let server = start();
    verdict::judge_accounts(&ledger, &mut connect(&server.address));
}
