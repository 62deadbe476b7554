//! A stream and its entries, as the server shows them.

use redis::Value;

use crate::reply::{self, Entry, Facts, NotUnderstood};
use crate::{EntryId, Fields, Retention};

/// A stream, as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Entries that it has.
    pub length: u64,
    /// Its groups.
    pub groups: u64,
    /// Its oldest entry.
    pub first: Option<EntryId>,
    /// Its newest entry.
    pub last: Option<EntryId>,
    /// The highest id that an entry of it ever had.
    pub last_generated: EntryId,
    /// Entries that were ever added, where the server tells (Redis 7.0).
    pub entries_added: Option<u64>,
    /// The highest id that was deleted, where the server tells (Redis 7.0).
    pub max_deleted: Option<EntryId>,
    /// Keys and nodes of the tree in which the server keeps its entries: how it lies in memory.
    pub radix_tree: Option<(u64, u64)>,
    /// Delayed entries that wait, on Millstream.
    pub scheduled: Option<u64>,
    /// Bytes in names and values of its entries, where a limit of them is set on Millstream.
    pub payload_bytes: Option<u64>,
    /// What it keeps; `None`: everything.
    pub retention: Option<Retention>,
}

/// An entry of a stream, read without a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEntry {
    /// Which one.
    pub id: EntryId,
    /// What it says.
    pub fields: Fields,
}

impl StreamInfo {
    /// Of XINFO STREAM.
    pub(crate) fn parse(answer: Value) -> Result<Self, NotUnderstood> {
        let facts = Facts::parse(answer)?;
        let entry = |name: &str| {
            let entry = facts.get(name).cloned().unwrap_or(Value::Nil);
            Ok(reply::entry_if_there(entry)?.map(|entry| entry.id))
        };
        let max_deleted = facts.get("max-deleted-entry-id").map(reply::id).transpose()?;
        Ok(Self {
            length: facts.count("length")?,
            groups: facts.count("groups")?,
            first: entry("first-entry")?,
            last: entry("last-entry")?,
            last_generated: facts.id("last-generated-id")?,
            entries_added: facts.count_if_there("entries-added"),
            max_deleted: max_deleted.filter(|id| *id > EntryId::ZERO),
            radix_tree: facts
                .count_if_there("radix-tree-keys")
                .zip(facts.count_if_there("radix-tree-nodes")),
            scheduled: facts.count_if_there("scheduled"),
            payload_bytes: facts.count_if_there("bytes"),
            retention: facts.get("retention").cloned().map(Retention::parse).transpose()?,
        })
    }
}

impl StreamEntry {
    pub(crate) fn of(entry: Entry) -> Self {
        Self { id: entry.id, fields: entry.fields.unwrap_or_default() }
    }
}
