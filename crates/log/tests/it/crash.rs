//! A crash after every single disk operation of a scripted run, and of the recoveries from those.

use millstream_log::memory_storage::{Crash, Operation};
use millstream_log::{LogPosition, MemoryStorage};

use crate::harness::{Log, Records, assert_prefix, recover, small};

const CRASHES: [Crash; 6] = [
    Crash::LoseAll,
    Crash::KeepAll,
    Crash::Random(1),
    Crash::Random(2),
    Crash::Random(3),
    Crash::Random(4),
];

/// What held from this number of images on.
struct Mark {
    images: usize,
    acknowledged: usize,
    from: LogPosition,
}

fn mark(marks: &[Mark], image: usize) -> (usize, LogPosition) {
    let mark = marks.iter().rev().find(|mark| mark.images <= image + 1);
    mark.map_or((0, LogPosition::ZERO), |mark| (mark.acknowledged, mark.from))
}

/// Appends, syncs, prepares, closes and removes over several segments, recycled ones included.
fn scripted(storage: &MemoryStorage) -> (Log, Vec<Mark>) {
    let mut log = Log::new(storage, small());
    let mut marks = Vec::new();
    let mut acknowledged = 0;
    for round in 0..70usize {
        log.append(&vec![round as u8; 37 * (round % 11)]);
        if round % 3 == 0 {
            log.append(&round.to_le_bytes());
        }
        match round % 7 {
            0 => log.write(),
            3 => {
                log.opened.preparer.step().expect("prepares");
            }
            5 if round > 20 => {
                let position = log.records[acknowledged - 5].0;
                marks.push(Mark {
                    images: log.storage.image_count(),
                    acknowledged,
                    from: position,
                });
                log.checkpoint(position);
            }
            _ => {
                log.sync();
                acknowledged = log.records.len();
                let images = log.storage.image_count();
                marks.push(Mark { images, acknowledged, from: log.from });
            }
        }
        if round == 40 {
            log.opened.committer.write_idle_header().expect("closes");
            acknowledged = log.records.len();
        }
        if round == 50 {
            // Larger than a segment.
            log.append(&[0xEE; 20_000]);
        }
    }
    (log, marks)
}

fn reopened(storage: &MemoryStorage, from: LogPosition) -> (Log, Records) {
    let (opened, records) = recover(storage, small(), from).expect("a crash is no damage");
    let log = Log { storage: storage.clone(), opened, records: records.clone(), from };
    (log, records)
}

#[test]
fn after_a_crash_at_any_operation_all_acknowledged_records_are_there() {
    let storage = MemoryStorage::new();
    storage.keep_images();
    let (log, marks) = scripted(&storage);
    let images = storage.take_images();
    let count = |operation| images.iter().filter(|image| image.operation == operation).count();
    assert!(count(Operation::Rename) >= 6, "segments are begun and recycled");
    assert!(count(Operation::Write) > 60 && count(Operation::Sync) > 40);
    for (index, image) in images.iter().enumerate() {
        let (acknowledged, from) = mark(&marks, index);
        let logged: Records = log.records.iter().filter(|(end, _)| *end > from).cloned().collect();
        let behind = log.records.len() - logged.len();
        for crash in CRASHES {
            let after = image.crash(crash);
            let (mut reopened, records) = reopened(&after, from);
            assert_prefix(&records, &logged, acknowledged.saturating_sub(behind));
            // What recovery returned is as durable as what is logged now.
            reopened.append(b"after the crash");
            reopened.sync();
            let expected = reopened.expected();
            let again = recover(&after.crash(Crash::LoseAll), small(), from).expect("reopens").1;
            assert_eq!(again, expected, "image {index} {crash:?}");
        }
    }
}

