//! One stream in several parts, which may be on several servers of a Cluster.
//!
//! Partition `3` of `orders` is the stream `{orders:3}`: the braces make it and everything that
//! belongs to it (`{orders:3}:dlq` and so on) stay together. On one server it is the same, so that
//! what begins there can move to a Cluster later.
//!
//! Invariants: an entry's partition is a function of its key and the number of partitions, which
//! never changes; the key `{orders:0}:partitions` says what it is. Tests: `tests/it/partitions`.

mod statistics;

use std::sync::Arc;

use redis::cmd;

use crate::hash_slot::crc16;
use crate::{EntryId, Error, Millstream, ToFields, reply};

pub use self::statistics::PartitionStatistics;

const PARTITIONS_MAX: u16 = 4096;

/// A stream that is divided into a fixed number of partitions. Cheap to clone.
///
/// An entry is added with a key, and its partition is `CRC-16/XMODEM(key) mod partitions`: the
/// checksum that every client of a Cluster has (polynomial `0x1021`, begins with 0, nothing
/// reflected, nothing inverted; Python: `binascii.crc_hqx(key, 0)`). For others to test with:
///
/// | key | CRC | of 16 | of 7 |
/// |---|---|---|---|
/// | (empty) | `0x0000` | 0 | 0 |
/// | `123456789` | `0x31c3` | 3 | 6 |
/// | `customer-1` | `0xbc9b` | 11 | 4 |
/// | `Ürün` (UTF-8) | `0xdbc3` | 3 | 0 |
#[derive(Clone, Debug)]
pub struct PartitionedStream {
    millstream: Millstream,
    name: Arc<str>,
    partitions: u16,
}

impl PartitionedStream {
    /// The stream of that name, with so many partitions: 1 to 4096. The number is settled by
    /// whoever says it first. Several times as many as there will be consumers or servers is a good
    /// number: it cannot be changed.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the stream has another number of partitions, or the name is empty
    /// or has braces. Those of the server: `NOREPLICAS` where the handle waits for replicas
    /// ([`Millstream::with_replicas`]) and too few of them have the number.
    pub async fn new(millstream: &Millstream, name: &str, partitions: u16) -> Result<Self, Error> {
        if name.is_empty() || name.contains(['{', '}']) {
            let text = "the name of a partitioned stream is not empty and has no braces";
            return Err(Error::Configuration(text.to_owned()));
        }
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            let text = format!("a stream has 1 to {PARTITIONS_MAX} partitions");
            return Err(Error::Configuration(text));
        }
        let stream = Self { millstream: millstream.clone(), name: name.into(), partitions };
        let key = format!("{}:partitions", stream.stream(0));
        millstream.run_surely(cmd("SET").arg(&key).arg(partitions).arg("NX")).await?;
        let settled = millstream.run(cmd("GET").arg(&key)).await?;
        let settled = reply::count(&settled).map_err(reply::NotUnderstood::of("GET"))?;
        if settled != u64::from(partitions) {
            return Err(Error::Configuration(format!(
                "{name} has {settled} partitions, which cannot be changed, not {partitions}"
            )));
        }
        Ok(stream)
    }

    /// What it was made of.
    #[must_use]
    pub fn millstream(&self) -> &Millstream {
        &self.millstream
    }

    /// The name of the whole.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many partitions it has.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Key of the stream that a partition is. Partitions are counted from 0.
    #[must_use]
    pub fn stream(&self, partition: u16) -> String {
        format!("{{{}:{partition}}}", self.name)
    }

    /// All of them.
    #[must_use]
    pub fn streams(&self) -> Vec<String> {
        (0..self.partitions).map(|partition| self.stream(partition)).collect()
    }

    /// The partition that entries with this key are in.
    #[must_use]
    pub fn partition_of(&self, key: impl AsRef<[u8]>) -> u16 {
        crc16(key.as_ref()) % self.partitions
    }

    /// Adds an entry at the end of its key's partition, as [`Millstream::add`] does. The key itself
    /// is not stored: what handlers need of it belongs into the payload.
    ///
    /// # Errors
    /// Those of [`Millstream::add`].
    pub async fn add(
        &self,
        key: impl AsRef<[u8]>,
        payload: &impl ToFields,
    ) -> Result<EntryId, Error> {
        self.millstream.add(&self.stream(self.partition_of(key)), payload).await
    }

    /// How many entries all partitions have.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn length(&self) -> Result<u64, Error> {
        let mut length = 0;
        for stream in self.streams() {
            length += self.millstream.len(&stream).await?;
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_documentation_is_true() {
        let rows = [("", 0), ("123456789", 0x31c3), ("customer-1", 0xbc9b), ("Ürün", 0xdbc3)];
        for (key, crc) in rows {
            assert_eq!(crc16(key.as_bytes()), crc, "{key}");
        }
    }

    #[test]
    fn keys_that_look_alike_are_spread_evenly() {
        for partitions in [2_u16, 7, 16, 100] {
            let mut counts = vec![0_u32; usize::from(partitions)];
            for number in 0..20_000 {
                let key = format!("customer-{number}");
                counts[usize::from(crc16(key.as_bytes()) % partitions)] += 1;
            }
            let even = 20_000 / u32::from(partitions);
            let is_near = |count: &u32| (even * 7 / 10..even * 13 / 10).contains(count);
            assert!(counts.iter().all(is_near), "{partitions}: {counts:?}");
        }
    }
}
