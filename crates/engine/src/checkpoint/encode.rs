//! From what a checkpoint saves to records.
//!
//! A stream is a series of records, none of them much larger than [`RECORD_BYTES`]: an object of
//! any size is written without being held as bytes. `docs/format.md` has the payloads. Must not
//! know files: records go where the caller says, and blocks, too.

use millstream_log::format::RECORD_BYTES_MAX;
use millstream_model::{
    BlockPlace, Entries, EntryId, Group, GroupId, LoadedBlock, Schedule, StoredBlock,
    StoredContents, Stream,
};

use super::kind::Kind;
use crate::changes::{SavedHeader, SavedObject};
use crate::object::ObjectData;
use crate::record::fields::FieldWriter;
use crate::record::{counters, encode_token, policy, retention};

/// A list is continued in another record beyond this.
const RECORD_BYTES: usize = 32 << 10;
/// Counting the bytes of so many blocks means reading a few MiB.
const COUNTED_BLOCKS_MAX: usize = 256;
/// Blocks up to this stand in the checkpoint itself while they are the last of their stream.
const INLINE_BYTES_MAX: usize = 1 << 10;

const _: () = assert!(RECORD_BYTES < RECORD_BYTES_MAX as usize);

/// Flags of a block.
pub(super) const HAS_TOMBSTONES: u8 = 1;
pub(super) const IS_INLINE: u8 = 2;

/// Where a checkpoint goes.
pub(super) trait Sink {
    type Error;
    /// Takes one record.
    fn record(&mut self, record: &[u8]) -> Result<(), Self::Error>;
    /// Writes a block of an object, and says where.
    fn block(&mut self, object: u64, block: &LoadedBlock) -> Result<BlockPlace, Self::Error>;
}

/// Writes the records that stand before all objects.
pub(super) fn encode_header<S: Sink>(header: &SavedHeader, sink: &mut S) -> Result<(), S::Error> {
    let mut bytes = Vec::new();
    let mut fields = begin(&mut bytes, Kind::Header);
    fields.number(header.hash_seed).number(header.next_object_id.0).number(header.time_max_ms);
    for &store in &header.stores {
        fields.byte(store);
    }
    sink.record(&bytes)?;
    for emptied in &header.emptied {
        begin(&mut bytes, Kind::Emptied).byte(emptied.store).number(emptied.before.0);
        sink.record(&bytes)?;
    }
    for gone in header.gone.chunks(RECORD_BYTES / 8) {
        let mut fields = begin(&mut bytes, Kind::Gone);
        fields.number(gone.len() as u64);
        for id in gone {
            fields.number(id.0);
        }
        sink.record(&bytes)?;
    }
    Ok(())
}

/// The record that stands behind all objects. Consumers may have been seen after the checkpoint was
/// begun, and before they were saved.
pub(super) fn time_record(time_max_ms: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(&mut bytes, Kind::Time).number(time_max_ms);
    bytes
}

/// Writes one object.
pub(super) fn encode_object<S: Sink>(saved: &SavedObject, sink: &mut S) -> Result<(), S::Error> {
    match &saved.data {
        ObjectData::String(value) => {
            let mut bytes = Vec::new();
            encode_name(saved, &mut begin(&mut bytes, Kind::String)).bytes(&value.bytes);
            sink.record(&bytes)
        }
        ObjectData::Stream(stream) => StreamEncoder { saved, bytes: Vec::new(), sink }.run(stream),
    }
}

fn begin(bytes: &mut Vec<u8>, kind: Kind) -> FieldWriter<'_> {
    bytes.clear();
    bytes.push(kind as u8);
    FieldWriter::new(bytes)
}

fn encode_name<'f, 'b>(
    saved: &SavedObject,
    fields: &'f mut FieldWriter<'b>,
) -> &'f mut FieldWriter<'b> {
    fields.number(saved.id.0).byte(saved.store).bytes(&saved.key).optional(saved.expires_at_ms)
}