#[test]
fn a_crash_at_any_operation_of_recovery_changes_nothing() {
    let storage = MemoryStorage::new();
    storage.keep_images();
    let (_, marks) = scripted(&storage);
    let images = storage.take_images();
    for (index, image) in images.iter().enumerate().rev().step_by(17) {
        let from = mark(&marks, index).1;
        let torn = image.crash(Crash::Random(7));
        let expected = recover(&torn.crash(Crash::LoseAll), small(), from).expect("opens").1;
        torn.keep_images();
        let first = recover(&torn, small(), from).expect("opens").1;
        assert_eq!(first, expected);
        for (index, image) in torn.take_images().iter().enumerate() {
            for crash in CRASHES {
                let records = recover(&image.crash(crash), small(), from).expect("opens").1;
                assert_eq!(records, expected, "image {index} of the recovery, {crash:?}");
            }
        }
    }
}

#[test]
fn a_recycled_segment_is_used_again_and_its_old_records_stay_away() {
    let storage = MemoryStorage::new();
    let mut log = Log::new(&storage, small());
    for round in 0..200u64 {
        log.append(&[round as u8; 300]);
        let durable = log.sync();
        log.prepare();
        if round % 10 == 9 {
            log.checkpoint(durable);
        }
    }
    let names = storage.names();
    assert!(names.len() <= 5, "{names:?}");
    log.append(b"torn");
    log.write();
    let report = log.reopen(storage.crash(Crash::LoseAll));
    assert_eq!(report.records, 0);
    assert!(!report.created_new);
}

/// Each batch's second record fills one sector, which in a recycled segment held the second record
/// of an older batch: same length, intact, but of another position.
#[test]
fn a_stale_record_under_a_new_batch_header_is_not_taken() {
    let storage = MemoryStorage::new();
    let mut log = Log::new(&storage, small());
    let append = |log: &mut Log, fill: u8| {
        log.append(&[fill; 472]);
        log.append(&[fill; 504]);
    };
    for fill in 0..60 {
        append(&mut log, fill);
        let durable = log.sync();
        log.prepare();
        log.checkpoint(durable);
    }
    append(&mut log, 60);
    log.write();
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..64 {
        let crashed = storage.crash(Crash::Random(seed));
        let records = recover(&crashed, small(), log.from).expect("a torn tail").1;
        assert_prefix(&records, &log.expected(), 0);
        whole += usize::from(records.len() == 2);
        cut += usize::from(records.len() == 1);
    }
    assert!(whole > 0 && cut > 0, "{whole} whole, {cut} cut between the records");
}

#[test]
fn shared_and_copied_values_lie_in_one_batch() {
    let storage = MemoryStorage::new();
    let options = millstream_log::LogOptions::default();
    let mut log = Log::new(&storage, options.clone());
    log.append(b"before");
    log.append_shared(vec![1; 70_000]);
    log.append(b"between");
    log.append_shared(vec![2; 80_000]);
    log.append_shared(vec![3; 90_000]);
    log.append(b"behind");
    let mut batch = log.opened.buffer.take().expect("a batch");
    assert!(log.opened.buffer.is_empty(), "one batch holds all");
    log.opened.committer.write(&mut batch).expect("writes");
    log.opened.committer.sync().expect("syncs");
    let crashed = storage.crash(Crash::LoseAll);
    assert_eq!(recover(&crashed, options, log.from).expect("opens").1, log.records);
}

#[test]
fn a_torn_batch_is_cut_and_reported() {
    let mut log = Log::with(&[b"kept"]);
    log.append(&[1; 700]);
    log.append(&[2; 200]);
    log.write();
    let mut bytes = log.storage.contents(crate::harness::FIRST).expect("there");
    let second = 4096 + log.records[1].0.get() as usize;
    bytes[second + 20] ^= 1;
    log.storage.set_contents(crate::harness::FIRST, bytes);
    let report = log.reopen(log.storage.clone());
    assert_eq!(log.records.len(), 2, "the record before the torn one is intact");
    assert_eq!((report.records, report.torn_bytes_cut), (2, 208));
    log.append(b"in its place");
    log.sync();
    let expected = log.records.clone();
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.records, expected);
}
