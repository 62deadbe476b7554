//! How fast entries may go.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Entries go in pieces, each this long at the rate that was asked for.
const PIECES_PER_SECOND: u32 = 10;

/// So many entries in a second, at most.
pub(super) struct Pace {
    rate: Option<NonZeroU32>,
    next_at: Instant,
}

impl Pace {
    /// `None`: as fast as the server takes them.
    pub(super) fn new(rate: Option<NonZeroU32>) -> Self {
        Self { rate, next_at: Instant::now() }
    }

    /// How many may go at once.
    pub(super) fn piece(&self) -> usize {
        let piece = |rate: NonZeroU32| (rate.get() / PIECES_PER_SECOND).max(1);
        self.rate.map_or(usize::MAX, |rate| usize::try_from(piece(rate)).unwrap_or(usize::MAX))
    }

    /// Waits until more may go.
    pub(super) async fn wait(&self) {
        if self.rate.is_some() {
            sleep_until(self.next_at).await;
        }
    }

    /// So many go now. What was not sent in time is not made up for.
    pub(super) fn note(&mut self, count: usize) {
        self.note_at(Instant::now(), count);
    }

    fn note_at(&mut self, now: Instant, count: usize) {
        let Some(rate) = self.rate else { return };
        let time = Duration::from_secs_f64(count as f64 / f64::from(rate.get()));
        self.next_at = self.next_at.max(now) + time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_go_than_were_asked_for() {
        let mut pace = Pace::new(NonZeroU32::new(50));
        assert_eq!(pace.piece(), 5);
        let begun = pace.next_at;
        for _ in 0..20 {
            pace.note_at(begun, 5);
        }
        assert_eq!((pace.next_at - begun).as_secs_f64().round(), 2.0);
        // What was not sent in time is not made up for.
        let late = begun + Duration::from_secs(60);
        pace.note_at(late, 5);
        assert_eq!((pace.next_at - late).as_millis(), 100);
        assert_eq!(Pace::new(NonZeroU32::new(1)).piece(), 1);
        assert_eq!(Pace::new(None).piece(), usize::MAX);
    }
}
