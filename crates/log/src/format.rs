//! The log's bytes on disk: encoding, decoding and checksums; no I/O.
//!
//! `docs/format.md` is the authority, with byte tables; the golden files under `testdata/` hold
//! both to each other. All integers are little-endian.
//!
//! 1. A checksum covers the salt of its segment and the position of its frame, so bytes left
//!    over in a recycled segment, or forged inside a value, are never taken for a frame.
//! 2. The first 64 bytes of a segment keep their meaning in every later format version.
//!
//! Decoding never panics on foreign bytes; it says what is wrong. Tests: below and
//! `tests/it/golden.rs`.

use crate::LogPosition;

/// Format version that this code writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// First bytes of every segment file.
pub const SEGMENT_MAGIC: [u8; 8] = *b"MSTRMLOG";
/// First bytes of every batch header.
pub const BATCH_MAGIC: [u8; 4] = [0xB5, b'M', b'S', 0x1B];
/// Length of a segment header: one page, so that positions and pages stay aligned.
pub const SEGMENT_HEADER_BYTES: u64 = 4096;
/// Length of the part of the segment header that carries something, its checksum last.
pub const SEGMENT_HEADER_USED_BYTES: usize = 64;
/// Length of a batch header.
pub const BATCH_HEADER_BYTES: u64 = 32;
/// Length of what precedes a record's bytes: length and checksum.
pub const FRAME_HEADER_BYTES: u64 = 8;
/// Largest segment file.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Largest record: it fits a segment of its own with all headers and a closing batch header.
pub const RECORD_BYTES_MAX: u64 =
    SEGMENT_BYTES_MAX - SEGMENT_HEADER_BYTES - 2 * BATCH_HEADER_BYTES - FRAME_HEADER_BYTES;
/// Unit of the file length in a batch header.
pub const PAGE_BYTES: u64 = 4096;

/// What is wrong with some bytes: what should stand there, and what does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What a valid log has at this place.
    pub expected: String,
    /// What was read.
    pub found: String,
}

impl Mismatch {
    pub(crate) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }
}

/// The checksum's starting value in a segment with this salt.
pub(crate) fn checksum_seed(salt: u64) -> u32 {
    crc32c::crc32c(&salt.to_le_bytes())
}

/// The part of a record's checksum that precedes its bytes; append the bytes to it.
pub(crate) fn frame_checksum_start(seed: u32, position: LogPosition, length: u32) -> u32 {
    let mut covered = [0; 12];
    covered[..8].copy_from_slice(&position.get().to_le_bytes());
    covered[8..].copy_from_slice(&length.to_le_bytes());
    crc32c::crc32c_append(seed, &covered)
}

/// First page of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Position of the segment's first batch; also the file's name.
    pub first: LogPosition,
    /// See [`LogOptions::salt`](crate::LogOptions::salt).
    pub salt: u64,
    /// Bytes that the file was known to have, synced, when this header was written. A shorter file
    /// was cut by something else than a crash.
    pub file_bytes_synced: u64,
}

