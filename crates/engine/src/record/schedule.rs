//! Parts about delayed entries, as bytes and back. A token is a pair of numbers: when it is due,
//! and its sequence number; in lists as ids are, as the difference to the one before.

use millstream_model::{EntryId, ScheduleToken};

use super::fields::{FieldReader, FieldWriter};
use super::{Kind, ReplayError};
use crate::mutation::Mutation;
use crate::object::ObjectRef;

pub(super) fn encode(mutation: &Mutation<'_>, to: &mut FieldWriter<'_>) {
    match *mutation {
        Mutation::Schedule { object, token, fields } => {
            to.byte(Kind::Schedule as u8).number(object.id.0);
            to.number(token.due_ms).number(token.sequence).number(fields.len() as u64);
            for field in fields {
                to.bytes(field);
            }
        }
        Mutation::Unschedule { object, tokens } => {
            to.byte(Kind::Unschedule as u8).number(object.id.0).number(tokens.len() as u64);
            let mut before = EntryId::MIN;
            for &token in tokens {
                before = encode_token(before, token, to);
            }
        }
        Mutation::CountScheduleFailures { object, failures } => {
            to.byte(Kind::CountScheduleFailures as u8).number(object.id.0).number(failures);
        }
        _ => unreachable!("parts of other kinds are encoded elsewhere"),
    }
}

pub(super) fn decode(
    kind: Kind,
    object: ObjectRef,
    from: &mut FieldReader<'_>,
    settle: &mut dyn FnMut(&Mutation<'_>) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    match kind {
        Kind::Schedule => {
            let token = ScheduleToken { due_ms: from.number()?, sequence: from.number()? };
            let fields: Result<Vec<_>, _> = (0..from.length()?).map(|_| from.bytes()).collect();
            settle(&Mutation::Schedule { object, token, fields: &fields? })
        }
        Kind::Unschedule => {
            let mut before = EntryId::MIN;
            let tokens: Result<Vec<_>, ReplayError> = (0..from.length()?)
                .map(|_| {
                    before = from.id_after(before)?;
                    Ok(ScheduleToken { due_ms: before.ms, sequence: before.seq })
                })
                .collect();
            settle(&Mutation::Unschedule { object, tokens: &tokens? })
        }
        _ => settle(&Mutation::CountScheduleFailures { object, failures: from.number()? }),
    }
}

/// Writes a token behind another one; returns it for the next.
pub(crate) fn encode_token(
    before: EntryId,
    token: ScheduleToken,
    to: &mut FieldWriter<'_>,
) -> EntryId {
    let token = EntryId::new(token.due_ms, token.sequence);
    to.id_after(before, token);
    token
}
