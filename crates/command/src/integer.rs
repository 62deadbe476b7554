//! Decimal integers as commands take them.
//!
//! Stricter than `str::parse`: a sign `+`, blanks and leading zeros of signed integers are refused,
//! as in Redis. Knows no command; whoever asks words the refusal. Never panics, whatever the bytes.

/// The reply to an argument that [`parse_i64`] refuses, unless the command has its own words.
pub const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// Digits that can never overflow a `u64`.
const SAFE_DIGITS: usize = 19;

/// A signed integer: an optional `-`, then digits without a leading zero.
///
/// `None` for anything else, `-0` and the empty text included, and beyond the range of `i64`.
#[must_use]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => i64::try_from(parse_u64(text)?).ok(),
        [b'-', digits @ ..] if matches!(digits, [b'1'..=b'9', ..]) => {
            0_i64.checked_sub_unsigned(parse_u64(digits)?)
        }
        _ => None,
    }
}

/// An unsigned integer: digits only, at least one, leading zeros allowed.
///
/// `None` for anything else and beyond the range of `u64`.
#[must_use]
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match parse_u64_prefix(text)? {
        (value, []) => Some(value),
        _ => None,
    }
}

/// The unsigned integer that the text starts with, of as many digits as there are, and the rest.
///
/// `None` if it starts with none, or beyond the range of `u64`.
#[must_use]
#[inline]
pub(crate) fn parse_u64_prefix(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut length) = match text.first_chunk().and_then(eight_digits) {
        Some(value) => (value, 8),
        None => (0, 0),
    };
    while let Some(digit) = text.get(length).and_then(|byte| digit(*byte)) {
        value = if length < SAFE_DIGITS {
            value * 10 + digit
        } else {
            value.checked_mul(10)?.checked_add(digit)?
        };
        length += 1;
    }
    if length == 0 { None } else { Some((value, &text[length..])) }
}

/// The value of eight digits, all at once: most identities start with thirteen.
///
/// Neighbours are joined to pairs, pairs to fours, fours to eight, each by one multiplication.
#[inline]
fn eight_digits(text: &[u8; 8]) -> Option<u64> {
    const HIGH_NIBBLES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const SIXES: u64 = 0x0606_0606_0606_0606;
    let word = u64::from_le_bytes(*text);
    // A digit has the high nibble 3, and still has it when 6 is added; no carry leaves a byte then.
    if word & HIGH_NIBBLES != ZEROS || (word + SIXES) & HIGH_NIBBLES != ZEROS {
        return None;
    }
    let digits = word - ZEROS;
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours & 0xffff) * 10_000 + (fours >> 32))
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(u64::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_signed_integer_is_what_its_canonical_text_says() {
        for value in [0, 1, -1, 10, -10, 42, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        }
    }

    #[test]
    fn a_signed_integer_in_any_other_spelling_is_refused() {
        for text in [
            "",
            "-",
            "+5",
            "-0",
            "007",
            "00",
            "-01",
            "1.5",
            " 1",
            "1 ",
            "--1",
            "1-",
            "0x1",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "a",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"1\x00"), None);
    }

    #[test]
    fn an_unsigned_integer_may_have_leading_zeros_and_ends_at_its_range() {
        assert_eq!(parse_u64(b"007"), Some(7));
        assert_eq!(parse_u64(&[b'0'; 100]), Some(0));
        assert_eq!(parse_u64(b"00000000000000000000018446744073709551615"), Some(u64::MAX));
        for text in
            ["", "-1", "+1", " 1", "1 ", "18446744073709551616", "99999999999999999999", "1a"]
        {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn eight_digits_are_nothing_but_digits() {
        assert_eq!(eight_digits(b"12345678"), Some(12_345_678));
        assert_eq!(eight_digits(b"99999999"), Some(99_999_999));
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut text = *b"90817263";
                text[at] = byte;
                let expected = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                let expected = expected.filter(|_| byte.is_ascii_digit());
                assert_eq!(eight_digits(&text), expected, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_its_canonical_form_or_refused(text in "[-+ 0-9a]{0,22}") {
            let canonical = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), canonical);
            let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
            let unsigned = if digits_only { text.parse::<u64>().ok() } else { None };
            prop_assert_eq!(parse_u64(text.as_bytes()), unsigned);
        }
    }
}