struct StreamEncoder<'a, S> {
    saved: &'a SavedObject,
    bytes: Vec<u8>,
    sink: &'a mut S,
}

impl<S: Sink> StreamEncoder<'_, S> {
    fn run(mut self, stream: &Stream) -> Result<(), S::Error> {
        let productions = stream.idempotence();
        let limits = productions.limits();
        let mut fields = begin(&mut self.bytes, Kind::Stream);
        encode_name(self.saved, &mut fields)
            .id(stream.last_id())
            .number(stream.entries_added())
            .id(stream.max_deleted_id())
            .number(u64::from(limits.duration_s))
            .number(u64::from(limits.per_producer_max))
            .number(productions.added())
            .number(productions.duplicates());
        self.sink.record(&self.bytes)?;
        self.blocks(stream.entries())?;
        self.retention(stream)?;
        let mut pending = 0;
        for (id, group) in stream.groups() {
            self.group(id, group)?;
            pending += group.pending().len();
        }
        self.productions(stream)?;
        if let Some(schedule) = stream.schedule() {
            self.schedule(schedule)?;
        }
        begin(&mut self.bytes, Kind::StreamEnd)
            .number(stream.entries().block_count() as u64)
            .number(stream.group_count() as u64)
            .number(pending as u64)
            .number(productions.tracked() as u64);
        self.sink.record(&self.bytes)
    }

    /// Writes a list in as many records as it takes. `head` begins each of them.
    fn list<T>(
        &mut self,
        kind: Kind,
        items: impl Iterator<Item = T>,
        mut item: impl FnMut(&mut FieldWriter<'_>, &mut S, T) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        begin(&mut self.bytes, kind);
        for one in items {
            item(&mut FieldWriter::new(&mut self.bytes), self.sink, one)?;
            if self.bytes.len() >= RECORD_BYTES {
                self.sink.record(&self.bytes)?;
                begin(&mut self.bytes, kind);
            }
        }
        if self.bytes.len() > 1 { self.sink.record(&self.bytes) } else { Ok(()) }
    }

    fn blocks(&mut self, entries: &Entries) -> Result<(), S::Error> {
        let object = self.saved.id.0;
        let last = entries.block_count();
        let blocks = (1..).zip(entries.blocks());
        self.list(Kind::Blocks, blocks, |fields, sink, (number, block)| {
            encode_block(fields, sink, object, number == last, &block)
        })
    }

    /// What retention needs. Of a stream without a limit on bytes they are kept where it would take
    /// long to count them, should one be set.
    fn retention(&mut self, stream: &Stream) -> Result<(), S::Error> {
        if let Some(kept) = stream.retention() {
            retention::encode(kept, &mut begin(&mut self.bytes, Kind::Retention));
            self.sink.record(&self.bytes)?;
        }
        let has_limit = stream.retention().is_some_and(|kept| kept.max_bytes > 0);
        if has_limit || stream.entries().block_count() > COUNTED_BLOCKS_MAX {
            self.list(Kind::Payloads, stream.entries().payloads(), |fields, _, payload| {
                fields.number(payload.map_or(0, |payload| payload + 1));
                Ok(())
            })?;
        }
        Ok(())
    }

    fn group(&mut self, id: GroupId, group: &Group) -> Result<(), S::Error> {
        let pending = group.pending();
        let (next_tie, next_queue_place) = pending.next_orders();
        begin(&mut self.bytes, Kind::Group)
            .number(u64::from(id.0))
            .bytes(group.name())
            .id(group.last_delivered_id())
            .optional(group.entries_read())
            .number(u64::from(next_tie))
            .number(next_queue_place);
        self.sink.record(&self.bytes)?;
        if let Some(policy) = group.policy() {
            policy::encode(policy, &mut begin(&mut self.bytes, Kind::Policy));
            self.sink.record(&self.bytes)?;
        }
        self.list(Kind::Consumers, group.consumers(), |fields, _, (id, consumer)| {
            fields.number(u64::from(id.0)).bytes(&consumer.name).number(consumer.seen_ms);
            fields.optional(consumer.active_ms);
            Ok(())
        })?;
        self.list(Kind::Pending, pending.records(), |fields, _, (entry, order)| {
            fields.id(entry.id).number(entry.owner.map_or(0, |owner| u64::from(owner.0) + 1));
            // One of the two is 0.
            let at_ms = entry.delivered_at_ms.max(entry.available_at_ms);
            fields.number(at_ms).number(entry.delivery_count).number(order);
            Ok(())
        })?;
        self.list(Kind::Failures, pending.failures(), |fields, _, (id, failure)| {
            fields.id(id).bytes(&failure.consumer).bytes(&failure.error);
            Ok(())
        })?;
        if let Some(order) = group.order() {
            let ids = pending.range(EntryId::MIN, EntryId::MAX).map(|record| record.id);
            let values = ids.filter_map(|id| Some((id, order.value(id)?)));
            let mut item = |fields: &mut FieldWriter<'_>, _: &mut S, (id, value)| {
                fields.id(id).number(value);
                Ok(())
            };
            self.list(Kind::Values, values, &mut item)?;
            self.list(Kind::Held, order.held(), &mut item)?;
        }
        if let Some(counted) = group.counters().filter(|counted| **counted != Default::default()) {
            counters::encode(counted, &mut begin(&mut self.bytes, Kind::Counters));
            self.sink.record(&self.bytes)?;
        }
        Ok(())
    }

    fn schedule(&mut self, schedule: &Schedule) -> Result<(), S::Error> {
        begin(&mut self.bytes, Kind::Schedule)
            .number(schedule.next_sequence())
            .number(schedule.failures())
            .number(schedule.payloads().block_count() as u64)
            .number(schedule.len() as u64);
        self.sink.record(&self.bytes)?;
        self.blocks(schedule.payloads())?;
        let mut before = EntryId::MIN;
        self.list(Kind::Tokens, schedule.after(None), |fields, _, token| {
            before = encode_token(before, token, fields);
            Ok(())
        })
    }

    fn productions(&mut self, stream: &Stream) -> Result<(), S::Error> {
        let productions = stream.idempotence().productions();
        self.list(Kind::Productions, productions, |fields, _, (producer, iid, id)| {
            fields.bytes(producer).bytes(iid).id(id);
            Ok(())
        })
    }
}

