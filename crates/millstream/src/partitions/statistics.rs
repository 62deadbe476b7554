//! What a group is doing in all partitions of a stream.

use redis::cmd;

use super::PartitionedStream;
use crate::consumer::{lease_key, owner_of};
use crate::{ConsumerGroupMonitor, Error, GroupStatistics, reply};

/// A group in one partition.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PartitionStatistics {
    /// Which partition.
    pub partition: u16,
    /// How many entries it has.
    pub length: u64,
    /// The consumer that has it now, where partitions are leased.
    pub owner: Option<String>,
    /// What the group is doing there; `None`: it has no such group.
    pub group: Option<GroupStatistics>,
}

impl PartitionedStream {
    /// A group at a glance, partition by partition. They are asked one after the other.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn statistics(&self, group: &str) -> Result<Vec<PartitionStatistics>, Error> {
        let mut all = Vec::with_capacity(usize::from(self.partitions));
        for partition in 0..self.partitions {
            let stream = self.stream(partition);
            let length = self.millstream.len(&stream).await?;
            let monitor = ConsumerGroupMonitor::new(&self.millstream, stream.as_str());
            // A stream that is not there has no groups.
            let statistics = match monitor.statistics(group).await {
                Err(Error::Refused { code, .. }) if code == "ERR" && length == 0 => None,
                statistics => statistics?,
            };
            let lease = self.millstream.run(cmd("GET").arg(lease_key(&stream, group))).await?;
            let lease = reply::lossy_text(&lease).map_err(reply::NotUnderstood::of("GET"))?;
            let owner = (!lease.is_empty()).then(|| owner_of(&lease).to_owned());
            all.push(PartitionStatistics { partition, length, owner, group: statistics });
        }
        Ok(all)
    }
}
