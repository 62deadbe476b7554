//! A pending entry in JSON.

use millstream::PendingEntry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::JsonBytes;
use crate::duration::milliseconds;

/// A pending entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingRow {
    id: String,
    /// `None`: nobody has it.
    consumer: Option<JsonBytes>,
    /// Since its last delivery; `None`: nobody has it.
    idle_ms: Option<u64>,
    deliveries: u64,
    /// What was said when it failed last, if its group keeps that; `None`: nothing.
    error: Option<JsonBytes>,
}

impl From<&PendingEntry> for PendingRow {
    fn from(entry: &PendingEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            consumer: entry.consumer.clone().map(JsonBytes),
            idle_ms: entry.idle.map(milliseconds),
            deliveries: entry.deliveries,
            error: entry.error.clone().map(JsonBytes),
        }
    }
}
