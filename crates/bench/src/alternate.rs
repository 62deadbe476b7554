//! Two servers in turns, A B A B, with the same workload.

use anyhow::Context;

use crate::measure::{Measurement, measure};
use crate::pairing::Pairing;
use crate::report::Comparison;
use crate::server::{Server, ServerProgram, SyncMode};
use crate::workload::Workload;

/// A warm-up has this share of a round's messages.
const WARM_UP_SHARE: u64 = 5;

/// The servers to compare.
#[derive(Clone, Debug)]
pub struct Programs<'a> {
    /// The one to judge.
    pub ours: ServerProgram<'a>,
    /// The one to compare with.
    pub peer: ServerProgram<'a>,
}

/// How long a comparison is.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Messages in a round, about; at least 1.
    pub messages: u64,
    /// Rounds that count, after a warm-up; at least 1.
    pub rounds: usize,
}

impl Programs<'_> {
    /// Name and version of both.
    ///
    /// # Errors
    /// A server does not start.
    pub fn labels(&self) -> anyhow::Result<[String; 2]> {
        let label = |program| anyhow::Ok(Server::start(program, SyncMode::No)?.label.clone());
        Ok([label(&self.ours)?, label(&self.peer)?])
    }

    /// Runs `workload` against both in turns; returns what came out and how both call themselves.
    ///
    /// # Errors
    /// A server does not start, or answers wrongly.
    pub fn compare(
        &self,
        workload: &Workload,
        pairing: Pairing,
        length: Length,
    ) -> anyhow::Result<(Comparison, [String; 2])> {
        // Fresh servers for each comparison: no workload pays for what an earlier one left behind.
        let ours = Server::start(&self.ours, pairing.ours).context("start our server")?;
        let peer = Server::start(&self.peer, pairing.peer).context("start the peer")?;
        let visit = |server: &Server, side: &str, messages: u64, round: usize| {
            measure(server, workload, messages, round)
                .with_context(|| format!("measure {} ({side})", server.label))
        };
        let warm_up = (length.messages / WARM_UP_SHARE).max(1);
        visit(&ours, "ours", warm_up, 0)?;
        visit(&peer, "peer", warm_up, 0)?;
        let mut rounds = Vec::new();
        for round in 1..=length.rounds {
            let pair = (
                visit(&ours, "ours", length.messages, round)?,
                visit(&peer, "peer", length.messages, round)?,
            );
            eprintln!(
                "{} sync={pairing} round {round}/{}: {}",
                workload.name,
                length.rounds,
                summary(&pair)
            );
            rounds.push(pair);
        }
        let comparison = Comparison { workload: *workload, pairing, rounds };
        Ok((comparison, [ours.label.clone(), peer.label.clone()]))
    }
}

fn summary((ours, peer): &(Measurement, Measurement)) -> String {
    format!(
        "{:.0} against {:.0} messages/s, {:.2} against {:.2} us of CPU",
        ours.messages_per_second,
        peer.messages_per_second,
        ours.cpu_us_per_message,
        peer.cpu_us_per_message,
    )
}
