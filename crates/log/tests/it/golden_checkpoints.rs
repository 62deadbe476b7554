//! Checkpoint files have the bytes of `docs/format.md`, in every version that this program reads.

use std::path::PathBuf;
use std::sync::Arc;

use millstream_log::{
    CheckpointChain, CheckpointKind, CheckpointWriter, LogPosition, MemoryStorage, OpenError,
    Storage,
};

const SALT: u64 = 0x0123_4567_89ab_cdef;
const FULL: &str = "checkpoints/00000000000000000007.full";
const DELTA: &str = "checkpoints/00000000000000000008.delta";

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// Of the full one, and of the delta.
fn records() -> [Vec<Vec<u8>>; 2] {
    let full = vec![b"first".to_vec(), Vec::new(), vec![b'r'; 200]];
    [full, vec![b"what changed".to_vec()]]
}

fn write(storage: &MemoryStorage, number: u64, kind: CheckpointKind, records: &[Vec<u8>]) {
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let position = LogPosition::new(number * 1000);
    let writer = CheckpointWriter::create(&shared, kind, number, position, SALT);
    let mut writer = writer.expect("no fault was ordered");
    records.iter().for_each(|record| writer.put(record).expect("no fault was ordered"));
    writer.finish().expect("no fault was ordered").publish().expect("no fault was ordered");
}

fn scripted() -> [Vec<u8>; 2] {
    let storage = MemoryStorage::new();
    let [full, delta] = records();
    write(&storage, 7, CheckpointKind::Full, &full);
    write(&storage, 8, CheckpointKind::Delta, &delta);
    [FULL, DELTA].map(|name| storage.contents(name).expect("it was published"))
}

/// The same bytes by hand, from the tables in `docs/format.md`; records by frame.
fn by_hand(number: u64, is_delta: u8, frames: &[&[Vec<u8>]]) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..8].copy_from_slice(b"MSTRMCKP");
    file[8] = 1;
    file[12] = is_delta;
    file[16..24].copy_from_slice(&number.to_le_bytes());
    file[24..32].copy_from_slice(&(number * 1000).to_le_bytes());
    file[32..40].copy_from_slice(&SALT.to_le_bytes());
    sign(&mut file);
    let frame = |file: &mut Vec<u8>, length: u32, bytes: &[u8]| {
        let mut covered = number.to_le_bytes().to_vec();
        covered.extend((file.len() as u64).to_le_bytes());
        covered.extend(length.to_le_bytes());
        covered.extend(bytes);
        let seed = crc32c::crc32c(&SALT.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(crc32c::crc32c_append(seed, &covered).to_le_bytes());
        file.extend(bytes);
    };
    for records in frames {
        let mut bytes = Vec::new();
        for record in *records {
            match record.len() {
                length @ ..0x80 => bytes.push(length as u8),
                length @ ..0x4000 => bytes.extend([length as u8 | 0x80, (length >> 7) as u8]),
                length => bytes.extend([
                    length as u8 | 0x80,
                    (length >> 7) as u8 | 0x80,
                    (length >> 14) as u8,
                ]),
            }
            bytes.extend(record);
        }
        frame(&mut file, bytes.len() as u32, &bytes);
    }
    let count: usize = frames.iter().map(|records| records.len()).sum();
    let mut end = (count as u64).to_le_bytes().to_vec();
    end.extend((file.len() as u64).to_le_bytes());
    frame(&mut file, u32::MAX, &end);
    file
}

/// Makes a header's checksum fit.
fn sign(file: &mut [u8]) {
    let checksum = crc32c::crc32c(&file[..60]);
    file[60..64].copy_from_slice(&checksum.to_le_bytes());
}

/// Position and records of what is found.
fn read(files: [(&str, Vec<u8>); 2]) -> Result<(u64, Vec<Vec<u8>>), OpenError> {
    let storage = MemoryStorage::new();
    storage.create_dir("checkpoints").expect("creates");
    files.into_iter().for_each(|(name, contents)| storage.set_contents(name, contents));
    let shared: Arc<dyn Storage> = Arc::new(storage);
    let chain = CheckpointChain::find(&shared)?.expect("there is one");
    let mut found = Vec::new();
    let mut on_record = |_, record: &[u8]| {
        found.push(record.to_vec());
        Ok(())
    };
    chain.read(&mut on_record, &mut |_, _| {})?;
    Ok((chain.position().get(), found))
}

