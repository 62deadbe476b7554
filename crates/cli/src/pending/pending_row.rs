//! A pending entry, as it is shown.

use millstream::PendingEntry;
use serde::Serialize;

use crate::duration::milliseconds;
use crate::name::Name;
use crate::output::{Column, JsonBytes, or_dash, short_or_dash};

pub(super) const COLUMNS: &[Column] = &[
    Column::text("ID"),
    Column::text("CONSUMER"),
    Column::number("IDLE"),
    Column::number("DELIVERIES"),
];

/// One line of a table with [`COLUMNS`].
pub(super) fn cells(entry: &PendingEntry) -> Vec<String> {
    vec![
        entry.id.to_string(),
        or_dash(entry.consumer.clone().map(Name::from)),
        short_or_dash(entry.idle),
        entry.deliveries.to_string(),
    ]
}

/// The same in JSON.
#[derive(Serialize)]
pub(super) struct PendingRow {
    id: String,
    /// `None`: nobody has it.
    consumer: Option<JsonBytes>,
    /// Since its last delivery; `None`: nobody has it.
    idle_ms: Option<u64>,
    deliveries: u64,
}

impl From<&PendingEntry> for PendingRow {
    fn from(entry: &PendingEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            consumer: entry.consumer.clone().map(JsonBytes),
            idle_ms: entry.idle.map(milliseconds),
            deliveries: entry.deliveries,
        }
    }
}
