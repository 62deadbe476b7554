//! What a managed group has counted, as fields: how many counters, then each in this order. Those
//! that are missing are 0.

use millstream_model::GroupCounters;

use super::ReplayError;
use super::fields::{FieldReader, FieldWriter};

pub(crate) fn encode(counters: &GroupCounters, to: &mut FieldWriter<'_>) {
    let mut counters = *counters;
    let all = in_order(&mut counters);
    to.number(all.len() as u64);
    for counter in all {
        to.number(*counter);
    }
}

pub(crate) fn decode(from: &mut FieldReader<'_>) -> Result<GroupCounters, ReplayError> {
    let mut counters = GroupCounters::default();
    let count = from.length()?;
    let places = in_order(&mut counters);
    if count > places.len() {
        let value = count as u64;
        return Err(ReplayError::OutOfRange { what: "number of counters", value });
    }
    for place in places.into_iter().take(count) {
        *place = from.number()?;
    }
    Ok(counters)
}

fn in_order(counters: &mut GroupCounters) -> [&mut u64; 8] {
    let GroupCounters {
        delivered,
        acked,
        nacked,
        redelivered,
        dead_lettered,
        dead_letter_failed,
        vanished,
        dropped,
    } = counters;
    [delivered, acked, nacked, redelivered, dead_lettered, dead_letter_failed, vanished, dropped]
}
