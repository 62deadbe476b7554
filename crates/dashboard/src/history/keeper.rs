//! What is kept of what looks saw.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream::{GroupInfo, StreamInfo};
use parking_lot::Mutex;

use super::{Ages, Point, SERIES_MAX, Seen, Series};

/// What was seen, for all pages.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    streams: BTreeMap<Bytes, Stream>,
    is_scanned: bool,
    is_whole: bool,
    /// A look is due at them in this order.
    turn: u64,
    all: Series,
    of_groups: HashMap<(Bytes, Bytes), GroupSeries>,
}

#[derive(Debug, Default)]
struct Stream {
    now: Option<StreamNow>,
    /// When it was last looked at, in looks.
    turn: u64,
    is_busy: bool,
}

#[derive(Debug, Default)]
struct GroupSeries {
    series: Series,
    /// How much happens there, the last looks most.
    weight: f64,
}

/// A stream as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct StreamNow {
    pub(crate) name: Bytes,
    pub(crate) at: Instant,
    pub(crate) info: StreamInfo,
    /// Entries added a second; `None`: not known yet.
    pub(crate) rate_in: Option<f64>,
    pub(crate) groups: Vec<GroupNow>,
}

/// A group as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct GroupNow {
    pub(crate) info: GroupInfo,
    /// Entries handed out a second; `None`: not known.
    pub(crate) rate_out: Option<f64>,
    pub(crate) ages: Ages,
    /// Where its dead letters go, if that is there.
    pub(crate) dead_letters: Option<Letters>,
}

/// A stream of dead letters, as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Letters {
    pub(crate) stream: Bytes,
    /// Of all groups whose letters go there.
    pub(crate) length: u64,
}

/// All streams together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) streams: usize,
    pub(crate) groups: usize,
    pub(crate) rate_in: f64,
    pub(crate) rate_out: f64,
    pub(crate) lag: u64,
    pub(crate) pending: u64,
    pub(crate) oldest: Option<Duration>,
    pub(crate) dead_letters: u64,
    /// Some streams are not among them.
    pub(crate) is_part: bool,
}

impl StreamNow {
    /// In all of its groups.
    pub(crate) fn pending(&self) -> u64 {
        self.groups.iter().map(|group| group.info.pending).sum()
    }
}

impl History {
    pub(crate) fn is_scanned(&self) -> bool {
        self.0.lock().is_scanned
    }

    /// All streams that there are, or the first of them.
    pub(crate) fn scanned(&self, names: Vec<Bytes>, is_whole: bool) {
        let mut kept = self.0.lock();
        let mut earlier = std::mem::take(&mut kept.streams);
        kept.streams = names
            .into_iter()
            .map(|name| {
                let stream = earlier.remove(&name).unwrap_or_default();
                (name, stream)
            })
            .collect();
        kept.is_scanned = true;
        kept.is_whole = is_whole;
    }

    /// Which streams to look at, `max` at most.
    pub(super) fn due(&self, max: usize) -> Vec<Bytes> {
        let kept = self.0.lock();
        let mut all: Vec<_> = kept.streams.iter().collect();
        all.sort_by_key(|(_, stream)| (!stream.is_busy, stream.turn));
        // Busy ones do not starve the others.
        let mut due: Vec<Bytes> =
            all.iter().take(max * 3 / 4).map(|(name, _)| (*name).clone()).collect();
        let mut rest: Vec<_> = all.iter().skip(due.len()).collect();
        rest.sort_by_key(|(_, stream)| stream.turn);
        due.extend(rest.iter().take(max - due.len()).map(|(name, _)| (*name).clone()));
        due
    }

    /// What a look saw.
    pub(super) fn seen(&self, name: &Bytes, seen: Seen) {
        let now = Instant::now();
        let mut kept = self.0.lock();
        let turn = kept.turn;
        let Some((info, groups)) = seen else {
            kept.streams.remove(name);
            return;
        };
        let dead_letters: Vec<Option<Letters>> =
            groups.iter().map(|(group, _)| kept.dead_letters_of(name, group)).collect();
        let Some(stream) = kept.streams.get_mut(name) else { return };
        let before = stream.now.take();
        let seconds = before.as_ref().map(|before| (now - before.at).as_secs_f64());
        let rate = |now: Option<u64>, before: Option<u64>| {
            let seconds = seconds.filter(|seconds| *seconds > 0.1)?;
            Some(now?.saturating_sub(before?) as f64 / seconds)
        };
        let added = before.as_ref().and_then(|before| before.info.entries_added);
        let rate_in = rate(info.entries_added, added);
        let of_groups = groups.into_iter().zip(dead_letters).map(|((info, ages), dead)| {
            let old = before.as_ref().and_then(|before| {
                before.groups.iter().find(|old| old.info.name_bytes == info.name_bytes)
            });
            let rate_out = rate(handed_out(&info), old.and_then(|old| handed_out(&old.info)));
            GroupNow { info, rate_out, ages, dead_letters: dead }
        });
        let groups: Vec<GroupNow> = of_groups.collect();
        stream.turn = turn + 1;
        stream.is_busy = rate_in.unwrap_or(0.0) > 0.0
            || groups.iter().any(|group| group.rate_out.unwrap_or(0.0) > 0.0);
        let series: Vec<_> = groups
            .iter()
            .map(|group| (group.info.name_bytes.clone(), point(now, rate_in, group)))
            .collect();
        stream.now = Some(StreamNow { name: name.clone(), at: now, info, rate_in, groups });
        for (group, point) in series {
            kept.add_point((name.clone(), group), point);
        }
    }

