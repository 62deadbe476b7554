//! Looks at a consumer group from outside: the numbers of XINFO, as text for people.

use std::fmt;

use redis::streams::{
    StreamInfoConsumer, StreamInfoConsumersReply, StreamInfoGroupsReply, StreamPendingReply,
};
use redis::{Commands, Connection, RedisResult};

/// What XINFO says of one group.
#[derive(Clone, Debug)]
pub(crate) struct GroupStats {
    /// Name of the group.
    pub(crate) group: String,
    /// Entries delivered and not acknowledged.
    pub(crate) pending: usize,
    /// ID of the last entry that was handed out.
    pub(crate) last_delivered_id: String,
    /// Name, pending entries and idle time (ms) of each consumer.
    pub(crate) consumers: Vec<StreamInfoConsumer>,
}

/// Asks about the groups of one stream.
pub(super) struct ConsumerGroupMonitor {
    connection: Connection,
    stream: String,
}

impl ConsumerGroupMonitor {
    pub(super) fn new(connection: Connection, stream: &str) -> Self {
        Self { connection, stream: stream.to_owned() }
    }

    /// Numbers of `group`; none if there is no such group.
    pub(super) fn group_stats(&mut self, group: &str) -> RedisResult<Option<GroupStats>> {
        let groups: StreamInfoGroupsReply = self.connection.xinfo_groups(&self.stream)?;
        let Some(info) = groups.groups.into_iter().find(|info| info.name == group) else {
            return Ok(None);
        };
        let consumers: StreamInfoConsumersReply =
            self.connection.xinfo_consumers(&self.stream, group)?;
        Ok(Some(GroupStats {
            group: info.name,
            pending: info.pending,
            last_delivered_id: info.last_delivered_id,
            consumers: consumers.consumers,
        }))
    }

    /// Entries delivered and not acknowledged.
    pub(super) fn pending(&mut self, group: &str) -> RedisResult<usize> {
        let pending: StreamPendingReply = self.connection.xpending(&self.stream, group)?;
        Ok(pending.count())
    }
}

impl fmt::Display for GroupStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = "=".repeat(60);
        writeln!(f, "{rule}\nConsumer Group: {}\n{rule}", self.group)?;
        writeln!(f, "Pending messages: {}", self.pending)?;
        writeln!(f, "Active consumers: {}", self.consumers.len())?;
        writeln!(f, "Last delivered ID: {}", self.last_delivered_id)?;
        writeln!(f, "\nConsumers:")?;
        for consumer in &self.consumers {
            writeln!(f, "  {}:", consumer.name)?;
            writeln!(f, "    Pending: {}", consumer.pending)?;
            writeln!(f, "    Idle: {:.1}s", consumer.idle as f64 / 1000.0)?;
        }
        Ok(())
    }
}
