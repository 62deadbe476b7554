//! What the items of a policy are set to: a value, or `none`.

use std::time::Duration;

use millstream::BackoffItem;

use crate::byte_size::parse_bytes;
use crate::duration::parse_duration;

/// What an item of a policy is set to: a value, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting<T>(pub Option<T>);

/// A number of things, 1 at least.
///
/// # Errors
/// What is wrong with it.
fn parse_count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("{text:?} is no number: 1 at least"))
}

/// A value, or `none`.
///
/// # Errors
/// What is wrong with it.
fn parse_or_none<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Setting<T>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Setting(None));
    }
    parse(text).map(|value| Setting(Some(value))).map_err(|error| format!("{error}; or none"))
}

/// A time, or `none`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration_or_none(text: &str) -> Result<Setting<Duration>, String> {
    parse_or_none(text, parse_duration)
}

/// A number of things, or `none`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_count_or_none(text: &str) -> Result<Setting<u64>, String> {
    parse_or_none(text, parse_count)
}

/// A size, or `none`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_bytes_or_none(text: &str) -> Result<Setting<u64>, String> {
    parse_or_none(text, parse_bytes)
}

/// `1s 2 60s`: the first wait, a factor for each one more, the longest; or `none`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_backoff_or_none(text: &str) -> Result<Setting<BackoffItem>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Setting(None));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let [base, factor, max] = words[..] else {
        return Err("a backoff is a time, a factor and a time, such as '1s 2 60s'; or none".into());
    };
    let (base, max) = (parse_duration(base)?, parse_duration(max)?);
    let number = factor.parse().ok().filter(|number| (1.0..=1000.0).contains(number));
    let factor = number.ok_or_else(|| format!("{factor:?} is no factor from 1 to 1000"))?;
    Ok(Setting(Some(BackoffItem { base, factor, max })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_no_value() {
        assert_eq!(parse_count_or_none("None"), Ok(Setting(None)));
        assert_eq!(parse_count_or_none("7"), Ok(Setting(Some(7))));
        assert_eq!(parse_bytes_or_none("1kb"), Ok(Setting(Some(1024))));
        assert_eq!(parse_duration_or_none("1s"), Ok(Setting(Some(Duration::from_secs(1)))));
        for wrong in ["0", "-1", "", "no"] {
            let refused = parse_count_or_none(wrong).expect_err(wrong);
            assert!(refused.ends_with("; or none"), "{refused}");
        }
    }
}
