//! A delayed entry, as it is shown.

use std::time::SystemTime;

use millstream::DelayedMessage;

use crate::moment::moment;
use crate::output::{Column, short, visible};

pub(super) const COLUMNS: &[Column] =
    &[Column::text("TOKEN"), Column::text("DUE"), Column::number("IN"), Column::text("FIELDS")];

/// Characters of the fields in a table: the rest is in `--json`.
const FIELDS_MAX: usize = 60;

/// One line of a table with [`COLUMNS`].
pub(super) fn cells(entry: &DelayedMessage, now: SystemTime) -> Vec<String> {
    let left = entry.due.duration_since(now);
    vec![
        entry.token.clone(),
        moment(entry.due),
        left.map_or_else(|_| "due".to_owned(), short),
        fields(entry),
    ]
}

fn fields(entry: &DelayedMessage) -> String {
    let mut text = String::new();
    for (name, value) in entry.payload.iter() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format!("{}={}", visible(name), visible(value)));
        if let Some((end, _)) = text.char_indices().nth(FIELDS_MAX) {
            text.truncate(end);
            text.push_str("...");
            break;
        }
    }
    text
}
