//! What a key refers to: a stream or a string, under an identity that outlives its names.
//!
//! Must not know keys or databases: `directory.rs` does.

use bytes::Bytes;
use millstream_log::LogPosition;
use millstream_model::Stream;

/// Identifies an object for ever. Log records name objects by it, never by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);

/// Where an object is in memory: found without searching. Not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectSlot(pub(crate) u32);

/// An object's identity with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectRef {
    pub(crate) id: ObjectId,
    pub(crate) slot: ObjectSlot,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A stream.
    Stream,
    /// A string.
    String,
}

#[derive(Debug)]
pub(crate) enum ObjectData {
    Stream(Box<Stream>),
    String(Bytes),
}

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    pub(crate) data: ObjectData,
    /// End of the record of the last change: a reply that shows the object depends on it.
    pub(crate) changed_at: LogPosition,
    /// Counts changes that a WATCH must see.
    pub(crate) version: u64,
}

impl Object {
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.data {
            ObjectData::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
            ObjectData::String(value) => value.len(),
        }
    }

    pub(crate) fn kind(&self) -> ObjectKind {
        match self.data {
            ObjectData::Stream(_) => ObjectKind::Stream,
            ObjectData::String(_) => ObjectKind::String,
        }
    }
}
