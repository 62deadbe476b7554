//! The bytes of a checkpoint file: encoding, decoding and checksums; no I/O.

use crate::LogPosition;
use crate::format::{Mismatch, checksum_seed, hex, u32_at, u64_at};

/// Format version that this code writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"MSTRMCKP";
pub(super) const HEADER_BYTES: usize = 64;
/// Length and checksum before each frame.
pub(super) const FRAME_HEADER_BYTES: usize = 8;
/// Length that marks the end frame.
pub(super) const END_MARK: u32 = u32::MAX;
/// What the end frame holds: count of records, and the end of the last frame before it.
pub(super) const END_BYTES: usize = 16;
/// No frame is longer. A record may hold a key and a value that came in log records of their own.
pub(super) const FRAME_BYTES_MAX: u32 = (2 << 30) + (1 << 20);

const _: () = assert!(FRAME_BYTES_MAX as u64 >= 2 * crate::format::RECORD_BYTES_MAX + (1 << 20));

/// First bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_delta: bool,
    pub(super) number: u64,
    pub(super) position: LogPosition,
    pub(super) salt: u64,
}

/// Why a header was not accepted.
#[derive(Debug)]
pub(super) enum HeaderError {
    Newer { version: u32 },
    Bad(Mismatch),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = u8::from(self.is_delta);
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.position.get().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of the file that is named so.
    pub(super) fn decode(
        bytes: &[u8; HEADER_BYTES],
        number: u64,
        is_delta: bool,
    ) -> Result<Self, HeaderError> {
        let bad =
            |expected: String, found: String| Err(HeaderError::Bad(Mismatch { expected, found }));
        if bytes[0..8] != MAGIC {
            return bad(format!("the checkpoint magic {}", hex(&MAGIC)), hex(&bytes[0..8]));
        }
        let (stored, computed) = (u32_at(bytes, 60), crc32c::crc32c(&bytes[..60]));
        if stored != computed {
            return bad(format!("header checksum {computed:08x}"), format!("{stored:08x}"));
        }
        let version = u32_at(bytes, 8);
        if version > VERSION {
            return Err(HeaderError::Newer { version });
        }
        let header = Self {
            is_delta: bytes[12] == 1,
            number: u64_at(bytes, 16),
            position: LogPosition::new(u64_at(bytes, 24)),
            salt: u64_at(bytes, 32),
        };
        let is_named = header.number == number && header.is_delta == is_delta && bytes[12] < 2;
        if version == 0 || !is_named {
            let expected = format!("version 1 or later, number {number}, delta {is_delta}");
            let found = format!("{version}, {}, {}", header.number, bytes[12]);
            return bad(expected, found);
        }
        Ok(header)
    }

    /// The checksum of a frame that stands at `offset`.
    pub(super) fn checksum(&self, offset: u64, length: u32, bytes: &[u8]) -> u32 {
        let mut covered = [0; 20];
        covered[..8].copy_from_slice(&self.number.to_le_bytes());
        covered[8..16].copy_from_slice(&offset.to_le_bytes());
        covered[16..].copy_from_slice(&length.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c_append(checksum_seed(self.salt), &covered), bytes)
    }
}

/// Folder of all checkpoints.
pub(super) const FOLDER: &str = "checkpoints";
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

pub(super) fn name_of(number: u64, is_delta: bool) -> String {
    let suffix = if is_delta { "delta" } else { "full" };
    format!("{FOLDER}/{number:020}.{suffix}")
}

/// Number and kind of a published checkpoint, by its name in the folder.
pub(super) fn parse_name(name: &str) -> Option<(u64, bool)> {
    let (digits, suffix) = name.split_once('.')?;
    let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_delta = match suffix {
        "delta" => true,
        "full" => false,
        _ => return None,
    };
    if is_ours { Some((digits.parse().ok()?, is_delta)) } else { None }
}
