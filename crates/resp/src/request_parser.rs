//! Pipelined requests out of a byte buffer, without copying arguments.
//!
//! The parser must not know commands, sockets or sessions; it sees bytes and limits. The session
//! owns the buffer and drops the first `consumed` bytes after it has run the batch.
//!
//! Invariants:
//! 1. However the input is cut into pieces, requests, order and error are the same.
//! 2. Work is linear in the input: progress inside a request that has not fully arrived is kept.
//! 3. Memory follows what has arrived: 8 bytes per argument, each at least 6 bytes on the wire.
//! 4. Requests before a protocol error are delivered first; then the error, again and again.
//!
//! As in Redis the byte after the CR of a `*` or `$` line and the two bytes after an argument are
//! skipped unseen. Tests: `tests/it/requests.rs` (naive reference, every split, exact texts) and
//! the fuzz target `request_parser`.

use crate::request_batch::{ArgRange, RequestBatch};
use crate::{ProtocolError, RequestLimits, decimal, inline};

/// Least that a session may reserve for an argument whose length is announced.
const HINT_BYTES_MIN: usize = 1024 * 1024;
/// Smallest argument on the wire: `$0`, CR LF, CR LF.
const BULK_BYTES_MIN: usize = 6;

/// What one call of [`RequestParser::parse`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseStatus {
    /// Bytes at the start of the buffer that belong to the batch; drop them after running it.
    pub consumed: usize,
    /// Bytes worth reserving behind the present end of the buffer because a long argument has been
    /// announced: never more than 1 MiB or the size of what has arrived of the request, whichever
    /// is larger. 0 when nothing is known.
    pub needed_hint: usize,
    /// Call again before reading more input: the batch is full, or an error comes next.
    pub more: bool,
}

/// Finds requests; remembers how far it got in one that has not fully arrived.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Places found so far in the request at the start of the buffer, relative to its start.
    partial: Vec<ArgRange>,
    /// Arguments of that request still to come; 0 while its `*` line has not been read.
    args_left: u32,
    /// First byte of that request not yet understood, relative to its start.
    offset: usize,
    /// Bytes from there that are known to hold no line end.
    scanned: usize,
    failed: Option<ProtocolError>,
}

/// How the attempt at one request ended.
enum Attempt {
    /// The request (or ignored line) ends here.
    Complete { end: usize },
    /// More input is needed, this many bytes as far as is known.
    Incomplete { needed: usize },
}

