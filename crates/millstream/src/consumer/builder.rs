//! What a consumer is to do, checked before it begins.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StreamConsumer;
use super::handler::BatchSize;
use super::health::Counters;
use super::leased::LeasedWorker;
use super::method::Method;
use super::name::{SlotLock, of_slot};
use super::outcome::{Outcome, OutcomeHook};
use super::places::{check_letters, divide};
use super::policy::{PreparedGroups, prepare_groups};
use super::priorities::Priorities;
use super::worker::{Shared, Worker};
use crate::backoff::WAIT_MAX;
use crate::{Backoff, Error, GroupStart, Message, Millstream, PartitionedStream};

/// A lease shorter than this is lost to any hiccup.
const LEASE_MIN: Duration = Duration::from_millis(50);
const PARTITION_LEASE_MIN: Duration = Duration::from_millis(200);
const COUNT_MAX: usize = 10_000;
const CONCURRENCY_MAX: usize = 100_000;
const PREFETCH_MAX: usize = 1_000_000;
const CONSUMER_TTL: Duration = Duration::from_hours(24);
/// Shorter than a read may block by default, and consumers would go while they wait.
const CONSUMER_TTL_MIN: Duration = Duration::from_secs(1);

/// Says what a [`StreamConsumer`] is to do. Made by [`StreamConsumer::builder`]; what is not said
/// is as the methods' descriptions have it.
#[derive(Clone, Debug)]
pub struct ConsumerBuilder {
    millstream: Millstream,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) streams: Vec<String>,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) start: GroupStart,
    /// Groups are made by others.
    pub(super) must_exist: bool,
    pub(super) max_retries: u32,
    pub(super) claim_min_idle: Duration,
    pub(super) count: usize,
    pub(super) block: Duration,
    pub(super) concurrency: usize,
    pub(super) prefetch: Option<usize>,
    pub(super) backoff: Backoff,
    pub(super) dead_letter: Option<String>,
    pub(super) is_no_ack: bool,
    pub(super) order_by: Option<String>,
    pub(super) max_in_flight: Option<u64>,
    pub(super) is_paused: bool,
    pub(super) consumer_ttl: Option<Duration>,
    pub(super) moves_delayed: bool,
    pub(super) batch: BatchSize,
    pub(super) priorities: Option<Priorities>,
    /// The name is of the lowest slot that no other process has.
    pub(super) has_free_slot: bool,
    pub(super) shutdown_timeout: Duration,
    pub(super) hook: OutcomeHook,
    /// How long a partition is its owner's without a word from it; `None`: partitions have none.
    pub(super) partition_lease: Option<Duration>,
    pub(super) is_partitioned: bool,
}

impl Settings {
    /// Messages that it has at once, those that wait for a later try apart.
    pub(super) fn room(&self, is_batched: bool) -> usize {
        let each = if is_batched { self.batch.max } else { 1 };
        self.concurrency * each + self.prefetch.unwrap_or(self.count)
    }

    pub(super) fn is_strict(&self) -> bool {
        self.priorities == Some(Priorities::Strict)
    }

    /// Finds the name out, if it is of a free slot.
    fn take_slot(&mut self) -> Result<Option<SlotLock>, Error> {
        if !self.has_free_slot {
            return Ok(None);
        }
        let what = format!("{} of {}", self.group, self.streams.join(" "));
        let lock = SlotLock::take(&what).map_err(|error| {
            Error::Configuration(format!("there is no slot for a consumer: {error}"))
        })?;
        self.name = of_slot(lock.slot);
        Ok(Some(lock))
    }
}

impl ConsumerBuilder {
    pub(super) fn new(millstream: &Millstream, stream: String, group: String) -> Self {
        let settings = Settings {
            streams: vec![stream],
            group,
            name: of_slot(0),
            start: GroupStart::First,
            must_exist: false,
            max_retries: 3,
            claim_min_idle: Duration::from_mins(5),
            count: 10,
            block: Duration::from_secs(1),
            concurrency: 1,
            prefetch: None,
            backoff: Backoff::default(),
            dead_letter: None,
            is_no_ack: false,
            order_by: None,
            max_in_flight: None,
            is_paused: false,
            consumer_ttl: Some(CONSUMER_TTL),
            moves_delayed: true,
            batch: BatchSize { max: 10, linger: Duration::ZERO },
            priorities: None,
            has_free_slot: false,
            shutdown_timeout: Duration::from_secs(30),
            hook: OutcomeHook::default(),
            partition_lease: None,
            is_partitioned: false,
        };
        Self { millstream: millstream.clone(), settings }
    }

