//! A consumer in JSON.

use millstream::ConsumerInfo;
use serde::Serialize;
use utoipa::ToSchema;

use crate::JsonBytes;
use crate::duration::milliseconds;

/// A consumer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsumerRow {
    consumer: JsonBytes,
    pending: u64,
    /// Since it was last heard of.
    idle_ms: u64,
    /// Since it last got something.
    inactive_ms: Option<u64>,
}

impl From<&ConsumerInfo> for ConsumerRow {
    fn from(consumer: &ConsumerInfo) -> Self {
        Self {
            consumer: JsonBytes(consumer.name_bytes.clone()),
            pending: consumer.pending,
            idle_ms: milliseconds(consumer.idle),
            inactive_ms: consumer.inactive.map(milliseconds),
        }
    }
}
