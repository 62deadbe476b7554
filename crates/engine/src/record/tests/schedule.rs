//! Golden bytes of the parts about delayed entries.

use millstream_model::ScheduleToken;

use crate::mutation::Mutation;
use crate::object::ObjectRef;

pub(super) const fn token(due_ms: u64, sequence: u64) -> ScheduleToken {
    ScheduleToken { due_ms, sequence }
}

pub(super) fn golden_schedule<'a>(object: ObjectRef) -> Vec<(Mutation<'a>, &'static [u8])> {
    const FIELDS: &[&[u8]] = &[b"f", b"v"];
    let (token_of_new, fields) = (token(300, 3), FIELDS);
    vec![
        (
            Mutation::Schedule { object, token: token_of_new, fields },
            b"\x39\x01\xac\x02\x03\x02\x01f\x01v",
        ),
        (
            Mutation::Unschedule {
                object,
                tokens: const { &[token(300, 3), token(300, 5), token(302, 4)] },
            },
            b"\x3a\x01\x03\xac\x02\x03\x00\x02\x02\x04",
        ),
        (Mutation::CountScheduleFailures { object, failures: 300 }, b"\x3b\x01\xac\x02"),
    ]
}
