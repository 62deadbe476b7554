//! Streams of one consumer that do not count the same.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::method::Method;
use super::worker::Worker;
use crate::Error;
use crate::backend::Reader;
use crate::milliseconds::milliseconds;
use crate::reply::{self, Entry, NotUnderstood};

/// Which of a consumer's streams go before others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Priorities {
    /// In the order in which the streams were named: a message of a later stream is begun only
    /// while there is none of an earlier one. So a later one may wait for ever.
    ///
    /// What was prefetched of a later stream stays with this consumer meanwhile. Servers with
    /// `XREADGROUP MAXCOUNT` are asked once for all streams, others for one after the other.
    Strict,
    /// One weight for each stream, at least 1, in the order in which they were named: of the
    /// messages that are begun while all of them have some, each has its part. None ever starves.
    Weighted(Vec<u32>),
}

impl Priorities {
    pub(super) fn check(&self, streams: usize) -> Result<(), String> {
        match self {
            Self::Strict => Ok(()),
            Self::Weighted(weights) if weights.len() != streams => {
                Err(format!("there are {} weights for {streams} streams", weights.len()))
            }
            Self::Weighted(weights) if weights.contains(&0) => {
                Err("a weight is at least 1".to_owned())
            }
            Self::Weighted(_) => Ok(()),
        }
    }
}

impl Worker {
    /// Reads so much, of earlier streams first, without MAXCOUNT.
    pub(super) async fn read_strictly(
        &self,
        reader: &mut dyn Reader,
        room: usize,
        block: Duration,
    ) -> Result<Vec<(bytes::Bytes, Vec<Entry>)>, Error> {
        let mut found = Vec::new();
        let mut left = room;
        for origin in &self.origins {
            let command = self.strict_read(left, None, &[&origin.stream]);
            let some = understand(reader.read(&command, Duration::ZERO).await?)?;
            left = left.saturating_sub(some.iter().map(|(_, entries)| entries.len()).sum());
            found.extend(some);
            if left == 0 {
                break;
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        // One of each at most, so that the next read can choose again.
        let all: Vec<&str> = self.origins.iter().map(|origin| &*origin.stream).collect();
        let command = self.strict_read(1, Some(block), &all);
        understand(reader.read(&command, block).await?)
    }

    fn strict_read(&self, count: usize, block: Option<Duration>, streams: &[&str]) -> Cmd {
        let settings = &self.settings;
        let mut command = cmd("XREADGROUP");
        command.arg(&["GROUP", &settings.group, &settings.name]).arg("COUNT").arg(count);
        if let Some(block) = block {
            command.arg("BLOCK").arg(milliseconds(block).max(1));
        }
        if settings.is_no_ack {
            command.arg("NOACK");
        } else if self.method == Method::Claim {
            command.arg("CLAIM").arg(milliseconds(settings.claim_min_idle));
        }
        command.arg("STREAMS").arg(streams);
        streams.iter().for_each(|_| _ = command.arg(">"));
        command
    }
}

fn understand(answer: Value) -> Result<Vec<(bytes::Bytes, Vec<Entry>)>, Error> {
    reply::read(answer).map_err(NotUnderstood::of("XREADGROUP"))
}
