//! Blocks of the streams of one store in numbers.

use millstream_model::Stream;

/// Sums over all streams. Derived; see [`BlockTotals::check`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockTotals {
    /// Heap bytes of blocks in memory, and of those of them that are on disk, too.
    pub(crate) block_bytes: usize,
    pub(crate) clean_bytes: usize,
}

/// What one stream has, to see what a change does to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockBytes {
    block: usize,
    clean: usize,
}

impl BlockBytes {
    #[inline]
    pub(crate) fn of(stream: &Stream) -> Self {
        Self { block: stream.block_bytes(), clean: stream.clean_bytes() }
    }
}

impl BlockTotals {
    pub(crate) fn add(&mut self, stream: &Stream) {
        self.block_bytes += stream.block_bytes();
        self.clean_bytes += stream.clean_bytes();
    }

    /// A stream that goes.
    pub(crate) fn subtract(&mut self, stream: &Stream) {
        self.block_bytes -= stream.block_bytes();
        self.clean_bytes -= stream.clean_bytes();
    }

    /// A stream that changed.
    #[inline]
    pub(crate) fn replace(&mut self, before: BlockBytes, stream: &Stream) {
        self.block_bytes = self.block_bytes - before.block + stream.block_bytes();
        self.clean_bytes = self.clean_bytes - before.clean + stream.clean_bytes();
    }

    pub(crate) fn check<'s>(&self, streams: impl Iterator<Item = &'s Stream>) {
        let (mut block, mut clean) = (0, 0);
        for stream in streams {
            block += stream.block_bytes();
            clean += stream.clean_bytes();
            assert!(!stream.has_freed(), "freed places are collected");
        }
        let Self { block_bytes, clean_bytes } = *self;
        assert_eq!((block_bytes, clean_bytes), (block, clean), "bytes of blocks");
    }
}
