//! Streams and groups between two looks: which of them are due, and what changed since they were
//! seen last.
//!
//! A look asks a bounded number of things: those on the screen first, then the others in turn, so
//! that each of thousands is asked about after some looks. What costs more than a look may (a
//! stream with thousands of groups) is paid for by waiting. Knows no server; times come from
//! outside.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream::{GroupInfo, StreamInfo};

use super::kept::{DetailDue, Kept, rate};
use super::line::{Line, LineKey};

/// Streams, and lines, that are kept; others are not watched.
const KEPT_MAX: usize = 20_000;
/// What a look may cost in commands about streams, and in commands about single groups.
const STREAM_COMMANDS: i64 = 2000;
const DETAIL_COMMANDS: i64 = 1000;

/// What is known, and what is due.
#[derive(Debug)]
pub(super) struct Survey {
    streams: BTreeMap<Bytes, Stream>,
    lines: BTreeMap<LineKey, Kept>,
    /// Looked at last in turn.
    last_stream: Option<Bytes>,
    last_detail: Option<LineKey>,
    stream_credit: Credit,
    detail_credit: Credit,
    is_cut: bool,
}

#[derive(Debug, Default)]
struct Stream {
    /// `None`: not looked at yet.
    seen: Option<SeenStream>,
    groups: usize,
}

#[derive(Clone, Copy, Debug)]
struct SeenStream {
    at: Instant,
    entries_added: Option<u64>,
    rate_in: Option<f64>,
}

/// What one stream was found to be.
#[derive(Clone, Debug)]
pub(super) struct StreamFound {
    pub(super) info: StreamInfo,
    /// Each with the number of its dead letters.
    pub(super) groups: Vec<(GroupInfo, Option<u64>)>,
}

/// All that is known, at a glance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) streams: usize,
    pub(super) groups: usize,
    /// There is more than is kept.
    pub(super) is_cut: bool,
    /// So long ago the line was seen that was seen longest ago.
    pub(super) oldest_look: Duration,
}

/// Commands that may be sent.
#[derive(Debug)]
struct Credit {
    each_look: i64,
    left: i64,
}

impl Credit {
    fn new(each_look: i64) -> Self {
        Self { each_look, left: 0 }
    }

    fn renew(&mut self) {
        self.left = (self.left + self.each_look).min(self.each_look);
    }

    /// Whether there was any; what is more than that is owed.
    fn spend(&mut self, cost: i64) -> bool {
        let is_left = self.left > 0;
        if is_left {
            self.left -= cost;
        }
        is_left
    }
}

impl Survey {
    pub(super) fn new() -> Self {
        Self::with_credit(STREAM_COMMANDS, DETAIL_COMMANDS)
    }

    /// Everything is due at each look.
    pub(super) fn of_all() -> Self {
        Self::with_credit(i64::MAX / 4, i64::MAX / 4)
    }

    fn with_credit(stream_commands: i64, detail_commands: i64) -> Self {
        Self {
            streams: BTreeMap::new(),
            lines: BTreeMap::new(),
            last_stream: None,
            last_detail: None,
            stream_credit: Credit::new(stream_commands),
            detail_credit: Credit::new(detail_commands),
            is_cut: false,
        }
    }

    /// Keys of streams that there are.
    pub(super) fn note_keys(&mut self, keys: Vec<Bytes>) {
        for key in keys {
            if self.streams.len() >= KEPT_MAX && !self.streams.contains_key(&key) {
                self.is_cut = true;
                continue;
            }
            self.streams.entry(key).or_default();
        }
    }

    /// Streams to be looked at now: these first, and with `others` the next ones in turn.
    pub(super) fn due_streams(&mut self, first: &[Bytes], others: bool) -> Vec<Bytes> {
        self.stream_credit.renew();
        let (mut due, mut taken) = (Vec::new(), HashSet::new());
        for key in first {
            let Some(stream) = self.streams.get(key) else { continue };
            if !taken.contains(key) && self.stream_credit.spend(stream.cost()) {
                taken.insert(key.clone());
                due.push(key.clone());
            }
        }
        if !others {
            return due;
        }
        let after = self.last_stream.clone();
        for (key, stream) in in_turn(&self.streams, after.as_ref()) {
            if taken.contains(key) {
                continue;
            }
            if !self.stream_credit.spend(stream.cost()) {
                break;
            }
            self.last_stream = Some(key.clone());
            due.push(key.clone());
        }
        due
    }

