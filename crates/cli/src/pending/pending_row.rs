//! A pending entry, as it is shown.

use millstream::PendingEntry;

use crate::name::Name;
use crate::output::{Column, or_dash, short_or_dash, visible_start};

/// Characters of an error in a table: `--json` has the rest.
const ERROR_MAX: usize = 60;

const COLUMNS: &[Column] = &[
    Column::text("ID"),
    Column::text("CONSUMER"),
    Column::number("IDLE"),
    Column::number("DELIVERIES"),
    Column::text("ERROR"),
];

/// Of a group that keeps errors, or not.
pub(super) fn columns(has_errors: bool) -> &'static [Column] {
    if has_errors { COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] }
}

/// One line of a table with [`columns`].
pub(super) fn cells(entry: &PendingEntry, has_errors: bool) -> Vec<String> {
    let error = entry.error.as_ref().map(|error| visible_start(error, ERROR_MAX));
    let error = has_errors.then(|| or_dash(error));
    let cells = [
        entry.id.to_string(),
        or_dash(entry.consumer.clone().map(Name::from)),
        short_or_dash(entry.idle),
        entry.deliveries.to_string(),
    ];
    cells.into_iter().chain(error).collect()
}
