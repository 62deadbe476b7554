//! A group's policy as fields: how many items, then of each its number and its value. What is not
//! set is not there. Numbers are never given a new meaning.

use millstream_model::{Backoff, ConsumerDeletion, GroupPolicy};

use super::ReplayError;
use super::fields::{FieldReader, FieldWriter};

/// Numbers of the items.
const VISIBILITY: u8 = 1;
const CONSUMER_DELETION: u8 = 2;
/// Without a value.
const PAUSED: u8 = 3;
const MAX_DELIVERIES: u8 = 4;
const DEAD_LETTER: u8 = 5;
const BACKOFF: u8 = 6;
const JITTER: u8 = 7;
const MAX_IN_FLIGHT: u8 = 8;
const CONSUMER_TTL: u8 = 9;
const ORDER_BY: u8 = 10;

/// Values of the item.
const RELEASE: u8 = 1;
const DROP: u8 = 2;

pub(crate) fn encode(policy: &GroupPolicy, to: &mut FieldWriter<'_>) {
    let items = [
        policy.visibility_ms > 0,
        policy.consumer_deletion.is_some(),
        policy.is_paused,
        policy.deliveries_max > 0,
        policy.dead_letter.is_some(),
        policy.backoff.is_some(),
        policy.jitter_percent > 0,
        policy.in_flight_max > 0,
        policy.consumer_ttl_ms > 0,
        policy.order_by.is_some(),
    ];
    to.number(items.into_iter().map(u64::from).sum());
    if policy.visibility_ms > 0 {
        to.byte(VISIBILITY).number(policy.visibility_ms);
    }
    if let Some(deletion) = policy.consumer_deletion {
        to.byte(CONSUMER_DELETION).byte(match deletion {
            ConsumerDeletion::Release => RELEASE,
            ConsumerDeletion::Drop => DROP,
        });
    }
    if policy.is_paused {
        to.byte(PAUSED);
    }
    if policy.deliveries_max > 0 {
        to.byte(MAX_DELIVERIES).number(policy.deliveries_max.into());
    }
    if let Some(target) = &policy.dead_letter {
        to.byte(DEAD_LETTER).bytes(target);
    }
    if let Some(backoff) = policy.backoff {
        to.byte(BACKOFF).number(backoff.base_ms);
        to.number(backoff.factor_thousandths.into()).number(backoff.max_ms);
    }
    if policy.jitter_percent > 0 {
        to.byte(JITTER).byte(policy.jitter_percent);
    }
    if policy.in_flight_max > 0 {
        to.byte(MAX_IN_FLIGHT).number(policy.in_flight_max);
    }
    if policy.consumer_ttl_ms > 0 {
        to.byte(CONSUMER_TTL).number(policy.consumer_ttl_ms);
    }
    if let Some(field) = &policy.order_by {
        to.byte(ORDER_BY).bytes(field);
    }
}

pub(crate) fn decode(from: &mut FieldReader<'_>) -> Result<GroupPolicy, ReplayError> {
    let mut policy = GroupPolicy::default();
    for _ in 0..from.length()? {
        match from.byte()? {
            VISIBILITY => policy.visibility_ms = from.number()?,
            CONSUMER_DELETION => {
                policy.consumer_deletion = Some(match from.byte()? {
                    RELEASE => ConsumerDeletion::Release,
                    DROP => ConsumerDeletion::Drop,
                    other => return Err(unknown("deletion of consumers", other)),
                });
            }
            PAUSED => policy.is_paused = true,
            MAX_DELIVERIES => policy.deliveries_max = from.u32("deliveries")?,
            DEAD_LETTER => policy.dead_letter = Some(from.bytes()?.into()),
            BACKOFF => policy.backoff = Some(backoff(from)?),
            JITTER => {
                policy.jitter_percent = match from.byte()? {
                    percent if percent <= 100 => percent,
                    other => return Err(unknown("jitter", other)),
                }
            }
            MAX_IN_FLIGHT => policy.in_flight_max = from.number()?,
            ORDER_BY => policy.order_by = Some(from.bytes()?.into()),
            CONSUMER_TTL => policy.consumer_ttl_ms = from.number()?,
            other => return Err(unknown("policy item", other)),
        }
    }
    Ok(policy)
}

fn backoff(from: &mut FieldReader<'_>) -> Result<Backoff, ReplayError> {
    let base_ms = from.number()?;
    let factor_thousandths = from.u32("factor")?;
    Ok(Backoff { base_ms, factor_thousandths, max_ms: from.number()? })
}

fn unknown(what: &'static str, value: u8) -> ReplayError {
    ReplayError::OutOfRange { what, value: value.into() }
}