    /// Groups whose ages are to be looked at now, likewise.
    pub(super) fn due_details(&mut self, first: &[LineKey], others: bool) -> Vec<DetailDue> {
        self.detail_credit.renew();
        let (mut due, mut taken) = (Vec::new(), HashSet::new());
        for key in first {
            let Some(detail) = self.lines.get(key).and_then(Kept::detail) else { continue };
            if !taken.contains(key) && self.detail_credit.spend(detail.cost()) {
                taken.insert(key.clone());
                due.push(detail);
            }
        }
        if !others {
            return due;
        }
        let after = self.last_detail.clone();
        for (key, kept) in in_turn(&self.lines, after.as_ref()) {
            let Some(detail) = kept.detail().filter(|_| !taken.contains(key)) else { continue };
            if !self.detail_credit.spend(detail.cost()) {
                break;
            }
            self.last_detail = Some(key.clone());
            due.push(detail);
        }
        due
    }

    /// A stream is gone, or is none.
    pub(super) fn forget(&mut self, key: &Bytes) {
        self.streams.remove(key);
        let gone: Vec<_> = self.lines_of(key).cloned().collect();
        gone.iter().for_each(|line| _ = self.lines.remove(line));
    }

    /// What a stream was found to be at that moment.
    pub(super) fn take_stream(&mut self, key: &Bytes, at: Instant, found: StreamFound) {
        let StreamFound { info, groups } = found;
        let stream = self.streams.entry(key.clone()).or_default();
        let before = stream.seen;
        let rate_in = before.and_then(|before| {
            // It was made anew, if there are fewer.
            let added = info.entries_added.zip(before.entries_added);
            let more = added.and_then(|(now, then)| now.checked_sub(then));
            rate(more, at.duration_since(before.at), before.rate_in)
        });
        stream.seen = Some(SeenStream { at, entries_added: info.entries_added, rate_in });
        stream.groups = groups.len();
        let mut there: HashSet<LineKey> = HashSet::with_capacity(groups.len().max(1));
        if groups.is_empty() {
            let line_key = LineKey { stream: key.clone(), group: None };
            there.insert(line_key.clone());
            let kept = Kept::without_group(line_key, at, &info, rate_in);
            self.keep(kept);
        }
        for (group, dead_letters) in groups {
            let name = Some(group.name_bytes.clone());
            let line_key = LineKey { stream: key.clone(), group: name };
            there.insert(line_key.clone());
            let before = self.lines.get(&line_key);
            let kept = Kept::of(line_key, at, &info, rate_in, &group, dead_letters, before);
            self.keep(kept);
        }
        let gone: Vec<_> = self.lines_of(key).filter(|it| !there.contains(*it)).cloned().collect();
        gone.iter().for_each(|line| _ = self.lines.remove(line));
    }

    /// The ages of a group.
    pub(super) fn take_detail(
        &mut self,
        key: &LineKey,
        pending_age: Option<Duration>,
        undelivered_age: Option<Duration>,
    ) {
        if let Some(kept) = self.lines.get_mut(key) {
            kept.line.pending_age = pending_age;
            kept.line.undelivered_age = undelivered_age;
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines.values().map(|kept| kept.line.clone()).collect()
    }

    pub(super) fn summary(&self, now: Instant) -> Summary {
        let oldest = self.lines.values().map(|kept| kept.at).min();
        Summary {
            streams: self.streams.len(),
            groups: self.lines.keys().filter(|key| key.group.is_some()).count(),
            is_cut: self.is_cut && self.streams.len().max(self.lines.len()) >= KEPT_MAX,
            oldest_look: oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
        }
    }

    fn keep(&mut self, kept: Kept) {
        if self.lines.len() >= KEPT_MAX && !self.lines.contains_key(&kept.line.key) {
            self.is_cut = true;
            return;
        }
        self.lines.insert(kept.line.key.clone(), kept);
    }

    fn lines_of<'a>(&'a self, key: &'a Bytes) -> impl Iterator<Item = &'a LineKey> {
        let first = LineKey { stream: key.clone(), group: None };
        self.lines.range(first..).map(|(line, _)| line).take_while(move |it| it.stream == *key)
    }
}

impl Stream {
    /// XINFO STREAM, XINFO GROUPS and the number of dead letters; long answers count more.
    fn cost(&self) -> i64 {
        3 + i64::try_from(self.groups / 20).unwrap_or(i64::MAX / 8)
    }
}

/// All of a map, beginning behind that key.
fn in_turn<'a, K: Ord, V>(
    map: &'a BTreeMap<K, V>,
    after: Option<&K>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let (behind, up_to) = match after {
        Some(key) => (
            map.range((Bound::Excluded(key), Bound::Unbounded)),
            Some(map.range((Bound::Unbounded, Bound::Included(key)))),
        ),
        None => (map.range::<K, _>(..), None),
    };
    behind.chain(up_to.into_iter().flatten())
}
