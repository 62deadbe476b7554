//! What a key refers to: a stream or a string, under an identity that outlives its names.
//!
//! Must not know databases: `directory.rs` has the keys of each.

use std::sync::Arc;

use bytes::Bytes;
use millstream_log::LogPosition;
use millstream_model::Stream;

use crate::strings::StringForm;

/// Identifies an object for ever. Log records name objects by it, never by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);

/// Where an object is in memory: found without searching. Not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectSlot {
    /// Which of the [`Objects`](crate::objects::Objects): those of one database.
    pub(crate) store: u8,
    /// Where in it.
    pub(crate) index: u32,
}

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

#[derive(Clone, Debug)]
pub(crate) enum ObjectData {
    Stream(Box<Stream>),
    String(StringValue),
}

/// A string, and what OBJECT ENCODING is to make of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StringValue {
    pub(crate) bytes: Bytes,
    pub(crate) form: StringForm,
}

impl From<Bytes> for StringValue {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, form: StringForm::Any }
    }
}

impl ObjectData {
    /// The word of OBJECT ENCODING, under a key of so many bytes.
    pub(crate) fn encoding(&self, key_bytes: usize) -> &'static str {
        /// Since 8.4 Redis keeps key and value up to this length in one piece.
        const EMBEDDED_BYTES_MAX: usize = 41;
        match self {
            Self::Stream(_) => "stream",
            Self::String(value) if value.form == StringForm::Buffer => "raw",
            Self::String(value) if value.form == StringForm::Any && is_integer(&value.bytes) => {
                "int"
            }
            Self::String(value) if key_bytes + value.bytes.len() <= EMBEDDED_BYTES_MAX => "embstr",
            Self::String(_) => "raw",
        }
    }

    /// Bytes of a string: they are counted while they are there.
    pub(crate) fn string_bytes(&self) -> usize {
        match self {
            Self::Stream(_) => 0,
            Self::String(value) => value.bytes.len(),
        }
    }

    /// The stream, if it is one.
    pub(crate) fn as_stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::String(_) => None,
        }
    }

    /// Whether freeing it takes so long that nobody should wait for it.
    pub(crate) fn is_slow_to_free(&self) -> bool {
        /// Some 10 us worth of blocks and chunks.
        const PARTS_MAX: usize = 128;
        match self {
            Self::Stream(stream) => {
                let pending: usize = stream.groups().map(|(_, group)| group.pending().len()).sum();
                let due = stream.schedule().map_or(0, millstream_model::Schedule::chunk_count);
                stream.block_count() + due + pending / 64 > PARTS_MAX
            }
            Self::String(_) => false,
        }
    }
}

/// Whether it is the one way to write a 64-bit integer.
fn is_integer(text: &[u8]) -> bool {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| number.to_string().as_bytes() == text)
}

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    /// Its one key, shared with the directory.
    pub(crate) key: Arc<[u8]>,
    /// When it was changed last, in the count of checkpoints begun; see `changes.rs`.
    pub(crate) epoch: u32,
    pub(crate) data: ObjectData,
    /// End of the record of the last change: a reply that shows the object depends on it.
    pub(crate) changed_at: LogPosition,
    /// Counts changes that a WATCH must see.
    pub(crate) version: u64,
    /// When somebody last looked at the value, in steady milliseconds; `None` = not since the store
    /// was opened, which counts as a use, as in Redis.
    pub(crate) used_at_ms: Option<u64>,
}

impl Object {
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.data {
            ObjectData::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
            ObjectData::String(value) => value.bytes.len(),
        }
    }

    /// Those of them that a copy leaves out.
    pub(crate) fn schedule_bytes(&self) -> usize {
        let schedule = self.data.as_stream().and_then(Stream::schedule);
        schedule.map_or(0, millstream_model::Schedule::heap_bytes)
    }

    pub(crate) fn kind(&self) -> ObjectKind {
        match self.data {
            ObjectData::Stream(_) => ObjectKind::Stream,
            ObjectData::String(_) => ObjectKind::String,
        }
    }
}
