//! Times on the command line.

use std::time::Duration;

use jiff::{SpanRelativeTo, Unit};

/// `250ms`, `30s`, `5m`, `1h 30m`, `7d`; whole milliseconds, 1 at least.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let form = || {
        format!("{text:?} is no time: write a number with a unit, such as 250ms, 30s, 5m, 1h or 7d")
    };
    let span: jiff::Span = text.parse().map_err(|_| form())?;
    let days = SpanRelativeTo::days_are_24_hours();
    let ms = span.total((Unit::Millisecond, days)).map_err(|_| form())?;
    // Further than any clock goes; and what is below 1 ms would mean no limit to some servers.
    if !(1.0..=1e15).contains(&ms) {
        return Err(format!("{text:?} is too short or too long: 1ms at least"));
    }
    Ok(Duration::from_millis(ms as u64))
}

/// Whole milliseconds, as JSON has them.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1.5s", 1500),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "5", "s", "-1s", "0s", "0.1ms", "3 months", "1e9s", "forever"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
