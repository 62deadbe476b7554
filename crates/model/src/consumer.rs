//! One reader of a group.

use std::sync::Arc;

/// A consumer of a group. Its pending entries stand in the group's pending list.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Any bytes, the empty string included.
    pub name: Arc<[u8]>,
    /// Last attempt to read or claim, Unix milliseconds.
    pub seen_ms: u64,
    /// Last time an entry became pending for it; `None` = never.
    pub active_ms: Option<u64>,
    /// Records it owns in the group's pending list. Derived; see [`crate::Group::check`].
    pub pending_count: usize,
}
