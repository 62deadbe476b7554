//! What a group is doing: what is pending, what is stuck, how far behind it is.

use std::fmt;
use std::time::Duration;

use redis::cmd;

use crate::milliseconds::milliseconds;
use crate::reply::{NotUnderstood, PendingRow};
use crate::{ConsumerGroupManager, ConsumerInfo, EntryId, Error, GroupInfo, Millstream, reply};

/// Looks at the consumer groups of one stream, and changes nothing: whatever waits can be dropped.
#[derive(Clone, Debug)]
pub struct ConsumerGroupMonitor {
    millstream: Millstream,
    manager: ConsumerGroupManager,
}

/// What is pending in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSummary {
    /// Entries that were delivered and not acknowledged.
    pub total: u64,
    /// The first of them in the stream.
    pub first: Option<EntryId>,
    /// The last of them.
    pub last: Option<EntryId>,
}

/// A group at a glance. Its [`Display`](fmt::Display) is a table for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupStatistics {
    /// The group.
    pub group: GroupInfo,
    /// Its consumers, by name.
    pub consumers: Vec<ConsumerInfo>,
    /// What is pending.
    pub pending: PendingSummary,
    /// Age of the oldest pending entry by the time in its id, as this machine's clock sees it.
    pub oldest_age: Option<Duration>,
}

/// An entry that was delivered long ago and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StuckMessage {
    /// Which entry.
    pub id: EntryId,
    /// Who has it; empty: nobody.
    pub consumer: String,
    /// Since its last delivery.
    pub idle: Duration,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl ConsumerGroupMonitor {
    /// For a stream.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let manager = ConsumerGroupManager::new(millstream, stream);
        Self { millstream: millstream.clone(), manager }
    }

    /// A group at a glance; `None` if there is no such group. Its parts are asked for one after
    /// the other, so they may differ by what happened between.
    ///
    /// # Errors
    /// Those of the server: `ERR no such key` if there is no stream.
    pub async fn statistics(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Option<GroupStatistics>, Error> {
        let group = group.as_ref();
        let groups = self.manager.groups().await?;
        let Some(info) = groups.into_iter().find(|info| info.name_bytes == group) else {
            return Ok(None);
        };
        let asked = async {
            let consumers = self.manager.consumers(group).await?;
            Ok((consumers, self.pending(group).await?))
        };
        match asked.await {
            Ok((consumers, pending)) => {
                let oldest_age = pending.first.map(age);
                Ok(Some(GroupStatistics { group: info, consumers, pending, oldest_age }))
            }
            // It went just now.
            Err(Error::NoGroup(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is pending in a group.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn pending(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<PendingSummary, Error> {
        let mut command = cmd("XPENDING");
        command.arg(self.manager.stream()).arg(group.as_ref());
        let answer = self.millstream.run(&command).await?;
        let parse = || {
            let parts = reply::array(answer)?;
            let [total, first, last, ..] = &parts[..] else { return Err(NotUnderstood) };
            let total = reply::count(total)?;
            let id = |value| if total == 0 { Ok(None) } else { reply::id(value).map(Some) };
            Ok(PendingSummary { total, first: id(first)?, last: id(last)? })
        };
        parse().map_err(NotUnderstood::of("XPENDING"))
    }

    /// Entries that were delivered at least `min_idle` ago (whole milliseconds count) and not
    /// acknowledged, at most `count` (1 to a million) of them, in the order of the stream.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn stuck(
        &self,
        group: &(impl AsRef<[u8]> + ?Sized),
        min_idle: Duration,
        count: usize,
    ) -> Result<Vec<StuckMessage>, Error> {
        let mut command = cmd("XPENDING");
        command.arg(self.manager.stream()).arg(group.as_ref());
        command.arg("IDLE").arg(milliseconds(min_idle));
        command.arg(&["-", "+"]).arg(count.clamp(1, 1_000_000));
        let rows = reply::pending_rows(self.millstream.run(&command).await?)
            .map_err(NotUnderstood::of("XPENDING"))?;
        let stuck = |row: PendingRow| StuckMessage {
            id: row.id,
            consumer: row.consumer,
            idle: Duration::from_millis(row.idle_ms),
            deliveries: row.deliveries,
        };
        Ok(rows.into_iter().map(stuck).collect())
    }
}

fn age(id: EntryId) -> Duration {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.saturating_sub(Duration::from_millis(id.ms))
}

impl fmt::Display for GroupStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = "=".repeat(60);
        writeln!(f, "{line}\nConsumer Group: {}\n{line}", self.group.name)?;
        writeln!(f, "Pending messages: {}", self.pending.total)?;
        writeln!(f, "Active consumers: {}", self.consumers.len())?;
        writeln!(f, "Last delivered ID: {}", self.group.last_delivered)?;
        match self.group.lag {
            Some(lag) => writeln!(f, "Not delivered yet: {lag}")?,
            None => writeln!(f, "Not delivered yet: unknown")?,
        }
        if let Some(age) = self.oldest_age {
            writeln!(f, "Oldest pending: {:.1}s", age.as_secs_f64())?;
        }
        writeln!(f, "\nConsumers:")?;
        for consumer in &self.consumers {
            writeln!(f, "  {}:", consumer.name)?;
            writeln!(f, "    Pending: {}", consumer.pending)?;
            writeln!(f, "    Idle: {:.1}s", consumer.idle.as_secs_f64())?;
        }
        Ok(())
    }
}
