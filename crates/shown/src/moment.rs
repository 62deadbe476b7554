//! Moments on the command line.

use std::time::{Duration, SystemTime};

/// RFC 3339 with an offset, such as `2026-11-27T08:00:00Z` or `2026-11-27T09:00+01:00`, or Unix
/// milliseconds; not before 1970.
///
/// # Errors
/// What is wrong with it.
pub fn parse_moment(text: &str) -> Result<SystemTime, String> {
    let form = || {
        format!(
            "{text:?} is no moment: write it with an offset, such as 2026-11-27T08:00:00Z or \
             2026-11-27T09:00+01:00, or as Unix milliseconds"
        )
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ms = if is_number {
        text.parse().ok()
    } else {
        let moment: jiff::Timestamp = text.parse().map_err(|_| form())?;
        u64::try_from(moment.as_millisecond()).ok()
    };
    // Further than any calendar goes.
    let ms = ms.filter(|ms| *ms <= 253_402_207_200_000).ok_or_else(form)?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
}

/// As RFC 3339, in UTC.
pub fn moment(at: SystemTime) -> String {
    let moment = jiff::Timestamp::try_from(at);
    moment.map_or_else(|_| "beyond all calendars".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_an_offset_or_are_milliseconds() {
        for text in [
            "2025-11-26T04:00:00Z",
            "2025-11-26T04:00Z",
            "2025-11-26 05:00:00+01:00",
            "2025-11-26T05:00:00+01:00[Europe/Berlin]",
            "1764129600000",
        ] {
            let parsed = parse_moment(text).expect(text);
            assert_eq!(moment(parsed), "2025-11-26T04:00:00Z", "{text}");
        }
        let fraction = parse_moment("2025-11-26T04:00:00.5Z").expect("a fraction");
        assert_eq!(moment(fraction), "2025-11-26T04:00:00.5Z");
        for wrong in [
            "",
            "tomorrow",
            "08:00",
            "2025-11-26",
            "2025-11-26T04:00:00",
            "2025-13-26T04:00:00Z",
            "1969-12-31T23:00:00Z",
            "-1",
            "+1",
            "99999999999999999999",
        ] {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
    }
}
