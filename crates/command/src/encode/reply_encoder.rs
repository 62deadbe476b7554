//! A large reply, encoded in steps. What is encoded is let go of at once.

use std::vec::IntoIter;

use millstream_engine::{ClaimedEntry, ReadEntries, StreamRead};
use millstream_model::{ColdBlock, EntryId, EntrySlice, LoadedBlock, PinnedEntry};
use millstream_resp::{Protocol, ReplyWriter};

use super::{
    write, write_claimed, write_entry, write_own, write_read_header, write_stream_header,
    write_with_counts,
};
use crate::{KeyMatches, Reply};

/// Encodes a reply piece by piece; the pieces together are what [`encode`](super::encode) writes.
#[derive(Debug)]
pub struct ReplyEncoder {
    protocol: Protocol,
    /// What is still to be written, the next on top.
    stack: Vec<Pending>,
}

#[derive(Debug)]
enum Pending {
    One(Reply),
    Items(IntoIter<Reply>),
    Pairs(IntoIter<(Reply, Reply)>),
    /// Runs from this one on; with CLAIM each entry has two more elements.
    Entries {
        slice: EntrySlice,
        run: usize,
        with_counts: bool,
    },
    Streams(IntoIter<StreamRead>),
    Own(IntoIter<(EntryId, Option<PinnedEntry>)>),
    Claimed(IntoIter<ClaimedEntry>),
    /// Keys are looked at until all that match are known.
    Matching(KeyMatches),
    Encoded(IntoIter<Vec<u8>>),
}

/// Pieces of a key listing that are searched in one step: about 100 us.
const PIECES_PER_STEP: usize = 16;

impl ReplyEncoder {
    /// Takes a reply to encode for a connection in this protocol.
    #[must_use]
    pub fn new(reply: Reply, protocol: Protocol) -> Self {
        Self { protocol, stack: vec![Pending::One(reply)] }
    }

