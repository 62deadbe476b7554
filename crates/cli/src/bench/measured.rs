//! Running a crew with its clocks: how long it took, and the processor time of both sides.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::crew::Crew;
use super::plan::Plan;
use super::site::Site;

/// What a crew took.
#[derive(Debug)]
pub(super) struct Measured<R> {
    pub(super) begun_at: Instant,
    pub(super) results: Vec<R>,
    pub(super) server_cpu: Option<Duration>,
    pub(super) client_cpu: Duration,
}

/// Has it begin after `lead`, and waits for its end.
pub(super) async fn measured<R: Send + 'static>(
    site: &Site,
    plan: &Plan,
    crew: Crew<R>,
    lead: Duration,
) -> anyhow::Result<Measured<R>> {
    let server_before = site.cpu_time(plan.load).await?;
    let client_before = client_cpu_time();
    let (begun_at, results) = crew.run(lead).await?;
    let client_cpu = client_cpu_time().saturating_sub(client_before);
    let server_cpu = site.cpu_time(plan.load).await?.zip(server_before);
    let server_cpu = server_cpu.map(|(after, before)| after.saturating_sub(before));
    Ok(Measured { begun_at, results, server_cpu, client_cpu })
}

fn client_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
