//! Golden bytes of the parts about managed groups.

use std::sync::Arc;

use millstream_model::{
    Backoff, ConsumerDeletion, Failure, GroupCounters, GroupId, GroupPolicy, Settled,
};

use super::id;
use crate::mutation::Mutation;
use crate::object::ObjectRef;

pub(super) fn golden_managed<'a>(object: ObjectRef) -> Vec<(Mutation<'a>, &'static [u8])> {
    let group = GroupId(0);
    let settle =
        |settled| Mutation::RemovePending { object, group, ids: const { &[id(1, 1)] }, settled };
    let failure = Arc::new(Failure { consumer: (*b"bob").into(), error: (*b"no").into() });
    let counters = GroupCounters {
        delivered: 300,
        acked: 2,
        nacked: 3,
        redelivered: 4,
        dead_lettered: 5,
        dead_letter_failed: 6,
        vanished: 7,
        dropped: 8,
    };
    vec![
        (
            Mutation::SetPolicy { object, group, policy: Box::new(policy()) },
            b"\x28\x01\x00\x0a\x01\xac\x02\x02\x02\x03\x04\x05\x05\x01d\x06\x0a\xdc\x0b\x64\
              \x07\x14\x08\x07\x09\x0f\x0a\x01k",
        ),
        (
            Mutation::NoteFailure { object, group, failure, ids: const { &[id(1, 1)] } },
            b"\x29\x01\x00\x03bob\x02no\x01\x01\x01",
        ),
        (settle(Settled::DeadLettered), b"\x2a\x01\x00\x01\x01\x01\x01"),
        (settle(Settled::Vanished), b"\x2a\x01\x00\x02\x01\x01\x01"),
        (settle(Settled::Dropped), b"\x2a\x01\x00\x03\x01\x01\x01"),
        (
            Mutation::Hold { object, group, entries: const { &[(id(1, 1), 300), (id(1, 2), 7)] } },
            b"\x2c\x01\x00\x02\x01\x01\xac\x02\x00\x01\x07",
        ),
        (
            Mutation::SetValues { object, group, entries: const { &[(id(1, 1), 300)] } },
            b"\x2d\x01\x00\x01\x01\x01\xac\x02",
        ),
        (
            Mutation::Unhold {
                object,
                group,
                ids: const { &[id(1, 1)] },
                settled: Settled::Dropped,
            },
            b"\x2e\x01\x00\x03\x01\x01\x01",
        ),
        (Mutation::UnholdAll { object, group }, b"\x2f\x01\x00"),
        (
            Mutation::SetGroupCounters { object, group, counters },
            b"\x2b\x01\x00\x08\xac\x02\x02\x03\x04\x05\x06\x07\x08",
        ),
    ]
}

fn policy() -> GroupPolicy {
    let mut policy = GroupPolicy::default();
    policy.visibility_ms = 300;
    policy.consumer_deletion = Some(ConsumerDeletion::Drop);
    policy.is_paused = true;
    policy.deliveries_max = 5;
    policy.dead_letter = Some((*b"d").into());
    policy.backoff = Some(Backoff { base_ms: 10, factor_thousandths: 1500, max_ms: 100 });
    policy.jitter_percent = 20;
    policy.in_flight_max = 7;
    policy.consumer_ttl_ms = 15;
    policy.order_by = Some((*b"k").into());
    policy
}
