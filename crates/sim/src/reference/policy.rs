//! What a managed group does by itself, and what it counts.

use millstream_model::{Backoff, EntryId};
use millstream_resp::Value;

use super::reply;
use crate::command::Text;
use crate::id::Id;

/// Nothing of it is set in a group that is not managed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// 0: never.
    pub(crate) visibility_ms: u64,
    /// 0: as often as it takes.
    pub(crate) deliveries_max: u64,
    pub(crate) dead_letter: Option<Text>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) jitter_percent: u8,
    /// 0: no limit.
    pub(crate) in_flight_max: u64,
    pub(crate) order_by: Option<Text>,
    /// 0: for ever.
    pub(crate) consumer_ttl_ms: u64,
    /// Whether a deleted consumer's entries go with it.
    pub(crate) drops: Option<bool>,
    pub(crate) is_paused: bool,
}

impl Policy {
    pub(crate) fn is_managed(&self) -> bool {
        *self != Self::default()
    }

    /// Whether it matters to those that wait that an entry has no owner any more.
    pub(super) fn tells_of_places(&self) -> bool {
        self.in_flight_max > 0 || self.order_by.is_some()
    }

    pub(super) fn has_letters(&self) -> bool {
        self.deliveries_max > 0 || self.dead_letter.is_some()
    }

    /// The key that dead letters go to from the stream under a key.
    pub(super) fn letters_of(&self, key: &[u8]) -> Text {
        self.dead_letter.clone().unwrap_or_else(|| [key, b":dlq"].concat())
    }

    /// How long something waits that was delivered so often. The dice of the jitter are those of
    /// the program: what matters here is that they always fall alike.
    pub(super) fn backoff_ms(&self, id: Id, deliveries: u64) -> u64 {
        let after = |backoff: Backoff| {
            backoff.after_with_jitter(EntryId::new(id.0, id.1), deliveries, self.jitter_percent)
        };
        self.backoff.map_or(0, after)
    }

    /// As CFGGET shows it.
    pub(super) fn shown(&self) -> Value {
        let drops = self.drops.map_or("NONE", |drops| if drops { "DROP" } else { "RELEASE" });
        let or_none = |text: &Option<Text>| reply::bulk(text.as_deref().unwrap_or(b"NONE"));
        let backoff = self.backoff.map_or("NONE".into(), |backoff| {
            format!("{} {} {}", backoff.base_ms, factor(&backoff), backoff.max_ms)
        });
        reply::named(vec![
            ("VISIBILITY", reply::int(self.visibility_ms)),
            ("MAXDELIVERIES", reply::int(self.deliveries_max)),
            ("DEADLETTER", or_none(&self.dead_letter)),
            ("BACKOFF", reply::bulk(backoff.as_bytes())),
            ("JITTER", reply::int(self.jitter_percent)),
            ("MAXINFLIGHT", reply::int(self.in_flight_max)),
            ("ORDERBY", or_none(&self.order_by)),
            ("CONSUMERTTL", reply::int(self.consumer_ttl_ms)),
            ("DELCONSUMER", reply::bulk(drops.as_bytes())),
            ("PAUSED", reply::int(u64::from(self.is_paused))),
        ])
    }
}

/// As short as it can be written.
pub(crate) fn factor(backoff: &Backoff) -> String {
    (f64::from(backoff.factor_thousandths) / 1000.0).to_string()
}

/// Why something is not pending any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Acked,
    DeadLettered,
    Vanished,
    Dropped,
}

/// Since the group is managed. Equal if what is durable of them is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: u64,
    pub(crate) acked: u64,
    pub(crate) nacked: u64,
    pub(crate) redelivered: u64,
    pub(crate) dead_lettered: u64,
    /// Not logged: a crash may lose some.
    pub(crate) dead_letter_failed: u64,
    pub(crate) vanished: u64,
    pub(crate) dropped: u64,
}

impl Counters {
    pub(super) fn count(&mut self, settled: Settled) {
        *match settled {
            Settled::Acked => &mut self.acked,
            Settled::DeadLettered => &mut self.dead_lettered,
            Settled::Vanished => &mut self.vanished,
            Settled::Dropped => &mut self.dropped,
        } += 1;
    }

    /// All that is durable, in the order in which XINFO has them.
    pub(crate) fn durable(&self) -> [u64; 7] {
        let Self {
            delivered, acked, nacked, redelivered, dead_lettered, vanished, dropped, ..
        } = *self;
        [delivered, acked, nacked, redelivered, dead_lettered, vanished, dropped]
    }
}

impl PartialEq for Counters {
    fn eq(&self, other: &Self) -> bool {
        self.durable() == other.durable()
    }
}

/// How often in a row a group's letters were refused, and when it tries again. What is forgotten
/// of it the program may know still, so there are bounds. Gone with a restart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusals {
    fewest: u32,
    most: u32,
    /// Not before.
    pub(crate) earliest_ms: u64,
    /// Then at the latest.
    pub(crate) latest_ms: u64,
}

/// The same to everybody who compares states: nothing of it is durable.
impl PartialEq for Refusals {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Refusals {
    pub(super) fn may_be_forgotten(&mut self) {
        (self.fewest, self.earliest_ms) = (0, 0);
    }

    pub(super) fn refused(&mut self, now_ms: u64) {
        let wait_ms = |count: u32| 60_000.min(1000 << count.min(16));
        self.earliest_ms = now_ms + wait_ms(self.fewest);
        self.latest_ms = now_ms + wait_ms(self.most);
        self.fewest += 1;
        self.most += 1;
    }
}

/// What happened to entries of managed groups in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) letters: u64,
    /// Times that letters were refused.
    pub(crate) refusals: u64,
    /// Letters that were given back.
    pub(crate) requeued: u64,
    /// Consumers that went because they were away for so long.
    pub(crate) expired: u64,
    /// Times that a read stopped since its group was full.
    pub(crate) full: u64,
    /// Entries that had to wait for others of their value.
    pub(crate) held: u64,
    /// Of those, how many were handed out.
    pub(crate) ordered: u64,
    /// Times that a read stopped since its group held so many.
    pub(crate) held_full: u64,
    /// Entries that streams dropped by themselves.
    pub(crate) retained: u64,
    /// Entries that made room for new ones.
    pub(crate) displaced: u64,
    /// Entries that a full stream refused.
    pub(crate) full_streams: u64,
    /// Delayed entries that were appended at their time, and at once by XSCHEDULE RUN.
    pub(crate) fired: u64,
    pub(crate) run: u64,
    pub(crate) cancelled: u64,
    /// Times that a stream refused one that was due.
    pub(crate) refused_firings: u64,
    /// Entries that were given up by XGROUP SKIP.
    pub(crate) skipped: u64,
}