fn encode_block<S: Sink>(
    fields: &mut FieldWriter<'_>,
    sink: &mut S,
    object: u64,
    is_last: bool,
    block: &StoredBlock<'_>,
) -> Result<(), S::Error> {
    let mut inline = Vec::new();
    let place = match &block.contents {
        StoredContents::Place(place) => Some(*place),
        // The last one will change again soon: a small one is not worth a place of its own.
        StoredContents::Block(contents) if is_last && contents.byte_len() <= INLINE_BYTES_MAX => {
            contents.encode(&mut inline);
            None
        }
        StoredContents::Block(contents) => Some(sink.block(object, contents)?),
    };
    let flags = if block.tombstones.is_some() { HAS_TOMBSTONES } else { 0 }
        + if place.is_none() { IS_INLINE } else { 0 };
    fields.byte(flags).id(block.first).id_after(block.first, block.last);
    fields.number(u64::from(block.live)).number(u64::from(block.stored));
    fields.number(u64::from(block.listpack_bytes));
    if let Some(dead) = &block.tombstones {
        fields.id(dead.first_live).id(dead.last_live).number(dead.words.len() as u64);
        for &word in dead.words.iter() {
            fields.number(word);
        }
    }
    match place {
        Some(BlockPlace { file, offset, bytes }) => {
            fields.number(file.into()).number(offset.into()).number(bytes.into());
        }
        None => {
            fields.bytes(&inline);
        }
    }
    Ok(())
}
