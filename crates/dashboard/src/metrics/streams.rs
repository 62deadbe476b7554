//! What was last seen of streams, groups and consumers, as metrics: of redis_exporter's names what
//! it has of them, and what it has not under ours.
//!
//! Every name is a label, and each label is a series that somebody has to keep: so there are at
//! most so many, the busiest first, and it is told how many were left out.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream::{ConsumerInfo, EntryId, GroupInfo};
use millstream_shown::visible;

use super::exposition::{Exposition, Kind, Labels, Metric};
use super::name_pattern::is_match;
use crate::history::{GroupNow, History, StreamNow, letter_streams};

/// Streams that are told of at most.
pub(super) const STREAMS_MAX: usize = 500;
/// Groups of all those streams together.
pub(super) const GROUPS_MAX: usize = 2000;
/// Consumers of all those groups together.
pub(super) const CONSUMERS_MAX: usize = 5000;
/// A group that has more is not asked for them: the answer has no bound.
pub(super) const CONSUMERS_OF_GROUP_MAX: u64 = 1000;

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

static LENGTH: Metric = gauge("redis_stream_length", "Entries of the stream.");
static TREE_KEYS: Metric =
    gauge("redis_stream_radix_tree_keys", "Keys of the tree that holds the stream.");
static TREE_NODES: Metric =
    gauge("redis_stream_radix_tree_nodes", "Nodes of the tree that holds the stream.");
static GENERATED: Metric =
    gauge("redis_stream_last_generated_id", "Milliseconds of the highest id that there was.");
static GROUPS: Metric = gauge("redis_stream_groups", "Groups of the stream.");
static MAX_DELETED: Metric =
    gauge("redis_stream_max_deleted_entry_id", "Milliseconds of the highest id that was deleted.");
static FIRST: Metric =
    gauge("redis_stream_first_entry_id", "Milliseconds of the id of the first entry.");
static LAST: Metric =
    gauge("redis_stream_last_entry_id", "Milliseconds of the id of the last entry.");
static ADDED: Metric =
    counter("millstream_stream_entries_added_total", "Entries that were ever added.");
static SCHEDULED: Metric =
    gauge("millstream_stream_scheduled", "Delayed entries that wait for their time.");
static PAYLOAD: Metric = gauge(
    "millstream_stream_payload_bytes",
    "Bytes in names and values of entries, where a limit of them is set.",
);
static LETTERS: Metric = gauge("millstream_dead_letters", "Entries of a stream of dead letters.");

static CONSUMERS: Metric = gauge("redis_stream_group_consumers", "Consumers of the group.");
static PENDING: Metric = gauge(
    "redis_stream_group_messages_pending",
    "Entries that were delivered and not acknowledged.",
);
static DELIVERED_ID: Metric = gauge(
    "redis_stream_group_last_delivered_id",
    "Milliseconds of the id of the last entry that was handed out.",
);
static READ: Metric =
    gauge("redis_stream_group_entries_read", "How many entries the group has read.");
static LAG: Metric = gauge("redis_stream_group_lag", "Entries that were not handed out yet.");
static OLDEST_PENDING: Metric = gauge(
    "millstream_group_oldest_pending_seconds",
    "How long ago the oldest pending entry was handed out last; 0: none is pending.",
);
static OLDEST_UNDELIVERED: Metric = gauge(
    "millstream_group_oldest_undelivered_seconds",
    "Age of the first entry that was not handed out; 0: there is none.",
);
static DELIVERED: Metric =
    counter("millstream_group_delivered_total", "Entries that were handed out for the first time.");
static ACKED: Metric = counter("millstream_group_acked_total", "Entries that were acknowledged.");
static NACKED: Metric = counter("millstream_group_nacked_total", "Entries that lost their owner.");
static REDELIVERED: Metric =
    counter("millstream_group_redelivered_total", "Entries that were handed out again.");
static DEAD_LETTERED: Metric =
    counter("millstream_group_dead_lettered_total", "Entries that became dead letters.");
static DROPPED: Metric = counter(
    "millstream_group_dropped_total",
    "Pending records that went unsettled, or as their entry was gone.",
);
static IN_FLIGHT: Metric =
    gauge("millstream_group_in_flight", "Pending entries that a consumer has.");
