//! A pending entry, as it is shown.

use millstream::PendingEntry;

use crate::name::Name;
use crate::output::{Column, or_dash, short_or_dash};

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
