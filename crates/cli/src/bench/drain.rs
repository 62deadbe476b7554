//! `millstream bench drain`: a stream that is full is read until all is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::crew::Crew;
use super::measured::measured;
use super::plan::Plan;
use super::producer::fill;
use super::round::{Round, TimesName};
use super::site::Site;
use super::verdict::verdict;
use super::work_time::work_time;
use super::worker::{Watch, Worker};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream bench drain
  millstream bench drain --workers 16 --count 10 --json
  millstream bench drain --messages 1000000 --compare redis://127.0.0.1:6380";

/// Of an XACK of what was read last, and the next XREADGROUP, together.
pub(super) const READ: TimesName = TimesName { text: "XACK+XREADGROUP", json: "read" };

/// Nothing is added any more.
struct Full;

impl Watch for Full {
    fn is_last(&self) -> bool {
        true
    }
}

pub(super) async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    fill(site, plan).await?;
    let memory_bytes = site.memory_bytes(plan.load).await?;
    let account = Arc::new(Account::new(plan.messages));
    let (for_crew, plan) = (Arc::clone(&account), *plan);
    let job = move |client| Worker::new(client, plan, Arc::clone(&for_crew)).work(false, Full);
    let crew = Crew::connect(site, &plan, plan.workers, job).await?;
    let measured = measured(site, &plan, crew, Duration::ZERO).await?;
    verdict(site, plan.load, &account.wrong_in_group(site.ending(plan.load).await?))?;
    let (elapsed, times) = work_time(&measured);
    Ok(Round {
        elapsed,
        server_cpu: measured.server_cpu,
        client_cpu: measured.client_cpu,
        memory_bytes,
        times: vec![(READ, times)],
    })
}