impl RequestParser {
    /// A parser for a new connection; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Clears `batch` and fills it with up to `count_max` requests from the start of `buf`.
    ///
    /// `buf` holds the unconsumed input: what it held at the last call, less `consumed` bytes in
    /// front, plus new bytes at the end. Empty lines and counts of 0 and below are skipped.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] once all requests before it have been delivered. From then on every call
    /// returns the same error.
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &RequestLimits,
        count_max: usize,
        batch: &mut RequestBatch,
    ) -> Result<ParseStatus, ProtocolError> {
        batch.clear();
        if let Some(error) = self.failed {
            return Err(error);
        }
        // Places are u32. What lies beyond is seen after the caller has dropped what is before.
        let visible = &buf[..buf.len().min(u32::MAX as usize)];
        let mut start = 0;
        loop {
            if batch.len() >= count_max || start == visible.len() {
                let more = start < buf.len();
                return Ok(ParseStatus { consumed: start, needed_hint: 0, more });
            }
            match self.parse_one(visible, start, limits, batch) {
                Ok(Attempt::Complete { end }) => start = end,
                Ok(Attempt::Incomplete { needed }) => {
                    let arrived = visible.len() - start;
                    let needed_hint = needed.min(arrived.max(HINT_BYTES_MIN));
                    let more = visible.len() < buf.len() && start > 0;
                    return Ok(ParseStatus { consumed: start, needed_hint, more });
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.partial = Vec::new();
                    if batch.is_empty() {
                        return Err(error);
                    }
                    return Ok(ParseStatus { consumed: start, needed_hint: 0, more: true });
                }
            }
        }
    }

    /// Bytes allocated by the parser for a request that has not fully arrived.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<ArgRange>()
    }

    #[inline]
    fn parse_one(
        &mut self,
        buf: &[u8],
        start: usize,
        limits: &RequestLimits,
        batch: &mut RequestBatch,
    ) -> Result<Attempt, ProtocolError> {
        if self.args_left > 0 {
            return self.resume_bulks(buf, limits, batch);
        }
        if buf[start] != b'*' {
            return self.parse_inline(buf, start, limits, batch);
        }
        let (count, header_end) = match short_number(buf, start) {
            Some((count, end)) => {
                self.scanned = 0;
                (limits.check_args(Some(i64::from(count)))?, end)
            }
            None => match find_line(buf, start, b'\r', &mut self.scanned, limits) {
                Line::Complete { end } => {
                    let count = decimal::parse_i64(&buf[start + 1..end]);
                    (limits.check_args(count)?, end + 2)
                }
                Line::Incomplete => return Ok(Attempt::Incomplete { needed: 0 }),
                Line::TooLong => return Err(ProtocolError::TooBigMultibulkCountString),
            },
        };
        if count == 0 {
            return Ok(Attempt::Complete { end: header_end });
        }
        let args_before = batch.args.len();
        let mut run =
            BulkRun { position: header_end, request_start: start, args_left: count, scanned: 0 };
        let needed = run.parse(buf, limits, &mut batch.args)?;
        if run.args_left == 0 {
            batch.finish_request(false);
            return Ok(Attempt::Complete { end: run.position });
        }
        // The caller drops everything before `start`, so places move by that much.
        self.partial.extend(batch.args.drain(args_before..).map(|range| range.moved_down(start)));
        self.keep(&run, start);
        Ok(Attempt::Incomplete { needed })
    }

    /// Goes on with the request at the start of the buffer; it is always the first of its batch.
    #[cold]
    fn resume_bulks(
        &mut self,
        buf: &[u8],
        limits: &RequestLimits,
        batch: &mut RequestBatch,
    ) -> Result<Attempt, ProtocolError> {
        let mut run = BulkRun {
            position: self.offset,
            request_start: 0,
            args_left: self.args_left,
            scanned: self.scanned,
        };
        let needed = run.parse(buf, limits, &mut self.partial)?;
        self.keep(&run, 0);
        if run.args_left > 0 {
            return Ok(Attempt::Incomplete { needed });
        }
        // Moving the whole list keeps this step free of cost however many arguments there are.
        batch.args = std::mem::take(&mut self.partial);
        batch.finish_request(false);
        Ok(Attempt::Complete { end: run.position })
    }

    fn keep(&mut self, run: &BulkRun, start: usize) {
        self.offset = run.position - start;
        self.args_left = run.args_left;
        self.scanned = run.scanned;
    }

    fn parse_inline(
        &mut self,
        buf: &[u8],
        start: usize,
        limits: &RequestLimits,
        batch: &mut RequestBatch,
    ) -> Result<Attempt, ProtocolError> {
        let end = match find_line(buf, start, b'\n', &mut self.scanned, limits) {
            Line::Complete { end } => end,
            Line::Incomplete => return Ok(Attempt::Incomplete { needed: 0 }),
            Line::TooLong => return Err(ProtocolError::TooBigInlineRequest),
        };
        let line = &buf[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let args_before = batch.args.len();
        inline::split_into(line, &mut batch.unescaped, &mut batch.args)
            .map_err(|_| ProtocolError::UnbalancedQuotes)?;
        if batch.args.len() > args_before {
            batch.finish_request(true);
        }
        Ok(Attempt::Complete { end: end + 1 })
    }
}

/// Progress through the arguments of one request.
struct BulkRun {
    position: usize,
    request_start: usize,
    args_left: u32,
    scanned: usize,
}

