//! How long an entry that failed waits before it is handed out again.
//!
//! Must not know clocks, and throws no dice: what jitter takes off follows from the entry and its
//! count, so the time of an entry is the same after a restart, and need not be stored.

use crate::EntryId;

/// Grows with every delivery: `base * factor^(n - 1)` after `n` deliveries, `max` at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// After the first delivery, in milliseconds; at least 1.
    pub base_ms: u64,
    /// At least 1000.
    pub factor_thousandths: u32,
    /// In milliseconds; at least `base_ms`.
    pub max_ms: u64,
}

impl Backoff {
    /// After so many deliveries; 0 after none.
    #[must_use]
    pub fn after(&self, deliveries: u64) -> u64 {
        let Some(exponent) = deliveries.checked_sub(1) else { return 0 };
        let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
        let factor = f64::from(self.factor_thousandths) / 1000.0;
        // Saturates, also where the product is infinite.
        let ms = (self.base_ms as f64 * factor.powi(exponent)) as u64;
        ms.min(self.max_ms)
    }

    /// The same, shortened by up to so many percent, by another amount for each entry and count.
    #[must_use]
    pub fn after_with_jitter(&self, id: EntryId, deliveries: u64, percent: u8) -> u64 {
        let ms = self.after(deliveries);
        if percent == 0 {
            return ms;
        }
        // Pending records know larger counts only as this one.
        let deliveries = deliveries.min(u32::MAX.into());
        let part = u128::from(ms) * u128::from(percent) / 100;
        let dice = mix(id.ms ^ mix(id.seq ^ mix(deliveries)));
        ms - ((part * u128::from(dice)) >> 64) as u64
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): spreads what is alike.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBLING: Backoff = Backoff { base_ms: 100, factor_thousandths: 2000, max_ms: 1500 };

    #[test]
    fn it_grows_by_the_factor_up_to_the_largest() {
        let waits: Vec<_> = (0..7).map(|n| DOUBLING.after(n)).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1500, 1500]);
        assert_eq!(DOUBLING.after(u64::MAX), 1500);
        let slow = Backoff { factor_thousandths: 1500, ..DOUBLING };
        assert_eq!((slow.after(2), slow.after(3)), (150, 225));
        let constant = Backoff { factor_thousandths: 1000, ..DOUBLING };
        assert_eq!(constant.after(1_000_000), 100);
        let largest = Backoff { base_ms: u64::MAX, factor_thousandths: u32::MAX, max_ms: u64::MAX };
        assert_eq!(largest.after(u64::MAX), u64::MAX);
    }

    #[test]
    fn jitter_shortens_only_and_spreads() {
        let mut waits: Vec<_> =
            (1..=1000).map(|ms| DOUBLING.after_with_jitter(EntryId::new(ms, 0), 3, 50)).collect();
        assert!(waits.iter().all(|ms| (200..=400).contains(ms)));
        waits.sort_unstable();
        assert!(waits[100] < 230 && waits[900] > 370, "evenly: {} {}", waits[100], waits[900]);
        assert_eq!(DOUBLING.after_with_jitter(EntryId::new(1, 0), 3, 0), 400);
        let whole = DOUBLING.after_with_jitter(EntryId::new(1, 0), 3, 100);
        assert!(whole <= 400);
    }
}
