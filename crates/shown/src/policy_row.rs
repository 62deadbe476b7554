//! What a group does by itself, in JSON.

use millstream::{Backoff, ConsumerDeletion, GroupPolicy};
use serde::Serialize;
use utoipa::ToSchema;

use crate::duration::milliseconds;
use crate::{or_dash, short, short_or_dash, visible};

/// What a group does by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyRow {
    visibility_ms: Option<u64>,
    max_deliveries: Option<u32>,
    dead_letters: Option<String>,
    backoff: Option<BackoffRow>,
    max_in_flight: Option<u64>,
    order_by: Option<String>,
    consumer_ttl_ms: Option<u64>,
    consumer_deletion: Option<&'static str>,
    is_paused: bool,
}

/// How long what failed waits.
#[derive(Debug, Serialize, ToSchema)]
struct BackoffRow {
    base_ms: u64,
    factor: f64,
    max_ms: u64,
    jitter_percent: u64,
}

impl From<&GroupPolicy> for PolicyRow {
    fn from(policy: &GroupPolicy) -> Self {
        Self {
            visibility_ms: policy.visibility.map(milliseconds),
            max_deliveries: policy.max_deliveries,
            dead_letters: policy.dead_letters.clone(),
            backoff: policy.backoff.map(|backoff| BackoffRow {
                base_ms: milliseconds(backoff.base),
                factor: backoff.factor,
                max_ms: milliseconds(backoff.max),
                jitter_percent: percent(&backoff),
            }),
            max_in_flight: policy.max_in_flight,
            order_by: policy.order_by.clone(),
            consumer_ttl_ms: policy.consumer_ttl.map(milliseconds),
            consumer_deletion: policy.consumer_deletion.map(word),
            is_paused: policy.is_paused,
        }
    }
}

fn percent(backoff: &Backoff) -> u64 {
    (backoff.jitter * 100.0).round() as u64
}

fn word(deletion: ConsumerDeletion) -> &'static str {
    match deletion {
        ConsumerDeletion::Release => "release",
        ConsumerDeletion::Drop => "drop",
    }
}

/// Each item by the name that it has on the command line.
#[must_use]
pub fn policy_facts(policy: &GroupPolicy) -> Vec<(&'static str, String)> {
    let backoff = policy.backoff.map(|backoff| {
        let Backoff { base, factor, max, .. } = backoff;
        format!("{}, times {factor}, {} at most", short(base), short(max))
    });
    let name = |name: &Option<String>| or_dash(name.as_ref().map(|name| visible(name.as_bytes())));
    vec![
        ("visibility", short_or_dash(policy.visibility)),
        ("max deliveries", or_dash(policy.max_deliveries)),
        ("dead letters", name(&policy.dead_letters)),
        ("backoff", or_dash(backoff)),
        ("jitter", or_dash(policy.backoff.map(|backoff| format!("{} %", percent(&backoff))))),
        ("max in flight", or_dash(policy.max_in_flight)),
        ("order by", name(&policy.order_by)),
        ("consumer ttl", short_or_dash(policy.consumer_ttl)),
        ("on deletion of a consumer", or_dash(policy.consumer_deletion.map(word))),
        ("paused", if policy.is_paused { "yes" } else { "no" }.to_owned()),
    ]
}
