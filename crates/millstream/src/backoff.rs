//! How long to wait before another try.

use std::time::Duration;

/// Nobody waits for longer, and every clock can add it.
pub(crate) const WAIT_MAX: Duration = Duration::from_hours(365 * 24);

/// Grows with every try: `base * factor^(n-1)` after `n` of them, `max` at most; and shorter by a
/// random part of it, so that many who failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// After the first try.
    pub base: Duration,
    /// At least 1.
    pub factor: f64,
    /// No wait is longer; 365 days at most.
    pub max: Duration,
    /// By up to so much of it a wait is shortened: 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    /// 1 s, 2 s, 4 s and so on, a minute at most, each up to a fifth shorter.
    fn default() -> Self {
        let (base, max) = (Duration::from_secs(1), Duration::from_mins(1));
        Self { base, factor: 2.0, max, jitter: 0.2 }
    }
}

impl Backoff {
    /// Always at once.
    pub const NONE: Self =
        Self { base: Duration::ZERO, factor: 1.0, max: Duration::ZERO, jitter: 0.0 };

    /// The wait after so many tries; `dice` from 0 to 1 says how much of the jitter counts.
    #[must_use]
    pub fn after(&self, tries: u64, dice: f64) -> Duration {
        if self.base.is_zero() {
            // Nothing times infinity would be no number.
            return Duration::ZERO;
        }
        let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        let whole = seconds.min(self.max.as_secs_f64());
        let shortened = whole * (1.0 - self.jitter * dice.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(shortened).unwrap_or(self.max)
    }

    pub(crate) fn after_at_random(&self, tries: u64) -> Duration {
        self.after(tries, fastrand::f64())
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1.0..=1000.0).contains(&self.factor) {
            return Err(format!("the factor of a backoff is 1 to 1000, not {}", self.factor));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(format!("the jitter of a backoff is 0 to 1, not {}", self.jitter));
        }
        if self.max < self.base {
            return Err("the longest wait of a backoff is shorter than its first".to_owned());
        }
        if self.max > WAIT_MAX {
            return Err("the longest wait of a backoff is 365 days at most".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_one_and_jitter_only_shortens_them() {
        let backoff = Backoff::default();
        let seconds = |tries, dice| backoff.after(tries, dice).as_secs_f64();
        let waits: Vec<f64> = (1..=8).map(|tries| seconds(tries, 0.0)).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert!((seconds(3, 1.0) - 3.2).abs() < 1e-9);
        assert_eq!(backoff.after(u64::MAX, 0.0), Duration::from_mins(1));
        assert_eq!(Backoff::NONE.after(9, 0.5), Duration::ZERO);
        let at_once = Backoff { base: Duration::ZERO, ..backoff };
        assert_eq!(at_once.after(u64::MAX, 0.5), Duration::ZERO);
        let endless = Backoff { base: Duration::MAX, max: Duration::MAX, ..backoff };
        assert_eq!(endless.after(1, 0.0), Duration::MAX);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let usual = Backoff::default();
        assert!(usual.check().is_ok() && Backoff::NONE.check().is_ok());
        assert!(Backoff { factor: 0.5, ..usual }.check().is_err());
        assert!(Backoff { jitter: 1.5, ..usual }.check().is_err());
        assert!(Backoff { max: Duration::from_millis(1), ..usual }.check().is_err());
        assert!(Backoff { max: Duration::MAX, ..usual }.check().is_err());
        assert!(Backoff { factor: f64::NAN, ..usual }.check().is_err());
    }
}
