//! What the owner of a log may choose.

use crate::format::{BATCH_HEADER_BYTES, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES};

/// Sizes of a log; [`Default`] is right for a server. All in bytes; values out of range are brought
/// to the nearest end of their range by [`open`](crate::open).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions {
    /// Size of a segment file. A batch that is larger gets a file of its own size.
    /// Default 64 MiB, 8 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// A batch is closed when another record would make it larger than this; a single larger record
    /// is a batch of its own. Default 4 MiB, at most half a segment.
    pub batch_bytes: u64,
    /// Prepared space that [`open`](crate::open) provides before it returns, so that the first
    /// write does not wait for the [`Preparer`](crate::Preparer). Default 256 KiB.
    pub head_bytes: u64,
    /// How far prepared (zero-written or recycled, and synced) space runs ahead of the last write.
    /// Default 32 MiB, at most a segment less two pages.
    pub zero_ahead_bytes: u64,
    /// What one step of the [`Preparer`](crate::Preparer) writes and syncs at most: syncs of
    /// batches wait for it. Default 512 KiB.
    pub zero_step_bytes: u64,
    /// Whether prepared space is written with zeros, which makes syncs cheaper (they overwrite) and
    /// costs as many bytes again as are logged; else it is only allocated. Default true: right
    /// where each batch is synced.
    pub is_zero_filled: bool,
    /// Prepared space that only work which frees space may use (see [`Room`](crate::Room)).
    /// Default 4 MiB.
    pub reserve_bytes: u64,
    /// Segments behind the checkpoint that are kept to be used again; others are deleted. Default
    /// 2.
    pub recycled_segments_max: usize,
    /// Goes into every checksum of new segments. Give each run a number that clients cannot guess:
    /// then no value that they store can pass for a frame. Default 0.
    pub salt: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            batch_bytes: 4 << 20,
            head_bytes: 256 << 10,
            zero_ahead_bytes: 32 << 20,
            zero_step_bytes: 512 << 10,
            is_zero_filled: true,
            reserve_bytes: 4 << 20,
            recycled_segments_max: 2,
            salt: 0,
        }
    }
}

impl LogOptions {
    pub(crate) fn into_range(mut self) -> Self {
        let segment_bytes_min = 2 * SEGMENT_HEADER_BYTES;
        self.segment_bytes = self.segment_bytes.clamp(segment_bytes_min, SEGMENT_BYTES_MAX);
        self.batch_bytes = self.batch_bytes.clamp(BATCH_HEADER_BYTES, self.segment_bytes / 2);
        self.head_bytes = self.head_bytes.min(self.segment_bytes - SEGMENT_HEADER_BYTES);
        self.zero_step_bytes = self.zero_step_bytes.max(SEGMENT_HEADER_BYTES);
        // What one segment can hold: only a wanted batch makes a segment larger.
        let ahead_bytes_max = self.segment_bytes - segment_bytes_min;
        self.zero_ahead_bytes = self.zero_ahead_bytes.min(ahead_bytes_max);
        self
    }
}
