//! What a consumer is to do, checked before it begins.

use std::time::Duration;

use redis::cmd;

use super::StreamConsumer;
use super::leased::LeasedWorker;
use super::method::Method;
use super::name::of_slot;
use super::outcome::{Outcome, OutcomeHook};
use super::places::check_letters;
use super::worker::Worker;
use crate::milliseconds::milliseconds;
use crate::reply::Facts;
use crate::{
    Backoff, ConsumerGroupManager, Error, GroupStart, Message, Millstream, PartitionedStream, reply,
};

/// A lease shorter than this is lost to any hiccup.
const LEASE_MIN: Duration = Duration::from_millis(50);
const PARTITION_LEASE_MIN: Duration = Duration::from_millis(200);
const COUNT_MAX: usize = 10_000;

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
    pub(super) max_retries: u32,
    pub(super) claim_min_idle: Duration,
    pub(super) count: usize,
    pub(super) block: Duration,
    pub(super) concurrency: usize,
    pub(super) prefetch: Option<usize>,
    pub(super) backoff: Backoff,
    pub(super) dead_letter: Option<String>,
    pub(super) is_no_ack: bool,
    pub(super) shutdown_timeout: Duration,
    pub(super) hook: OutcomeHook,
    /// How long a partition is its owner's without a word from it; `None`: partitions have none.
    pub(super) partition_lease: Option<Duration>,
    pub(super) is_partitioned: bool,
}

impl Settings {
    /// Messages that it has at once, those that wait for a later try apart.
    pub(super) fn room(&self) -> usize {
        self.concurrency + self.prefetch.unwrap_or(self.count)
    }
}

