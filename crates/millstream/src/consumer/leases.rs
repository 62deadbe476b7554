//! Keeping what is in hand ours while it is worked on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::worker::Worker;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, reply};

/// Leases are extended when a third of them is over.
const LEASE_PARTS: u32 = 3;
/// Leases of one command.
const EXTENDED_AT_ONCE: usize = 1000;
/// A command that says how long something must be idle says a little less than we know.
const SLACK_MAX: Duration = Duration::from_secs(1);

impl Worker {
    /// Tells the server again and again what is still being worked on.
    pub(super) async fn extend_leases(self: Arc<Self>) {
        if self.settings.is_no_ack || self.order.is_some() {
            return;
        }
        let interval = self.lease / LEASE_PARTS;
        loop {
            sleep(interval).await;
            for stream in 0..self.origins.len() {
                let (ids, youngest) = self.in_hand.older(stream, interval / 2);
                for some in ids.chunks(EXTENDED_AT_ONCE) {
                    self.extend_some(stream, some, youngest).await;
                }
            }
        }
    }

    async fn extend_some(&self, stream: usize, ids: &[EntryId], youngest: Duration) {
        let asked = Instant::now();
        match self.extend(stream, ids, youngest).await {
            Ok(granted) => {
                let lost = self.in_hand.extended(stream, ids, &granted, asked);
                if lost > 0 {
                    let stream = &self.origins[stream].stream;
                    tracing::warn!(stream, lost, "messages went to other consumers");
                }
            }
            // Tried again in time, or lost and noticed then.
            Err(error) => tracing::warn!("leases are not extended: {error}"),
        }
    }

    /// Asks for a longer lease; returns for which.
    pub(super) async fn extend(
        &self,
        stream: usize,
        ids: &[EntryId],
        youngest: Duration,
    ) -> Result<Vec<EntryId>, Error> {
        let is_fenced = self.millstream.abilities().has_fence;
        // Where the server cannot look whose it is: what somebody else took over in between was
        // not idle for as long as we think.
        let min_idle = if is_fenced { Duration::ZERO } else { known_idle(youngest) };
        let mut command = self.claim_command(stream, min_idle, ids.iter().copied());
        command.arg("JUSTID");
        if is_fenced {
            command.arg("FENCE");
        }
        let answer = self.millstream.run(&command).await?;
        reply::ids(answer).map_err(NotUnderstood::of("XCLAIM"))
    }
}

/// What we heard of so long ago is idle for at least this, if it is still ours.
pub(super) fn known_idle(age: Duration) -> Duration {
    age.saturating_sub((age / 4).min(SLACK_MAX))
}
