//! Whatever state there can be, its checkpoint is not refused.

use std::convert::Infallible;
use std::sync::Arc;

use millstream_model::{BlockLimits, BlockPlace, EntryId, LoadedBlock, Retention, Stream};
use proptest::prelude::*;

use super::encode::{Sink, encode_header, encode_object, time_record};
use super::load::Loader;
use crate::changes::{SavedHeader, SavedObject};
use crate::image;
use crate::object::{ObjectData, ObjectId};
use crate::state::{DATABASE_COUNT, State};

/// Keeps records, and says of each block that it lies somewhere.
#[derive(Default)]
struct Records {
    records: Vec<Vec<u8>>,
    blocks: u32,
}

impl Sink for Records {
    type Error = Infallible;

    fn record(&mut self, record: &[u8]) -> Result<(), Infallible> {
        self.records.push(record.to_vec());
        Ok(())
    }

    fn block(&mut self, _object: u64, block: &LoadedBlock) -> Result<BlockPlace, Infallible> {
        let mut bytes = Vec::new();
        block.encode(&mut bytes);
        LoadedBlock::decode(&bytes).expect("it was encoded just now");
        self.blocks += 1;
        Ok(BlockPlace { file: 1, offset: self.blocks, bytes: bytes.len() as u32 })
    }
}

fn records_of(data: ObjectData) -> Vec<Vec<u8>> {
    let mut sink = Records::default();
    let header = SavedHeader {
        hash_seed: 0,
        next_object_id: ObjectId(2),
        time_max_ms: 0,
        stores: (0..DATABASE_COUNT).collect(),
        emptied: Vec::new(),
        gone: Vec::new(),
    };
    let Ok(()) = encode_header(&header, &mut sink);
    let (id, key) = (ObjectId(1), Arc::from(&b"key"[..]));
    let (store, expires_at_ms, is_removed) = (0, None, false);
    let Ok(()) =
        encode_object(&SavedObject { id, store, key, expires_at_ms, data, is_removed }, &mut sink);
    sink.records.push(time_record(0));
    sink.records
}

fn load(records: &[Vec<u8>]) -> Result<State, super::load::LoadError> {
    let mut loader = Loader::default();
    records.iter().try_for_each(|record| loader.record(record))?;
    loader.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

    #[test]
    fn a_stream_from_a_foreign_image_comes_back_from_a_checkpoint(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        entries_max in 1_u64..6,
    ) {
        let mut bytes = image::tests::image_of_stream();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let limits = BlockLimits { bytes_max: 0, entries_max };
        if let Ok(data) = image::decode(&bytes, limits) {
            let records = records_of(data);
            let state = load(&records).expect("there is such a state");
            let object = state.find_object(ObjectId(1)).expect("it was saved");
            prop_assert_eq!(records_of(state.object(object.slot).data.clone()), records);
        }
    }

    #[test]
    fn damaged_records_are_refused_or_loaded(
        damage in proptest::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let limits = BlockLimits { bytes_max: 0, entries_max: 3 };
        let data = image::decode(&image::tests::image_of_stream(), limits).expect("an image");
        let mut records = records_of(data);
        for (record, at, byte) in damage {
            let record = record.index(records.len());
            let at = at.index(records[record].len());
            // Else a number of a group may come to mean a table of that size.
            let byte = if matches!(records[record][0], 7 | 8) { byte & 0x7f } else { byte };
            records[record][at] = byte;
        }
        if let Ok(state) = load(&records) {
            for object in state.objects() {
                records_of(object.data.clone());
            }
        }
    }
}

/// Three entries of 3, 4 and 5 bytes in two blocks, of which the first entry is deleted.
fn with_retention(retention: Retention) -> ObjectData {
    let mut stream = Stream::new(millstream_model::IdempotenceLimits::default());
    let limits = BlockLimits { bytes_max: 0, entries_max: 2 };
    for ms in 1..=3 {
        let value = vec![b'v'; ms as usize + 1];
        stream.append(EntryId::new(ms, 0), &[b"f", &value], limits);
    }
    stream.remove_entry(EntryId::new(1, 0), true);
    stream.set_retention(retention);
    ObjectData::Stream(Box::new(stream))
}

fn of_kind(records: &[Vec<u8>], kind: u8) -> Vec<&[u8]> {
    let found = records.iter().filter(|record| record[0] == kind);
    found.map(|record| &record[1..]).collect()
}

#[test]
fn retention_and_the_bytes_that_it_needs_are_the_documented_ones() {
    let mut retention = Retention::default();
    let records = records_of(with_retention(retention));
    assert!(of_kind(&records, 14).is_empty() && of_kind(&records, 15).is_empty());
    retention.max_len = 300;
    let records = records_of(with_retention(retention));
    assert_eq!(of_kind(&records, 14), [b"\x01\x01\xac\x02"]);
    assert!(of_kind(&records, 15).is_empty(), "nobody asks for bytes");
    retention.max_bytes = 9;
    let records = records_of(with_retention(retention));
    assert_eq!(of_kind(&records, 14), [b"\x02\x01\xac\x02\x03\x09"]);
    assert_eq!(of_kind(&records, 15), [b"\x05\x06"], "one more than there are");
    let state = load(&records).expect("it was saved");
    let object = state.find_object(ObjectId(1)).expect("it was saved");
    state.check();
    let stream = state.stream(object.slot);
    assert_eq!(stream.retention(), Some(&retention));
    assert_eq!(stream.entries().payload_bytes(), Some(9), "of the blocks on disk, too");
}

#[test]
fn bytes_that_cannot_be_are_refused() {
    let mut retention = Retention::default();
    retention.max_bytes = 9;
    let records = records_of(with_retention(retention));
    let at = records.iter().position(|record| record[0] == 15).expect("it is there");
    let cases: [(&[u8], &str); 4] = [
        (&[15, 5], "bytes of blocks that are not there"),
        (&[15, 5, 6, 1], "bytes of blocks that are not there"),
        (&[15, 5, 7], "bytes of a block"),
        (b"\x0f\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x06", "bytes of a block"),
    ];
    for (record, expected) in cases {
        let mut changed = records.clone();
        changed[at] = record.to_vec();
        let error = load(&changed).expect_err("it is to be refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut unknown = records.clone();
    unknown[at] = vec![15, 0, 0];
    let state = load(&unknown).expect("nobody counted");
    let object = state.find_object(ObjectId(1)).expect("it was saved");
    assert_eq!(state.stream(object.slot).entries().payload_bytes(), None);
    let mut twice = records;
    twice[at] = vec![14, 1, 9, 9];
    let error = load(&twice).expect_err("there is no such item").to_string();
    assert!(error.contains("retention item out of range: 9"), "{error}");
}
