//! The reply of KEYS: a listing of keys, searched for a pattern while it is encoded.
//!
//! How many match stands in front of them, so all are looked at before the first byte leaves. That
//! takes a tenth of a second for a million keys and is done in steps, with the engine free.

use millstream_engine::KeyListing;
use millstream_resp::ReplyWriter;

use crate::glob;

/// Encoded keys are collected in buffers of about this size.
const CHUNK_BYTES: usize = 64 << 10;

/// Keys of a listing that match a pattern.
#[derive(Clone, Debug)]
pub struct KeyMatches {
    listing: KeyListing,
    pattern: Box<[u8]>,
    next_piece: usize,
    count: usize,
    /// Encoded, in order.
    chunks: Vec<Vec<u8>>,
}

impl KeyMatches {
    pub(crate) fn new(listing: KeyListing, pattern: &[u8]) -> Self {
        Self { listing, pattern: pattern.into(), next_piece: 0, count: 0, chunks: Vec::new() }
    }

    /// Bytes on the wire if all match and are short.
    pub(crate) fn bytes_estimate(&self) -> usize {
        /// About a hundred keys.
        const PIECE_BYTES: usize = 4 << 10;
        self.listing.piece_count() * PIECE_BYTES
    }

    /// Looks at some more pieces; whether that were all.
    pub(crate) fn search(&mut self, pieces: usize) -> bool {
        let end = self.listing.piece_count().min(self.next_piece.saturating_add(pieces));
        for piece in self.next_piece..end {
            if self.chunks.last().is_none_or(|chunk| chunk.len() >= CHUNK_BYTES) {
                self.chunks.push(Vec::with_capacity(CHUNK_BYTES / 4));
            }
            let chunk = self.chunks.last_mut().expect("pushed above");
            for key in self.listing.piece(piece).filter(|key| glob::matches(&self.pattern, key)) {
                // Bulk strings are the same in both protocols.
                ReplyWriter::new(chunk, millstream_resp::Protocol::Resp2).bulk(key);
                self.count += 1;
            }
        }
        self.next_piece = end;
        end == self.listing.piece_count()
    }

    /// How many match, once all were looked at, and their encodings.
    pub(crate) fn into_found(self) -> (usize, Vec<Vec<u8>>) {
        debug_assert_eq!(self.next_piece, self.listing.piece_count());
        (self.count, self.chunks)
    }
}
