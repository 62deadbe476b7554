//! What a consumer does for its groups beside its own messages.
//!
//! - It remembers how far each group is done, so that a group that is lost is made again there.
//! - Where the server does not do it, it deletes consumers that are gone for good.
//!
//! Both ask the server a little now and then, and whatever fails is tried the next time.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tokio::time::sleep;

use super::method::Method;
use super::worker::Worker;
use crate::milliseconds::milliseconds;
use crate::reply::{self, NotUnderstood};
use crate::{
    ConsumerGroupManager, ConsumerGroupMonitor, DelayedMessages, EntryId, Error, Millstream,
};

/// Between two looks at how far the groups are.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Deletes consumers that have nothing pending and were not heard of for long, in one step with
/// looking at them. Returns how many.
const DELETE_IDLE: &str = "\
local deleted = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
  if facts.pending == 0 and facts.idle >= tonumber(ARGV[2]) and facts.name ~= ARGV[3] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    deleted = deleted + 1
  end
end
return deleted";

/// Between two looks at delayed messages at most: a shorter delay may have come.
const DELAYED_INTERVAL: Duration = Duration::from_secs(1);

impl Worker {
    /// Moves delayed messages of its streams that are due, where the server does not. Ends where
    /// there is nothing to do.
    pub(super) async fn move_delayed(self: Arc<Self>) {
        let abilities = self.millstream.abilities();
        if abilities.has_schedule || !abilities.has_scripts || !self.settings.moves_delayed {
            return;
        }
        loop {
            let mut wait = DELAYED_INTERVAL;
            for origin in &self.origins {
                let delayed = DelayedMessages::new(&self.millstream, origin.stream.as_str());
                match delayed.move_due().await {
                    Ok(next) => wait = wait.min(next.unwrap_or(wait)),
                    Err(error) => tracing::warn!("delayed messages are not moved: {error}"),
                }
            }
            sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    /// Never ends by itself.
    pub(super) async fn keep_house(self: Arc<Self>) {
        let mut since_cleaning = Duration::ZERO;
        loop {
            // What is true at the beginning was just looked at. Many consumers do not all look at
            // once.
            let interval = LOOK_INTERVAL.mul_f64(0.8 + 0.4 * fastrand::f64());
            sleep(interval).await;
            since_cleaning += interval;
            for stream in 0..self.origins.len() {
                let origin = &self.origins[stream];
                match done_until(&self.millstream, &origin.stream, &origin.group).await {
                    Ok(Some(id)) => self.done_until.lock()[stream] = id,
                    Ok(None) => {}
                    Err(error) => tracing::debug!("cannot see how far the group is: {error}"),
                }
            }
            let Some(ttl) = self.settings.consumer_ttl.filter(|_| self.deletes_idle()) else {
                continue;
            };
            if since_cleaning >= ttl / 4 {
                since_cleaning = Duration::ZERO;
                for stream in 0..self.origins.len() {
                    if let Err(error) = self.delete_idle(stream, ttl).await {
                        tracing::debug!("idle consumers are not deleted: {error}");
                    }
                }
            }
        }
    }

    fn deletes_idle(&self) -> bool {
        self.method != Method::Policy && self.millstream.abilities().has_scripts
    }

    async fn delete_idle(&self, stream: usize, ttl: Duration) -> Result<(), Error> {
        let origin = &self.origins[stream];
        let mut script = cmd("EVAL");
        script.arg(DELETE_IDLE).arg(1).arg(&[&*origin.stream, &*origin.group]);
        script.arg(milliseconds(ttl)).arg(&origin.consumer);
        let deleted = reply::count(&self.millstream.run(&script).await?);
        let deleted = deleted.map_err(NotUnderstood::of("EVAL"))?;
        if deleted > 0 {
            let (stream, group) = (&origin.stream, &origin.group);
            tracing::info!(stream, group, deleted, "consumers that were gone for good are deleted");
        }
        Ok(())
    }
}

/// Everything up to this entry was acknowledged, or was never there. `None`: that cannot be told,
/// because the group read past entries that wait for their turn, and does not say which.
pub(super) async fn done_until(
    millstream: &Millstream,
    stream: &str,
    group: &str,
) -> Result<Option<EntryId>, Error> {
    let groups = ConsumerGroupManager::new(millstream, stream).groups().await?;
    let found = groups.into_iter().find(|info| info.name == group);
    let found = found.ok_or_else(|| Error::NoGroup(group.to_owned()))?;
    if found.held > 0 {
        return Ok(None);
    }
    let delivered = found.last_delivered;
    // Asked afterwards: of what was delivered by then all that is not done is in here.
    let pending = ConsumerGroupMonitor::new(millstream, stream).pending(group).await?;
    Ok(Some(pending.first.map_or(delivered, |first| delivered.min(first.before()))))
}