    /// A look is over.
    pub(super) fn looked(&self) {
        let now = Instant::now();
        let mut kept = self.0.lock();
        kept.turn += 1;
        let totals = kept.totals();
        kept.all.add(Point {
            at: now,
            rate_in: totals.rate_in,
            rate_out: totals.rate_out,
            lag: totals.lag as f64,
            pending: totals.pending as f64,
            oldest: totals.oldest.unwrap_or_default().as_secs_f64(),
        });
        let Kept { streams, of_groups, .. } = &mut *kept;
        of_groups.retain(|(stream, group), _| {
            let of = streams.get(stream).and_then(|stream| stream.now.as_ref());
            of.is_some_and(|now| now.groups.iter().any(|of| of.info.name_bytes == *group))
        });
    }

    /// A look failed: what comes next is no rate of what was before.
    pub(super) fn missed(&self) {
        self.0.lock().is_scanned = false;
    }

    pub(crate) fn totals(&self) -> Totals {
        self.0.lock().totals()
    }

    pub(crate) fn all(&self) -> Series {
        self.0.lock().all.clone()
    }

    pub(crate) fn of_group(&self, stream: &Bytes, group: &Bytes) -> Option<Series> {
        let kept = self.0.lock();
        kept.of_groups.get(&(stream.clone(), group.clone())).map(|of| of.series.clone())
    }

    pub(crate) fn stream(&self, name: &Bytes) -> Option<StreamNow> {
        self.0.lock().streams.get(name)?.now.clone()
    }

    /// Streams that are known by name and were not looked at yet.
    pub(crate) fn unseen(&self) -> Vec<Bytes> {
        let kept = self.0.lock();
        let unseen = kept.streams.iter().filter(|(_, stream)| stream.now.is_none());
        unseen.map(|(name, _)| name.clone()).collect()
    }

    /// All streams that were looked at, in the order of their names.
    pub(crate) fn streams(&self) -> Vec<StreamNow> {
        self.0.lock().streams.values().filter_map(|stream| stream.now.clone()).collect()
    }
}

impl Kept {
    fn totals(&self) -> Totals {
        let mut totals = Totals { is_part: !self.is_whole, ..Totals::default() };
        let letters = letter_streams(self.streams.values().filter_map(|it| it.now.as_ref()));
        for stream in self.streams.values() {
            totals.streams += 1;
            let Some(now) = &stream.now else {
                totals.is_part = true;
                continue;
            };
            totals.rate_in += now.rate_in.unwrap_or(0.0);
            if letters.contains(&now.name) {
                totals.dead_letters += now.info.length;
            }
            for group in &now.groups {
                totals.groups += 1;
                totals.rate_out += group.rate_out.unwrap_or(0.0);
                totals.lag += group.info.lag.unwrap_or(0);
                totals.pending += group.info.pending;
                totals.oldest = totals.oldest.max(group.ages.pending);
            }
        }
        totals
    }

    /// Letters where this group's go.
    fn dead_letters_of(&self, stream: &Bytes, group: &GroupInfo) -> Option<Letters> {
        let policy = group.managed.as_ref().and_then(|it| it.policy.dead_letters.clone());
        let targets = match policy {
            Some(target) => vec![target.into_bytes()],
            None => vec![
                [stream, &b":dlq"[..]].concat(),
                // What the toolkit takes on a Cluster.
                [b"{", &stream[..], b"}:dlq"].concat(),
            ],
        };
        let found = targets.iter().find_map(|target| self.streams.get_key_value(&target[..]));
        let (name, stream) = found?;
        Some(Letters { stream: name.clone(), length: stream.now.as_ref()?.info.length })
    }

    /// Keeps it, if the group is among those where most happens.
    fn add_point(&mut self, key: (Bytes, Bytes), point: Point) {
        let weight = point.rate_in + point.rate_out + (point.lag + point.pending).ln_1p();
        if !self.of_groups.contains_key(&key) && self.of_groups.len() >= SERIES_MAX {
            let quiet = self.of_groups.iter().min_by(|a, b| a.1.weight.total_cmp(&b.1.weight));
            let Some((quiet, of)) = quiet else { return };
            if of.weight >= weight {
                return;
            }
            let quiet = quiet.clone();
            self.of_groups.remove(&quiet);
        }
        // One that begins has no past that would make it look quiet.
        let new = || GroupSeries { weight, ..GroupSeries::default() };
        let of = self.of_groups.entry(key).or_insert_with(new);
        of.weight = of.weight * 0.9 + weight * 0.1;
        of.series.add(point);
    }
}

/// Streams of dead letters: by their names, as the toolkit and Millstream give them, and those that
/// policies name, be they there or not.
pub(crate) fn letter_streams<'a>(streams: impl Iterator<Item = &'a StreamNow>) -> HashSet<Bytes> {
    let mut all = HashSet::new();
    for stream in streams {
        if stream.name.ends_with(b":dlq") {
            all.insert(stream.name.clone());
        }
        let policies = stream.groups.iter().filter_map(|group| group.info.managed.as_ref());
        let targets = policies.filter_map(|managed| managed.policy.dead_letters.clone());
        all.extend(targets.map(Bytes::from));
    }
    all
}

/// Entries that were ever handed out for the first time.
fn handed_out(group: &GroupInfo) -> Option<u64> {
    group.managed.as_ref().map(|managed| managed.delivered).or(group.entries_read)
}

fn point(at: Instant, rate_in: Option<f64>, group: &GroupNow) -> Point {
    Point {
        at,
        rate_in: rate_in.unwrap_or(0.0),
        rate_out: group.rate_out.unwrap_or(0.0),
        lag: group.info.lag.unwrap_or(0) as f64,
        pending: group.info.pending as f64,
        oldest: group.ages.pending.unwrap_or_default().as_secs_f64(),
    }
}