impl SegmentHeader {
    /// The header's page.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; SEGMENT_HEADER_BYTES as usize];
        page[0..8].copy_from_slice(&SEGMENT_MAGIC);
        page[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&(SEGMENT_HEADER_BYTES as u32).to_le_bytes());
        page[16..24].copy_from_slice(&self.first.get().to_le_bytes());
        page[24..32].copy_from_slice(&self.salt.to_le_bytes());
        page[32..40].copy_from_slice(&self.file_bytes_synced.to_le_bytes());
        let checksum = crc32c::crc32c(&page[..60]);
        page[60..64].copy_from_slice(&checksum.to_le_bytes());
        page
    }

    /// Reads a header from a file's first [`SEGMENT_HEADER_USED_BYTES`] bytes.
    ///
    /// # Errors
    /// [`SegmentHeaderError::Newer`] for an intact header of a later version, else
    /// [`SegmentHeaderError::Bad`].
    pub fn decode(
        bytes: &[u8; SEGMENT_HEADER_USED_BYTES],
    ) -> Result<SegmentHeader, SegmentHeaderError> {
        let bad = |expected: String, found: String| {
            Err(SegmentHeaderError::Bad(Mismatch { expected, found }))
        };
        if bytes[0..8] != SEGMENT_MAGIC {
            return bad(
                format!("the segment magic {}", hex(&SEGMENT_MAGIC)),
                hex(&bytes[0..8]).to_string(),
            );
        }
        let (stored, computed) = (u32_at(bytes, 60), crc32c::crc32c(&bytes[..60]));
        if stored != computed {
            return bad(format!("segment header checksum {computed:08x}"), format!("{stored:08x}"));
        }
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION {
            return Err(SegmentHeaderError::Newer { version });
        }
        if version == 0 {
            return bad("a format version from 1 on".into(), "0".into());
        }
        let header_bytes = u32_at(bytes, 12);
        if u64::from(header_bytes) != SEGMENT_HEADER_BYTES {
            return bad(format!("header length {SEGMENT_HEADER_BYTES}"), header_bytes.to_string());
        }
        Ok(Self {
            first: LogPosition::new(u64_at(bytes, 16)),
            salt: u64_at(bytes, 24),
            file_bytes_synced: u64_at(bytes, 32),
        })
    }
}

/// Why a segment header was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentHeaderError {
    /// Intact, of a format that this code does not know.
    Newer {
        /// Its format version.
        version: u32,
    },
    /// Not an intact segment header.
    Bad(Mismatch),
}

/// What precedes the records of one batch. Length 0: a closing header after an idle second, which
/// the next batch overwrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Position of this header.
    pub position: LogPosition,
    /// Durable position when this header was written; never beyond `position`.
    pub durable: LogPosition,
    /// Bytes of the records that follow, with their frame headers.
    pub length: u32,
    /// Bytes that the file was known to have, synced, rounded down to [`PAGE_BYTES`].
    pub file_bytes_synced: u64,
}

impl BatchHeader {
    pub(crate) fn encode(&self, seed: u32) -> [u8; BATCH_HEADER_BYTES as usize] {
        let pages = u32::try_from(self.file_bytes_synced / PAGE_BYTES)
            .expect("a segment file is far below 2^32 pages");
        let mut bytes = [0; BATCH_HEADER_BYTES as usize];
        bytes[0..4].copy_from_slice(&BATCH_MAGIC);
        bytes[8..16].copy_from_slice(&self.position.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.durable.get().to_le_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_le_bytes());
        bytes[28..32].copy_from_slice(&pages.to_le_bytes());
        let checksum = crc32c::crc32c_append(seed, &bytes[8..]);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header that belongs at `position`.
    pub(crate) fn decode(
        bytes: &[u8; BATCH_HEADER_BYTES as usize],
        seed: u32,
        position: LogPosition,
    ) -> Result<Self, Mismatch> {
        if bytes[0..4] != BATCH_MAGIC {
            let expected = format!("the batch magic {}", hex(&BATCH_MAGIC));
            return Err(Mismatch::new(expected, hex(&bytes[0..4])));
        }
        let (stored, computed) = (u32_at(bytes, 4), crc32c::crc32c_append(seed, &bytes[8..]));
        if stored != computed {
            let expected = format!("batch header checksum {computed:08x}");
            return Err(Mismatch::new(expected, format!("{stored:08x}")));
        }
        let header = Self {
            position: LogPosition::new(u64_at(bytes, 8)),
            durable: LogPosition::new(u64_at(bytes, 16)),
            length: u32_at(bytes, 24),
            file_bytes_synced: u64::from(u32_at(bytes, 28)) * PAGE_BYTES,
        };
        if header.position != position {
            let expected = format!("a batch header of position {position}");
            return Err(Mismatch::new(expected, format!("one of position {}", header.position)));
        }
        if header.durable > position {
            let expected = format!("a durable position up to {position}");
            return Err(Mismatch::new(expected, header.durable.to_string()));
        }
        Ok(header)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has 4 bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice has 8 bytes"))
}
