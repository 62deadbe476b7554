//! A dead letter in JSON.

use std::time::SystemTime;

use millstream::DeadLetter;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::duration::milliseconds;
use crate::{FieldsSchema, JsonBytes};

/// A dead letter, with all that it says.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterRow {
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
    #[schema(value_type = FieldsSchema)]
    fields: Box<RawValue>,
}

impl LetterRow {
    /// As the toolkit reads it.
    ///
    /// # Errors
    /// Never: what the toolkit writes is JSON.
    pub fn new(letter: &DeadLetter) -> std::io::Result<Self> {
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
