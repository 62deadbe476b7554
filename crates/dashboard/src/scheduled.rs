//! Streams that have delayed entries.

use bytes::Bytes;
use futures_util::future::join_all;
use millstream::{DelayedMessages, Error, Millstream};

use crate::history::StreamNow;

/// Commands that are on their way at a time.
const CONCURRENT: usize = 50;

/// A stream that has delayed entries.
pub(crate) struct Scheduled {
    pub(crate) stream: Bytes,
    /// How many of them wait.
    pub(crate) waiting: u64,
}

/// Of these streams, as the server said it with all else: only Millstream does.
pub(crate) fn known(streams: impl IntoIterator<Item = StreamNow>) -> Vec<Scheduled> {
    let all = streams.into_iter().filter_map(|now| {
        let waiting = now.info.scheduled.filter(|waiting| *waiting > 0)?;
        Some(Scheduled { stream: now.name, waiting })
    });
    all.collect()
}

/// Of these streams, by asking for each. One that this user may not see has none, nor has a key
/// that is no stream of the toolkit's.
///
/// # Errors
/// There is no server.
pub(crate) async fn ask(
    millstream: &Millstream,
    streams: &[Bytes],
) -> Result<Vec<Scheduled>, Error> {
    let mut found = Vec::new();
    for some in streams.chunks(CONCURRENT) {
        let delayed = some.iter().map(|stream| DelayedMessages::new(millstream, stream));
        let counts = join_all(delayed.map(|delayed| async move { delayed.count().await })).await;
        for (stream, waiting) in some.iter().zip(counts) {
            match waiting {
                Ok(0) | Err(Error::Refused { .. }) => {}
                Ok(waiting) => found.push(Scheduled { stream: stream.clone(), waiting }),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}
