//! Block files: what was written reads back, damage is noticed, files go when nothing needs them.

use std::io::ErrorKind;
use std::sync::Arc;

use millstream_log::memory_storage::{Crash, MemoryStorage, Operation};
use millstream_log::{
    BlockAddress, BlockFiles, BlockFilesOptions, BlockReadError, OsStorage, Storage,
};
use proptest::prelude::*;

fn open(storage: &MemoryStorage, referred: &[BlockAddress]) -> BlockFiles {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let options = BlockFilesOptions { file_bytes: 2000, salt: 77, ..BlockFilesOptions::default() };
    BlockFiles::open(storage, options, referred.iter().copied()).expect("the files are intact")
}

/// Alternates between what compresses and what does not.
fn payload(number: u64) -> Vec<u8> {
    let length = (number * 97 % 700) as usize;
    let mixed = |at: usize| (number * 1000 + at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let noise =
        |at: usize| (mixed(at) ^ (mixed(at) >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56;
    match number % 2 {
        0 => vec![number as u8; length],
        _ => (0..length).map(|at| noise(at) as u8).collect(),
    }
}

fn write(files: &BlockFiles, numbers: std::ops::Range<u64>) -> Vec<BlockAddress> {
    let mut writer = files.writer();
    let append = |number| writer.append(number, 3, &payload(number)).expect("append");
    let addresses = numbers.map(append).collect();
    writer.sync().expect("sync");
    addresses
}

#[test]
fn blocks_come_back_from_any_file_in_any_order_and_after_a_crash() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let addresses = write(&files, 0..60);
    assert!(files.statistics().files > 3, "tiny files are many");
    let after = open(&storage.crash(Crash::LoseAll), &addresses);
    for files in [&files, &after] {
        let backwards: Vec<_> = addresses.iter().rev().copied().collect();
        let blocks = files.read_many(&backwards).expect("read");
        for (block, number) in blocks.iter().zip((0..60).rev()) {
            assert_eq!((block.owner, block.kind, &block.bytes), (number, 3, &payload(number)));
        }
        let mut found = Vec::new();
        for number in 1..=files.statistics().files as u32 {
            found.extend(files.blocks_in(number).expect("read"));
        }
        assert!(found.iter().map(|found| found.address).eq(addresses.iter().copied()));
    }
}

#[test]
fn a_block_larger_than_a_file_has_one_of_its_own() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let mut writer = files.writer();
    let large: Vec<u8> =
        (0..50_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    writer.append(1, 0, b"small").expect("append");
    let address = writer.append(2, 0, &large).expect("append");
    let next = writer.append(3, 0, b"small").expect("append");
    writer.flush().expect("flush");
    assert_eq!((address.file, next.file), (2, 3));
    assert_eq!(files.read(address).expect("read").bytes, large);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let storage = MemoryStorage::new();
    let addresses = write(&open(&storage, &[]), 0..6);
    for name in storage.names() {
        let length = storage.contents(&name).expect("it is there").len() as u64;
        for offset in 0..length {
            let damaged = storage.crash(Crash::LoseAll);
            assert!(damaged.flip_bit(&name, offset, (offset % 8) as u8));
            let shared: Arc<dyn Storage> = Arc::new(damaged);
            let options =
                BlockFilesOptions { file_bytes: 2000, salt: 1, ..BlockFilesOptions::default() };
            let Ok(files) = BlockFiles::open(shared, options, addresses.iter().copied()) else {
                assert!(offset < 64, "only the header is read at the start");
                continue;
            };
            let wrong = addresses.iter().filter(|address| files.read(**address).is_err()).count();
            assert_eq!(wrong, 1, "{name} at {offset}");
        }
    }
}

#[test]
fn a_block_that_is_not_there_is_refused_by_file_and_byte() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let addresses = write(&files, 0..3);
    let off = BlockAddress { offset: addresses[1].offset + 1, ..addresses[1] };
    let error = files.read(off).expect_err("no block begins there");
    let BlockReadError::Damaged { path, offset, .. } = &error else { panic!("{error}") };
    assert!(path.ends_with("blocks/0000000001.blk"));
    assert_eq!(*offset, u64::from(off.offset));
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let options = BlockFilesOptions::default();
    let missing = BlockAddress { file: 9, ..addresses[0] };
    let error = BlockFiles::open(shared, options, [missing]).expect_err("no such file");
    assert!(error.to_string().contains("0000000009.blk"), "{error}");
}

#[test]
fn files_go_when_nothing_refers_to_them_and_nobody_reads() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let addresses = write(&files, 0..40);
    let pin = files.pin();
    let (first, others): (Vec<_>, Vec<_>) = addresses.iter().partition(|a| a.file == 1);
    first.iter().for_each(|address| files.free(*address));
    assert_eq!(files.remove_dead().expect("remove"), 0, "somebody may read");
    let later = files.pin();
    assert!(files.read(first[0]).is_ok());
    drop(pin);
    assert_eq!(files.remove_dead().expect("remove"), 1, "the later pin is not about it");
    assert_eq!(files.read_many(&others).expect("read").len(), others.len());
    drop(later);
    // The one being written stays, whatever is in it.
    others.iter().for_each(|address| files.free(*address));
    files.remove_dead().expect("remove");
    assert_eq!(files.statistics().live_bytes, 0);
    let left = storage.names().len();
    assert_eq!(left, 1, "{:?}", storage.names());
    // At the next start it is a leftover.
    let after = storage.crash(Crash::LoseAll);
    let files = open(&after, &[]);
    assert_eq!(files.statistics().files, 0);
    assert_eq!(after.names().len(), 1, "it may belong to a checkpoint that is missing");
    files.remove_leftovers().expect("remove");
    assert_eq!(after.crash(Crash::LoseAll).names(), Vec::<String>::new());
    let mut writer = files.writer();
    let address = writer.append(1, 0, b"later").expect("append");
    assert!(address.file > others[others.len() - 1].file, "no number is used twice");
}

