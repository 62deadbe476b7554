//! Checkpoints and blocks have the bytes of `docs/format.md`, in every version that this program
//! reads: a store that was written then is opened, and one that is written now is the same.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use millstream_engine::{
    AddRequest, CheckpointStep, ClaimOptions, Engine, GroupPosition, GroupReader, LogOptions,
    LogPosition, Nack, NackMode, NewId, Now, OpenError, Opened, Options, Production, ReadFrom,
    ReadRequest, Settings, Storage, StreamPosition, StringExpiry,
};
use millstream_log::memory_storage::MemoryStorage;
use millstream_log::{
    BlockAddress, BlockFiles, BlockFilesOptions, CheckpointChain, CheckpointKind, CheckpointWriter,
};
use millstream_model::{BlockLimits, IdempotenceLimits};

use crate::dump::dump;
use crate::store::{id, run};

const SALT: u64 = 0x0123_4567_89ab_cdef;
const FULL: &str = "checkpoints/00000000000000000001.full";
const DELTA: &str = "checkpoints/00000000000000000002.delta";
const BLOCKS: &str = "blocks/0000000001.blk";

fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/v1-store").join(name)
}

/// Small, so that most numbers take one byte.
fn at(ms: u64) -> Now {
    Now { wall_ms: ms, monotonic_ms: ms }
}

/// Not those of other tests: the files depend on them.
fn options() -> Options {
    let settings = Settings {
        block_limits: BlockLimits { bytes_max: 4096, entries_max: 4 },
        idempotence: IdempotenceLimits { duration_s: 90, per_producer_max: 80 },
        ..Settings::default()
    };
    let mut log = LogOptions::default();
    log.salt = SALT;
    Options { settings, hash_seed: 300, log, ..Options::default() }
}

fn try_open(disk: &MemoryStorage) -> Result<Opened, OpenError> {
    Engine::open(Arc::new(disk.clone()), options(), at(50), &mut |_| ())
}

fn checkpoint(opened: &mut Opened) {
    for _ in 0..1000 {
        match opened.checkpointer.step(true).expect("no fault was ordered") {
            CheckpointStep::WaitsForLog(_) => {
                opened.commit.write_step().expect("writes");
                opened.commit.sync_step().expect("syncs");
            }
            CheckpointStep::Published(_) => return,
            CheckpointStep::Working | CheckpointStep::Idle => {}
        }
    }
    panic!("it does not end");
}

fn add(engine: &Engine, key: &[u8], ms: u64, iid: Option<&[u8]>, fields: &[&[u8]]) {
    let production = iid.map(|iid| Production { producer: b"p", iid });
    let id = NewId::Exactly(id(ms, 0));
    let request = AddRequest { id, no_create: false, trim: None, production };
    run(engine, at(50), |txn| txn.add(0, key, &request, fields)).0.expect("adds");
}

fn read(engine: &Engine, now: Now, count: usize) {
    let [group, consumer, key] = [b"g", b"c", b"s"].map(|name| Bytes::from_static(name));
    let group = GroupReader { group, consumer, noack: false, claim_min_idle_ms: None };
    let mut request = ReadRequest {
        db: 0,
        group: Some(group),
        streams: vec![StreamPosition { key, from: ReadFrom::New }],
        count: Some(count),
        count_total: None,
        bytes_max: None,
    };
    run(engine, now, |txn| txn.read(&mut request)).0.expect("reads").expect("there is something");
}

