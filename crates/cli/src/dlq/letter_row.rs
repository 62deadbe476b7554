//! A dead letter, as it is shown.

use std::time::SystemTime;

use millstream::DeadLetter;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::duration::milliseconds;
use crate::name::Name;
use crate::output::{Column, JsonBytes, age_of, short, visible};

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
        shortened(&letter.error),
    ]
}

pub(super) fn name_or_dash(name: &bytes::Bytes) -> String {
    if name.is_empty() { "-".to_owned() } else { Name::from(name.clone()).to_string() }
}

pub(super) fn text_or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { visible(text.as_bytes()) }
}

fn shortened(error: &str) -> String {
    match error.char_indices().nth(ERROR_MAX) {
        Some((end, _)) => format!("{}...", visible(&error.as_bytes()[..end])),
        None => text_or_dash(error),
    }
}

/// The same in JSON, with all that it says.
#[derive(Serialize)]
pub(super) struct LetterRow {
    id: String,
    original_id: String,
    stream: JsonBytes,
    group: JsonBytes,
    consumer: JsonBytes,
    deliveries: u64,
    reason: String,
    error: String,
    /// Unix time; `None`: the letter does not say.
    failed_at_ms: Option<u64>,
    /// Of the entry that it was.
    fields: Box<RawValue>,
}

impl LetterRow {
    pub(super) fn new(letter: &DeadLetter) -> std::io::Result<Self> {
        let failed_at = letter.failed_at.duration_since(SystemTime::UNIX_EPOCH);
        let failed_at_ms = failed_at.map(milliseconds).ok().filter(|ms| *ms > 0);
        Ok(Self {
            id: letter.id.to_string(),
            original_id: letter.original_id.to_string(),
            stream: JsonBytes(letter.stream_bytes.clone()),
            group: JsonBytes(letter.group_bytes.clone()),
            consumer: JsonBytes(letter.consumer_bytes.clone()),
            deliveries: letter.deliveries,
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            failed_at_ms,
            fields: RawValue::from_string(letter.payload.to_json())?,
        })
    }
}
