//! Damaged files: each is either harmless, or cut where nothing acknowledged is lost, or refused
//! with the place and the reason. Never a wrong record, never a panic.

use millstream_log::{LogPosition, MemoryStorage, OpenError};
use proptest::prelude::*;

use crate::harness::{FIRST, Log, assert_prefix, recover, small};

/// Segment header in use; the rest of its page means nothing.
const HEADER_USED: u64 = 64;

fn closed_log() -> Log {
    let mut log = Log::with(&[b"one", b"", &[7; 90], b"four"]);
    log.append(b"five");
    log.append(b"six");
    log.sync();
    log.opened.committer.write_idle_header().expect("closes");
    log
}

fn after(storage: &MemoryStorage) -> MemoryStorage {
    storage.crash(millstream_log::memory_storage::Crash::LoseAll)
}

#[test]
fn every_bit_flip_in_a_closed_log_is_harmless_or_refused() {
    let log = closed_log();
    let end = 4096 + log.opened.buffer.end().get();
    let file_bytes = log.storage.contents(FIRST).expect("there").len() as u64;
    let (mut harmless, mut refused) = (0, 0);
    for offset in (0..HEADER_USED).chain(4090..file_bytes) {
        for bit in 0..8 {
            let storage = after(&log.storage);
            assert!(storage.flip_bit(FIRST, offset, bit));
            match recover(&storage, small(), LogPosition::ZERO) {
                Ok((_, records)) => {
                    assert_eq!(records, log.records, "byte {offset} bit {bit}");
                    assert!((HEADER_USED..4096).contains(&offset) || offset >= end);
                    harmless += 1;
                }
                Err(OpenError::Damaged { path, .. }) => {
                    assert!(path.ends_with(FIRST));
                    assert!(offset < end, "byte {offset} bit {bit} is behind the log's end");
                    refused += 1;
                }
                Err(other) => panic!("byte {offset} bit {bit}: {other}"),
            }
        }
    }
    assert_eq!(refused, 8 * (HEADER_USED + end - 4096));
    assert!(harmless > 0);
}

/// Without a closing header the last batch has no witness, so damage to it looks like a torn write.
#[test]
fn every_bit_flip_in_an_open_log_keeps_what_headers_say_is_durable() {
    let mut log = Log::with(&[b"one", b"two"]);
    log.append(b"three");
    log.append(b"four");
    log.sync();
    let file_bytes = log.storage.contents(FIRST).expect("there").len() as u64;
    for offset in 4096..file_bytes {
        for bit in 0..8 {
            let storage = after(&log.storage);
            assert!(storage.flip_bit(FIRST, offset, bit));
            if let Ok((_, records)) = recover(&storage, small(), LogPosition::ZERO) {
                // Each batch was written before the one before was synced: nothing is stated.
                assert_prefix(&records, &log.records, 0);
            }
        }
    }
}