/// What stands in the full checkpoint.
fn fill(engine: &Engine) {
    let text = |db, key: &[u8], value, expiry| {
        let value = Bytes::from_static(value);
        run(engine, at(50), |txn| txn.set_string(db, key, value, expiry));
    };
    text(0, b"text", b"value", StringExpiry::None);
    text(0, b"soon", b"", StringExpiry::At(100));
    for ms in 1..=9 {
        let iid: Option<&[u8]> = if ms == 3 { Some(b"1") } else { None };
        match ms {
            1..=3 => add(engine, b"s", ms, iid, &[b"f", b"v"]),
            4 => add(engine, b"s", ms, iid, &[b"f", b"v", b"g", b""]),
            _ => add(engine, b"s", ms, iid, &[b"f", &[b'0' + ms as u8]]),
        }
    }
    run(engine, at(51), |txn| {
        let start = GroupPosition::After(id(0, 0));
        txn.create_group(0, b"s", b"g", start, false, None).expect("creates");
        txn.create_group(0, b"s", b"a", GroupPosition::End, false, Some(9)).expect("creates");
        txn.create_consumer(0, b"s", b"g", b"idle").expect("creates");
        txn.create_group(2, b"empty", b"g", start, true, None).expect("creates");
    });
    read(engine, at(60), 4);
    let nack = Nack { delivery_count: Some(7), ..Nack::new(NackMode::Fail) };
    run(engine, at(60), |txn| txn.nack(0, b"s", b"g", &nack, &[id(2, 0)])).0.expect("gives back");
    let options = ClaimOptions { delivery_count: Some(300), ..ClaimOptions::default() };
    run(engine, at(61), |txn| txn.claim(0, b"s", b"g", b"c", &options, &[id(3, 0)]))
        .0
        .expect("claims");
    run(engine, at(61), |txn| txn.delete(0, b"s", &[id(1, 0), id(3, 0)])).0.expect("deletes");
    add(engine, b"gone", 1, None, &[b"f", b"v"]);
    text(1, b"emptied", b"v", StringExpiry::None);
    run(engine, at(61), |txn| txn.swap_databases(3, 4));
}

/// What stands in the delta.
fn change(engine: &Engine) {
    add(engine, b"s", 10, None, &[b"f", b"v"]);
    run(engine, at(62), |txn| {
        txn.remove(0, b"gone");
        txn.flush(Some(1));
        txn.move_key(0, 5, b"soon");
        txn.delete(0, b"s", &[id(9, 0)]).expect("deletes");
    });
    read(engine, at(63), 1);
}

fn scripted() -> (MemoryStorage, Opened) {
    let disk = MemoryStorage::new();
    let mut opened = try_open(&disk).expect("opens");
    fill(&opened.engine);
    checkpoint(&mut opened);
    change(&opened.engine);
    checkpoint(&mut opened);
    (disk, opened)
}

/// Adds a log without records that begins where the newest checkpoint was cut.
fn with_log(disk: MemoryStorage) -> MemoryStorage {
    let first = chain(&disk).position().get();
    let mut segment = vec![0; 4096];
    segment[..8].copy_from_slice(b"MSTRMLOG");
    segment[8] = 1;
    segment[12..16].copy_from_slice(&4096u32.to_le_bytes());
    segment[16..24].copy_from_slice(&first.to_le_bytes());
    let checksum = crc(&segment[..60]);
    segment[60..64].copy_from_slice(&checksum.to_le_bytes());
    disk.create_dir("log").expect("creates");
    disk.set_contents(&format!("log/{first:020}.log"), segment);
    disk
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let one_bit = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| one_bit(crc)))
}