impl BulkRun {
    /// Reads arguments until all are there or the input ends; `args_left` tells which.
    ///
    /// Returns how many bytes the current argument still lacks, 0 if that is not known yet.
    #[inline]
    fn parse(
        &mut self,
        buf: &[u8],
        limits: &RequestLimits,
        args: &mut Vec<ArgRange>,
    ) -> Result<usize, ProtocolError> {
        let arrived_max = (buf.len() - self.position) / BULK_BYTES_MIN + 1;
        args.reserve(arrived_max.min(self.args_left as usize));
        let bulk_bytes_allowed = limits.bulk_bytes_allowed();
        let request_end_max = self.request_start as u64 + limits.request_bytes_allowed();
        while self.args_left > 0 {
            let (length, start) = match short_number(buf, self.position) {
                Some((length, start))
                    if buf[self.position] == b'$' && u64::from(length) <= bulk_bytes_allowed =>
                {
                    (u64::from(length), start)
                }
                _ => match self.long_header(buf, limits)? {
                    Some(header) => header,
                    None => return Ok(0),
                },
            };
            // A request within its limit ends below 4 GiB + 4 GiB, far from overflow.
            let end = start as u64 + length + 2;
            if end > request_end_max {
                return Err(ProtocolError::RequestTooBig);
            }
            if end > buf.len() as u64 {
                return Ok((end - buf.len() as u64) as usize);
            }
            args.push(ArgRange::new(start, length as usize));
            self.position = end as usize;
            self.scanned = 0;
            self.args_left -= 1;
        }
        Ok(0)
    }

    /// A `$` line that is not of the short kind: long, wrong, or not fully there (`None`).
    #[cold]
    fn long_header(
        &mut self,
        buf: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<(u64, usize)>, ProtocolError> {
        match find_line(buf, self.position, b'\r', &mut self.scanned, limits) {
            Line::Complete { end } => {
                let first = buf[self.position];
                if first != b'$' {
                    return Err(ProtocolError::ExpectedDollar(first));
                }
                let length = decimal::parse_i64(&buf[self.position + 1..end]);
                Ok(Some((limits.check_bulk(length)?, end + 2)))
            }
            Line::Incomplete => Ok(None),
            Line::TooLong => Err(ProtocolError::TooBigBulkCountString),
        }
    }
}

/// A number of one or two digits between the byte at `position` and a CR, and the place after the
/// line end. `None` for anything else, right or wrong: the long way round decides.
#[inline]
fn short_number(buf: &[u8], position: usize) -> Option<(u32, usize)> {
    let head = buf.get(position..)?.first_chunk::<5>()?;
    let first = u32::from(head[1].wrapping_sub(b'0'));
    let second = u32::from(head[2].wrapping_sub(b'0'));
    if head[2] == b'\r' && first <= 9 {
        Some((first, position + 4))
    } else if head[3] == b'\r' && (1..=9).contains(&first) && second <= 9 {
        Some((first * 10 + second, position + 5))
    } else {
        None
    }
}

enum Line {
    /// The line's terminator (CR with any byte behind it, or LF) stands at `end`.
    Complete {
        end: usize,
    },
    Incomplete,
    TooLong,
}

/// Looks for the end of the line that begins at `start`. `scanned` is how much of it an earlier
/// call has looked at in vain; it is updated, and 0 again when the line is complete.
fn find_line(
    buf: &[u8],
    start: usize,
    terminator: u8,
    scanned: &mut usize,
    limits: &RequestLimits,
) -> Line {
    let rest = &buf[start..];
    // One byte more than allowed, so that the verdict does not depend on how the input was cut.
    let window = &rest[..rest.len().min(limits.inline_bytes_max.saturating_add(1))];
    let from = (*scanned).min(window.len());
    match memchr::memchr(terminator, &window[from..]) {
        Some(found) => {
            let length = from + found;
            if terminator == b'\r' && length + 1 >= rest.len() {
                *scanned = length;
                return Line::Incomplete;
            }
            *scanned = 0;
            Line::Complete { end: start + length }
        }
        None if window.len() > limits.inline_bytes_max => Line::TooLong,
        None => {
            *scanned = window.len();
            Line::Incomplete
        }
    }
}
