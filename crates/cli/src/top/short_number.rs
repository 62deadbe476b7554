//! Numbers and times in narrow columns.

use std::time::Duration;

use crate::output::short;

/// In at most 8 characters: of what is years old only the days.
pub(super) fn short_age(age: Duration) -> String {
    let text = short(age);
    match text.split_once(' ') {
        Some((large, _)) if text.len() > 8 => large.to_owned(),
        _ => text,
    }
}

/// In at most 6 characters: `99999`, `123K`, `1.2M`; cut off, not rounded.
pub(super) fn short_count(count: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1000, "K")];
    if count < 100_000 {
        return count.to_string();
    }
    let found = UNITS.into_iter().find(|(unit, _)| count >= *unit);
    let (unit, name) = found.expect("it is above the lowest unit");
    match (count / unit, count % unit * 10 / unit) {
        (whole @ ..10, tenths) => format!("{whole}.{tenths}{name}"),
        (whole, _) => format!("{whole}{name}"),
    }
}

/// A number for each second: `0`, `0.3`, `250`, `12K`.
pub(super) fn short_rate(rate: f64) -> String {
    match rate {
        // Also what is no number.
        rate if rate.is_nan() || rate <= 0.0 => "0".to_owned(),
        ..0.05 => "<0.1".to_owned(),
        ..10.0 => format!("{rate:.1}"),
        rate => short_count(rate.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_narrow() {
        for (count, shown) in [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100K"),
            (999_999, "999K"),
            (1_250_000, "1.2M"),
            (10_500_000, "10M"),
            (2_000_000_000, "2.0G"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(short_count(count), shown);
        }
        for (days, shown) in [(365, "365d 5h"), (20_783, "20783d")] {
            assert_eq!(short_age(Duration::from_hours(days * 24 + 5)), shown);
        }
        for (rate, shown) in [
            (0.0, "0"),
            (-1.0, "0"),
            (f64::NAN, "0"),
            (0.01, "<0.1"),
            (0.26, "0.3"),
            (250.4, "250"),
        ] {
            assert_eq!(short_rate(rate), shown);
        }
    }
}
