//! All streams of a server, some at a time.

use bytes::Bytes;
use redis::cmd;

use crate::reply::NotUnderstood;
use crate::{Error, Millstream, reply};

/// Keys that the server looks at in one step.
const KEYS_AT_ONCE: usize = 500;

/// Goes through the keys of streams by SCAN, on each server of a Cluster in turn. What was there
/// from the first to the last step comes at least once, in no order; what came or went meanwhile
/// may be missing, and with Redis and Valkey a key may come twice. On a Cluster those of slots that
/// move from one server to another meanwhile may be missing, too.
#[derive(Debug)]
pub struct StreamScan {
    millstream: Millstream,
    pattern: Option<Bytes>,
    /// Servers to go through; the last is in work. `None`: not begun.
    places: Option<Vec<u16>>,
    cursor: u64,
}

impl StreamScan {
    /// Of all streams.
    #[must_use]
    pub fn new(millstream: &Millstream) -> Self {
        Self { millstream: millstream.clone(), pattern: None, places: None, cursor: 0 }
    }

    /// Of those whose keys match, as KEYS understands it: `orders:*`.
    #[must_use]
    pub fn pattern(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.pattern = Some(Bytes::copy_from_slice(pattern.as_ref()));
        self
    }

    /// Some keys more, often none; `None`: that was all. Dropped while it waits, it begins this
    /// step again.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn next(&mut self) -> Result<Option<Vec<Bytes>>, Error> {
        if self.places.is_none() {
            self.places = Some(self.millstream.backend().places().await?);
        }
        let Some(place) = self.places.as_ref().and_then(|places| places.last().copied()) else {
            return Ok(None);
        };
        let mut command = cmd("SCAN");
        command.arg(self.cursor).arg("COUNT").arg(KEYS_AT_ONCE).arg("TYPE").arg("stream");
        if let Some(pattern) = &self.pattern {
            command.arg("MATCH").arg(&pattern[..]);
        }
        let answer = self.millstream.backend().run_at(place, &command).await?;
        let parse = || {
            let mut parts = reply::array(answer)?.into_iter();
            let (cursor, keys) = (parts.next(), parts.next());
            let cursor = reply::text(&cursor.ok_or(NotUnderstood)?)?.parse();
            let keys = reply::array(keys.ok_or(NotUnderstood)?)?;
            let keys = keys.into_iter().map(reply::bytes).collect::<Result<Vec<_>, _>>()?;
            Ok((cursor.map_err(|_| NotUnderstood)?, keys))
        };
        let (cursor, keys) = parse().map_err(NotUnderstood::of("SCAN"))?;
        self.cursor = cursor;
        if cursor == 0
            && let Some(places) = &mut self.places
        {
            places.pop();
        }
        Ok(Some(keys))
    }
}
