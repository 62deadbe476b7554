//! A consumer, as it is shown.

use millstream::ConsumerInfo;

use crate::name::Name;
use crate::output::{Column, short, short_or_dash};

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
