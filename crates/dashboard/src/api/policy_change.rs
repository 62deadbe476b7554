//! What a program changes about a policy.

use std::time::Duration;

use millstream::{BackoffItem, ConsumerDeletion, PolicyItem};
use millstream_shown::JsonBytes;
use serde::Deserialize;
use utoipa::ToSchema;

use super::stream_changes::given;

/// Items that are not there stay as they are; `null` is none.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyChange {
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    visibility_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_deliveries: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    dead_letters: Option<Option<JsonBytes>>,
    #[serde(default, deserialize_with = "given")]
    backoff: Option<Option<BackoffChange>>,
    #[schema(maximum = 100)]
    jitter_percent: Option<u8>,
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_in_flight: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    order_by: Option<Option<JsonBytes>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    consumer_ttl_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    consumer_deletion: Option<Option<Deletion>>,
}

/// How long what failed waits.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackoffChange {
    /// The first time.
    #[schema(minimum = 1)]
    base_ms: u64,
    /// For each time more.
    #[schema(minimum = 1, maximum = 1000)]
    factor: f64,
    /// The longest time.
    #[schema(minimum = 1)]
    max_ms: u64,
}

/// What becomes of what a deleted consumer has pending.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Deletion {
    Release,
    Drop,
}

fn ms(of: Option<u64>) -> Option<Duration> {
    of.map(Duration::from_millis)
}

impl PolicyChange {
    /// # Errors
    /// What is wrong with one. Most is judged by the server.
    pub(super) fn items(self) -> Result<Vec<PolicyItem>, String> {
        let name = |name: Option<JsonBytes>| name.map(|JsonBytes(bytes)| bytes.to_vec());
        if self.visibility_ms == Some(Some(0)) || self.consumer_ttl_ms == Some(Some(0)) {
            return Err("a time is 1 ms at least, or null".to_owned());
        }
        if self.max_deliveries == Some(Some(0)) || self.max_in_flight == Some(Some(0)) {
            return Err("a limit is 1 at least, or null".to_owned());
        }
        if self.jitter_percent.is_some_and(|jitter| jitter > 100) {
            return Err("jitter_percent is from 0 to 100".to_owned());
        }
        let backoff = self.backoff.map(|given| {
            given.map(|BackoffChange { base_ms, factor, max_ms }| BackoffItem {
                base: Duration::from_millis(base_ms),
                factor,
                max: Duration::from_millis(max_ms),
            })
        });
        let deletion = self.consumer_deletion.map(|given| {
            given.map(|word| match word {
                Deletion::Release => ConsumerDeletion::Release,
                Deletion::Drop => ConsumerDeletion::Drop,
            })
        });
        let items = [
            self.visibility_ms.map(|time| PolicyItem::Visibility(ms(time))),
            self.max_deliveries.map(PolicyItem::MaxDeliveries),
            self.dead_letters.map(|given| PolicyItem::DeadLetters(name(given))),
            backoff.map(PolicyItem::Backoff),
            self.jitter_percent.map(PolicyItem::JitterPercent),
            self.max_in_flight.map(PolicyItem::MaxInFlight),
            self.order_by.map(|given| PolicyItem::OrderBy(name(given))),
            self.consumer_ttl_ms.map(|time| PolicyItem::ConsumerTtl(ms(time))),
            deletion.map(PolicyItem::ConsumerDeletion),
        ];
        Ok(items.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_none_and_what_is_not_there_stays() {
        let items = |json: &str| serde_json::from_str::<PolicyChange>(json).expect(json).items();
        assert_eq!(items("{}"), Ok(Vec::new()));
        assert_eq!(items(r#"{"visibility_ms":null}"#), Ok(vec![PolicyItem::Visibility(None)]));
        let five = vec![PolicyItem::MaxDeliveries(Some(5)), PolicyItem::JitterPercent(20)];
        assert_eq!(items(r#"{"max_deliveries":5,"jitter_percent":20}"#), Ok(five));
        for wrong in [r#"{"visibility_ms":0}"#, r#"{"jitter_percent":101}"#] {
            assert!(items(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<PolicyChange>(r#"{"visibilty_ms":1}"#).is_err());
    }
}
