//! A consumer, as it is shown.

use millstream::ConsumerInfo;
use serde::Serialize;

use crate::duration::milliseconds;
use crate::name::Name;
use crate::output::{Column, JsonBytes, short, short_or_dash};

pub(crate) const COLUMNS: &[Column] = &[
    Column::text("CONSUMER"),
    Column::number("PENDING"),
    Column::number("IDLE"),
    Column::number("INACTIVE"),
];

/// One line of a table with [`COLUMNS`].
pub(crate) fn cells(consumer: &ConsumerInfo) -> Vec<String> {
    vec![
        Name::from(consumer.name_bytes.clone()).to_string(),
        consumer.pending.to_string(),
        short(consumer.idle),
        short_or_dash(consumer.inactive),
    ]
}

/// The same in JSON.
#[derive(Serialize)]
pub(crate) struct ConsumerRow {
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
