//! Rounds of a load, on one server or on two in turns.

use super::figures::Figures;
use super::plan::{Load, Plan};
use super::progress::Progress;
use super::round::{Round, TimesName};
use super::site::Site;
use super::times::Times;
use super::{claim, cycle, drain, latency, produce};

/// What a load came to.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) plan: Plan,
    /// Of each round that counts: one of each server, in the servers' order.
    pub(super) rounds: Vec<Vec<Round>>,
}

impl Series {
    /// # Errors
    /// A server failed, or was not exact.
    pub(super) async fn measure(
        sites: &[Site],
        plan: Plan,
        rounds: u64,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        progress.begin(plan.load.name(), (rounds + 1) * sites.len() as u64);
        for site in sites {
            round(site, &plan.warm_up()).await?;
            progress.step();
        }
        let mut all = Vec::new();
        for number in 0..rounds {
            let mut pair = Vec::new();
            // Who goes first changes: nothing is always behind what the other one left.
            let is_backwards = number % 2 == 1;
            let order: Vec<&Site> = match is_backwards {
                true => sites.iter().rev().collect(),
                false => sites.iter().collect(),
            };
            for site in order {
                pair.push(round(site, &plan).await?);
                progress.step();
            }
            if is_backwards {
                pair.reverse();
            }
            all.push(pair);
        }
        progress.end();
        Ok(Self { plan, rounds: all })
    }

    /// Times of all rounds of one server together, by what they are of.
    pub(super) fn times(&self, server: usize) -> Vec<(TimesName, Times)> {
        let mut all: Vec<(TimesName, Times)> = Vec::new();
        for (name, times) in self.rounds.iter().flat_map(|round| &round[server].times) {
            match all.iter_mut().find(|(of, _)| of == name) {
                Some((_, sum)) => sum.merge(times),
                None => all.push((*name, times.clone())),
            }
        }
        all
    }

    pub(super) fn figures(&self) -> Figures {
        Figures::of(self)
    }
}

/// One round on a stream of its own, which is gone afterwards.
async fn round(site: &Site, plan: &Plan) -> anyhow::Result<Round> {
    let round = match plan.load {
        Load::Produce => produce::round(site, plan).await,
        Load::Drain => drain::round(site, plan).await,
        Load::Cycle => cycle::round(site, plan).await,
        Load::Claim => claim::round(site, plan).await,
        Load::Latency => latency::round(site, plan).await,
    }?;
    site.remove_stream().await.map_err(site.cannot(plan.load))?;
    Ok(round)
}
