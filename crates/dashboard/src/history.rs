//! What was seen of all streams and groups, now and in the last hour.
//!
//! Every [`INTERVAL`] some streams are asked for ([`AT_ONCE`] at most): those where something
//! happens first, then those that were not looked at for longest. So what this costs the server
//! does not grow with the number of streams; what is shown of quiet ones gets older instead. Of the
//! [`SERIES_MAX`] groups where most happens an hour is kept.

mod keeper;
mod series;

use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use millstream::{
    ConsumerGroupManager, ConsumerGroupMonitor, Error, GroupInfo, Millstream, StreamInfo,
    StreamManager, StreamScan,
};
use millstream_shown::age_of;

pub(crate) use self::keeper::{GroupNow, History, StreamNow, Totals, letter_streams};
pub(crate) use self::series::{Point, Series};

use crate::app::App;
use crate::failure::Failure;

/// Between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// Streams in one look.
const AT_ONCE: usize = 250;
/// Commands that are on their way at a time.
const CONCURRENT: usize = 50;
/// Streams that are known by name; those that SCAN names first.
pub(crate) const STREAMS_MAX: usize = 10_000;
/// Groups of which an hour is kept.
pub(crate) const SERIES_MAX: usize = 200;
/// Going through all keys takes at most one part in so many of the time.
const SCAN_SHARE: u32 = 50;

/// What one look saw of a stream; `None`: it is gone, or may not be seen.
type Seen = Option<(StreamInfo, Vec<(GroupInfo, Ages)>)>;

/// How long what a group has to do waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    /// How long ago its oldest pending entry was handed out last.
    pub(crate) pending: Option<Duration>,
    /// How old the first entry is that it was not handed out.
    pub(crate) undelivered: Option<Duration>,
}

/// Looks at the server again and again, until it is dropped.
pub(crate) async fn look(app: Arc<App>) {
    let mut scan_at = Instant::now();
    loop {
        if let Err(failure) = look_once(&app, &mut scan_at).await {
            // A server that starts, or is away for a while: pages say so themselves.
            tracing::debug!("dashboard: {failure}");
            app.history.missed();
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn look_once(app: &App, scan_at: &mut Instant) -> Result<(), Failure> {
    let millstream = app.trusted().await?;
    let begun = Instant::now();
    if begun >= *scan_at || !app.history.is_scanned() {
        let (names, is_whole) = scan(&millstream).await?;
        app.history.scanned(names, is_whole);
        *scan_at = begun + begun.elapsed() * SCAN_SHARE;
    }
    look_at(&app.history, &millstream, &app.history.due(AT_ONCE)).await?;
    app.history.looked();
    Ok(())
}

/// Looks at some streams now.
///
/// # Errors
/// Those of the server.
pub(crate) async fn look_at(
    history: &History,
    millstream: &Millstream,
    streams: &[Bytes],
) -> Result<(), Error> {
    for names in streams.chunks(CONCURRENT) {
        let asked = names.iter().map(|name| ask(millstream, name));
        for (name, seen) in names.iter().zip(join_all(asked).await) {
            history.seen(name, seen?);
        }
    }
    Ok(())
}

async fn scan(millstream: &Millstream) -> Result<(Vec<Bytes>, bool), Error> {
    let mut scan = StreamScan::new(millstream);
    let mut names = Vec::new();
    while let Some(page) = scan.next().await? {
        names.extend(page);
        if names.len() > STREAMS_MAX {
            names.truncate(STREAMS_MAX);
            return Ok((names, false));
        }
    }
    Ok((names, true))
}

async fn ask(millstream: &Millstream, stream: &Bytes) -> Result<Seen, Error> {
    let asked = async {
        let Some(info) = StreamManager::new(millstream, stream).info().await? else {
            return Ok(None);
        };
        if info.groups == 0 {
            return Ok(Some((info, Vec::new())));
        }
        let groups = ConsumerGroupManager::new(millstream, stream).groups().await?;
        let mut with_ages = Vec::with_capacity(groups.len());
        for group in groups {
            let ages = ages(millstream, stream, &info, &group).await?;
            with_ages.push((group, ages));
        }
        Ok(Some((info, with_ages)))
    };
    match asked.await {
        // Gone meanwhile, or not for us to see.
        Err(Error::NoGroup(_) | Error::Refused { .. }) => Ok(None),
        other => other,
    }
}

/// Of a group with a policy the server says them.
async fn ages(
    millstream: &Millstream,
    stream: &Bytes,
    info: &StreamInfo,
    group: &GroupInfo,
) -> Result<Ages, Error> {
    if let Some(managed) = &group.managed {
        let (pending, undelivered) = (managed.oldest_pending, managed.oldest_undelivered);
        return Ok(Ages { pending, undelivered });
    }
    let mut ages = Ages::default();
    if group.pending > 0 {
        // As a policy's: since it was last handed out, not since it was added.
        let monitor = ConsumerGroupMonitor::new(millstream, stream);
        let first = monitor.stuck(&group.name_bytes, Duration::ZERO, 1).await?;
        ages.pending = first.first().map(|entry| entry.idle);
    }
    let is_behind = info.last.is_some_and(|last| last > group.last_delivered);
    if is_behind && group.lag != Some(0) {
        ages.undelivered = match info.first {
            Some(first) if first > group.last_delivered => Some(age_of(first)),
            _ => {
                let after = (Bound::Excluded(group.last_delivered), Bound::Unbounded);
                match StreamManager::new(millstream, stream).entries(after, 1).await {
                    Ok(first) => first.first().map(|entry| age_of(entry.id)),
                    // Entries are not for the dashboard to read, and all else is.
                    Err(Error::Refused { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
        };
    }
    Ok(ages)
}