    pub(super) fn partitioned(stream: &PartitionedStream, group: String) -> Self {
        let mut builder = Self::new(stream.millstream(), stream.stream(0), group);
        builder.settings.streams = stream.streams();
        builder.settings.is_partitioned = true;
        builder
    }

    /// Each partition has one owner at a time among the consumers of the group, which handles its
    /// messages one after the other: messages of one key in the order in which they were added. A
    /// message that fails holds up those behind it in its partition until it succeeds or is a dead
    /// letter. [`Self::concurrency`] says how many partitions are worked on at the same time;
    /// batches ([`Self::batch`]) have one message.
    ///
    /// The consumers share the partitions evenly: who comes gets some from the others, who ends in
    /// order leaves them at once, and who is not heard of for `lease` (200 ms to an hour; some
    /// seconds for most) loses them to the others. A handler whose consumer lost its lease is
    /// dropped where it waits; see [`Message::fence`] for what it wrote before. Handled at least
    /// once is promised as ever; order only as long as leases hold, which they do not where the
    /// server forgets one: a Cluster or Sentinel may in a failover. All consumers of a group must
    /// say this, or none.
    #[must_use]
    pub fn lease_partitions(mut self, lease: Duration) -> Self {
        self.settings.partition_lease = Some(lease);
        self
    }

    /// Takes entries of this stream too, in the same group's name. One read asks for all of them;
    /// on a Cluster, one for all that are in one slot.
    #[must_use]
    pub fn and_stream(mut self, stream: impl Into<String>) -> Self {
        self.settings.streams.push(stream.into());
        self.settings.is_partitioned = false;
        self
    }