impl ConsumerBuilder {
    pub(super) fn new(millstream: &Millstream, stream: String, group: String) -> Self {
        let settings = Settings {
            streams: vec![stream],
            group,
            name: of_slot(0),
            start: GroupStart::First,
            max_retries: 3,
            claim_min_idle: Duration::from_mins(5),
            count: 10,
            block: Duration::from_secs(1),
            concurrency: 1,
            prefetch: None,
            backoff: Backoff::default(),
            dead_letter: None,
            is_no_ack: false,
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
    /// letter. [`Self::concurrency`] says how many partitions are worked on at the same time.
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
        self
    }

    /// Several workers on one machine have slots: the name is the machine's and the slot.
    #[must_use]
    pub fn slot(self, slot: u32) -> Self {
        self.name(of_slot(slot))
    }

    /// Where the group begins, if it has to be made. Default: [`GroupStart::First`].
    #[must_use]
    pub fn start(mut self, start: GroupStart) -> Self {
        self.settings.start = start;
        self
    }

    /// A message is handled so often at most, and becomes a dead letter then; at least 1. Default
    /// 3.
    #[must_use]
    pub fn max_retries(mut self, max: u32) -> Self {
        self.settings.max_retries = max;
        self
    }

    /// What nobody was heard of for so long is taken over by another consumer; at least 50 ms. It
    /// is extended while a handler runs. Default 5 min.
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

    /// So many messages are handled at the same time; at least 1, which keeps their order while
    /// nothing fails. Default 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// So many messages may wait for their turn beside those being handled. Default: the count of
    /// a read. On a Cluster they are divided among the slots of the streams.
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

    /// At the end, handlers that run have so long to finish. Default 30 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Is told what became of each message, and of each try. Costs a little: the server is asked
    /// about each message, not about many at once. Called on the consumer's own tasks, so it must
    /// not block. Nobody is told of what the server does without a consumer: it moves to the dead
    /// letters what was lost at its last try.
    #[must_use]
    pub fn on_outcome(mut self, hook: impl Fn(&Message, Outcome) + Send + Sync + 'static) -> Self {
        self.settings.hook = OutcomeHook::new(hook);
        self
    }

    /// Makes the group where it is missing, and a consumer for it that does not read yet.
    ///
    /// On Millstream a group that has no policy gets one by these settings: VISIBILITY,
    /// MAXDELIVERIES, DEADLETTER, BACKOFF and JITTER. One that has a policy keeps it, and that is
    /// what counts.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a setting makes no sense. Those of the server.
    pub async fn build(self) -> Result<StreamConsumer, Error> {
        self.check().map_err(Error::Configuration)?;
        let Self { millstream, settings } = self;
        check_letters(&millstream, &settings)?;
        if let Some(lease) = settings.partition_lease {
            return build_leased(millstream, settings, lease).await;
        }
        let method = Method::best(millstream.abilities());
        let mut lease = settings.claim_min_idle;
        for stream in &settings.streams {
            let manager = ConsumerGroupManager::new(&millstream, stream.as_str());
            manager.create(&settings.group, settings.start).await?;
            if method == Method::Policy && !settings.is_no_ack {
                let visibility = manage(&millstream, &settings, stream).await?;
                lease = lease.min(visibility.unwrap_or(lease));
            }
        }
        Ok(StreamConsumer::new(Worker::for_each_place(&millstream, &settings, method, lease)))
    }

    fn check(&self) -> Result<(), String> {
        let settings = &self.settings;
        let mut streams = settings.streams.clone();
        streams.sort();
        streams.dedup();
        if streams.len() < settings.streams.len() {
            return Err("a stream is named twice".to_owned());
        }
        if settings.max_retries == 0 {
            return Err("max_retries is at least 1".to_owned());
        }
        if settings.claim_min_idle < LEASE_MIN {
            return Err("claim_min_idle is at least 50 ms".to_owned());
        }
        if !(1..=COUNT_MAX).contains(&settings.count) {
            return Err("count is 1 to 10,000".to_owned());
        }
        if !(Duration::from_millis(1)..=Duration::from_hours(1)).contains(&settings.block) {
            return Err("block is 1 ms to 1 h".to_owned());
        }
        if settings.concurrency == 0 {
            return Err("concurrency is at least 1".to_owned());
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
        }
        settings.backoff.check()
    }
}

async fn build_leased(
    millstream: Millstream,
    settings: Settings,
    lease: Duration,
) -> Result<StreamConsumer, Error> {
    for stream in &settings.streams {
        let manager = ConsumerGroupManager::new(&millstream, stream.as_str());
        manager.create(&settings.group, settings.start).await?;
        let has_policies = millstream.abilities().has_policies;
        if has_policies && policy_visibility(&millstream, &settings, stream).await?.is_some() {
            return Err(Error::Configuration(format!(
                "the group {} of {stream} has a policy, by which the server hands messages out \
                 again itself: their order cannot be kept by leases",
                settings.group
            )));
        }
    }
    Ok(StreamConsumer::leased(LeasedWorker::new(millstream, settings, lease)))
}

/// Sees to it that the group has a policy; returns its VISIBILITY, if it has one.
async fn manage(
    millstream: &Millstream,
    settings: &Settings,
    stream: &str,
) -> Result<Option<Duration>, Error> {
    let visibility = policy_visibility(millstream, settings, stream).await?;
    if let Some(visibility_ms) = visibility {
        return Ok(Some(Duration::from_millis(visibility_ms)).filter(|it| !it.is_zero()));
    }
    let Backoff { base, factor, max, jitter } = settings.backoff;
    let mut set = cmd("XGROUP");
    set.arg(&["CFGSET", stream, &settings.group]);
    set.arg("VISIBILITY").arg(milliseconds(settings.claim_min_idle));
    set.arg("MAXDELIVERIES").arg(settings.max_retries);
    set.arg("DEADLETTER").arg(settings.dead_letters_of(millstream, stream));
    if !base.is_zero() {
        let base_ms = milliseconds(base).max(1);
        set.arg("BACKOFF").arg(base_ms).arg(format!("{factor:.3}"));
        set.arg(milliseconds(max).max(base_ms));
        set.arg("JITTER").arg((jitter * 100.0).round() as u64);
    }
    millstream.run(&set).await?;
    Ok(Some(settings.claim_min_idle))
}

/// `None`: the group has no policy.
async fn policy_visibility(
    millstream: &Millstream,
    settings: &Settings,
    stream: &str,
) -> Result<Option<u64>, Error> {
    let ask = cmd("XINFO").arg(&["GROUPS", stream]).to_owned();
    let answer = millstream.run(&ask).await?;
    let groups = Facts::list(answer).map_err(reply::NotUnderstood::of("XINFO GROUPS"))?;
    let is_it = |facts: &&Facts| facts.text("name").as_ref() == Ok(&settings.group);
    let Some(policy) = groups.iter().find(is_it).and_then(|facts| facts.get("policy")) else {
        return Ok(None);
    };
    let policy = Facts::parse(policy.clone()).map_err(reply::NotUnderstood::of("XINFO GROUPS"))?;
    policy.count("VISIBILITY").map(Some).map_err(reply::NotUnderstood::of("XINFO GROUPS"))
}