#[test]
fn a_header_states_what_was_durable_and_its_loss_is_refused() {
    let mut log = Log::with(&[b"one"]);
    log.append(b"two");
    log.sync();
    let storage = after(&log.storage);
    assert!(storage.flip_bit(FIRST, 4096 + 32 + 8, 0));
    let error = recover(&storage, small(), LogPosition::ZERO).expect_err("`one` was durable");
    let OpenError::Damaged { offset, position, ref mismatch, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((offset, position.get()), (4096 + 32, 32));
    assert!(mismatch.expected.contains("durable up to 43"), "{error}");
    assert!(error.to_string().contains("record checksum"), "{error}");
}

/// The witness may lie anywhere, also across the end of what the search reads at a time.
#[test]
fn a_witness_far_behind_the_damage_is_found() {
    for distance in [(1 << 20) - 31, (1 << 20) - 10, 1 << 20] {
        let options = millstream_log::LogOptions::default();
        let mut log = Log::new(&MemoryStorage::new(), options.clone());
        log.append(&vec![1; distance - 40]);
        log.write();
        log.opened.committer.write_idle_header().expect("closes");
        let storage = after(&log.storage);
        assert!(storage.flip_bit(FIRST, 4096 + 5, 0));
        let error = recover(&storage, options, LogPosition::ZERO).expect_err("was durable");
        assert!(matches!(error, OpenError::Damaged { offset: 4096, .. }), "{error}");
    }
}

#[test]
fn every_truncation_is_harmless_or_refused() {
    let log = closed_log();
    let whole = log.storage.contents(FIRST).expect("there");
    for length in 0..=whole.len() {
        let storage = after(&log.storage);
        storage.set_contents(FIRST, whole[..length].to_vec());
        match recover(&storage, small(), LogPosition::ZERO) {
            // The file was created with its head, so any shorter one was cut by something else.
            Ok((_, records)) => {
                assert_eq!(length, whole.len());
                assert_eq!(records, log.records);
            }
            Err(OpenError::Damaged { .. }) => assert!(length < whole.len()),
            Err(other) => panic!("{length} bytes: {other}"),
        }
    }
}

#[test]
fn truncation_of_an_appended_tail_gives_a_prefix() {
    let mut options = small();
    options.head_bytes = 0;
    let mut log = Log::new(&MemoryStorage::new(), options);
    for record in [&b"one"[..], b"two", b"three"] {
        log.append(record);
        log.write();
    }
    log.sync();
    let whole = log.storage.contents(FIRST).expect("there");
    let mut counts = Vec::new();
    for length in 4096 + 32..=whole.len() {
        let storage = after(&log.storage);
        storage.set_contents(FIRST, whole[..length].to_vec());
        let records = recover(&storage, small(), LogPosition::ZERO).expect("a torn tail").1;
        assert_prefix(&records, &log.records, 0);
        counts.push(records.len());
    }
    assert!(counts.is_sorted());
    assert_eq!((counts.first(), counts.last()), (Some(&0), Some(&3)));
}

fn long_log() -> Log {
    let mut log = Log::new(&MemoryStorage::new(), small());
    for number in 0..60u8 {
        log.append(&[number; 400]);
        log.sync();
    }
    log
}

fn segments(log: &Log) -> Vec<String> {
    log.storage.names().into_iter().filter(|name| name.ends_with(".log")).collect()
}

#[test]
fn damage_or_loss_of_an_earlier_segment_is_refused() {
    let log = long_log();
    let names = segments(&log);
    assert!(names.len() >= 3);
    for offset in [5000, 7000] {
        let storage = after(&log.storage);
        assert!(storage.flip_bit(&names[1], offset, 3));
        let error = recover(&storage, small(), LogPosition::ZERO).expect_err("damaged");
        assert!(matches!(&error, OpenError::Damaged { path, .. } if path.ends_with(&names[1])));
    }
    for (gone, is_first) in [(&names[0], true), (&names[1], false)] {
        let storage = after(&log.storage);
        millstream_log::Storage::remove(&storage, gone).expect("removes");
        match recover(&storage, small(), LogPosition::ZERO).expect_err("a gap") {
            OpenError::Missing { first: Some(_), .. } => assert!(is_first),
            OpenError::Damaged { .. } => assert!(!is_first),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn damage_behind_the_checkpoint_does_not_matter() {
    let log = long_log();
    let names = segments(&log);
    let storage = after(&log.storage);
    assert!(storage.flip_bit(&names[0], 0, 0));
    let from = log.records[40].0;
    let records = recover(&storage, small(), from).expect("not needed any more").1;
    assert_eq!(records, log.records[41..]);
}

#[test]
fn a_checkpoint_ahead_of_the_log_is_refused() {
    let log = closed_log();
    let from = log.opened.buffer.end().plus(1);
    let error = recover(&after(&log.storage), small(), from).expect_err("records are missing");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let error = recover(&MemoryStorage::new(), small(), from).expect_err("no log at all");
    assert!(matches!(error, OpenError::Missing { first: None, .. }), "{error}");
}

#[test]
fn a_newer_format_is_refused_in_words() {
    let log = closed_log();
    let mut bytes = log.storage.contents(FIRST).expect("there");
    bytes[8] = 2;
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    log.storage.set_contents(FIRST, bytes);
    let error = recover(&log.storage, small(), LogPosition::ZERO).expect_err("newer");
    assert!(matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. }));
    assert!(error.to_string().contains("newer version of this program"), "{error}");
}

/// A client stores a value that holds a batch header for exactly the position where the value lies,
/// and a crash tears the batch. Whoever knew the salt could make recovery refuse; nobody can know
/// it.
#[test]
fn a_forged_header_in_a_torn_value_is_only_a_value() {
    for (salt, is_believed) in [(0, false), (small().salt, true)] {
        let mut log = Log::with(&[b"one", b"two"]);
        let position = log.opened.buffer.end().get() + 32 + 8;
        let mut header = position.to_le_bytes().to_vec();
        header.extend(position.to_le_bytes());
        header.extend([0; 8]);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&u64::to_le_bytes(salt)), &header);
        let mut value = vec![0xb5, b'M', b'S', 0x1b];
        value.extend(checksum.to_le_bytes());
        value.extend(header);
        log.append(&value);
        log.sync();
        let storage = after(&log.storage);
        assert!(storage.flip_bit(FIRST, 4096 + position - 8, 0));
        match recover(&storage, small(), LogPosition::ZERO) {
            Ok((_, records)) => assert!(!is_believed && records == log.records[..2]),
            Err(error) => assert!(is_believed, "{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_anywhere_never_gives_a_wrong_record(
        start in 0usize..6000,
        garbage in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let log = closed_log();
        let mut bytes = log.storage.contents(FIRST).expect("there");
        let start = start.min(bytes.len());
        let end = (start + garbage.len()).max(bytes.len());
        bytes.resize(end, 0);
        bytes[start..start + garbage.len()].copy_from_slice(&garbage);
        let storage = after(&log.storage);
        storage.set_contents(FIRST, bytes);
        if let Ok((_, records)) = recover(&storage, small(), LogPosition::ZERO) {
            assert_prefix(&records, &log.records, 0);
        }
    }
}