#[test]
fn sparse_files_are_told() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let addresses = write(&files, 0..40);
    assert_eq!(files.sparse(), []);
    let of_second: Vec<_> = addresses.iter().filter(|address| address.file == 2).collect();
    of_second[1..].iter().for_each(|address| files.free(**address));
    let sparse = files.sparse();
    assert_eq!(sparse.len(), 1);
    assert_eq!((sparse[0].number, sparse[0].live_bytes), (2, u64::from(of_second[0].bytes)));
}

#[test]
fn a_small_block_on_its_own_is_not_moved_from_file_to_file_for_ever() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let mut writer = files.writer();
    let small = writer.append(1, 3, b"x").expect("append");
    writer.sync().expect("sync");
    assert!(files.statistics().bytes > 2 * u64::from(small.bytes), "most of the file is header");
    // Of an earlier run, so nothing is added to it any more.
    assert_eq!(open(&storage, &[small]).sparse(), []);
}

#[test]
fn a_failed_write_or_sync_loses_only_what_was_not_synced() {
    for operation in [Operation::Write, Operation::Sync, Operation::Create, Operation::SyncDir] {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            let storage = MemoryStorage::new();
            let files = open(&storage, &[]);
            let before = write(&files, 0..5);
            let mut writer = files.writer();
            storage.fail(operation, 0, kind);
            let all =
                (0..9).try_for_each(|number| writer.append(number, 0, &payload(number)).map(drop));
            let failed = all.and_then(|()| writer.sync()).expect_err("it was to fail");
            assert_eq!(failed.is_disk_full(), kind == ErrorKind::StorageFull);
            // The writer goes on, in a file of its own.
            let address = writer.append(7, 0, &payload(7)).expect("append");
            writer.sync().expect("sync");
            let kept: Vec<_> = before.iter().copied().chain([address]).collect();
            let after = open(&storage.crash(Crash::LoseAll), &kept);
            assert_eq!(after.read_many(&kept).expect("read").len(), kept.len());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_in_a_file_are_refused_or_read(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let storage = MemoryStorage::new();
        write(&open(&storage, &[]), 0..2);
        let name = storage.names().remove(0);
        let mut contents = storage.contents(&name).expect("it is there");
        let at = 64.min(contents.len());
        contents.truncate(at + 4);
        contents.extend_from_slice(&bytes);
        storage.set_contents(&name, contents);
        let address = BlockAddress { file: 1, offset: 64, bytes: 40 + bytes.len() as u32 / 2 };
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        if let Ok(files) = BlockFiles::open(shared, BlockFilesOptions::default(), [address]) {
            let _ = files.read(address);
            let _ = files.blocks_in(1);
        }
    }
}

/// Bytes of the one block file of a store.
fn file_bytes(directory: &std::path::Path) -> u64 {
    let file = directory.join("blocks").join("0000000001.blk");
    std::fs::metadata(file).expect("it is there").len()
}

#[test]
fn what_an_interrupted_checkpoint_added_goes_at_the_next_start_unless_a_backup_has_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = |referred: &[BlockAddress]| {
        let storage = Arc::new(OsStorage::open(directory.path()).expect("opens"));
        let options = BlockFilesOptions::default();
        BlockFiles::open(storage, options, referred.iter().copied()).expect("nothing is missing")
    };
    let addresses = write(&start(&[]), 0..20);
    let all = file_bytes(directory.path());
    let referred = &addresses[..10];
    let end = u64::from(addresses[9].offset + addresses[9].bytes);

    let other_name = directory.path().join("backup");
    let file = directory.path().join("blocks").join("0000000001.blk");
    std::fs::hard_link(file, &other_name).expect("a second name");
    start(referred).remove_leftovers().expect("nothing is to be done");
    assert_eq!(file_bytes(directory.path()), all);

    std::fs::remove_file(other_name).expect("it is there");
    let files = start(referred);
    assert_eq!(file_bytes(directory.path()), all, "a checkpoint may refer to it that is missing");
    files.remove_leftovers().expect("cuts");
    assert_eq!(file_bytes(directory.path()), end);
    assert_eq!(files.statistics().bytes, end);
    assert_eq!(files.read_many(referred).expect("read").len(), 10);
    drop(files);
    assert_eq!(start(referred).read_many(referred).expect("read").len(), 10);
}

