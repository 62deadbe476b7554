//! Parts about delayed entries: what they change, and what that takes.

use millstream_model::{ColdBlock, Stream};

use crate::mutation::Mutation;
use crate::state::{State, Unit};

impl State {
    pub(crate) fn apply_to_schedule(&mut self, mutation: &Mutation<'_>) -> Unit {
        let object = mutation.stream().expect("a schedule is that of a stream");
        let before = self.first_due(object);
        let stream = self.stream_mut(object.slot);
        match *mutation {
            Mutation::Schedule { token, fields, .. } => stream.add_scheduled(token, fields),
            Mutation::Unschedule { tokens, .. } => {
                for &token in tokens {
                    stream.remove_scheduled(token);
                }
            }
            Mutation::CountScheduleFailures { failures, .. } => {
                stream.set_schedule_failures(failures);
            }
            _ => unreachable!("other parts are applied elsewhere"),
        }
        self.note_due(object, before);
        Unit::Object(object.slot)
    }
}

/// Blocks of delayed entries that a part changes and that are not in memory; `None` for other
/// parts.
pub(crate) fn cold_for(stream: &Stream, mutation: &Mutation<'_>) -> Option<Vec<ColdBlock>> {
    let is_ours = matches!(mutation, Mutation::Schedule { .. } | Mutation::Unschedule { .. });
    let schedule = stream.schedule().filter(|_| is_ours)?;
    let mut cold: Vec<ColdBlock> = match *mutation {
        Mutation::Schedule { token, fields, .. } => {
            let payload = fields.iter().map(|field| field.len() as u64).sum();
            schedule.cold_for_add(token.sequence, payload).into_iter().collect()
        }
        Mutation::Unschedule { tokens, .. } => {
            tokens.iter().filter_map(|token| schedule.payload(*token).err()).collect()
        }
        _ => Vec::new(),
    };
    cold.sort_unstable_by_key(|cold| cold.first);
    cold.dedup();
    Some(cold)
}
