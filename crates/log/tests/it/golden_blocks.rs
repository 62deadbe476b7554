//! Block files have the bytes of `docs/format.md`, in every version that this program reads.

use std::path::PathBuf;
use std::sync::Arc;

use millstream_log::{
    Block, BlockAddress, BlockFiles, BlockFilesOptions, MemoryStorage, OpenError, Storage,
};

const SALT: u64 = 0x0123_4567_89ab_cdef;
const NAME: &str = "blocks/0000000001.blk";
/// 300 equal bytes as LZ4: one byte, a match of 4 + 15 + 255 + 19 that lies one byte back, six
/// bytes as they are. Another version of the compressor may say the same in other words; then the
/// golden file stays and is read, and only what is written now is other bytes.
const COMPRESSED: [u8; 13] = [0x1f, b'z', 1, 0, 255, 19, 0x60, b'z', b'z', b'z', b'z', b'z', b'z'];

fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/v1-blocks.blk")
}

fn addresses() -> [BlockAddress; 3] {
    let at = |offset, bytes| BlockAddress { file: 1, offset, bytes };
    [at(64, 32 + 5), at(101, 32 + 13), at(146, 32)]
}

fn blocks() -> [Block; 3] {
    [
        Block { owner: 300, kind: 0, bytes: b"plain".to_vec() },
        Block { owner: u64::MAX, kind: 9, bytes: vec![b'z'; 300] },
        Block { owner: 1, kind: 0, bytes: Vec::new() },
    ]
}

fn open(contents: Vec<u8>, referred: &[BlockAddress]) -> Result<BlockFiles, OpenError> {
    let storage = MemoryStorage::new();
    storage.create_dir("blocks").expect("creates");
    storage.set_contents(NAME, contents);
    let storage: Arc<dyn Storage> = Arc::new(storage);
    BlockFiles::open(storage, BlockFilesOptions::default(), referred.iter().copied())
}

fn scripted() -> Vec<u8> {
    let storage = MemoryStorage::new();
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let options = BlockFilesOptions { salt: SALT, ..BlockFilesOptions::default() };
    let files = BlockFiles::open(shared, options, []).expect("opens");
    let mut writer = files.writer();
    let written = blocks().map(|Block { owner, kind, bytes }| {
        writer.append(owner, kind, &bytes).expect("no fault was ordered")
    });
    assert_eq!(written, addresses());
    writer.sync().expect("no fault was ordered");
    storage.contents(NAME).expect("the file")
}

/// The same bytes by hand, from the tables in `docs/format.md`.
fn by_hand() -> Vec<u8> {
    let mut file = vec![0; 64];
    file[..8].copy_from_slice(b"MSTRMBLK");
    file[8] = 1;
    file[12..16].copy_from_slice(&1u32.to_le_bytes());
    file[16..24].copy_from_slice(&SALT.to_le_bytes());
    sign(&mut file);
    let mut block = |owner: u64, kind: u8, codec: u8, length: u32, stored: &[u8]| {
        let mut facts = (stored.len() as u32).to_le_bytes().to_vec();
        facts.extend(length.to_le_bytes());
        facts.extend(owner.to_le_bytes());
        facts.extend([kind, codec, 0, 0, 0, 0, 0, 0]);
        let mut covered = 1u32.to_le_bytes().to_vec();
        covered.extend((file.len() as u32).to_le_bytes());
        covered.extend(&facts);
        covered.extend(stored);
        let seed = crc32c::crc32c(&SALT.to_le_bytes());
        file.extend([0xb6, b'M', b'S', 0x1b]);
        file.extend(crc32c::crc32c_append(seed, &covered).to_le_bytes());
        file.extend(facts);
        file.extend(stored);
    };
    block(300, 0, 0, 5, b"plain");
    block(u64::MAX, 9, 1, 300, &COMPRESSED);
    block(1, 0, 0, 0, b"");
    file
}

/// Makes a header's checksum fit.
fn sign(file: &mut [u8]) {
    let checksum = crc32c::crc32c(&file[..60]);
    file[60..64].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn a_block_file_has_the_documented_bytes() {
    assert_eq!(scripted(), by_hand());
}

#[test]
fn version_1_is_written_and_read() {
    let written = scripted();
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        std::fs::write(golden_path(), &written).expect("the golden file can be written");
    }
    let golden = std::fs::read(golden_path()).expect("the golden file is in the repository");
    assert_eq!(written, golden, "format changed: raise the version and add a golden file");
    let files = open(golden, &addresses()).expect("opens");
    assert_eq!(files.read_many(&addresses()).expect("reads"), blocks());
    let found = files.blocks_in(1).expect("reads");
    assert!(found.iter().map(|found| found.address).eq(addresses()));
}

#[test]
fn a_newer_version_is_refused_in_words() {
    let mut file = by_hand();
    file[8] = 2;
    sign(&mut file);
    let error = open(file.clone(), &addresses()).expect_err("it is of version 2");
    assert!(matches!(error, OpenError::NewerFormat { found: 2, supported: 1, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(NAME) && text.contains("written by a newer version"), "{text}");
    // One that nothing refers to is a leftover, whatever its version.
    open(file, &[]).expect("nothing of it is needed");
}

#[test]
fn version_0_and_the_header_of_another_file_are_refused_as_damage() {
    for (at, byte) in [(8, 0), (12, 2), (15, 1)] {
        let mut file = by_hand();
        file[at] = byte;
        sign(&mut file);
        let error = open(file, &addresses()).expect_err("it does not fit");
        let OpenError::Damaged { offset: 0, mismatch, .. } = &error else { panic!("{error}") };
        assert_eq!(mismatch.expected, "version 1 or later and file number 1");
    }
}

#[test]
fn an_unknown_codec_is_refused_in_words() {
    let mut file = by_hand();
    file[64 + 25] = 2;
    let files = open(file, &addresses()).expect("the header is intact");
    let error = files.read(addresses()[0]).expect_err("there is no such codec").to_string();
    assert!(error.contains("expected a codec up to 1, found 2"), "{error}");
}
