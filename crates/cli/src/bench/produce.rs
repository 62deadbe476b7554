//! `millstream bench produce`: adding alone.

use super::plan::Plan;
use super::producer::add_all;
use super::round::{Round, TimesName};
use super::site::Site;
use super::verdict::verdict;
use super::work_time::work_time;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream bench produce
  millstream bench produce --connections 50 --pipeline 1 --size 1kb
  millstream bench produce --url redis://127.0.0.1:6379 --compare redis://127.0.0.1:6380";

/// Of all XADDs that a connection has in flight together.
pub(super) const ADD: TimesName = TimesName { text: "XADD", json: "add" };

pub(super) async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    site.make_stream(plan.load).await?;
    let measured = add_all(site, plan).await?;
    let memory_bytes = site.memory_bytes(plan.load).await?;
    verdict(site, plan.load, &site.check_stream(plan).await?)?;
    let (elapsed, times) = work_time(&measured);
    Ok(Round {
        elapsed,
        server_cpu: measured.server_cpu,
        client_cpu: measured.client_cpu,
        memory_bytes,
        times: vec![(ADD, times)],
    })
}
