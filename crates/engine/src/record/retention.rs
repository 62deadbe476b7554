//! A stream's retention as fields: how many items, then of each its number and its value. What is
//! not set is not there. Numbers are never given a new meaning.

use millstream_model::{Overflow, Retain, Retention};

use super::ReplayError;
use super::fields::{FieldReader, FieldWriter};

/// Numbers of the items.
const MAX_LEN: u8 = 1;
const MAX_AGE: u8 = 2;
const MAX_BYTES: u8 = 3;
/// Without a value.
const UNACKED: u8 = 4;
const OVERFLOW: u8 = 5;

/// Values of the item.
const REJECT: u8 = 1;
const DROP: u8 = 2;

fn limits(retention: &Retention) -> impl Iterator<Item = (u8, u64)> + use<> {
    let Retention { max_len, max_age_ms, max_bytes, .. } = *retention;
    let limits = [(MAX_LEN, max_len), (MAX_AGE, max_age_ms), (MAX_BYTES, max_bytes)];
    limits.into_iter().filter(|(_, limit)| *limit > 0)
}

pub(crate) fn encode(retention: &Retention, to: &mut FieldWriter<'_>) {
    let is_unacked = retention.retain == Retain::Unacked;
    let others = u64::from(is_unacked) + u64::from(retention.overflow.is_some());
    to.number(limits(retention).count() as u64 + others);
    for (item, limit) in limits(retention) {
        to.byte(item).number(limit);
    }
    if is_unacked {
        to.byte(UNACKED);
    }
    if let Some(overflow) = retention.overflow {
        to.byte(OVERFLOW).byte(match overflow {
            Overflow::Reject => REJECT,
            Overflow::Drop => DROP,
        });
    }
}

pub(crate) fn decode(from: &mut FieldReader<'_>) -> Result<Retention, ReplayError> {
    let mut retention = Retention::default();
    for _ in 0..from.length()? {
        match from.byte()? {
            MAX_LEN => retention.max_len = from.number()?,
            MAX_AGE => retention.max_age_ms = from.number()?,
            MAX_BYTES => retention.max_bytes = from.number()?,
            UNACKED => retention.retain = Retain::Unacked,
            OVERFLOW => {
                retention.overflow = Some(match from.byte()? {
                    REJECT => Overflow::Reject,
                    DROP => Overflow::Drop,
                    other => return Err(unknown("overflow", other)),
                });
            }
            other => return Err(unknown("retention item", other)),
        }
    }
    if retention.contradicts_itself() {
        return Err(unknown("overflow", DROP));
    }
    Ok(retention)
}

fn unknown(what: &'static str, value: u8) -> ReplayError {
    ReplayError::OutOfRange { what, value: value.into() }
}
