//! Tokens in the order in which they fire, in chunks that a copy of the whole shares.
//!
//! A checkpoint copies a stream while everybody waits, so a copy must cost chunks and not tokens: a
//! chunk is copied on its first change while shared. Invariants (see [`DueIndex::check`]):
//! 1. tokens ascend, within chunks and from one to the next; no chunk is empty or too large;
//! 2. `first` of a chunk is its first token, so that a search touches one body only;
//! 3. `len` is the sum over the chunks.
//!
//! Fails by panicking, on bugs alone. Tests: `schedule/tests.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ScheduleToken;

/// Tokens of one chunk: 8 KB to copy at the first change after a copy was taken.
const CHUNK_MAX: usize = if cfg!(test) { 8 } else { 512 };

#[derive(Clone, Debug)]
struct Chunk {
    first: ScheduleToken,
    tokens: Arc<VecDeque<ScheduleToken>>,
}

/// An ordered set of tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct DueIndex {
    chunks: VecDeque<Chunk>,
    len: usize,
}

impl Chunk {
    fn new(tokens: VecDeque<ScheduleToken>) -> Self {
        Self { first: tokens[0], tokens: Arc::new(tokens) }
    }

    fn len(&self) -> usize {
        self.tokens.len()
    }

    fn last(&self) -> ScheduleToken {
        self.tokens[self.tokens.len() - 1]
    }
}

impl DueIndex {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn first(&self) -> Option<ScheduleToken> {
        self.chunks.front().map(|chunk| chunk.first)
    }

    /// Bytes on the heap, without what the allocator adds. Costs the number of chunks.
    pub(super) fn heap_bytes(&self) -> usize {
        let body = |chunk: &Chunk| {
            2 * size_of::<usize>()
                + size_of::<VecDeque<ScheduleToken>>()
                + chunk.tokens.capacity() * size_of::<ScheduleToken>()
        };
        self.chunks.capacity() * size_of::<Chunk>() + self.chunks.iter().map(body).sum::<usize>()
    }

    /// The chunk that has the token or would have it; 0 when there is none.
    fn chunk_at(&self, token: ScheduleToken) -> usize {
        self.chunks.partition_point(|chunk| chunk.first <= token).saturating_sub(1)
    }

    pub(super) fn contains(&self, token: ScheduleToken) -> bool {
        let chunk = self.chunks.get(self.chunk_at(token));
        chunk.is_some_and(|chunk| chunk.tokens.binary_search(&token).is_ok())
    }

    /// Adds a token; whether it is new.
    pub(super) fn insert(&mut self, token: ScheduleToken) -> bool {
        let index = self.chunk_at(token);
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.chunks.push_back(Chunk::new(VecDeque::from([token])));
            self.len += 1;
            return true;
        };
        let Err(at) = chunk.tokens.binary_search(&token) else { return false };
        self.len += 1;
        if chunk.len() < CHUNK_MAX {
            Arc::make_mut(&mut chunk.tokens).insert(at, token);
            chunk.first = chunk.first.min(token);
            return true;
        }
        // With one delay for all, tokens come in their order: such chunks stay full.
        if at == chunk.len() {
            self.chunks.insert(index + 1, Chunk::new(VecDeque::from([token])));
            return true;
        }
        let tokens = Arc::make_mut(&mut chunk.tokens);
        let mut upper = tokens.split_off(CHUNK_MAX / 2);
        match at.checked_sub(tokens.len()) {
            Some(above) if above > 0 => upper.insert(above, token),
            _ => tokens.insert(at, token),
        }
        chunk.first = chunk.first.min(token);
        self.chunks.insert(index + 1, Chunk::new(upper));
        true
    }

    /// Takes a token out; whether it was there.
    pub(super) fn remove(&mut self, token: ScheduleToken) -> bool {
        let index = self.chunk_at(token);
        let Some(chunk) = self.chunks.get_mut(index) else { return false };
        let Ok(at) = chunk.tokens.binary_search(&token) else { return false };
        self.len -= 1;
        let tokens = Arc::make_mut(&mut chunk.tokens);
        tokens.remove(at);
        let left = tokens.len();
        match tokens.front() {
            Some(&first) => chunk.first = first,
            None => _ = self.chunks.remove(index),
        }
        // The first chunk is used up from its front: joining it with others would be in vain.
        if left > 0 && left <= CHUNK_MAX / 4 && index > 0 {
            self.join(index - 1);
        }
        true
    }

    /// Joins a chunk with the next one where the two leave a quarter of a chunk free.
    fn join(&mut self, index: usize) {
        if self.chunks[index].len() + self.chunks[index + 1].len() > CHUNK_MAX / 4 * 3 {
            return;
        }
        let next = self.chunks.remove(index + 1).expect("it was measured just now");
        Arc::make_mut(&mut self.chunks[index].tokens).extend(next.tokens.iter());
    }

    /// Adds a token above all others; whether it is.
    pub(super) fn push(&mut self, token: ScheduleToken) -> bool {
        let is_above = self.chunks.back().is_none_or(|chunk| chunk.last() < token);
        is_above && self.insert(token)
    }

    /// Keeps only some tokens.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&ScheduleToken) -> bool) {
        let before = std::mem::take(self);
        for token in before.after(None).filter(is_kept) {
            self.push(token);
        }
    }

    /// The tokens above one, ascending; without one all of them.
    pub(super) fn after(
        &self,
        token: Option<ScheduleToken>,
    ) -> impl Iterator<Item = ScheduleToken> + '_ {
        let index = token.map_or(0, |token| self.chunk_at(token));
        let here = self.chunks.get(index);
        let start = here
            .zip(token)
            .map_or(0, |(chunk, token)| chunk.tokens.partition_point(|other| *other <= token));
        let here = here.into_iter().flat_map(move |chunk| chunk.tokens.range(start..));
        let behind = self.chunks.range(self.chunks.len().min(index + 1)..);
        here.chain(behind.flat_map(|chunk| chunk.tokens.iter())).copied()
    }

    pub(super) fn check(&self) {
        let mut before = None;
        for chunk in &self.chunks {
            assert!(chunk.len() > 0 && chunk.len() <= CHUNK_MAX, "chunk of {}", chunk.len());
            assert_eq!(chunk.tokens.front(), Some(&chunk.first), "first of a chunk");
            for &token in chunk.tokens.iter() {
                assert!(before < Some(token), "tokens ascend");
                before = Some(token);
            }
        }
        assert_eq!(self.len, self.chunks.iter().map(Chunk::len).sum::<usize>(), "tokens");
    }
}
