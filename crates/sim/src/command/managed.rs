//! What only managed groups know: policies, dead letters; and what streams keep.

use millstream_model::Backoff;

use super::Text;
use crate::id::Id;

/// Items of XGROUP CFGSET. 0 and `Some(None)`: off.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyChange {
    pub(crate) visibility_ms: Option<u64>,
    pub(crate) deliveries_max: Option<u64>,
    pub(crate) dead_letter: Option<Option<Text>>,
    pub(crate) backoff: Option<Option<Backoff>>,
    pub(crate) jitter_percent: Option<u8>,
    pub(crate) in_flight_max: Option<u64>,
    pub(crate) order_by: Option<Option<Text>>,
    pub(crate) consumer_ttl_ms: Option<u64>,
    /// Whether a deleted consumer's entries go with it.
    pub(crate) drops: Option<Option<bool>>,
    pub(crate) is_paused: Option<bool>,
}

/// Items of XCFGSET that say what a stream keeps. 0 and `Some(None)`: off.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetentionChange {
    pub(crate) max_len: Option<u64>,
    pub(crate) max_age_ms: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) is_unacked: Option<bool>,
    /// Whether OVERFLOW is REJECT.
    pub(crate) rejects: Option<Option<bool>>,
}

/// XACK counts for what this consumer has, at this delivery.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    pub(crate) consumer: Text,
    pub(crate) attempt: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetterAction {
    List,
    Requeue { make_stream: bool },
    Purge,
}

/// XDLQ.
#[derive(Clone, Debug)]
pub(crate) struct OnLetters {
    pub(crate) action: LetterAction,
    pub(crate) key: Text,
    pub(crate) ids: Option<Vec<Id>>,
    pub(crate) group: Option<Text>,
    pub(crate) reason: Option<Text>,
    pub(crate) consumer: Option<Text>,
    pub(crate) min_age_ms: Option<u64>,
    pub(crate) count: Option<usize>,
    pub(crate) cursor: Option<Id>,
    pub(crate) is_dry: bool,
}