fn shared(disk: &MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

fn chain(disk: &MemoryStorage) -> CheckpointChain {
    CheckpointChain::find(&shared(disk)).expect("intact").expect("there is one")
}

/// The records of the full checkpoint and of the delta.
fn records_by_hand() -> [Vec<Vec<u8>>; 2] {
    let joined = |parts: &[&[u8]]| parts.concat();
    let stores = [0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    // Flags, first and last id, counts, bytes in Redis, deletions, place.
    let blocks = joined(&[
        &[&[1, 1, 0, 3, 0, 2, 4, 68][..], &[2, 0, 4, 0, 1, 5], &[1, 64, 72]].concat(),
        &[&[0, 5, 0, 3, 0, 4, 4, 54][..], &[1, 0x88, 1, 65]].concat(),
    ]);
    let full = vec![
        joined(&[b"\x01", b"\xac\x02", &[7, 61], &stores]),
        joined(&[b"\x04", &[1, 0], b"\x04text", &[0], b"\x05value"]),
        joined(&[b"\x04", &[2, 0], b"\x04soon", &[1, 100], b"\0"]),
        joined(&[b"\x05", &[3, 0], b"\x01s", &[0], &[9, 0], &[9], &[3, 0], &[90, 80, 1, 0]]),
        joined(&[b"\x06", &blocks, &[2, 9, 0, 0, 0, 1, 1, 24], b"\x0f", BLOCK_9]),
        joined(&[b"\x07", &[1], b"\x01a", &[9, 0], &[1, 9], &[0, 0]]),
        joined(&[b"\x07", &[0], b"\x01g", &[4, 0], &[1, 4], &[5, 1]]),
        joined(&[b"\x08", &[1], b"\x01c", &[61, 1, 61], &[0], b"\x04idle", &[51, 0]]),
        joined(&[
            b"\x09",
            &[1, 0, 2, 60, 1, 0],
            &[2, 0, 0, 0, 7, 0],
            &[3, 0, 2, 61, 0xac, 2, 4],
            &[4, 0, 2, 60, 1, 3],
        ]),
        joined(&[b"\x0a", b"\x01p", b"\x011", &[3, 0]]),
        joined(&[b"\x0b", &[3, 2, 4, 1]]),
        joined(&[b"\x05", &[5, 0], b"\x04gone", &[0], &[1, 0, 1, 0, 0], &[90, 80, 0, 0]]),
        joined(&[b"\x06", &[2, 1, 0, 0, 0, 1, 1, 25], b"\x0f", BLOCK_1]),
        joined(&[b"\x0b", &[1, 0, 0, 0]]),
        joined(&[b"\x04", &[6, 1], b"\x07emptied", &[0], b"\x01v"]),
        joined(&[b"\x05", &[4, 2], b"\x05empty", &[0], &[0, 0, 0, 0, 0], &[90, 80, 0, 0]]),
        joined(&[b"\x07", &[0], b"\x01g", &[0, 0], &[0], &[0, 0]]),
        joined(&[b"\x0b", &[0, 1, 0, 0]]),
        joined(&[b"\x0c", &[61]]),
    ];
    let delta = vec![
        joined(&[b"\x01", b"\xac\x02", &[7, 63], &stores]),
        joined(&[b"\x02", &[1, 7]]),
        joined(&[b"\x03", &[2], &[5, 2]]),
        joined(&[b"\x05", &[3, 0], b"\x01s", &[0], &[10, 0], &[10], &[9, 0], &[90, 80, 1, 0]]),
        joined(&[
            b"\x06",
            &blocks,
            &[3, 9, 0, 1, 0, 1, 2, 35],
            &[10, 0, 10, 0, 1, 1],
            b"\x15",
            BLOCK_9_10,
        ]),
        joined(&[b"\x07", &[1], b"\x01a", &[9, 0], &[1, 9], &[0, 0]]),
        joined(&[b"\x07", &[0], b"\x01g", &[5, 0], &[0], &[6, 1]]),
        joined(&[b"\x08", &[1], b"\x01c", &[63, 1, 63], &[0], b"\x04idle", &[51, 0]]),
        joined(&[
            b"\x09",
            &[1, 0, 2, 60, 1, 0],
            &[2, 0, 0, 0, 7, 0],
            &[3, 0, 2, 61, 0xac, 2, 4],
            &[4, 0, 2, 60, 1, 3],
            &[5, 0, 2, 63, 1, 5],
        ]),
        joined(&[b"\x0a", b"\x01p", b"\x011", &[3, 0]]),
        joined(&[b"\x0b", &[3, 2, 5, 1]]),
        joined(&[b"\x04", &[2, 5], b"\x04soon", &[1, 100], b"\0"]),
        joined(&[b"\x0c", &[63]]),
    ];
    [full, delta]
}

// Contents of blocks: version, first id, shapes, lengths, entries.
const BLOCK_1: &[u8] = b"\x01\x01\0\x01\x03\x01\x08\xff\0\0\x01\x01f\x01v";
const BLOCK_9: &[u8] = b"\x01\x09\0\x01\x03\x01\x08\xff\0\0\x01\x01f\x019";
const BLOCK_9_10: &[u8] = b"\x01\x09\0\x01\x03\x02\x08\x05\xff\0\0\x01\x01f\x019\0\x01\0\x01v";

/// The contents of the blocks in the block file.
fn blocks_by_hand() -> [Vec<u8>; 2] {
    let first = [
        &b"\x01\x01\0\x02\x03\x15\x04\x08\x05\x05\x0b"[..],
        b"\xff\0\0\x01\x01f\x01v",
        b"\0\x01\0\x01v",
        b"\0\x02\0\x01v",
        b"\xff\x03\0\x02\x01f\x01g\x01v\0",
    ];
    let second = [
        &b"\x01\x05\0\x01\x03\x04\x08\x05\x05\x05"[..],
        b"\xff\0\0\x01\x01f\x015",
        b"\0\x01\0\x016",
        b"\0\x02\0\x017",
        b"\0\x03\0\x018",
    ];
    [first.concat(), second.concat()]
}

#[test]
fn the_records_of_checkpoints_are_the_documented_ones() {
    let (disk, _opened) = scripted();
    let mut found = [Vec::new(), Vec::new()];
    let mut on_record = |number: u64, record: &[u8]| {
        found[number as usize - 1].push(record.to_vec());
        Ok(())
    };
    chain(&disk).read(&mut on_record, &mut |_, _| {}).expect("intact");
    assert_eq!(found, records_by_hand());
}

#[test]
fn the_contents_of_blocks_are_the_documented_ones() {
    let (disk, _opened) = scripted();
    let places =
        [(64, 72), (136, 65)].map(|(offset, bytes)| BlockAddress { file: 1, offset, bytes });
    let files = BlockFiles::open(shared(&disk), BlockFilesOptions::default(), places);
    let blocks = files.expect("intact").read_many(&places).expect("intact");
    assert!(blocks.iter().all(|block| (block.owner, block.kind) == (3, 0)));
    assert!(blocks.into_iter().map(|block| block.bytes).eq(blocks_by_hand()));
}

#[test]
fn version_1_is_written_and_read() {
    let (disk, opened) = scripted();
    let written = [FULL, DELTA, BLOCKS].map(|name| disk.contents(name).expect("it was written"));
    let paths = [FULL, DELTA, BLOCKS].map(|name| golden_path(name.rsplit('/').next().expect("")));
    let contents_path = golden_path("contents.txt");
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        let write = |path: &PathBuf, bytes: &[u8]| {
            std::fs::write(path, bytes).expect("the golden file can be written");
        };
        paths.iter().zip(&written).for_each(|(path, bytes)| write(path, bytes));
        write(&contents_path, dump(&opened.engine).as_bytes());
    }
    let golden =
        paths.map(|path| std::fs::read(path).expect("the golden file is in the repository"));
    assert!(written == golden, "format changed: raise the version and add golden files");
    let stored = MemoryStorage::new();
    for (name, contents) in [FULL, DELTA, BLOCKS].into_iter().zip(golden) {
        stored.create_dir(name.split('/').next().expect("a folder")).expect("creates");
        stored.set_contents(name, contents);
    }
    let found = try_open(&with_log(stored)).expect("opens");
    found.checkpointer.check();
    let contents = std::fs::read_to_string(contents_path).expect("it is in the repository");
    assert_eq!(dump(&found.engine), contents);
    assert_eq!(dump(&opened.engine), contents);
}

#[test]
fn the_records_of_delayed_entries_are_the_documented_ones() {
    let disk = MemoryStorage::new();
    let mut opened = try_open(&disk).expect("opens");
    let schedule = |due_ms, value: &[u8]| {
        run(&opened.engine, at(50), |txn| txn.schedule(0, b"s", due_ms, &[b"f", value]))
            .0
            .expect("adds")
    };
    let tokens = [(300, b"a"), (60, b"b"), (300, b"c")].map(|(ms, value)| schedule(ms, value));
    run(&opened.engine, at(50), |txn| txn.cancel_scheduled(0, b"s", &tokens[..1]))
        .0
        .expect("there");
    checkpoint(&mut opened);
    let mut found = Vec::new();
    let mut on_record = |_, record: &[u8]| {
        found.push(record.to_vec());
        Ok(())
    };
    chain(&disk).read(&mut on_record, &mut |_, _| {}).expect("intact");
    let contents =
        b"\x01\0\x01\x01\x03\x03\x08\x05\x05\xff\0\0\x01\x01f\x01a\0\0\x01\x01b\0\0\x02\x01c";
    let expected: [&[u8]; 4] = [
        // Next sequence number, failures, blocks, tokens.
        &[18, 4, 0, 1, 2],
        &[
            &[6, 3, 0, 1, 0, 2, 2, 3, 47][..],
            &[0, 2, 0, 3, 1, 1],
            &[contents.len() as u8],
            contents,
        ]
        .concat(),
        &[19, 60, 2, 0xf0, 1, 3],
        &[11, 0, 0, 0, 0],
    ];
    assert_eq!(found[2..6], expected);
    let before = dump(&opened.engine);
    drop(opened);
    assert_eq!(dump(&try_open(&with_log(disk)).expect("opens").engine), before);
}

#[test]
fn records_of_delayed_entries_that_contradict_each_other_are_refused_in_words() {
    const HEADER: &[u8] = &[1, 11, 7, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const STREAM: &[u8] = b"\x05\x03\0\x01s\0\x09\0\x09\0\0\x01\x01\0\0";
    const END: &[u8] = &[11, 0, 0, 0, 0];
    let cases: [(&[&[u8]], &str); 7] = [
        (&[HEADER, &[18, 1, 0, 0, 0]], "a stream begins before another ends"),
        (&[HEADER, STREAM, &[19, 1, 1]], "there are no delayed entries"),
        (&[HEADER, STREAM, &[18, 0, 0, 0, 0]], "sequence of delayed entries out of range: 0"),
        (&[HEADER, STREAM, &[18, 1, 0, 0, 0], &[18, 1, 0, 0, 0]], "delayed entries begin twice"),
        (&[HEADER, STREAM, &[18, 5, 0, 0, 1], END], "a part of delayed entries is missing"),
        (&[HEADER, STREAM, &[18, 5, 0, 0, 1], &[19, 9, 5]], "sequence of a delayed entry"),
        (&[HEADER, STREAM, &[18, 5, 0, 0, 1], &[19, 9, 4], END], "payloads of delayed entries"),
    ];
    for (records, expected) in cases {
        let reason = refusal(records);
        assert!(reason.contains(expected), "{reason} instead of {expected}");
    }
}

/// Why a full checkpoint of these records is refused.
fn refusal(records: &[&[u8]]) -> String {
    let disk = MemoryStorage::new();
    let (kind, start) = (CheckpointKind::Full, LogPosition::ZERO);
    let mut writer =
        CheckpointWriter::create(&shared(&disk), kind, 1, start, SALT).expect("creates");
    records.iter().for_each(|record| writer.put(record).expect("writes"));
    writer.finish().expect("writes").publish().expect("publishes");
    let Err(error) = try_open(&with_log(disk)) else { panic!("{records:?} is to be refused") };
    let OpenError::Replay { path, source, .. } = error else { panic!("{error}") };
    assert!(path.ends_with(FULL), "{}", path.display());
    source.to_string()
}

#[test]
fn records_that_do_not_belong_in_a_checkpoint_are_refused_in_words() {
    const HEADER: &[u8] = &[1, 11, 7, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const TWICE: &[u8] = &[1, 11, 7, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14];
    const STREAM: &[u8] = b"\x05\x03\0\x01s\0\x09\0\x09\0\0\x01\x01\0\0";
    let block = |flags: u8, contents: &[u8]| {
        [&[6, flags, 1, 0, 0, 0, 1, 1, 25, contents.len() as u8], contents].concat()
    };
    let newer = [&[2], &BLOCK_1[1..]].concat();
    let cases: [(&[&[u8]], &str); 19] = [
        (&[], "there is no header"),
        (&[&[12, 1]], "there is no header"),
        (&[HEADER, &[90]], "unknown kind of part: 90"),
        (&[HEADER, STREAM, &[13, 0]], "there is no group"),
        (&[HEADER, &[0]], "unknown kind of part: 0"),
        (&[HEADER, &[]], "record ends early"),
        (&[HEADER, &[12, 1, 0]], "length out of range: 1"),
        (&[TWICE], "a store belongs to two databases"),
        (&[HEADER, b"\x04\x01\x10\0\0\0"], "store out of range: 16"),
        (&[HEADER, b"\x04\x07\0\0\0\0"], "an object's number is above the next one"),
        (&[HEADER, b"\x04\x01\0\0\0\0", b"\x04\x02\0\0\0\0"], "a key belongs to two objects"),
        (&[HEADER, STREAM], "a stream does not end"),
        (&[HEADER, STREAM, STREAM], "a stream begins before another ends"),
        (&[HEADER, &[11, 0, 0, 0, 0]], "a stream begins before another ends, or ends twice"),
        (&[HEADER, STREAM, &[11, 0, 1, 0, 0]], "a part of a stream is missing"),
        (&[HEADER, STREAM, b"\x08\0\0\0\0"], "there is no group"),
        (&[HEADER, STREAM, &block(6, BLOCK_1)], "flags out of range: 6"),
        (&[HEADER, STREAM, &block(2, &newer)], "not a block of entries: its version is unknown"),
        (
            &[HEADER, STREAM, &block(2, BLOCK_9)],
            "what is stored of a stream does not hold together: contents of a block",
        ),
    ];
    for (records, expected) in cases {
        let reason = refusal(records);
        assert!(reason.contains(expected), "{reason} instead of {expected}");
    }
}
