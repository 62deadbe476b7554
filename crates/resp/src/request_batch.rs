//! Where the arguments of the requests found in a buffer lie.
//!
//! The batch holds places, not bytes: arguments stay in the session's read buffer, except for
//! inline commands, whose unescaped text lives in a side buffer here. It must not know how
//! requests are parsed or run.
//!
//! Invariants: (1) `ends` never decrease and the last one is `args.len()`; (2) every place of an
//! inline request lies in `unescaped`, every other one in the buffer given to the parser.
//!
//! A batch is reused for the whole life of a connection; [`RequestBatch::clear`] gives back what a
//! single huge request made it grow to. Using it with a buffer other than the parsed one yields
//! wrong arguments or a panic, never undefined behaviour.

/// Places kept allocated between batches: 32 KiB, about 370 requests of 11 arguments.
const ARGS_KEPT: usize = 4096;
/// Unescaped bytes kept allocated between batches.
const UNESCAPED_BYTES_KEPT: usize = 4096;

/// Place of one argument. Offsets are `u32`: half the memory of `usize` on the hot path, and a
/// request is limited to less than 4 GiB anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArgRange {
    start: u32,
    length: u32,
}

impl ArgRange {
    /// `start + length` must be at most `u32::MAX`; the parser never looks beyond that.
    #[inline]
    pub(crate) fn new(start: usize, length: usize) -> Self {
        debug_assert!(start + length <= u32::MAX as usize);
        ArgRange { start: start as u32, length: length as u32 }
    }

    /// The same place after `bytes` bytes in front of it have been dropped.
    pub(crate) fn moved_down(self, bytes: usize) -> Self {
        ArgRange { start: self.start - bytes as u32, length: self.length }
    }

    #[inline]
    pub(crate) fn of<'a>(&self, source: &'a [u8]) -> &'a [u8] {
        &source[self.start as usize..self.start as usize + self.length as usize]
    }
}

/// End of one request in the flat list of places.
#[derive(Clone, Copy, Debug)]
struct RequestEnd {
    args_end: u32,
    is_inline: bool,
}

/// The requests found by one call of the parser. See the module for its rules.
#[derive(Debug, Default)]
pub struct RequestBatch {
    pub(crate) args: Vec<ArgRange>,
    pub(crate) unescaped: Vec<u8>,
    ends: Vec<RequestEnd>,
}

impl RequestBatch {
    /// An empty batch; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of requests.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is no request.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all requests. Memory beyond a moderate working size is given back.
    pub fn clear(&mut self) {
        self.args.clear();
        self.ends.clear();
        self.unescaped.clear();
        self.args.shrink_to(ARGS_KEPT);
        self.ends.shrink_to(ARGS_KEPT);
        self.unescaped.shrink_to(UNESCAPED_BYTES_KEPT);
    }

    /// The request at `index`, where `buf` is the buffer that was parsed.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`RequestBatch::len`].
    #[must_use]
    #[inline]
    pub fn request<'a>(&'a self, index: usize, buf: &'a [u8]) -> Request<'a> {
        let end = self.ends[index];
        let start = if index == 0 { 0 } else { self.ends[index - 1].args_end };
        Request {
            args: &self.args[start as usize..end.args_end as usize],
            source: if end.is_inline { &self.unescaped } else { buf },
        }
    }

    /// All requests in order, where `buf` is the buffer that was parsed.
    pub fn iter<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = Request<'a>> {
        (0..self.len()).map(move |index| self.request(index, buf))
    }

    /// Bytes allocated by the batch, used or not.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.args.capacity() * size_of::<ArgRange>()
            + self.ends.capacity() * size_of::<RequestEnd>()
            + self.unescaped.capacity()
    }

    /// Ends the current request after the places pushed so far.
    #[inline]
    pub(crate) fn finish_request(&mut self, is_inline: bool) {
        // Every argument takes at least 6 bytes of a buffer below 4 GiB, so the count fits.
        self.ends.push(RequestEnd { args_end: self.args.len() as u32, is_inline });
    }
}

/// One request: a list of at least one argument.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    args: &'a [ArgRange],
    source: &'a [u8],
}

impl<'a> Request<'a> {
    /// Number of arguments, the command name included.
    #[must_use]
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a request without arguments is never listed")]
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// The argument at `index`; 0 is the command name.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.args.get(index).map(|range| range.of(self.source))
    }

    /// The command name as sent.
    #[must_use]
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.args[0].of(self.source)
    }

    /// All arguments, the command name first.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let source = self.source;
        self.args.iter().map(move |range| range.of(source))
    }

    /// Replaces the content of `args` by the arguments, the command name first.
    #[inline]
    pub fn fill(&self, args: &mut Vec<&'a [u8]>) {
        args.clear();
        args.extend(self.iter());
    }

    /// True for `POST` and `Host:`: a browser was tricked into speaking to this port, and the
    /// connection is to be closed without a reply.
    #[must_use]
    #[inline]
    pub fn is_cross_protocol(&self) -> bool {
        let name = self.name();
        name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
    }
}

/// Keeps the allocation of an argument list between batches, although each batch borrows anew.
///
/// ```
/// # use millstream_resp::{ArgSlices, RequestBatch, RequestLimits, RequestParser};
/// # let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
/// let mut slices = ArgSlices::default();
/// let buf = b"PING\r\n".to_vec();
/// parser.parse(&buf, &RequestLimits::default(), 256, &mut batch)?;
/// let mut args = slices.take();
/// for request in batch.iter(&buf) {
///     request.fill(&mut args);
///     assert_eq!(args[0], b"PING");
/// }
/// slices.put_back(args);
/// # Ok::<(), millstream_resp::ProtocolError>(())
/// ```
#[derive(Debug, Default)]
pub struct ArgSlices {
    empty: Vec<&'static [u8]>,
}

impl ArgSlices {
    /// An empty list with the allocation of the last one put back.
    #[must_use]
    pub fn take<'a>(&mut self) -> Vec<&'a [u8]> {
        std::mem::take(&mut self.empty)
    }

    /// Empties the list and keeps its allocation, up to a moderate size.
    pub fn put_back(&mut self, mut args: Vec<&[u8]>) {
        args.clear();
        args.shrink_to(ARGS_KEPT);
        // The standard library collects in place here, so that the allocation survives the change
        // of lifetime; a test watches over it.
        self.empty = args.into_iter().map(|_| -> &'static [u8] { &[] }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_list_keeps_its_allocation() {
        let mut slices = ArgSlices::default();
        let text = b"abc".to_vec();
        let mut args = slices.take();
        args.extend(std::iter::repeat_n(&text[..], 100));
        slices.put_back(args);
        let args: Vec<&[u8]> = slices.take();
        assert!(args.is_empty());
        assert!(args.capacity() >= 100);
    }

    #[test]
    fn clear_gives_memory_back() {
        let mut batch = RequestBatch::new();
        batch.args.reserve(1_000_000);
        batch.unescaped.reserve(1_000_000);
        batch.clear();
        assert!(batch.memory_bytes() < 100_000);
    }
}