static DELAYED: Metric =
    gauge("millstream_group_delayed", "Pending entries that wait for another try.");
static BLOCKED: Metric =
    gauge("millstream_group_blocked", "Whether nothing is handed out: it is paused, or full.");

static OF_CONSUMER: Metric = gauge(
    "redis_stream_group_consumer_messages_pending",
    "Entries that the consumer has and has not acknowledged.",
);
static IDLE: Metric =
    gauge("redis_stream_group_consumer_idle_seconds", "Since the consumer was last heard of.");

static SHOWN: Metric = gauge("millstream_metrics_streams", "Streams that are told of here.");
static LEFT_OUT: Metric = gauge(
    "millstream_metrics_streams_left_out",
    "Streams that match and are not told of here: the quiet ones.",
);
static GROUPS_LEFT_OUT: Metric = gauge(
    "millstream_metrics_groups_left_out",
    "Groups of streams that are told of here which are not.",
);
static CONSUMERS_LEFT_OUT: Metric = gauge(
    "millstream_metrics_consumers_left_out",
    "Consumers of groups that are told of here which are not.",
);
static OLDEST_LOOK: Metric = gauge(
    "millstream_metrics_oldest_look_seconds",
    "Age of the oldest figures of a stream that is told of here.",
);

/// What is told of.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) streams: Vec<StreamNow>,
    /// Those that nobody has looked at.
    unseen: Vec<Bytes>,
    streams_left_out: usize,
    groups_left_out: usize,
    letter_streams: HashSet<Bytes>,
}

impl Chosen {
    /// The busiest of those that match.
    pub(super) fn of(history: &History, pattern: Option<&[u8]>) -> Self {
        let is_meant = |name: &[u8]| pattern.is_none_or(|pattern| is_match(pattern, name));
        let mut streams = history.streams();
        let letter_streams = letter_streams(streams.iter());
        streams.retain(|now| is_meant(&now.name));
        streams.sort_by(|a, b| busy(b).total_cmp(&busy(a)));
        // The labels of two names can be the same in one odd case: "" and the name of two quotes.
        let mut labels = HashSet::new();
        let mut unseen = history.unseen();
        unseen.retain(|name| is_meant(name));
        let streams_left_out = unseen.len();
        let mut chosen = Self { streams_left_out, unseen, letter_streams, ..Self::default() };
        let mut room = GROUPS_MAX;
        for mut now in streams {
            if chosen.streams.len() >= STREAMS_MAX || !labels.insert(visible(&now.name)) {
                chosen.streams_left_out += 1;
                continue;
            }
            let of = |group: &GroupInfo| group.pending + group.lag.unwrap_or(0);
            now.groups.sort_by_key(|group| std::cmp::Reverse(of(&group.info)));
            let before = now.groups.len();
            let mut names = HashSet::new();
            now.groups.retain(|group| names.insert(visible(&group.info.name_bytes)));
            now.groups.truncate(room);
            room -= now.groups.len();
            chosen.groups_left_out += before - now.groups.len();
            chosen.streams.push(now);
        }
        chosen
    }

    /// What is to be looked at before it is told: what was not yet, or not lately.
    pub(super) fn due(&self, fresh: Duration, max: usize) -> Vec<Bytes> {
        let old = self.streams.iter().filter(|stream| stream.at.elapsed() > fresh);
        let old = old.map(|stream| &stream.name);
        self.unseen.iter().chain(old).take(max).cloned().collect()
    }

    pub(super) fn add(&self, to: &mut Exposition) {
        let now = Instant::now();
        for stream in &self.streams {
            let labels = labels_of(&stream.name);
            add_stream(to, &labels, stream);
            if self.letter_streams.contains(&stream.name) {
                to.add(&LETTERS, &labels, stream.info.length as f64);
            }
            for group in &stream.groups {
                let labels = labels.with_name("group", &group.info.name_bytes);
                add_group(to, &labels, group, now - stream.at);
            }
        }
        let none = Labels::default();
        to.add(&SHOWN, &none, self.streams.len() as f64);
        to.add(&LEFT_OUT, &none, self.streams_left_out as f64);
        to.add(&GROUPS_LEFT_OUT, &none, self.groups_left_out as f64);
        let oldest = self.streams.iter().map(|stream| now - stream.at).max();
        to.add(&OLDEST_LOOK, &none, oldest.unwrap_or_default().as_secs_f64());
    }
}

