//! One message after the other, for as long as the stream is ours alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::cmd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::super::read::Reading;
use super::super::worker::Worker;
use crate::reply::{Entry, NotUnderstood, PendingRow};
use crate::{EntryId, Error, reply};

/// Pending entries that are looked at in one step.
const PENDING_AT_ONCE: usize = 100;

/// Who may begin, and until when.
#[derive(Clone, Debug)]
pub(in crate::consumer) struct Order {
    turn: Arc<Semaphore>,
    /// By our clock; the server's lease is over later. `None`: somebody was told that it is over,
    /// and did not begin, so that it must not go on as if nothing had been left out.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Order {
    pub(super) fn until(until: Instant) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), until: Arc::new(Mutex::new(Some(until))) }
    }

    /// `None`: never any more.
    pub(in crate::consumer) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    /// Unless it was over.
    pub(super) fn extend(&self, until: Instant) {
        if let Some(known) = &mut *self.until.lock() {
            *known = until;
        }
    }

    pub(in crate::consumer) fn left(&self) -> Duration {
        let until = *self.until.lock();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether somebody else may begin any moment. Once it is over it stays so.
    pub(in crate::consumer) fn is_over(&self) -> bool {
        let mut until = self.until.lock();
        *until = until.filter(|until| *until > Instant::now());
        until.is_none()
    }
}

/// An entry, and how often it was delivered before.
type Delivered = (Entry, u64);

impl Worker {
    /// Takes all that is pending in the group, whoever had it, before anything new.
    pub(in crate::consumer) async fn take_over(&self, reading: &Reading) -> Result<(), Error> {
        let mut from = "-".to_owned();
        loop {
            let asked = Instant::now();
            let rows = self.pending_of_all(&from).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            let is_first = from == "-";
            from = format!("({}", last.id);
            for (entry, before) in self.claim_in_order(&rows, is_first).await? {
                self.take(reading, 0, entry, before, asked).await?;
            }
        }
    }

    /// Takes what a read returned, in order with what others got who did not know yet that the
    /// stream is not theirs any more.
    pub(in crate::consumer) async fn take_in_order(
        &self,
        reading: &mut Reading,
        entries: Vec<Entry>,
        asked: Instant,
    ) -> Result<(), Error> {
        let new = |entry: Entry| (entry.id, (entry, 0));
        let mut all: BTreeMap<EntryId, Delivered> = entries.into_iter().map(new).collect();
        if all.is_empty() {
            return Ok(());
        }
        if self.others_have_some().await? {
            let mut from = "-".to_owned();
            loop {
                let rows = self.pending_of_all(&from).await?;
                let Some(last) = rows.last() else { break };
                from = format!("({}", last.id);
                let is_other = |row: &PendingRow| !all.contains_key(&row.id);
                let rows: Vec<PendingRow> = rows.into_iter().filter(is_other).collect();
                let claimed = self.claim_in_order(&rows, false).await?;
                all.extend(claimed.into_iter().map(|(entry, before)| (entry.id, (entry, before))));
            }
        }
        for (entry, before) in all.into_values() {
            self.take(reading, 0, entry, before, asked).await?;
        }
        Ok(())
    }

    async fn others_have_some(&self) -> Result<bool, Error> {
        let origin = &self.origins[0];
        let summary = cmd("XPENDING").arg(&[&*origin.stream, &*origin.group]).to_owned();
        let answer = self.millstream.run(&summary).await?;
        let parse = || {
            let parts = reply::array(answer)?;
            let owned: u64 = match parts.get(3) {
                Some(consumers) => {
                    let ours = |row: redis::Value| {
                        let row = reply::array(row)?;
                        let [name, count] = &row[..] else { return Err(NotUnderstood) };
                        let is_ours = reply::lossy_text(name)? == *origin.consumer;
                        Ok(if is_ours { reply::count(count)? } else { 0 })
                    };
                    let rows = reply::array(consumers.clone())?.into_iter().map(ours);
                    rows.sum::<Result<u64, _>>()?
                }
                None => 0,
            };
            Ok(reply::count(parts.first().ok_or(NotUnderstood)?)? > owned)
        };
        parse().map_err(NotUnderstood::of("XPENDING"))
    }

    /// Some of what is pending, whoever has it, without what is in hand.
    async fn pending_of_all(&self, from: &str) -> Result<Vec<PendingRow>, Error> {
        let origin = &self.origins[0];
        let mut from = from.to_owned();
        loop {
            let mut pending = cmd("XPENDING");
            pending.arg(&[&*origin.stream, &*origin.group, &*from, "+"]).arg(PENDING_AT_ONCE);
            let mut rows = self.pending_rows(&pending).await?;
            let Some(last) = rows.last() else { return Ok(rows) };
            from = format!("({}", last.id);
            rows.retain(|row| !self.in_hand.has((0, row.id)));
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// Claims these. Of what an owner left only the first can have been begun: what comes behind
    /// waited for its turn, and is not counted as delivered once more.
    async fn claim_in_order(
        &self,
        rows: &[PendingRow],
        counts_first: bool,
    ) -> Result<Vec<Delivered>, Error> {
        let mut claimed = Vec::new();
        let (first, rest) = rows.split_at(usize::from(counts_first && !rows.is_empty()));
        if let [first] = first {
            let command = self.claim_command(0, Duration::ZERO, [first.id].into_iter());
            let answer = self.millstream.run(&command).await?;
            let entries = reply::entries(answer).map_err(NotUnderstood::of("XCLAIM"))?;
            claimed.extend(entries.into_iter().map(|entry| (entry, first.deliveries)));
        }
        let is_same = |a: &PendingRow, b: &PendingRow| a.deliveries == b.deliveries;
        for same in rest.chunk_by(is_same) {
            let deliveries = same[0].deliveries.max(1);
            let ids = same.iter().map(|row| row.id);
            let mut command = self.claim_command(0, Duration::ZERO, ids);
            command.arg("RETRYCOUNT").arg(deliveries);
            let answer = self.millstream.run(&command).await?;
            let entries = reply::entries(answer).map_err(NotUnderstood::of("XCLAIM"))?;
            claimed.extend(entries.into_iter().map(|entry| (entry, deliveries - 1)));
        }
        Ok(claimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_once_is_not_passed_over_by_an_extension_that_comes_late() {
        let now = Instant::now();
        let (soon, later) = (now + Duration::from_mins(1), now + Duration::from_mins(2));
        let order = Order::until(soon);
        assert!(!order.is_over() && order.left() <= Duration::from_mins(1));
        order.extend(later);
        assert!(!order.is_over() && order.left() > Duration::from_mins(1));
        order.extend(now);
        assert!(order.is_over() && order.left().is_zero());
        order.extend(later);
        assert!(order.is_over() && order.left().is_zero());
    }
}
