//! What a managed group of Millstream does by itself. The rules are in `docs/delivery.md`.

use std::time::Duration;

use redis::{Cmd, Value};

use crate::Backoff;
use crate::milliseconds::milliseconds;
use crate::reply::{Facts, NotUnderstood};

/// The policy of a group; [`Default`]: nothing is set, the group behaves as in Redis. Only
/// Millstream has policies; elsewhere asking for one is
/// [`Error::Unsupported`](crate::Error::Unsupported).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GroupPolicy {
    /// An entry that was not settled so long after its delivery is available to others; at least
    /// 1 ms.
    pub visibility: Option<Duration>,
    /// An entry that was delivered so often becomes a dead letter instead of being handed out
    /// again; 1 to 1,000,000,000.
    pub max_deliveries: Option<u32>,
    /// The stream that dead letters go to; it cannot be called `NONE`. With `max_deliveries` alone:
    /// `<stream>:dlq`.
    pub dead_letters: Option<String>,
    /// How long what failed is not available.
    pub backoff: Option<Backoff>,
    /// So many entries have an owner at most; at least 1.
    pub max_in_flight: Option<u64>,
    /// Entries with one value of this field are handed out one after the other, in their order. It
    /// cannot be called `NONE`.
    pub order_by: Option<String>,
    /// A consumer that was not seen for so long, has nothing pending and does not wait is deleted;
    /// at least 1 ms.
    pub consumer_ttl: Option<Duration>,
    /// What becomes of what a deleted consumer has pending; `None`: as of a managed group, others
    /// get it.
    pub consumer_deletion: Option<ConsumerDeletion>,
    /// Nothing is handed out.
    pub is_paused: bool,
}

/// What becomes of a deleted consumer's pending entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerDeletion {
    /// They stay, and others get them at once.
    Release,
    /// They go with it, as in Redis.
    Drop,
}

impl GroupPolicy {
    /// Whether what a deleted consumer has pending stays, for anybody: so it is in every managed
    /// group that does not say otherwise.
    #[must_use]
    pub fn releases_entries(&self) -> bool {
        *self != Self::default() && self.consumer_deletion != Some(ConsumerDeletion::Drop)
    }

    /// Refuses what no server takes, before anything is sent.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_zero = |time: Option<Duration>| time.is_some_and(|time| milliseconds(time) == 0);
        if is_zero(self.visibility) || is_zero(self.consumer_ttl) {
            return Err("times of a policy are at least 1 ms".to_owned());
        }
        if self.max_deliveries == Some(0) || self.max_in_flight == Some(0) {
            return Err("numbers of a policy are at least 1".to_owned());
        }
        let is_none = |name: &str| name.is_empty() || name.eq_ignore_ascii_case("NONE");
        let is_no_name = |name: &Option<String>| name.as_deref().is_some_and(is_none);
        if is_no_name(&self.dead_letters) || is_no_name(&self.order_by) {
            return Err("names of a policy are not empty, and not NONE".to_owned());
        }
        self.backoff.map_or(Ok(()), |backoff| backoff.check())
    }

    /// Every item, so that what is not set is unset. A name `NONE` would unset it, too, and was
    /// refused.
    pub(crate) fn all_items(&self, command: &mut Cmd) {
        let ms = |time: Option<Duration>| time.map_or(0, milliseconds);
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "NONE".to_owned());
        command.arg("VISIBILITY").arg(ms(self.visibility));
        command.arg("MAXDELIVERIES").arg(self.max_deliveries.unwrap_or(0));
        command.arg("DEADLETTER").arg(name(&self.dead_letters));
        match self.backoff_items() {
            Some((backoff, jitter)) => {
                command.arg("BACKOFF").arg(&backoff).arg("JITTER").arg(jitter);
            }
            None => _ = command.arg("BACKOFF").arg("NONE").arg("JITTER").arg(0),
        }
        command.arg("MAXINFLIGHT").arg(self.max_in_flight.unwrap_or(0));
        command.arg("ORDERBY").arg(name(&self.order_by));
        command.arg("CONSUMERTTL").arg(ms(self.consumer_ttl));
        command.arg("DELCONSUMER").arg(match self.consumer_deletion {
            None => "NONE",
            Some(ConsumerDeletion::Release) => "RELEASE",
            Some(ConsumerDeletion::Drop) => "DROP",
        });
        command.arg("PAUSED").arg(u8::from(self.is_paused));
    }

    /// Base, factor and longest wait; and percent of jitter. `None`: there is no wait.
    fn backoff_items(&self) -> Option<([String; 3], u64)> {
        let Backoff { base, factor, max, jitter } = self.backoff?;
        let base_ms = milliseconds(base);
        if base_ms == 0 {
            return None;
        }
        let max_ms = milliseconds(max).max(base_ms);
        let items = [base_ms.to_string(), format!("{factor:.3}"), max_ms.to_string()];
        Some((items, (jitter * 100.0).round() as u64))
    }

    /// Of `XGROUP CFGGET`, or of the fact `policy` of XINFO.
    pub(crate) fn parse(answer: Value) -> Result<Self, NotUnderstood> {
        let facts = Facts::parse(answer)?;
        let number = |name: &str| Ok(Some(facts.count(name)?).filter(|number| *number > 0));
        let time = |name: &str| Ok(number(name)?.map(Duration::from_millis));
        let name = |name: &str| Ok(Some(facts.text(name)?).filter(|name| name != "NONE"));
        let backoff = parse_backoff(&facts.text("BACKOFF")?, facts.count("JITTER")?)?;
        Ok(Self {
            visibility: time("VISIBILITY")?,
            max_deliveries: number("MAXDELIVERIES")?.and_then(|it| u32::try_from(it).ok()),
            dead_letters: name("DEADLETTER")?,
            backoff,
            max_in_flight: number("MAXINFLIGHT")?,
            order_by: name("ORDERBY")?,
            consumer_ttl: time("CONSUMERTTL")?,
            consumer_deletion: match &*facts.text("DELCONSUMER")? {
                "RELEASE" => Some(ConsumerDeletion::Release),
                "DROP" => Some(ConsumerDeletion::Drop),
                _ => None,
            },
            is_paused: facts.count("PAUSED")? > 0,
        })
    }
}

/// `base-ms factor max-ms`, or `NONE`.
fn parse_backoff(text: &str, jitter_percent: u64) -> Result<Option<Backoff>, NotUnderstood> {
    let words: Vec<&str> = text.split(' ').collect();
    let [base, factor, max] = words[..] else {
        return if text == "NONE" { Ok(None) } else { Err(NotUnderstood) };
    };
    let ms = |word: &str| word.parse().map(Duration::from_millis).map_err(|_| NotUnderstood);
    let factor = factor.parse().map_err(|_| NotUnderstood)?;
    let jitter = jitter_percent as f64 / 100.0;
    Ok(Some(Backoff { base: ms(base)?, factor, max: ms(max)?, jitter }))
}
