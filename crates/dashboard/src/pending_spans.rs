//! What is pending, by the time since its last delivery and by how often it was delivered.

use millstream::PendingEntry;

/// Pending entries that such numbers are of: the oldest.
pub(crate) const SAMPLED_MAX: usize = 1000;

/// Where each span of times begins, in seconds.
const AGES: [u64; 6] = [0, 1, 10, 60, 600, 3600];
/// With how many deliveries each span begins.
const DELIVERIES: [u64; 7] = [0, 1, 2, 3, 4, 5, 10];

/// Entries of which a number is from here on and below there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    /// `None`: of any that is higher.
    pub(crate) below: Option<u64>,
    pub(crate) entries: u64,
}

/// By seconds since their last delivery, and how many nobody has.
pub(crate) fn by_age(pending: &[PendingEntry]) -> (Vec<Span>, u64) {
    let mut spans = spans(&AGES);
    let mut without_owner = 0;
    for entry in pending {
        match entry.idle {
            None => without_owner += 1,
            Some(idle) => count(&mut spans, idle.as_secs()),
        }
    }
    (spans, without_owner)
}

/// By how often they were delivered.
pub(crate) fn by_deliveries(pending: &[PendingEntry]) -> Vec<Span> {
    let mut spans = spans(&DELIVERIES);
    for entry in pending {
        count(&mut spans, entry.deliveries);
    }
    spans
}

fn count(spans: &mut [Span], number: u64) {
    if let Some(span) = spans.iter_mut().rfind(|span| span.from <= number) {
        span.entries += 1;
    }
}

fn spans(begins: &[u64]) -> Vec<Span> {
    let end = |at: usize| begins.get(at + 1).copied();
    let all = begins.iter().enumerate();
    all.map(|(at, from)| Span { from: *from, below: end(at), entries: 0 }).collect()
}