    /// The consumer's name in the group. No two that run at the same time may have the same; one
    /// that starts again should have the name that it had, so that it goes on with what it left.
    /// Default: the machine's name and `-0`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self.settings.has_free_slot = false;
        self
    }

    /// Several workers on one machine have slots: the name is the machine's and the slot.
    #[must_use]
    pub fn slot(self, slot: u32) -> Self {
        self.name(of_slot(slot))
    }

    /// For one of several: its slot, unless it is to have a free one.
    pub(crate) fn nth(self, slot: u32) -> Self {
        if self.settings.has_free_slot { self } else { self.slot(slot) }
    }

    /// The name is the machine's and the lowest slot that no other process of this user on it has
    /// for this group, so that any number of processes can be started in the same way. It is free
    /// again when the process ends, however it ends; files in the folder for temporary ones tell.
    /// Several machines must have several names, as containers do.
    #[must_use]
    pub fn free_slot(mut self) -> Self {
        self.settings.has_free_slot = true;
        self
    }

    /// Which streams go before others. Default: none, they are read together.
    #[must_use]
    pub fn priorities(mut self, priorities: Priorities) -> Self {
        self.settings.priorities = Some(priorities);
        self
    }

    /// Where the group begins, if it has to be made. Default: [`GroupStart::First`].
    #[must_use]
    pub fn start(mut self, start: GroupStart) -> Self {
        self.settings.start = start;
        self
    }

    /// Groups are made by others: one that is not there, or not any more, is an error
    /// ([`Error::NoGroup`]), and nothing is made. Default: groups that are missing are made, if the
    /// user may.
    #[must_use]
    pub fn must_exist(mut self) -> Self {
        self.settings.must_exist = true;
        self
    }

    /// What [`StreamConsumer::run_batches`] gives to its handler: so many messages at most, 1 to
    /// 10,000, and as many as are there after waiting for `linger` since the first one, an hour at
    /// most. Default 10, and no wait.
    #[must_use]
    pub fn batch(mut self, max: usize, linger: Duration) -> Self {
        self.settings.batch = BatchSize { max, linger };
        self
    }

    /// A message is handled so often at most, and becomes a dead letter then; at least 1. Default
    /// 3. What was delivered and not begun does not count. On Millstream the policy of the group
    /// counts, if it had one before this consumer was built.
    #[must_use]
    pub fn max_retries(mut self, max: u32) -> Self {
        self.settings.max_retries = max;
        self
    }

    /// What nobody was heard of for so long is taken over by another consumer; 50 ms to 365 days.
    /// It is extended while a handler runs. Default 5 min.
    #[must_use]
    pub fn claim_min_idle(mut self, min_idle: Duration) -> Self {
        self.settings.claim_min_idle = min_idle;
        self
    }

    /// One read takes so many entries at most: 1 to 10,000. Default 10.
    #[must_use]
    pub fn count(mut self, count: usize) -> Self {
        self.settings.count = count;
        self
    }

    /// A read waits so long for something to come; 1 ms to an hour. Default 1 s.
    #[must_use]
    pub fn block(mut self, block: Duration) -> Self {
        self.settings.block = block;
        self
    }

    /// So many messages are handled at the same time; 1 to 100,000. One keeps their order while
    /// nothing fails. Default 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// So many messages may wait for their turn beside those being handled, a million at most.
    /// Default: the count of a read. On a Cluster they are divided among the slots of the streams,
    /// each of which has `concurrency` more, since all handlers may be busy with one of them. What
    /// waits for its next try does not count, up to 10,000 of them; where the server has the
    /// policy it has those, too.
    #[must_use]
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.settings.prefetch = Some(prefetch);
        self
    }

    /// How long what failed waits. Default [`Backoff::default`].
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// The stream that dead letters go to; on a Cluster it must be in the slot of the stream that
    /// they come from. Default: that of [`DeadLetters::of`](crate::DeadLetters::of).
    #[must_use]
    pub fn dead_letters(mut self, stream: impl Into<String>) -> Self {
        self.settings.dead_letter = Some(stream.into());
        self
    }

    /// Entries count as done when they are delivered: what a handler does not do, or a crash takes
    /// away, is lost. For what may be lost.
    #[must_use]
    pub fn no_ack(mut self) -> Self {
        self.settings.is_no_ack = true;
        self
    }

    /// Of entries with one value of this field at most one is in work in the whole group, in the
    /// order of the stream, also while it waits for its next try. Only on Millstream.
    #[must_use]
    pub fn order_by(mut self, field: impl Into<String>) -> Self {
        self.settings.order_by = Some(field.into());
        self
    }

    /// So many messages are in the hands of all consumers of the group together, at most; at least
    /// 1. Only on Millstream.
    #[must_use]
    pub fn max_in_flight(mut self, max: u64) -> Self {
        self.settings.max_in_flight = Some(max);
        self
    }

    /// A group that has no policy yet hands out nothing until
    /// [`ConsumerGroupManager::resume`](crate::ConsumerGroupManager::resume). Only on Millstream.
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.settings.is_paused = true;
        self
    }

    /// Consumers of the group that were not heard of for so long and have nothing pending are
    /// deleted; 1 s to 365 days. On Millstream the server does that, elsewhere its consumers do, by
    /// a script. Default a day; `None`: never.
    #[must_use]
    pub fn consumer_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.settings.consumer_ttl = ttl.into();
        self
    }

    /// Whether this consumer moves [`DelayedMessages`](crate::DelayedMessages) of its streams that
    /// are due, on servers that do not do that themselves: by a script, each second or when the
    /// next one is due. Default yes.
    #[must_use]
    pub fn delayed_messages(mut self, moves: bool) -> Self {
        self.settings.moves_delayed = moves;
        self
    }

    /// At the end, handlers that run have so long to finish. Default 30 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Is told what became of each message, and of each try. Costs a little: the server is asked
    /// about each message, not about many at once. Called on the consumer's own tasks, so it must
    /// not block; where it panics that is logged. Nobody is told of what the server does without a
    /// consumer: it moves to the dead letters what was lost at its last try.
    #[must_use]
    pub fn on_outcome(mut self, hook: impl Fn(&Message, Outcome) + Send + Sync + 'static) -> Self {
        self.settings.hook = OutcomeHook::new(hook);
        self
    }

    /// Makes the group where it is missing, and a consumer for it that does not read yet. A user
    /// who may not make groups can work for those that are there.
    ///
    /// On Millstream a group that has no policy gets one by these settings: VISIBILITY,
    /// MAXDELIVERIES, DEADLETTER, BACKOFF, JITTER, CONSUMERTTL, and what else was asked for. One
    /// that has a policy keeps it, and that is what counts.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a setting makes no sense, or the group has a policy with another
    /// ORDERBY or MAXINFLIGHT. [`Error::Unsupported`]: the server lacks what was asked for. Those
    /// of the server. After any of them, or dropped while it waits, groups may have been made.
    pub async fn build(self) -> Result<StreamConsumer, Error> {
        self.check_streams().and(self.check()).map_err(Error::Configuration)?;
        let Self { millstream, mut settings } = self;
        let slot = settings.take_slot()?;
        check_letters(&millstream, &settings)?;
        if let Some(lease) = settings.partition_lease {
            let prepared = prepare_groups(&millstream, &settings, Method::Leased).await?;
            let worker = LeasedWorker::new(millstream, settings, lease, prepared.done_until);
            return Ok(StreamConsumer::leased(worker, slot));
        }
        let method = Method::best(millstream.abilities());
        let prepared = prepare_groups(&millstream, &settings, method).await?;
        let PreparedGroups { lease, done_until, .. } = &prepared;
        let stop = CancellationToken::new();
        let workers = divide(&millstream, &settings).into_iter().map(|(settings, slots)| {
            let counters = Arc::new(Counters::new(&settings.streams, &settings.group));
            let done_until = settings.streams.iter().map(|stream| done_until[stream]).collect();
            let shared = Shared { slots, stop: stop.clone(), counters, lease: *lease, done_until };
            Worker::new(millstream.clone(), settings, method, shared).following(&prepared)
        });
        Ok(StreamConsumer::new(workers.collect(), slot))
    }

    fn check(&self) -> Result<(), String> {
        let settings = &self.settings;
        if settings.max_retries == 0 {
            return Err("max_retries is at least 1".to_owned());
        }
        if !(LEASE_MIN..=WAIT_MAX).contains(&settings.claim_min_idle) {
            return Err("claim_min_idle is 50 ms to 365 days".to_owned());
        }
        if !(1..=COUNT_MAX).contains(&settings.count) {
            return Err("count is 1 to 10,000".to_owned());
        }
        if !(1..=COUNT_MAX).contains(&settings.batch.max) {
            return Err("a batch is 1 to 10,000 messages".to_owned());
        }
        if settings.batch.linger > Duration::from_hours(1) {
            return Err("a batch waits for an hour at most".to_owned());
        }
        if !(Duration::from_millis(1)..=Duration::from_hours(1)).contains(&settings.block) {
            return Err("block is 1 ms to 1 h".to_owned());
        }
        let is_wrong_ttl = |ttl: Duration| !(CONSUMER_TTL_MIN..=WAIT_MAX).contains(&ttl);
        if settings.consumer_ttl.is_some_and(is_wrong_ttl) {
            return Err("consumer_ttl is 1 s to 365 days".to_owned());
        }
        if settings.max_in_flight == Some(0) {
            return Err("max_in_flight is at least 1".to_owned());
        }
        if settings.order_by.as_deref() == Some("") {
            return Err("order_by is the name of a field".to_owned());
        }
        let needs_settling = settings.order_by.is_some() || settings.max_in_flight.is_some();
        if settings.is_no_ack && needs_settling {
            return Err("order and limits need acknowledgements".to_owned());
        }
        if !(1..=CONCURRENCY_MAX).contains(&settings.concurrency) {
            return Err("concurrency is 1 to 100,000".to_owned());
        }
        if settings.prefetch.is_some_and(|prefetch| prefetch > PREFETCH_MAX) {
            return Err("prefetch is at most 1,000,000".to_owned());
        }
        settings.backoff.check()
    }

    /// What concerns streams, names and partitions.
    fn check_streams(&self) -> Result<(), String> {
        let settings = &self.settings;
        let mut streams = settings.streams.clone();
        streams.sort();
        streams.dedup();
        if streams.len() < settings.streams.len() {
            return Err("a stream is named twice".to_owned());
        }
        if settings.dead_letter.as_ref().is_some_and(|letters| streams.contains(letters)) {
            return Err("the dead letters of a stream cannot go to a stream that this consumer \
                        takes from: they would be messages again"
                .to_owned());
        }
        if settings.group.is_empty() || (settings.name.is_empty() && !settings.has_free_slot) {
            return Err("a group and a consumer have names".to_owned());
        }
        if let Some(lease) = settings.partition_lease {
            if !settings.is_partitioned {
                return Err("only the partitions of one stream can be leased".to_owned());
            }
            if !(PARTITION_LEASE_MIN..=Duration::from_hours(1)).contains(&lease) {
                return Err("the lease of a partition is 200 ms to 1 h".to_owned());
            }
            if settings.is_no_ack {
                return Err("without acknowledgement there is no order".to_owned());
            }
            if settings.priorities.is_some() {
                return Err("partitions have no priorities".to_owned());
            }
        }
        let levels = settings.streams.len();
        settings.priorities.as_ref().map_or(Ok(()), |priorities| priorities.check(levels))
    }
}
