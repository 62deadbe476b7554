//! One item of a group's policy, to be set by itself.

use std::time::Duration;

use redis::Cmd;

use crate::ConsumerDeletion;
use crate::milliseconds::milliseconds;

/// One item of a [`GroupPolicy`](crate::GroupPolicy) and the value that it gets; `None` unsets it.
/// The server checks the values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PolicyItem {
    /// An entry that was not settled so long after its delivery is available to others.
    Visibility(Option<Duration>),
    /// An entry that was delivered so often becomes a dead letter.
    MaxDeliveries(Option<u32>),
    /// Key of the stream that dead letters go to.
    DeadLetters(Option<Vec<u8>>),
    /// How long what failed is not available: `base * factor^(n-1)` after n deliveries.
    Backoff(Option<BackoffItem>),
    /// By up to so many percent a wait is shortened; 0 to 100.
    JitterPercent(u8),
    /// So many entries have an owner at most.
    MaxInFlight(Option<u64>),
    /// Entries with one value of this field are handed out one after the other.
    OrderBy(Option<Vec<u8>>),
    /// A consumer that was not seen for so long, and has nothing pending, is deleted.
    ConsumerTtl(Option<Duration>),
    /// What becomes of what a deleted consumer has pending.
    ConsumerDeletion(Option<ConsumerDeletion>),
    /// Nothing is handed out.
    Paused(bool),
}

/// The wait of a [`PolicyItem::Backoff`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffItem {
    /// After the first delivery.
    pub base: Duration,
    /// 1 to 1000, with three decimals.
    pub factor: f64,
    /// No wait is longer.
    pub max: Duration,
}

impl PolicyItem {
    /// Refuses what the server would take for the opposite: that the item is unset.
    pub(crate) fn check(&self) -> Result<(), String> {
        let unsets = match self {
            Self::Visibility(Some(time)) | Self::ConsumerTtl(Some(time)) => {
                milliseconds(*time) == 0
            }
            Self::MaxDeliveries(max) => *max == Some(0),
            Self::MaxInFlight(max) => *max == Some(0),
            Self::DeadLetters(Some(name)) | Self::OrderBy(Some(name)) => {
                name.is_empty() || name.eq_ignore_ascii_case(b"NONE")
            }
            Self::Backoff(Some(backoff)) => milliseconds(backoff.base) == 0,
            _ => false,
        };
        if unsets {
            let text = "items of a policy are at least 1 (ms), and names not empty and not NONE";
            return Err(text.to_owned());
        }
        Ok(())
    }

    /// Its word and its value, as XGROUP CFGSET takes them.
    pub(crate) fn append_to(&self, command: &mut Cmd) {
        let ms = |time: &Option<Duration>| time.map_or(0, milliseconds);
        let name = |name: &Option<Vec<u8>>| name.clone().unwrap_or_else(|| b"NONE".to_vec());
        match self {
            Self::Visibility(time) => command.arg("VISIBILITY").arg(ms(time)),
            Self::MaxDeliveries(max) => command.arg("MAXDELIVERIES").arg(max.unwrap_or(0)),
            Self::DeadLetters(key) => command.arg("DEADLETTER").arg(name(key)),
            Self::Backoff(None) => command.arg("BACKOFF").arg("NONE"),
            Self::Backoff(Some(BackoffItem { base, factor, max })) => {
                command.arg("BACKOFF").arg(milliseconds(*base));
                command.arg(format!("{factor:.3}")).arg(milliseconds(*max))
            }
            Self::JitterPercent(percent) => command.arg("JITTER").arg(percent),
            Self::MaxInFlight(max) => command.arg("MAXINFLIGHT").arg(max.unwrap_or(0)),
            Self::OrderBy(field) => command.arg("ORDERBY").arg(name(field)),
            Self::ConsumerTtl(time) => command.arg("CONSUMERTTL").arg(ms(time)),
            Self::ConsumerDeletion(None) => command.arg("DELCONSUMER").arg("NONE"),
            Self::ConsumerDeletion(Some(ConsumerDeletion::Release)) => {
                command.arg("DELCONSUMER").arg("RELEASE")
            }
            Self::ConsumerDeletion(Some(ConsumerDeletion::Drop)) => {
                command.arg("DELCONSUMER").arg("DROP")
            }
            Self::Paused(is_paused) => command.arg("PAUSED").arg(u8::from(*is_paused)),
        };
    }
}
