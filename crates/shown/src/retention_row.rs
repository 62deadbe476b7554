//! What a stream keeps, in JSON.

use millstream::{Overflow, Retain, Retention};
use serde::Serialize;
use utoipa::ToSchema;

use crate::duration::milliseconds;
use crate::{byte_size, or_dash, short_or_dash};

/// What a stream keeps.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionRow {
    max_length: Option<u64>,
    max_age_ms: Option<u64>,
    max_bytes: Option<u64>,
    retain: &'static str,
    overflow: Option<&'static str>,
}

impl From<&Retention> for RetentionRow {
    fn from(retention: &Retention) -> Self {
        Self {
            max_length: retention.max_length,
            max_age_ms: retention.max_age.map(milliseconds),
            max_bytes: retention.max_bytes,
            retain: match retention.retain {
                Retain::All => "all",
                Retain::Unacked => "unacked",
            },
            overflow: retention.overflow.map(|overflow| match overflow {
                Overflow::Drop => "drop",
                Overflow::Reject => "reject",
            }),
        }
    }
}

/// Each item by the name that it has on the command line.
#[must_use]
pub fn retention_facts(retention: &Retention) -> Vec<(&'static str, String)> {
    let row = RetentionRow::from(retention);
    vec![
        ("maxlen", or_dash(row.max_length)),
        ("maxage", short_or_dash(retention.max_age)),
        ("maxbytes", byte_size::show(row.max_bytes)),
        ("retain", row.retain.to_owned()),
        ("overflow", or_dash(row.overflow)),
    ]
}