    /// Whether everything was written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stack.is_empty()
    }

    /// The blocks that it needs to go on, if they are not in memory: some of those that come next,
    /// in the order in which [`Self::supply`] takes them. The first, and as many others as take
    /// about so many bytes once they are loaded, with the bytes of all.
    #[must_use]
    pub fn missing(&self, bytes_max: usize) -> (Vec<ColdBlock>, usize) {
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        let Some(Pending::Entries { slice, run, .. }) = self.stack.last() else {
            return (blocks, bytes);
        };
        if slice.cold_of_run(*run).is_none() {
            return (blocks, bytes);
        }
        for run in *run..slice.run_count() {
            let Some(cold) = slice.cold_of_run(run) else { continue };
            let more = slice.cold_bytes_of_run(run);
            if !blocks.is_empty() && bytes + more > bytes_max {
                break;
            }
            blocks.push(cold);
            bytes += more;
        }
        (blocks, bytes)
    }

    /// Takes the blocks that [`Self::missing`] named.
    pub fn supply(&mut self, blocks: &[LoadedBlock]) {
        let Some(Pending::Entries { slice, run, .. }) = self.stack.last_mut() else { return };
        let cold: Vec<_> = (*run..slice.run_count())
            .filter(|run| slice.cold_of_run(*run).is_some())
            .take(blocks.len())
            .collect();
        for (run, block) in cold.into_iter().zip(blocks) {
            slice.warm_run(run, block);
        }
    }

    /// Appends to `to` until it holds about `goal` bytes, or the reply is done, or it needs a block
    /// that is not in memory (see [`Self::missing`]). Goes over the goal by at most one block of
    /// entries, or one bulk string. May append nothing although the reply is not done: then there
    /// is more to be found out, and others should have their turn first.
    pub fn step(&mut self, to: &mut Vec<u8>, goal: usize) {
        while to.len() < goal
            && let Some(pending) = self.stack.pop()
        {
            if let Pending::Entries { slice, run, .. } = &pending
                && slice.cold_of_run(*run).is_some()
            {
                self.stack.push(pending);
                return;
            }
            if let Pending::Matching(mut matches) = pending {
                if !matches.search(PIECES_PER_STEP) {
                    self.stack.push(Pending::Matching(matches));
                    return;
                }
                let (count, chunks) = matches.into_found();
                ReplyWriter::new(to, self.protocol).array(count);
                self.stack.push(Pending::Encoded(chunks.into_iter()));
                continue;
            }
            self.advance(pending, &mut ReplyWriter::new(to, self.protocol));
        }
    }

    fn advance(&mut self, pending: Pending, out: &mut ReplyWriter<'_>) {
        match pending {
            Pending::One(reply) => self.start(reply, out),
            Pending::Items(mut items) => {
                if let Some(item) = items.next() {
                    self.stack.push(Pending::Items(items));
                    self.start(item, out);
                }
            }
            Pending::Pairs(mut pairs) => {
                if let Some((key, value)) = pairs.next() {
                    self.stack.push(Pending::Pairs(pairs));
                    self.stack.push(Pending::One(value));
                    write(&key, out);
                }
            }
            Pending::Entries { mut slice, run, with_counts } => {
                if run < slice.run_count() {
                    slice.for_each_of_run(run, |entry| match with_counts {
                        true => write_with_counts(entry, 0, 0, out),
                        false => write_entry(entry, out),
                    });
                    slice.forget_run(run);
                    self.stack.push(Pending::Entries { slice, run: run + 1, with_counts });
                }
            }
            Pending::Streams(mut streams) => {
                if let Some(stream) = streams.next() {
                    self.stack.push(Pending::Streams(streams));
                    self.start_stream(stream, out);
                }
            }
            Pending::Own(mut entries) => {
                if let Some((id, entry)) = entries.next() {
                    write_own(id, entry.as_ref(), out);
                    self.stack.push(Pending::Own(entries));
                }
            }
            Pending::Claimed(mut entries) => {
                if let Some(claimed) = entries.next() {
                    write_claimed(&claimed, out);
                    self.stack.push(Pending::Claimed(entries));
                }
            }
            Pending::Matching(_) => unreachable!("searched by the step itself"),
            Pending::Encoded(mut chunks) => {
                if let Some(chunk) = chunks.next() {
                    out.raw(&chunk);
                    self.stack.push(Pending::Encoded(chunks));
                }
            }
        }
    }

    fn start(&mut self, reply: Reply, out: &mut ReplyWriter<'_>) {
        match reply {
            Reply::Array(items) => {
                out.array(items.len());
                self.stack.push(Pending::Items(items.into_iter()));
            }
            Reply::Set(items) => {
                out.set(items.len());
                self.stack.push(Pending::Items(items.into_iter()));
            }
            Reply::Map(pairs) => {
                out.map(pairs.len());
                self.stack.push(Pending::Pairs(pairs.into_iter()));
            }
            Reply::Entries(slice) => {
                out.array(slice.len());
                self.stack.push(Pending::Entries { slice, run: 0, with_counts: false });
            }
            Reply::Read(outcome) => {
                write_read_header(outcome.streams.len(), out);
                self.stack.push(Pending::Streams(outcome.streams.into_iter()));
            }
            Reply::Keys(matches) => self.stack.push(Pending::Matching(*matches)),
            small => write(&small, out),
        }
    }

    fn start_stream(&mut self, stream: StreamRead, out: &mut ReplyWriter<'_>) {
        write_stream_header(&stream, out);
        match stream.entries {
            ReadEntries::Plain(slice) => {
                out.array(slice.len());
                self.stack.push(Pending::Entries { slice, run: 0, with_counts: false });
            }
            ReadEntries::History(entries) => {
                out.array(entries.len());
                self.stack.push(Pending::Own(entries.into_iter()));
            }
            ReadEntries::Redelivered { again, new } => {
                out.array(again.len() + new.len());
                self.stack.push(Pending::Entries { slice: new, run: 0, with_counts: false });
                let again = again.into_iter().map(|entry| (entry.id(), Some(entry)));
                self.stack.push(Pending::Own(again.collect::<Vec<_>>().into_iter()));
            }
            ReadEntries::WithClaims { claimed, new } => {
                out.array(claimed.len() + new.len());
                self.stack.push(Pending::Entries { slice: new, run: 0, with_counts: true });
                self.stack.push(Pending::Claimed(claimed.into_iter()));
            }
        }
    }
}

