//! Errors of accept, which come again and again for as long as their cause lasts.

use std::io;
use std::time::{Duration, Instant};

/// Before the next try.
const PAUSE: Duration = Duration::from_millis(100);
/// In this time the log has one line about them.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Those of one listener.
#[derive(Debug, Default)]
pub(crate) struct AcceptErrors {
    told_at: Option<Instant>,
    /// Since then.
    untold: u64,
}

impl AcceptErrors {
    /// Says so, unless it was said a moment ago, and waits before the next try.
    pub(crate) async fn pause(&mut self, error: &io::Error) {
        if let Some(count) = self.note(Instant::now()) {
            match count {
                1 => tracing::warn!("cannot accept a connection: {error}"),
                _ => tracing::warn!("cannot accept connections, {count} times by now: {error}"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }

    /// How many there were since the last line, if there is to be one.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_INTERVAL) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: while too many files were open, the log got ten lines a second.
    #[test]
    fn errors_of_accept_are_told_once_in_a_while() {
        let mut errors = AcceptErrors::default();
        let begun = Instant::now();
        let told = |(n, errors): (u64, &mut AcceptErrors)| errors.note(begun + PAUSE * n as u32);
        assert_eq!(told((0, &mut errors)), Some(1));
        assert!((1..100).all(|n| told((n, &mut errors)).is_none()));
        assert_eq!(told((100, &mut errors)), Some(100));
        assert_eq!(told((101, &mut errors)), None);
    }
}
