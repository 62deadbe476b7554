//! What a managed group counts.

/// Since the group became managed. Follows from the transitions, so it is the same after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// Entries that became pending by being handed out for the first time.
    pub delivered: u64,
    /// Pending entries that were acknowledged.
    pub acked: u64,
    /// Entries that lost their owner: it gave them back, or was deleted.
    pub nacked: u64,
    /// Entries that were handed out again, by whatever means.
    pub redelivered: u64,
    /// Entries that were moved to the dead-letter stream.
    pub dead_lettered: u64,
    /// Times that the dead-letter stream did not take what was to be moved. Those since the last
    /// checkpoint are lost by a crash.
    pub dead_letter_failed: u64,
    /// Pending records that went because their entry had been deleted or trimmed.
    pub vanished: u64,
    /// Pending records that went unacknowledged with their entry or their consumer.
    pub dropped: u64,
}

/// Why a pending record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was acknowledged.
    Acked,
    /// Its entry is in the dead-letter stream.
    DeadLettered,
    /// Its entry was gone.
    Vanished,
    /// It went with its entry or its consumer.
    Dropped,
}

impl GroupCounters {
    pub(crate) fn count(&mut self, settled: Settled, many: u64) {
        match settled {
            Settled::Acked => self.acked += many,
            Settled::DeadLettered => self.dead_lettered += many,
            Settled::Vanished => self.vanished += many,
            Settled::Dropped => self.dropped += many,
        }
    }
}
