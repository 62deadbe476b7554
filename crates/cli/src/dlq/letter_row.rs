//! A dead letter, as it is shown.

use millstream::DeadLetter;

use crate::name::Name;
use crate::output::{Column, age_of, short, visible, visible_start};

pub(super) const COLUMNS: &[Column] = &[
    Column::text("LETTER"),
    Column::text("ENTRY"),
    Column::text("GROUP"),
    Column::number("DELIVERIES"),
    Column::text("REASON"),
    Column::number("AGE"),
    Column::text("ERROR"),
];

/// Characters of an error in a table: the rest is in `dlq show`.
const ERROR_MAX: usize = 60;

/// One line of a table with [`COLUMNS`].
pub(super) fn cells(letter: &DeadLetter) -> Vec<String> {
    vec![
        letter.id.to_string(),
        letter.original_id.to_string(),
        name_or_dash(&letter.group_bytes),
        letter.deliveries.to_string(),
        text_or_dash(&letter.reason),
        short(age_of(letter.id)),
        match &*letter.error {
            "" => "-".to_owned(),
            error => visible_start(error.as_bytes(), ERROR_MAX),
        },
    ]
}

pub(super) fn name_or_dash(name: &bytes::Bytes) -> String {
    if name.is_empty() { "-".to_owned() } else { Name::from(name.clone()).to_string() }
}

pub(super) fn text_or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { visible(text.as_bytes()) }
}
