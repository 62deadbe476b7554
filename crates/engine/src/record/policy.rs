//! A group's policy as fields: how many items, then of each its number and its value. What is not
//! set is not there. Numbers are never given a new meaning.

use millstream_model::{ConsumerDeletion, GroupPolicy};

use super::ReplayError;
use super::fields::{FieldReader, FieldWriter};

/// Numbers of the items.
const VISIBILITY: u8 = 1;
const CONSUMER_DELETION: u8 = 2;
/// Without a value.
const PAUSED: u8 = 3;

/// Values of the item.
const RELEASE: u8 = 1;
const DROP: u8 = 2;

pub(crate) fn encode(policy: &GroupPolicy, to: &mut FieldWriter<'_>) {
    let items = [policy.visibility_ms > 0, policy.consumer_deletion.is_some(), policy.is_paused];
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
            other => return Err(unknown("policy item", other)),
        }
    }
    Ok(policy)
}

fn unknown(what: &'static str, value: u8) -> ReplayError {
    ReplayError::OutOfRange { what, value: value.into() }
}