/// The consumers of one group.
pub(super) fn add_consumers(
    to: &mut Exposition,
    stream: &[u8],
    group: &[u8],
    consumers: &[ConsumerInfo],
) {
    let labels = labels_of(stream).with_name("group", group);
    let mut names = HashSet::new();
    for consumer in consumers.iter().filter(|it| names.insert(visible(&it.name_bytes))) {
        let labels = labels.with_name("consumer", &consumer.name_bytes);
        to.add(&OF_CONSUMER, &labels, consumer.pending as f64);
        to.add(&IDLE, &labels, consumer.idle.as_secs_f64());
    }
}

pub(super) fn add_consumers_left_out(to: &mut Exposition, left_out: u64) {
    to.add(&CONSUMERS_LEFT_OUT, &Labels::default(), left_out as f64);
}

/// How much happens; among quiet ones, how much there is.
fn busy(now: &StreamNow) -> f64 {
    let rates = now.groups.iter().filter_map(|group| group.rate_out).sum::<f64>();
    let waiting: u64 =
        now.groups.iter().map(|group| group.info.pending + group.info.lag.unwrap_or(0)).sum();
    rates + now.rate_in.unwrap_or(0.0) + (now.info.length as f64 + waiting as f64).ln_1p() / 1e3
}

/// The toolkit works in the first database.
fn labels_of(stream: &[u8]) -> Labels {
    Labels::default().with("db", "db0").with_name("stream", stream)
}

fn ms(id: EntryId) -> f64 {
    id.ms as f64
}

fn add_stream(to: &mut Exposition, labels: &Labels, now: &StreamNow) {
    let info = &now.info;
    to.add(&LENGTH, labels, info.length as f64);
    if let Some((keys, nodes)) = info.radix_tree {
        to.add(&TREE_KEYS, labels, keys as f64);
        to.add(&TREE_NODES, labels, nodes as f64);
    }
    to.add(&GENERATED, labels, ms(info.last_generated));
    to.add(&GROUPS, labels, info.groups as f64);
    to.add(&MAX_DELETED, labels, info.max_deleted.map_or(0.0, ms));
    to.add(&FIRST, labels, info.first.map_or(0.0, ms));
    to.add(&LAST, labels, info.last.map_or(0.0, ms));
    to.add_if(&ADDED, labels, info.entries_added.map(|added| added as f64));
    to.add_if(&SCHEDULED, labels, info.scheduled.map(|many| many as f64));
    to.add_if(&PAYLOAD, labels, info.payload_bytes.map(|bytes| bytes as f64));
}

fn add_group(to: &mut Exposition, labels: &Labels, now: &GroupNow, since: Duration) {
    let info = &now.info;
    to.add(&CONSUMERS, labels, info.consumers as f64);
    to.add(&PENDING, labels, info.pending as f64);
    to.add(&DELIVERED_ID, labels, ms(info.last_delivered));
    to.add_if(&READ, labels, info.entries_read.map(|read| read as f64));
    to.add_if(&LAG, labels, info.lag.map(|lag| lag as f64));
    // What was old at the last look is older now.
    let age = |oldest: Option<Duration>| oldest.map_or(0.0, |it| (it + since).as_secs_f64());
    // Where nobody has what is pending, there is no time since it was handed out.
    if now.ages.pending.is_some() || info.pending == 0 {
        to.add(&OLDEST_PENDING, labels, age(now.ages.pending));
    }
    to.add(&OLDEST_UNDELIVERED, labels, age(now.ages.undelivered));
    let Some(managed) = &info.managed else {
        to.add_if(&DELIVERED, labels, info.entries_read.map(|read| read as f64));
        return;
    };
    for (metric, count) in [
        (&DELIVERED, managed.delivered),
        (&ACKED, managed.acked),
        (&NACKED, managed.nacked),
        (&REDELIVERED, managed.redelivered),
        (&DEAD_LETTERED, managed.dead_lettered),
        (&DROPPED, managed.dropped + managed.vanished),
        (&IN_FLIGHT, managed.in_flight),
        (&DELAYED, managed.delayed),
        (&BLOCKED, u64::from(managed.blocked_by.is_some())),
    ] {
        to.add(metric, labels, count as f64);
    }
}