#[test]
fn a_checkpoint_has_the_documented_bytes() {
    let [full, delta] = records();
    assert_eq!(scripted(), [by_hand(7, 0, &[&full]), by_hand(8, 1, &[&delta])]);
}

#[test]
fn a_frame_ends_with_the_record_that_fills_64_kib() {
    let storage = MemoryStorage::new();
    // With its header the first frame has 64 KiB and not a byte more.
    let lengths = [70, (64 << 10) - 8 - 71 - 3, 0, 100_000, 5];
    let records = lengths.map(|length| vec![b'r'; length]);
    write(&storage, 7, CheckpointKind::Full, &records);
    let frames = [&records[..2], &records[2..4], &records[4..]];
    assert!(storage.contents(FULL).expect("it was published") == by_hand(7, 0, &frames));
}

#[test]
fn a_checkpoint_without_records_has_an_end_frame_only() {
    let storage = MemoryStorage::new();
    write(&storage, 7, CheckpointKind::Full, &[]);
    assert_eq!(storage.contents(FULL).expect("it was published"), by_hand(7, 0, &[]));
}

#[test]
fn version_1_is_written_and_read() {
    let written = scripted();
    let paths = ["v1-checkpoint.full", "v1-checkpoint.delta"].map(golden_path);
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        for (path, bytes) in paths.iter().zip(&written) {
            std::fs::write(path, bytes).expect("the golden file can be written");
        }
    }
    let golden =
        paths.map(|path| std::fs::read(path).expect("the golden file is in the repository"));
    assert_eq!(written, golden, "format changed: raise the version and add a golden file");
    let [full, delta] = golden;
    let (position, found) = read([(FULL, full), (DELTA, delta)]).expect("intact");
    assert_eq!((position, found), (8000, records().concat()));
}

#[test]
fn a_newer_version_is_refused_in_words() {
    for newer in 0..2 {
        let mut files = scripted();
        files[newer][8] = 2;
        sign(&mut files[newer]);
        let [full, delta] = files;
        let error = read([(FULL, full), (DELTA, delta)]).expect_err("it is of version 2");
        let is_newer = matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. });
        assert!(is_newer, "{error:?}");
        let (name, text) = ([FULL, DELTA][newer], error.to_string());
        assert!(text.contains(name) && text.contains("written by a newer version"), "{text}");
    }
}

#[test]
fn a_header_that_does_not_fit_the_name_is_refused_as_damage() {
    // Version 0, a delta, neither, another number.
    for (at, byte) in [(8, 0), (12, 1), (12, 2), (16, 6)] {
        let [mut full, delta] = scripted();
        full[at] = byte;
        sign(&mut full);
        let error = read([(FULL, full), (DELTA, delta)]).expect_err("it does not fit");
        let OpenError::Damaged { offset: 0, mismatch, .. } = &error else { panic!("{error}") };
        assert_eq!(mismatch.expected, "version 1 or later, number 7, delta false");
    }
}

#[test]
fn a_long_key_with_a_long_value_is_not_refused_for_its_length() {
    // Each comes in a log record of its own, as by SET and RENAME.
    let longest = 2 * millstream_log::format::RECORD_BYTES_MAX as u32 + (1 << 20);
    for (length, expected) in [(longest, "bytes more"), (u32::MAX - 1, "a frame of at most")] {
        let [mut full, delta] = scripted();
        full[64..68].copy_from_slice(&length.to_le_bytes());
        let error = read([(FULL, full), (DELTA, delta)]).expect_err("the file is not so long");
        let OpenError::Damaged { mismatch, .. } = &error else { panic!("{error}") };
        assert!(mismatch.expected.contains(expected), "{error}");
    }
}