#[test]
fn what_is_discarded_takes_no_space_and_what_is_added_later_reads_well() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let mut writer = files.writer();
    let kept = writer.append(0, 3, &payload(1)).expect("append");
    writer.sync().expect("sync");
    let length = || storage.contents("blocks/0000000001.blk").expect("it is there").len() as u64;
    let (bytes, listed) = (length(), files.live_files());
    assert_eq!(listed[0].bytes, bytes);
    for is_flushed in [false, true] {
        let lost = writer.append(1, 3, &payload(3)).expect("append");
        assert_eq!(files.live_files(), listed, "a backup takes what will stay");
        if is_flushed {
            writer.flush().expect("flush");
            assert!(length() > bytes);
        }
        writer.discard();
        files.free(lost);
        assert_eq!((length(), files.statistics().bytes), (bytes, bytes));
    }
    let later = writer.append(2, 3, &payload(5)).expect("append");
    writer.sync().expect("sync");
    let after = open(&storage.crash(Crash::LoseAll), &[kept, later]);
    assert_eq!(after.read(later).expect("read").bytes, payload(5));
    assert_eq!(after.read(kept).expect("read").bytes, payload(1));
}

#[test]
fn a_checkpoint_that_failed_in_its_second_file_leaves_nothing_in_its_first() {
    for operation in [Operation::Write, Operation::Sync, Operation::SyncDir] {
        let storage = MemoryStorage::new();
        let files = open(&storage, &[]);
        let mut writer = files.writer();
        let kept = writer.append(0, 3, &payload(1)).expect("append");
        writer.sync().expect("sync");
        let length = || storage.contents("blocks/0000000001.blk").expect("it is there").len();
        let listed_bytes = || files.live_files()[0].bytes;
        let before = (length(), files.statistics().bytes, listed_bytes());

        let mut lost = Vec::new();
        while lost.last().is_none_or(|address: &BlockAddress| address.file < 2) {
            lost.push(writer.append(1, 3, &payload(5)).expect("append"));
        }
        assert!(length() > before.0, "the first file was filled");
        storage.fail(operation, 0, ErrorKind::StorageFull);
        writer.sync().expect_err("the disk is full");
        lost.into_iter().for_each(|address| files.free(address));
        files.remove_dead().expect("remove");
        assert_eq!((length(), files.statistics().bytes, listed_bytes()), before);

        let later = writer.append(2, 3, &payload(7)).expect("append");
        writer.sync().expect("sync");
        let after = open(&storage.crash(Crash::LoseAll), &[kept, later]);
        assert_eq!(after.read(later).expect("read").bytes, payload(7));
        assert_eq!(after.read(kept).expect("read").bytes, payload(1));
    }
}

#[test]
fn what_a_failed_write_had_written_takes_no_space() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let mut writer = files.writer();
    let kept = writer.append(0, 3, &payload(1)).expect("append");
    writer.sync().expect("sync");
    let length = || storage.contents("blocks/0000000001.blk").expect("it is there").len();
    let before = length();
    let lost = writer.append(1, 3, &payload(7)).expect("append");
    storage.fail(Operation::Write, 0, ErrorKind::StorageFull);
    writer.flush().expect_err("the disk is full");
    files.free(lost);
    assert_eq!(length(), before);
    assert_eq!(files.read(kept).expect("read").bytes, payload(1));
}

#[test]
fn a_file_that_never_was_synced_goes_when_it_is_discarded() {
    let storage = MemoryStorage::new();
    let files = open(&storage, &[]);
    let mut writer = files.writer();
    let lost = writer.append(1, 3, &payload(3)).expect("append");
    writer.flush().expect("flush");
    writer.discard();
    files.free(lost);
    assert_eq!(files.remove_dead().expect("remove"), 1);
    let address = writer.append(2, 3, &payload(5)).expect("append");
    writer.sync().expect("sync");
    assert_eq!(address.file, 2);
    assert_eq!(files.read(address).expect("read").bytes, payload(5));
}
