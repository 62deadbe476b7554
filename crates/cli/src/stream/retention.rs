//! What a stream keeps, as it is shown.

use millstream::{Overflow, Retain, Retention};
use serde::Serialize;

use crate::byte_size;
use crate::duration::milliseconds;
use crate::output::{or_dash, short_or_dash};

#[derive(Serialize)]
pub(super) struct RetentionRow {
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
pub(super) fn facts(retention: &Retention) -> Vec<(&'static str, String)> {
    let row = RetentionRow::from(retention);
    vec![
        ("maxlen", or_dash(row.max_length)),
        ("maxage", short_or_dash(retention.max_age)),
        ("maxbytes", byte_size::show(row.max_bytes)),
        ("retain", row.retain.to_owned()),
        ("overflow", or_dash(row.overflow)),
    ]
}
