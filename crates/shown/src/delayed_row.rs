//! A delayed entry in JSON.

use std::time::SystemTime;

use millstream::DelayedMessage;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::FieldsSchema;
use crate::duration::milliseconds;

/// A delayed entry, with all of its fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct DelayedRow {
    token: String,
    /// Unix time.
    due_ms: u64,
    /// Until then by the clock of the server; 0: it is due.
    in_ms: u64,
    #[schema(value_type = FieldsSchema)]
    fields: Box<RawValue>,
}

impl DelayedRow {
    /// As the clock of the server says `now`.
    ///
    /// # Errors
    /// Never: what the toolkit writes is JSON.
    pub fn new(entry: &DelayedMessage, now: SystemTime) -> std::io::Result<Self> {
        let since = |then| milliseconds(entry.due.duration_since(then).unwrap_or_default());
        Ok(Self {
            token: entry.token.clone(),
            due_ms: since(SystemTime::UNIX_EPOCH),
            in_ms: since(now),
            fields: RawValue::from_string(entry.payload.to_json())?,
        })
    }
}
