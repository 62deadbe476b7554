//! The bytes of a block file: encoding, decoding and checksums; no I/O.
//!
//! `docs/format.md`, section "Block files", has the tables. Decoding never panics on foreign bytes.

use super::BlockAddress;
use crate::format::{Mismatch, checksum_seed, hex, u32_at, u64_at};

/// Format version that this code writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;
const FILE_MAGIC: [u8; 8] = *b"MSTRMBLK";
const BLOCK_MAGIC: [u8; 4] = [0xB6, b'M', b'S', 0x1B];
pub(super) const FILE_HEADER_BYTES: usize = 64;
pub(super) const BLOCK_HEADER_BYTES: usize = 32;
/// No block is longer, whatever a header says.
pub(super) const RAW_BYTES_MAX: u32 = 3 << 30;

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Codec {
    Plain = 0,
    /// LZ4, block format.
    Lz4 = 1,
}

/// First bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) number: u32,
    pub(super) salt: u64,
}

/// Why a file's header was not accepted.
#[derive(Debug)]
pub(super) enum FileHeaderError {
    Newer { version: u32 },
    Bad(Mismatch),
}

impl FileHeader {
    pub(super) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(
        bytes: &[u8; FILE_HEADER_BYTES],
        number: u32,
    ) -> Result<Self, FileHeaderError> {
        let bad = |expected: String, found: String| {
            Err(FileHeaderError::Bad(Mismatch { expected, found }))
        };
        if bytes[0..8] != FILE_MAGIC {
            return bad(format!("the magic {}", hex(&FILE_MAGIC)), hex(&bytes[0..8]));
        }
        let (stored, computed) = (u32_at(bytes, 60), crc32c::crc32c(&bytes[..60]));
        if stored != computed {
            return bad(format!("header checksum {computed:08x}"), format!("{stored:08x}"));
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(FileHeaderError::Newer { version });
        }
        let header = Self { number: u32_at(bytes, 12), salt: u64_at(bytes, 16) };
        if version == 0 || header.number != number {
            let expected = format!("version 1 or later and file number {number}");
            return bad(expected, format!("version {version} and number {}", header.number));
        }
        Ok(header)
    }
}

/// What precedes a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) stored_bytes: u32,
    pub(super) raw_bytes: u32,
    pub(super) owner: u64,
    pub(super) kind: u8,
    pub(super) codec: Codec,
}

impl BlockHeader {
    /// Length on disk, itself included.
    pub(super) fn whole_bytes(&self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.stored_bytes)
    }

    /// The header for this payload at that place.
    pub(super) fn encode(
        &self,
        file: &FileHeader,
        offset: u32,
        payload: &[u8],
    ) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[8..12].copy_from_slice(&self.stored_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.raw_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.owner.to_le_bytes());
        bytes[24] = self.kind;
        bytes[25] = self.codec as u8;
        let checksum = checksum(file, offset, &bytes[8..], payload);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header; what it says is checked against `available` bytes from its start on.
    pub(super) fn decode(bytes: &[u8], available: u64) -> Result<Self, Mismatch> {
        if bytes.len() < BLOCK_HEADER_BYTES {
            return Err(Mismatch::new("a block header", "the end of the file"));
        }
        if bytes[0..4] != BLOCK_MAGIC {
            let expected = format!("the block magic {}", hex(&BLOCK_MAGIC));
            return Err(Mismatch::new(expected, hex(&bytes[0..4])));
        }
        let codec = match bytes[25] {
            0 => Codec::Plain,
            1 => Codec::Lz4,
            other => return Err(Mismatch::new("a codec up to 1", other.to_string())),
        };
        let header = Self {
            stored_bytes: u32_at(bytes, 8),
            raw_bytes: u32_at(bytes, 12),
            owner: u64_at(bytes, 16),
            kind: bytes[24],
            codec,
        };
        if header.whole_bytes() > available || header.raw_bytes > RAW_BYTES_MAX {
            let expected = format!("a block of at most {available} bytes");
            return Err(Mismatch::new(expected, format!("one of {}", header.whole_bytes())));
        }
        Ok(header)
    }

    /// Checks header and payload, which stand at that place.
    pub(super) fn verify(
        file: &FileHeader,
        offset: u32,
        header: &[u8],
        payload: &[u8],
    ) -> Result<(), Mismatch> {
        let computed = checksum(file, offset, &header[8..BLOCK_HEADER_BYTES], payload);
        let stored = u32_at(header, 4);
        if computed == stored {
            return Ok(());
        }
        Err(Mismatch::new(format!("block checksum {computed:08x}"), format!("{stored:08x}")))
    }
}

fn checksum(file: &FileHeader, offset: u32, facts: &[u8], payload: &[u8]) -> u32 {
    let mut place = [0; 8];
    place[..4].copy_from_slice(&file.number.to_le_bytes());
    place[4..].copy_from_slice(&offset.to_le_bytes());
    let checksum = crc32c::crc32c_append(checksum_seed(file.salt), &place);
    crc32c::crc32c_append(crc32c::crc32c_append(checksum, facts), payload)
}

pub(super) fn name_of(number: u32) -> String {
    format!("{FOLDER}/{number:010}{SUFFIX}")
}

/// The number of a file in the folder, if it is one of ours.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_ours = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    // There is a number behind each that is ours.
    let is_number = |number: &u32| (1..u32::MAX).contains(number);
    if is_ours { digits.parse().ok().filter(is_number) } else { None }
}

/// Folder of all block files.
pub(super) const FOLDER: &str = "blocks";
const SUFFIX: &str = ".blk";

impl BlockAddress {
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.bytes)
    }
}
