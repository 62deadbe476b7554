//! Clusters that are killed, hang, fail over and move their slots, while messages flow through
//! leased partitions and workers die.
//!
//! Small by default; `MILLSTREAM_CHAOS_MESSAGES` says how many messages, as `cargo xtask long
//! cluster` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{Fields, GroupStatistics, Millstream, PartitionStatistics, PartitionedStream};
use millstream_conformance::Cluster;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::cluster;
use crate::partitions::{self, parse};
use crate::place::{GROUP, Running, Seen};
use crate::trouble::runtime;

const PARTITIONS: u16 = 12;
const PRODUCERS: usize = 4;
const KEYS_EACH: usize = 6;
const LEASE: Duration = Duration::from_secs(3);
/// It hangs rather than takes so long to handle what is left at the end.
const LIMIT: Duration = Duration::from_secs(60);

fn messages() -> usize {
    let number = std::env::var("MILLSTREAM_CHAOS_MESSAGES").ok().and_then(|it| it.parse().ok());
    number.unwrap_or(2000)
}

/// Adds messages one after the other to each key; returns which were confirmed. What was not gets
/// no second try: its number may come up or not, and is not looked at.
async fn produce(stream: PartitionedStream, producer: usize, count: usize) -> Vec<(usize, usize)> {
    let mut confirmed = Vec::new();
    let mut number = 0;
    while confirmed.len() < count {
        let key = producer * KEYS_EACH + number % KEYS_EACH;
        let fields = Fields::new().with("n", format!("{key}/{number}"));
        match stream.add(key.to_string(), &fields).await {
            Ok(_) => confirmed.push((key, number)),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        number += 1;
        if number % 10 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    confirmed
}

struct Workers {
    stream: PartitionedStream,
    seen: Seen,
    running: Vec<Option<Running>>,
}

impl Workers {
    async fn start(&mut self, number: usize) {
        let builder = partitions::builder(&self.stream, &format!("w{number}"));
        let builder = builder.lease_partitions(LEASE).concurrency(4).max_retries(1000);
        // The Cluster may be in the middle of something.
        let consumer = loop {
            match builder.clone().build().await {
                Ok(consumer) => break consumer,
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
        };
        let seen = self.seen.clone();
        let running = Running::start(consumer, move |message| {
            seen.note(&message);
            async {
                // Long enough to be killed in the middle of it.
                sleep(Duration::from_millis(1)).await;
                Ok(())
            }
        });
        self.running[number] = Some(running);
    }

    /// Whatever it is doing.
    fn kill(&mut self, number: usize) {
        self.running[number].take().expect("it runs").task.abort();
    }
}

#[derive(Clone, Copy, Debug)]
enum Disturbance {
    KillPrimary,
    StallPrimary,
    FailOver,
    MoveSlot,
    MigrateSlot,
    KillWorker,
}

const DISTURBANCES: [Disturbance; 6] = [
    Disturbance::KillWorker,
    Disturbance::MoveSlot,
    Disturbance::KillPrimary,
    Disturbance::MigrateSlot,
    Disturbance::FailOver,
    Disturbance::StallPrimary,
];

fn disturb(cluster: &mut Cluster, workers: &mut Workers, runtime: &Runtime, round: usize) {
    let what = DISTURBANCES[round % DISTURBANCES.len()];
    println!("round {round}: {what:?}");
    let partition = workers.stream.stream(u16::try_from(round).expect("few") % PARTITIONS);
    let owner = cluster.owner_of(&partition).expect("an owner");
    match what {
        Disturbance::KillPrimary => {
            let replica = cluster.replica_of(owner).expect("a replica");
            cluster.node_mut(owner).kill().expect("kill it");
            cluster.wait_until_primary(replica).expect("it takes over");
            cluster.node_mut(owner).start_again().expect("start it again");
        }
        Disturbance::StallPrimary => {
            cluster.nodes()[owner].set_stalled(true).expect("stop it");
            std::thread::sleep(Duration::from_secs(2));
            cluster.nodes()[owner].set_stalled(false).expect("let it go on");
        }
        Disturbance::FailOver => {
            let replica = cluster.replica_of(owner).expect("a replica");
            cluster.fail_over_to(replica).expect("it takes over");
        }
        Disturbance::MoveSlot => {
            let slot = cluster.slot_of(&partition).expect("a slot");
            let primaries = cluster.primaries().expect("primaries");
            let to = primaries.into_iter().find(|node| *node != owner).expect("another one");
            // In between, messages flow.
            let wait = |_| std::thread::sleep(Duration::from_millis(50));
            cluster.move_slot(slot, owner, to, wait).expect("moves it");
        }
        Disturbance::MigrateSlot => {
            let slot = cluster.slot_of(&partition).expect("a slot");
            let primaries = cluster.primaries().expect("primaries");
            let to = primaries.into_iter().find(|node| *node != owner).expect("another one");
            cluster.migrate_slot(slot, owner, to).expect("moves it");
        }
        Disturbance::KillWorker => {
            let number = round % workers.running.len();
            workers.kill(number);
            runtime.block_on(workers.start(number));
        }
    }
    // The next one must not hit the only copy of something.
    cluster.wait_until_whole().expect("the Cluster recovers");
}

/// What became of it all. Messages are keys with numbers.
struct Account {
    confirmed: Vec<(usize, usize)>,
    /// By handlers, with deliveries.
    seen: Vec<(String, u64)>,
}

fn run(replicas: u32) -> Option<Account> {
    let mut cluster = cluster::start()?;
    let runtime = runtime();
    let millstream = runtime.block_on(Millstream::connect(&cluster::url(&cluster)));
    let millstream = millstream.expect("connect").with_replicas(replicas, Duration::from_secs(2));
    let stream = runtime
        .block_on(PartitionedStream::new(&millstream, "orders", PARTITIONS))
        .expect("it is new");
    let seen = Seen::default();
    let running = (0..3).map(|_| None).collect();
    let mut workers = Workers { stream: stream.clone(), seen: seen.clone(), running };
    for number in 0..3 {
        runtime.block_on(workers.start(number));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let producing = runtime.spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            let each = (0..PRODUCERS).map(|number| {
                tokio::spawn(produce(stream.clone(), number, messages() / PRODUCERS))
            });
            let mut confirmed = Vec::new();
            for one in each.collect::<Vec<_>>() {
                confirmed.extend(one.await.expect("it does not panic"));
            }
            is_over.store(true, Ordering::Relaxed);
            confirmed
        }
    });
    // Each at least once, and on while messages flow.
    let mut round = 0;
    while round < DISTURBANCES.len() || !is_over.load(Ordering::Relaxed) {
        disturb(&mut cluster, &mut workers, &runtime, round);
        round += 1;
    }
    runtime.block_on(async {
        let confirmed = producing.await.expect("it does not panic");
        let waited = tokio::time::timeout(LIMIT, wait_until_all_is_done(&workers.stream)).await;
        if waited.is_err() {
            let mut all = workers.stream.statistics(GROUP).await.expect("statistics");
            all.retain(|partition| !is_done(partition));
            panic!("it is not done: {all:?}");
        }
        for running in workers.running.into_iter().flatten() {
            running.stop().await;
        }
        Some(Account { confirmed, seen: seen.all() })
    })
}

async fn wait_until_all_is_done(stream: &PartitionedStream) {
    loop {
        let all = stream.statistics(GROUP).await;
        let is_done = |all: &Vec<PartitionStatistics>| all.iter().all(is_done);
        if all.as_ref().is_ok_and(is_done) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn is_done(partition: &PartitionStatistics) -> bool {
    // A failover may make the server unable to tell the lag.
    let is_done = |it: &GroupStatistics| it.pending.total == 0 && it.group.lag.unwrap_or(0) == 0;
    partition.group.as_ref().is_some_and(is_done)
}

fn missing(confirmed: &[(usize, usize)], seen: &[(String, u64)]) -> Vec<(usize, usize)> {
    let handled: BTreeSet<_> = seen.iter().map(|(text, _)| parse(text)).collect();
    confirmed.iter().filter(|it| !handled.contains(it)).copied().collect()
}

fn print_account(confirmed: &[(usize, usize)], seen: &[(String, u64)]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    seen.iter().for_each(|(text, _)| *times.entry(text).or_default() += 1);
    let again = times.values().filter(|count| **count > 1).count();
    let counted = seen.iter().filter(|(_, deliveries)| *deliveries > 1).count();
    println!(
        "{} confirmed, {} different ones handled, {again} of them more than once \
         ({counted} deliveries were counted as repeated: by a new owner or a retry; the rest are \
         acknowledgements or deliveries that a failover forgot)",
        confirmed.len(),
        times.len(),
    );
}

#[test]
fn what_a_replica_has_is_handled_and_each_key_in_order_whatever_happens_to_the_cluster() {
    let Some(Account { confirmed, seen }) = run(1) else { return };
    print_account(&confirmed, &seen);
    assert_eq!(missing(&confirmed, &seen), [], "confirmed, and not handled");
    let is_confirmed: BTreeSet<_> = confirmed.into_iter().collect();
    let seen: Vec<_> =
        seen.into_iter().filter(|(text, _)| is_confirmed.contains(&parse(text))).collect();
    partitions::check_order(&seen);
}

#[test]
fn what_only_the_primary_has_may_be_lost_and_is_counted() {
    let Some(Account { confirmed, seen }) = run(0) else { return };
    print_account(&confirmed, &seen);
    println!("lost without replicas: {}", missing(&confirmed, &seen).len());
}