impl Reply {
    /// Whether it shows entries whose blocks are not in memory: only a [`ReplyEncoder`] can write
    /// it.
    #[must_use]
    pub fn has_cold(&self) -> bool {
        match self {
            Self::Array(items) | Self::Set(items) => items.iter().any(Self::has_cold),
            Self::Map(pairs) => pairs.iter().any(|(_, value)| value.has_cold()),
            Self::Entries(slice) => slice.cold().next().is_some(),
            Self::Read(outcome) => outcome.streams.iter().any(|stream| match &stream.entries {
                ReadEntries::Plain(slice)
                | ReadEntries::Redelivered { new: slice, .. }
                | ReadEntries::WithClaims { new: slice, .. } => slice.cold().next().is_some(),
                ReadEntries::History(_) => false,
            }),
            _ => false,
        }
    }

    /// Bytes that the reply takes in memory, roughly, without the blocks that it pins.
    #[must_use]
    pub fn memory_estimate(&self) -> usize {
        match self {
            Self::Entries(slice) => slice.run_bytes(),
            Self::Read(outcome) => {
                let entries = outcome.streams.iter().map(|read| match &read.entries {
                    ReadEntries::Plain(slice) => slice.run_bytes(),
                    ReadEntries::Redelivered { again, new } => {
                        size_of_val(&again[..]) + new.run_bytes()
                    }
                    ReadEntries::WithClaims { claimed, new } => {
                        size_of_val(&claimed[..]) + new.run_bytes()
                    }
                    ReadEntries::History(entries) => size_of_val(&entries[..]),
                });
                entries.sum()
            }
            Self::Keys(_) => 0,
            _ => self.bytes_estimate(),
        }
    }

    /// Bytes that the reply takes on the wire, roughly. Cheap: looks at no entry.
    #[must_use]
    pub fn bytes_estimate(&self) -> usize {
        match self {
            Self::Bulk(bytes) => bytes.len() + 16,
            Self::Verbatim(text) => text.len() + 16,
            Self::Array(items) | Self::Set(items) => {
                items.iter().map(Self::bytes_estimate).sum::<usize>() + 8
            }
            Self::Map(pairs) => {
                let pair =
                    |(key, value): &(Self, Self)| key.bytes_estimate() + value.bytes_estimate();
                pairs.iter().map(pair).sum::<usize>() + 8
            }
            Self::Entry(entry) => entry_bytes(entry),
            Self::Entries(slice) => slice.bytes_estimate() + 8,
            Self::Keys(matches) => matches.bytes_estimate(),
            Self::Read(outcome) => outcome.streams.iter().map(stream_bytes).sum::<usize>() + 8,
            _ => 32,
        }
    }
}

fn entry_bytes(entry: &PinnedEntry) -> usize {
    entry.as_ref().pairs().map(|(name, value)| name.len() + value.len() + 16).sum::<usize>() + 40
}

fn stream_bytes(stream: &StreamRead) -> usize {
    stream.key.len()
        + match &stream.entries {
            ReadEntries::Plain(slice) => slice.bytes_estimate(),
            ReadEntries::History(entries) => {
                entries.iter().filter_map(|(_, entry)| entry.as_ref()).map(entry_bytes).sum()
            }
            ReadEntries::Redelivered { again, new } => {
                again.iter().map(entry_bytes).sum::<usize>() + new.bytes_estimate()
            }
            ReadEntries::WithClaims { claimed, new } => {
                let claimed: usize =
                    claimed.iter().map(|claimed| entry_bytes(&claimed.entry)).sum();
                claimed + new.bytes_estimate()
            }
        }
}
