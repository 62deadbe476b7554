//! A group, as it is shown.

use millstream::GroupInfo;

use crate::name::Name;
use crate::output::{Column, or_dash};

pub(crate) const COLUMNS: &[Column] = &[
    Column::text("GROUP"),
    Column::number("CONSUMERS"),
    Column::number("PENDING"),
    Column::number("LAG"),
    Column::text("LAST DELIVERED"),
    Column::text("BLOCKED BY"),
];

/// One line of a table with [`COLUMNS`].
pub(crate) fn cells(group: &GroupInfo) -> Vec<String> {
    let blocked_by = group.managed.as_ref().and_then(|managed| managed.blocked_by.as_deref());
    vec![
        Name::from(group.name_bytes.clone()).to_string(),
        group.consumers.to_string(),
        group.pending.to_string(),
        or_dash(group.lag),
        group.last_delivered.to_string(),
        or_dash(blocked_by),
    ]
}
