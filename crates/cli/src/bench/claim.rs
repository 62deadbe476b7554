//! `millstream bench claim`: what a dead worker had is taken over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millstream::Error;
use redis::{Cmd, Pipeline, pipe};

use super::account::Account;
use super::answer::{entries, of_claim, of_read};
use super::crew::{Client, Crew};
use super::measured::measured;
use super::plan::Plan;
use super::producer::{Worked, fill};
use super::round::{Round, TimesName};
use super::site::{GROUP, Site};
use super::times::Times;
use super::verdict::verdict;
use super::work_time::work_time;
use super::worker::Worker;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream bench claim
  millstream bench claim --workers 1 --count 1000 --messages 1000000
  millstream bench claim --compare redis://127.0.0.1:6380";

/// Of an XACK of what was claimed last, and the next XAUTOCLAIM, together.
const CLAIM: TimesName = TimesName { text: "XACK+XAUTOCLAIM", json: "claim" };
/// Who had everything.
const DEAD: &str = "dead-worker";
/// Entries that it reads at once.
const READ_AT_ONCE: usize = 1000;
/// It is said to have been dead for this long. Who claims asks for half of it: what a worker has
/// just claimed is no other worker's.
const DEAD_FOR: Duration = Duration::from_hours(2);

pub(super) async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    fill(site, plan).await?;
    let memory_bytes = site.memory_bytes(plan.load).await?;
    die(site, plan).await?;
    let account = Arc::new(Account::new(plan.messages));
    let gone = Arc::new(AtomicU64::new(0));
    let (for_crew, all_gone, plan) = (Arc::clone(&account), Arc::clone(&gone), *plan);
    let job = move |client: Client| {
        let (account, gone) = (Arc::clone(&for_crew), Arc::clone(&all_gone));
        async move { take_over(client, plan, account, &gone).await }
    };
    let crew = Crew::connect(site, &plan, plan.workers, job).await?;
    let measured = measured(site, &plan, crew, Duration::ZERO).await?;
    let mut wrong = account.wrong_in_group(site.ending(plan.load).await?);
    match gone.load(Ordering::Relaxed) {
        0 => {}
        count => wrong.push(format!("{count} that were pending are gone from the stream")),
    }
    verdict(site, plan.load, &wrong)?;
    let (elapsed, times) = work_time(&measured);
    Ok(Round {
        elapsed,
        server_cpu: measured.server_cpu,
        client_cpu: measured.client_cpu,
        memory_bytes,
        times: vec![(CLAIM, times)],
    })
}

/// Reads everything, and was heard of last long ago.
async fn die(site: &Site, plan: &Plan) -> anyhow::Result<()> {
    let key = site.key.as_ref();
    let mut read = Cmd::new();
    read.arg("XREADGROUP").arg("GROUP").arg(GROUP).arg(DEAD).arg("COUNT").arg(READ_AT_ONCE);
    read.arg("STREAMS").arg(key).arg(">");
    let cannot = site.cannot(plan.load);
    let mut pipeline = pipe();
    pipeline.add_command(read.clone());
    loop {
        let answers = site.control.millstream.query_all(&pipeline).await.map_err(&cannot)?;
        let found = answers.into_iter().next_back().and_then(of_read).and_then(entries);
        let found = found.ok_or_else(|| cannot(Error::Answer("XREADGROUP")))?;
        let mut claim = Cmd::new();
        claim.arg("XCLAIM").arg(key).arg(GROUP).arg(DEAD).arg(0);
        let mut count = 0;
        for entry in found {
            claim.arg(entry.ok_or_else(|| cannot(Error::Answer("XREADGROUP")))?.id);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        claim.arg("IDLE").arg(DEAD_FOR.as_millis() as u64).arg("JUSTID");
        pipeline.clear();
        pipeline.add_command(claim).add_command(read.clone());
    }
}

/// Goes through all that is pending once: what others have claimed is passed over.
async fn take_over(
    client: Client,
    plan: Plan,
    account: Arc<Account>,
    all_gone: &AtomicU64,
) -> anyhow::Result<Worked> {
    let (mut times, mut last_at) = (Times::default(), Instant::now());
    let mut cursor = b"0-0".to_vec();
    let mut pipeline = Pipeline::with_capacity(2);
    let min_idle_ms = (DEAD_FOR / 2).as_millis() as u64;
    let consumer = format!("worker-{}", client.number);
    let mut worker = Worker::new(client.clone(), plan, account);
    let mut is_over = false;
    loop {
        pipeline.clear();
        let asked = worker.in_hand();
        if asked > 0 {
            pipeline.add_command(worker.acknowledge());
        }
        if !is_over {
            let mut claim = Cmd::new();
            claim.arg("XAUTOCLAIM").arg(client.key.as_ref()).arg(GROUP).arg(&consumer);
            claim.arg(min_idle_ms).arg(&cursor).arg("COUNT").arg(plan.count);
            pipeline.add_command(claim);
        }
        if pipeline.is_empty() {
            return Ok(Worked { times, last_at });
        }
        let begun = Instant::now();
        let mut answers = client.query_all(&pipeline).await?.into_iter();
        times.record(begun.elapsed());
        last_at = Instant::now();
        if asked > 0 {
            worker.note_acknowledged(answers.next(), asked)?;
        }
        if !is_over {
            let not_understood = || client.not_understood("XAUTOCLAIM");
            let claimed = answers.next().and_then(of_claim);
            let (next, found, gone) = claimed.ok_or_else(not_understood)?;
            all_gone.fetch_add(gone, Ordering::Relaxed);
            worker.take(entries(found).ok_or_else(not_understood)?, "XAUTOCLAIM", |_| {})?;
            cursor = next;
            is_over = cursor == b"0-0";
        }
    }
}
