//! What a managed group counts.

use crate::PendingEntry;

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
    /// A pending record was created or replaced.
    pub(crate) fn count_set(&mut self, before: Option<PendingEntry>, after: PendingEntry) {
        let Some(before) = before else {
            self.delivered += u64::from(after.owner.is_some());
            return;
        };
        let is_given_back = before.owner.is_some() && after.owner.is_none();
        self.nacked += u64::from(is_given_back);
        let is_again = after.owner.is_some() && after.delivery_count > before.delivery_count;
        self.redelivered += u64::from(is_again);
    }

    /// What [`Self::count_set`] has counted elsewhere.
    pub fn add_set(&mut self, more: &Self) {
        self.delivered += more.delivered;
        self.nacked += more.nacked;
        self.redelivered += more.redelivered;
    }

    /// Pending records went.
    pub fn count(&mut self, settled: Settled, many: u64) {
        match settled {
            Settled::Acked => self.acked += many,
            Settled::DeadLettered => self.dead_lettered += many,
            Settled::Vanished => self.vanished += many,
            Settled::Dropped => self.dropped += many,
        }
    }
}
