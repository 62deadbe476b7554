//! Everything durable as lines of text; `crate::picture` draws the same of the program.

use super::{Object, State, Stream, reply};
use crate::picture::Lines;

/// One line for everything that can differ. Times at which consumers were seen are left out.
pub(crate) fn picture(state: &State) -> Lines {
    let mut lines = Lines::default();
    for (db, keys) in state.databases() {
        for (key, slot) in keys {
            lines.key(db, key, slot.expires_at_ms);
            match &*slot.object {
                Object::Text(text) => lines.text(text),
                Object::Stream(stream) => of_stream(stream, &mut lines),
            }
        }
    }
    lines
}

fn of_stream(stream: &Stream, lines: &mut Lines) {
    lines.counters(stream.last_id, stream.added, stream.max_deleted_id);
    for entry in &stream.entries {
        let fields = entry.fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        lines.entry(entry.id, fields);
    }
    let made = &stream.idempotence;
    lines.productions(made.duration_s, made.per_producer, made.added, made.repeated);
    for (producer, made) in &made.producers {
        made.iter().for_each(|(iid, id)| lines.production(producer, iid, *id));
    }
    let schedule = &stream.schedule;
    if schedule.added > 0 {
        lines.schedule(schedule.added, schedule.failures);
        for (token, fields) in &schedule.waiting {
            let fields = fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            lines.entry(*token, fields);
        }
    }
    if stream.retention.is_set() {
        lines.retention(&reply::named(stream.retention.items()));
    }
    for (name, group) in &stream.groups {
        lines.group(name, group.position, group.read, stream.lag(group));
        if group.policy.is_managed() {
            lines.policy(&group.policy.shown(), group.counters.durable());
        }
        for (name, consumer) in &group.consumers {
            lines.consumer(name, consumer.active_ms, group.owned(name));
        }
        for pending in group.by_id() {
            let owner = pending.owner.as_deref();
            let times = (pending.at_ms, pending.available_at_ms);
            lines.pending(pending.id, owner, times, pending.deliveries);
            if let Some((consumer, error)) = group.failures.get(&pending.id) {
                lines.failure(consumer, error);
            }
        }
        if group.policy.order_by.is_some() {
            let values = group.order.values.iter().map(|(id, value)| (*id, value.as_slice()));
            lines.values(values.collect(), |id| group.order.held.contains(&id));
        }
        lines.order(group.oldest_first().into_iter().map(|pending| pending.id));
    }
}
