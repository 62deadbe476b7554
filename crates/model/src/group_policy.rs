//! What a group does by itself with what is pending: its policy.
//!
//! A group without any of it behaves as in Redis; one with an item set is *managed*. Must not know
//! clocks nor words: times are numbers that callers compare. The rules are in `docs/delivery.md`.

/// What becomes of a consumer's pending entries when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerDeletion {
    /// They stay pending without an owner, and are available at once.
    Release,
    /// They go with it, as in a group that is not managed.
    Drop,
}

/// The policy of a managed group. [`Default`]: nothing is set, the group is not managed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupPolicy {
    /// So many milliseconds after its delivery an entry is available to others; 0: never.
    pub visibility_ms: u64,
    /// Nothing is handed out, neither for the first time nor again.
    pub is_paused: bool,
    /// `None`: as a managed group does it, [`ConsumerDeletion::Release`].
    pub consumer_deletion: Option<ConsumerDeletion>,
}

impl GroupPolicy {
    /// Whether an item is set.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        *self != Self::default()
    }

    /// How long an entry must have been pending with an owner to be available to others.
    #[must_use]
    pub fn min_idle_ms(&self) -> u64 {
        if self.visibility_ms == 0 { u64::MAX } else { self.visibility_ms }
    }

    /// Whether deleting a consumer leaves what it has pending to others.
    #[must_use]
    pub fn releases(&self) -> bool {
        self.is_managed() && self.consumer_deletion != Some(ConsumerDeletion::Drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_time_nothing_is_idle_for_long_enough() {
        let mut policy = GroupPolicy::default();
        assert_eq!(policy.min_idle_ms(), u64::MAX);
        policy.visibility_ms = 500;
        assert_eq!(policy.min_idle_ms(), 500);
    }

    #[test]
    fn only_a_managed_group_releases_what_a_deleted_consumer_has() {
        let mut policy = GroupPolicy::default();
        assert!(!policy.is_managed() && !policy.releases());
        policy.visibility_ms = 1;
        assert!(policy.is_managed() && policy.releases());
        policy.consumer_deletion = Some(ConsumerDeletion::Drop);
        assert!(!policy.releases());
        policy = GroupPolicy { consumer_deletion: Some(ConsumerDeletion::Release), ..policy };
        policy.visibility_ms = 0;
        assert!(policy.is_managed() && policy.releases());
    }
}
