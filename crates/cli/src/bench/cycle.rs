//! `millstream bench cycle`: producers and workers at the same time.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::crew::Crew;
use super::drain::READ;
use super::measured::{Measured, measured};
use super::plan::Plan;
use super::produce::ADD;
use super::producer::{ToAdd, Worked, produce};
use super::round::Round;
use super::site::Site;
use super::verdict::verdict;
use super::work_time::work_time;
use super::worker::{Watch, Worker};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream bench cycle
  millstream bench cycle --connections 1 --pipeline 1 --workers 1 --count 1
  millstream bench cycle --backlog 100000 --compare redis://127.0.0.1:6380";

/// Producers that go on meanwhile.
struct Producers(Arc<ToAdd>);

impl Watch for Producers {
    fn acknowledged(&mut self, count: usize) {
        self.0.make_room(count);
    }

    fn is_last(&self) -> bool {
        self.0.is_done()
    }
}

enum Done {
    Producer(Worked),
    Worker(Worked),
}

pub(super) async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    site.make_stream(plan.load).await?;
    let account = Arc::new(Account::new(plan.messages));
    let to_add = Arc::new(ToAdd::new(plan.messages, Some(plan.backlog)));
    let (for_crew, plan) = (Arc::clone(&account), *plan);
    let job = move |client: super::crew::Client| {
        let (account, to_add) = (Arc::clone(&for_crew), Arc::clone(&to_add));
        async move {
            if client.number < plan.connections {
                return produce(client, plan, to_add).await.map(Done::Producer);
            }
            let worker = Worker::new(client, plan, account);
            worker.work(true, Producers(to_add)).await.map(Done::Worker)
        }
    };
    let crew = Crew::connect(site, &plan, plan.connections + plan.workers, job).await?;
    let measured = measured(site, &plan, crew, Duration::ZERO).await?;
    let memory_bytes = site.memory_bytes(plan.load).await?;
    verdict(site, plan.load, &account.wrong_in_group(site.ending(plan.load).await?))?;
    let Measured { begun_at, results, server_cpu, client_cpu } = measured;
    let (mut producers, mut workers) = (Vec::new(), Vec::new());
    for done in results {
        match done {
            Done::Producer(worked) => producers.push(worked),
            Done::Worker(worked) => workers.push(worked),
        }
    }
    let of = |results| work_time(&Measured { begun_at, results, server_cpu, client_cpu });
    let ((_, adds), (elapsed, reads)) = (of(producers), of(workers));
    let times = vec![(ADD, adds), (READ, reads)];
    Ok(Round { elapsed, server_cpu, client_cpu, memory_bytes, times })
}
