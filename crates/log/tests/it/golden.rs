//! The bytes on disk are those of `docs/format.md`, in every version that this program reads.

use std::path::PathBuf;

use millstream_log::{LogOptions, LogPosition, MemoryStorage};

use crate::harness::{FIRST, Log, recover, small};

const SALT: u64 = 0x0123_4567_89ab_cdef;

fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/v1-segment.log")
}

fn options() -> LogOptions {
    let mut options = small();
    options.head_bytes = 64;
    options.salt = SALT;
    options
}

/// Two batches, of two records and one, and the closing header of an idle log.
fn scripted() -> Vec<u8> {
    let mut log = Log::new(&MemoryStorage::new(), options());
    let mut record = log.opened.buffer.record();
    record.put_u8(0x2a);
    record.put_varint(300);
    record.put_bytes(b"stream");
    record.finish();
    log.append(b"");
    log.sync();
    log.append(b"second batch");
    log.sync();
    assert!(log.opened.committer.write_idle_header().expect("closes"));
    assert!(!log.opened.committer.write_idle_header().expect("is closed"));
    log.storage.contents(FIRST).expect("the segment")
}

/// The same bytes by hand, from the tables in `docs/format.md`.
fn by_hand() -> Vec<u8> {
    let seed = crc32c::crc32c(&SALT.to_le_bytes());
    let mut file = vec![0; 4096];
    file[..8].copy_from_slice(b"MSTRMLOG");
    file[8] = 1;
    file[12..16].copy_from_slice(&4096u32.to_le_bytes());
    file[24..32].copy_from_slice(&SALT.to_le_bytes());
    file[32..40].copy_from_slice(&(4096u64 + 32 + 64).to_le_bytes());
    let checksum = crc32c::crc32c(&file[..60]);
    file[60..64].copy_from_slice(&checksum.to_le_bytes());

    let batch = |file: &mut Vec<u8>, durable: u64, pages: u32, records: &[&[u8]]| {
        let position = file.len() as u64 - 4096;
        let length: usize = records.iter().map(|record| 8 + record.len()).sum();
        let mut header = position.to_le_bytes().to_vec();
        header.extend(durable.to_le_bytes());
        header.extend((length as u32).to_le_bytes());
        header.extend(pages.to_le_bytes());
        file.extend([0xb5, b'M', b'S', 0x1b]);
        file.extend(crc32c::crc32c_append(seed, &header).to_le_bytes());
        file.extend(header);
        for record in records {
            let mut covered = (file.len() as u64 - 4096).to_le_bytes().to_vec();
            covered.extend((record.len() as u32).to_le_bytes());
            covered.extend(*record);
            file.extend((record.len() as u32).to_le_bytes());
            file.extend(crc32c::crc32c_append(seed, &covered).to_le_bytes());
            file.extend(*record);
        }
    };
    batch(&mut file, 0, 1, &[b"\x2a\xac\x02\x06stream", b""]);
    batch(&mut file, 58, 1, &[b"second batch"]);
    batch(&mut file, 110, 1, &[]);
    file
}

#[test]
fn a_segment_has_the_documented_bytes() {
    let written = scripted();
    assert_eq!(written, by_hand());
}

#[test]
fn version_1_is_written_and_read() {
    let written = scripted();
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        std::fs::write(golden_path(), &written).expect("the golden file can be written");
    }
    let golden = std::fs::read(golden_path()).expect("the golden file is in the repository");
    assert_eq!(written, golden, "format changed: raise the version and add a golden file");
    let storage = MemoryStorage::new();
    storage.set_contents(FIRST, golden);
    let (opened, records) = recover(&storage, small(), LogPosition::ZERO).expect("opens");
    let bytes: Vec<_> = records.iter().map(|(end, bytes)| (end.get(), &bytes[..])).collect();
    assert_eq!(bytes, [(50, &b"\x2a\xac\x02\x06stream"[..]), (58, b""), (110, b"second batch")]);
    assert_eq!((opened.report.torn_bytes_cut, opened.report.created_new), (0, false));
}
