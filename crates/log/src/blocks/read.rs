//! Reading blocks back: one, many at once, or all of a file.

use std::sync::Arc;

use super::block_files::OpenFile;
use super::file_format::{BLOCK_HEADER_BYTES, BlockHeader, Codec, FILE_HEADER_BYTES};
use super::{BlockAddress, BlockFiles, BlockReadError};
use crate::format::Mismatch;

/// Neighbours with a smaller gap between them are read at once.
const GAP_BYTES_MAX: u64 = 16 << 10;
/// What one read asks for at most, unless a single block is larger.
const READ_BYTES_MAX: u64 = 1 << 20;

/// A block as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose it is; opaque.
    pub owner: u64,
    /// What it is; opaque.
    pub kind: u8,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// A block found by looking through a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBlock {
    /// Where it stands.
    pub address: BlockAddress,
    /// The block.
    pub block: Block,
}

impl BlockFiles {
    /// Reads a block.
    ///
    /// # Errors
    /// [`BlockReadError`], naming file and byte.
    pub fn read(&self, address: BlockAddress) -> Result<Block, BlockReadError> {
        let mut blocks = self.read_many(&[address])?;
        Ok(blocks.pop().expect("one was asked for"))
    }

    /// Reads several blocks, returned in the order asked for; neighbours in a file are read at
    /// once.
    ///
    /// # Errors
    /// [`BlockReadError`] for the first that cannot be read.
    pub fn read_many(&self, addresses: &[BlockAddress]) -> Result<Vec<Block>, BlockReadError> {
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_unstable_by_key(|&index| addresses[index]);
        let mut blocks: Vec<Option<Block>> = vec![None; addresses.len()];
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            let count = run_length(addresses, rest);
            let (run, behind) = rest.split_at(count);
            rest = behind;
            let start = u64::from(addresses[first].offset);
            let end = run.iter().map(|&index| addresses[index].end()).max().expect("not empty");
            let file = self.open_file(addresses[first].file)?;
            let bytes = file.read(start, (end - start) as usize)?;
            for &index in run {
                let from = (u64::from(addresses[index].offset) - start) as usize;
                let whole = bytes.get(from..).unwrap_or_default();
                let whole = &whole[..whole.len().min(addresses[index].bytes as usize)];
                blocks[index] = Some(decode(&file, addresses[index].offset, whole)?);
            }
        }
        Ok(blocks.into_iter().map(|block| block.expect("each was read")).collect())
    }

    /// All blocks of a file, in order, up to the first place where none stands.
    ///
    /// # Errors
    /// [`BlockReadError::Io`]. What does not look like a block ends the list.
    pub fn blocks_in(&self, number: u32) -> Result<Vec<FoundBlock>, BlockReadError> {
        let file = self.open_file(number)?;
        let bytes_total = file.len()?;
        let mut found = Vec::new();
        let mut offset = FILE_HEADER_BYTES as u64;
        while offset + BLOCK_HEADER_BYTES as u64 <= bytes_total {
            let head = file.read(offset, BLOCK_HEADER_BYTES)?;
            let Ok(header) = BlockHeader::decode(&head, bytes_total - offset) else { break };
            let whole = file.read(offset, header.whole_bytes() as usize)?;
            let Ok(at) = u32::try_from(offset) else { break };
            let Ok(block) = decode(&file, at, &whole) else { break };
            let bytes = whole.len() as u32;
            found.push(FoundBlock {
                address: BlockAddress { file: number, offset: at, bytes },
                block,
            });
            offset += header.whole_bytes();
        }
        Ok(found)
    }

    /// Where the blocks of a file stand, in order, up to the first place where none does. Payloads
    /// are not looked at.
    ///
    /// # Errors
    /// [`BlockReadError::Io`].
    pub fn addresses_in(&self, number: u32) -> Result<Vec<BlockAddress>, BlockReadError> {
        let file = self.open_file(number)?;
        let bytes_total = file.len()?;
        let mut found = Vec::new();
        let mut offset = FILE_HEADER_BYTES as u64;
        while offset + BLOCK_HEADER_BYTES as u64 <= bytes_total {
            let head = file.read(offset, BLOCK_HEADER_BYTES)?;
            let Ok(header) = BlockHeader::decode(&head, bytes_total - offset) else { break };
            let Ok(at) = u32::try_from(offset) else { break };
            let bytes = header.whole_bytes() as u32;
            found.push(BlockAddress { file: number, offset: at, bytes });
            offset += header.whole_bytes();
        }
        Ok(found)
    }

    /// The error that says that a block's bytes are intact and yet cannot be what was written.
    #[must_use]
    pub fn damaged(&self, address: BlockAddress, reason: &dyn std::fmt::Display) -> BlockReadError {
        BlockReadError::Damaged {
            path: self.path_of(address.file),
            offset: address.offset.into(),
            mismatch: Mismatch::new("a block that can be read", reason.to_string()),
        }
    }
}

/// How many of the first in `order` are read at once.
fn run_length(addresses: &[BlockAddress], order: &[usize]) -> usize {
    let first = addresses[order[0]];
    let mut end = first.end();
    let joins = |&&index: &&usize| {
        let next = addresses[index];
        let is_near = next.file == first.file
            && u64::from(next.offset) <= end + GAP_BYTES_MAX
            && next.end().max(end) - u64::from(first.offset) <= READ_BYTES_MAX;
        end = if is_near { end.max(next.end()) } else { end };
        is_near
    };
    1 + order[1..].iter().take_while(joins).count()
}

fn decode(file: &Arc<OpenFile>, offset: u32, whole: &[u8]) -> Result<Block, BlockReadError> {
    let damaged = |mismatch| file.damaged(offset.into(), mismatch);
    let header = BlockHeader::decode(whole, whole.len() as u64).map_err(damaged)?;
    if header.whole_bytes() != whole.len() as u64 {
        let expected = format!("a block of {} bytes", whole.len());
        let found = format!("one of {}", header.whole_bytes());
        return Err(damaged(Mismatch::new(expected, found)));
    }
    let payload = &whole[BLOCK_HEADER_BYTES..];
    BlockHeader::verify(&file.header, offset, whole, payload).map_err(damaged)?;
    let bytes = match header.codec {
        Codec::Plain => payload.to_vec(),
        Codec::Lz4 => lz4_flex::block::decompress(payload, header.raw_bytes as usize)
            .map_err(|error| damaged(Mismatch::new("LZ4 data", error.to_string())))?,
    };
    if bytes.len() != header.raw_bytes as usize {
        let expected = format!("{} bytes of payload", header.raw_bytes);
        return Err(damaged(Mismatch::new(expected, bytes.len().to_string())));
    }
    Ok(Block { owner: header.owner, kind: header.kind, bytes })
}
