//! Checkpoint files: the newest published one is found whole, whatever happened around it.

use std::io::ErrorKind;
use std::sync::Arc;

use millstream_log::memory_storage::{Crash, MemoryStorage, Operation};
use millstream_log::{
    CheckpointChain, CheckpointKind, CheckpointWriter, LogPosition, OpenError, Storage,
};

fn shared(storage: &MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(storage.clone())
}

fn write(storage: &MemoryStorage, number: u64, kind: CheckpointKind, records: &[Vec<u8>]) {
    try_write(storage, number, kind, records).expect("no fault was ordered");
}

fn try_write(
    storage: &MemoryStorage,
    number: u64,
    kind: CheckpointKind,
    records: &[Vec<u8>],
) -> Result<(), millstream_log::BlockWriteError> {
    let position = LogPosition::new(number * 1000);
    let mut writer = CheckpointWriter::create(&shared(storage), kind, number, position, 5)?;
    records.iter().try_for_each(|record| writer.put(record))?;
    let finished = writer.finish()?;
    assert_eq!(finished.position(), position);
    finished.publish()
}

fn records(number: u64) -> Vec<Vec<u8>> {
    let lengths = [0, 1, 127, 128, 5000, 70_000, 3];
    lengths.iter().map(|&length| vec![number as u8; length]).collect()
}

type Found = Option<(u64, Vec<(u64, Vec<u8>)>)>;

fn read(storage: &MemoryStorage) -> Result<Found, OpenError> {
    let Some(chain) = CheckpointChain::find(&shared(storage))? else { return Ok(None) };
    assert_eq!(chain.position().get(), chain.number() * 1000);
    let mut all = Vec::new();
    let mut on_record = |number, record: &[u8]| {
        all.push((number, record.to_vec()));
        Ok(())
    };
    let mut last = (0, 0);
    chain.read(&mut on_record, &mut |done, total| last = (done, total))?;
    assert!(last.0 <= last.1);
    Ok(Some((chain.number(), all)))
}

fn expected(numbers: &[u64]) -> Vec<(u64, Vec<u8>)> {
    let of = |&number: &u64| records(number).into_iter().map(move |record| (number, record));
    numbers.iter().flat_map(of).collect()
}

#[test]
fn a_chain_is_read_oldest_first_and_others_can_be_removed() {
    let storage = MemoryStorage::new();
    assert_eq!(read(&storage).expect("nothing is there"), None);
    write(&storage, 1, CheckpointKind::Full, &records(1));
    write(&storage, 2, CheckpointKind::Delta, &records(2));
    assert_eq!(read(&storage).expect("intact"), Some((2, expected(&[1, 2]))));
    write(&storage, 3, CheckpointKind::Full, &records(3));
    write(&storage, 4, CheckpointKind::Delta, &records(4));
    assert_eq!(read(&storage).expect("intact"), Some((4, expected(&[3, 4]))));
    CheckpointChain::remove_others(&shared(&storage), &[(3, 4)]).expect("remove");
    assert_eq!(storage.names().len(), 2);
    assert_eq!(read(&storage.crash(Crash::LoseAll)).expect("intact"), Some((4, expected(&[3, 4]))));
}

#[test]
fn a_missing_link_is_refused() {
    let storage = MemoryStorage::new();
    write(&storage, 1, CheckpointKind::Full, &records(1));
    write(&storage, 3, CheckpointKind::Delta, &records(3));
    let error = read(&storage).expect_err("2 is missing");
    assert!(
        matches!(&error, OpenError::MissingCheckpoint { path } if path.ends_with("checkpoints/00000000000000000002.delta")),
        "{error}"
    );
}

#[test]
fn drafts_leave_nothing_behind() {
    let storage = MemoryStorage::new();
    let writer = || {
        let position = LogPosition::ZERO;
        CheckpointWriter::create(&shared(&storage), CheckpointKind::Full, 1, position, 5)
    };
    drop(writer().expect("create"));
    drop(writer().expect("create").finish().expect("finish"));
    assert_eq!(storage.names(), Vec::<String>::new());
    std::mem::forget(writer().expect("create"));
    assert_eq!(storage.names().len(), 1);
    assert_eq!(read(&storage).expect("nothing was published"), None);
    assert_eq!(storage.names(), Vec::<String>::new());
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let storage = MemoryStorage::new();
    let small = vec![b"one".to_vec(), vec![7; 300], Vec::new()];
    write(&storage, 1, CheckpointKind::Full, &small);
    let name = storage.names().remove(0);
    let bytes = storage.contents(&name).expect("it is there");
    for offset in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let damaged = storage.crash(Crash::LoseAll);
            assert!(damaged.flip_bit(&name, offset as u64, bit));
            read(&damaged).expect_err("it is noticed");
        }
        let damaged = storage.crash(Crash::LoseAll);
        damaged.set_contents(&name, bytes[..offset].to_vec());
        read(&damaged).expect_err("it is noticed");
    }
}

#[test]
fn at_any_crash_the_newest_published_one_is_whole() {
    let storage = MemoryStorage::new();
    write(&storage, 1, CheckpointKind::Full, &records(1));
    storage.keep_images();
    write(&storage, 2, CheckpointKind::Delta, &records(2));
    write(&storage, 3, CheckpointKind::Full, &records(3));
    CheckpointChain::remove_others(&shared(&storage), &[(3, 3)]).expect("remove");
    write(&storage, 4, CheckpointKind::Delta, &records(4));
    let mut seen = 1;
    for (at, image) in storage.take_images().iter().enumerate() {
        for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Random(at as u64)] {
            let after = image.crash(crash);
            let (newest, found) = read(&after).expect("intact").expect("one is published");
            let chain: &[u64] = match newest {
                1 => &[1],
                2 => &[1, 2],
                3 => &[3],
                _ => &[3, 4],
            };
            assert_eq!(found, expected(chain));
            if crash == Crash::LoseAll {
                assert!(newest >= seen, "what was published stays");
                seen = newest;
            }
        }
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_failed_checkpoint_leaves_the_one_before() {
    use Operation::{Create, Rename, Sync, SyncDir, Write};
    for operation in [Create, Write, Sync, Rename, SyncDir] {
        for after in 0..3 {
            let storage = MemoryStorage::new();
            write(&storage, 1, CheckpointKind::Full, &records(1));
            storage.fail(operation, after, ErrorKind::StorageFull);
            let written = try_write(&storage, 2, CheckpointKind::Delta, &records(2));
            if let Err(error) = &written {
                assert!(error.is_disk_full());
            }
            let after = storage.crash(Crash::KeepAll);
            let (newest, found) = read(&after).expect("intact").expect("one is published");
            assert!(newest == 2 || written.is_err());
            assert_eq!(found, expected(if newest == 2 { &[1, 2] } else { &[1] }));
        }
    }
}
