//! Numbers as INCRBYFLOAT counts: 64 bits of mantissa, 15 of exponent, in decimal text.
//!
//! Redis computes in the C type `long double`, which is this format on x86: what it shows of a sum
//! is decided by two roundings on the way in and one of the sum, each to the nearest, ties to even.
//! So they are done here, exactly, on integers of any size: no processor has to have the format.
//! Knows no command. Tests: beside, and the scenario `incrbyfloat.txt` against real servers.

use num_bigint::BigUint;

/// Bits of a mantissa.
const MANTISSA_BITS: u64 = 64;
/// The lowest exponent of the last bit: numbers closer to zero have fewer bits.
const EXPONENT_MIN: i64 = -16_445;
/// The highest exponent of the last bit of a full mantissa.
const EXPONENT_MAX: i64 = 16_320;
/// Digits after the point that are shown at most.
const DECIMALS: u32 = 17;
/// Longer texts are refused unread, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// Powers of ten beyond this are out of range with any mantissa of a text that is short enough.
const POWER_MAX: i64 = 20_000;

/// A number: `mantissa * 2^exponent`, or infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtendedFloat {
    is_negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i64 },
    Infinite,
}

/// A sum that has no value: it is infinite, or was made of infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoSum;

impl ExtendedFloat {
    pub(crate) const ZERO: Self =
        Self { is_negative: false, magnitude: Magnitude::Finite { mantissa: 0, exponent: 0 } };

    /// Reads decimal (`-1.5e3`) or hexadecimal text (`0x1.8p1`), or `inf`. `None` for anything
    /// else, and for what is too large or rounds to zero without being it.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if [&b"inf"[..], b"infinity"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Some(Self { is_negative, magnitude: Magnitude::Infinite });
        }
        let digits = match text {
            [b'0', b'x' | b'X', rest @ ..] => Digits::parse(rest, 16)?,
            _ => Digits::parse(text, 10)?,
        };
        let magnitude = digits.round()?;
        Some(Self { is_negative, magnitude })
    }

    /// The sum, rounded.
    ///
    /// # Errors
    /// [`NoSum`].
    pub(crate) fn add(self, other: Self) -> Result<Self, NoSum> {
        let (
            Magnitude::Finite { mantissa: a, exponent: a_exponent },
            Magnitude::Finite { mantissa: b, exponent: b_exponent },
        ) = (self.magnitude, other.magnitude)
        else {
            return Err(NoSum);
        };
        let exponent = a_exponent.min(b_exponent);
        let a = BigUint::from(a) << (a_exponent - exponent);
        let b = BigUint::from(b) << (b_exponent - exponent);
        let (is_negative, sum) = if self.is_negative == other.is_negative {
            (self.is_negative, a + b)
        } else if a >= b {
            (self.is_negative, a - b)
        } else {
            (other.is_negative, b - a)
        };
        match round(sum, BigUint::from(1_u8), exponent) {
            Some(magnitude) => Ok(Self { is_negative, magnitude }),
            None => Err(NoSum),
        }
    }

    /// Decimal text with at most 17 digits after the point and no zeros at their end.
    ///
    /// # Panics
    /// On infinity.
    pub(crate) fn to_text(self) -> String {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            panic!("an infinite number is never shown")
        };
        let scale = BigUint::from(10_u8).pow(DECIMALS);
        let scaled = BigUint::from(mantissa) * &scale;
        let scaled = if exponent >= 0 {
            scaled << exponent
        } else {
            divide_to_even(scaled, BigUint::from(1_u8) << -exponent)
        };
        let digits = format!("{scaled:0>width$}", width = DECIMALS as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - DECIMALS as usize);
        let fraction = fraction.trim_end_matches('0');
        let sign =
            if self.is_negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

/// A number as it was written: `number * radix^power`; in hexadecimal the power is one of two.
struct Digits {
    number: BigUint,
    power: i64,
    is_hexadecimal: bool,
}

impl Digits {
    fn parse(text: &[u8], radix: u32) -> Option<Self> {
        let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
        let whole_end = text.iter().take_while(|byte| is_digit(byte)).count();
        let (whole, rest) = text.split_at(whole_end);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                rest.split_at(rest.iter().take_while(|byte| is_digit(byte)).count())
            }
            _ => (&b""[..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let is_hexadecimal = radix == 16;
        let written = match rest {
            [] => 0,
            [b'e' | b'E', exponent @ ..] if !is_hexadecimal => parse_exponent(exponent)?,
            [b'p' | b'P', exponent @ ..] if is_hexadecimal => parse_exponent(exponent)?,
            _ => return None,
        };
        let digits = [whole, fraction].concat();
        let number = BigUint::parse_bytes(&digits, radix).expect("digits only, at least one");
        let bits = if is_hexadecimal { 4 } else { 1 };
        let power = written - bits * i64::try_from(fraction.len()).expect("shorter than 5 KiB");
        Some(Self { number, power, is_hexadecimal })
    }

    /// `None` if it is out of range.
    fn round(self) -> Option<Magnitude> {
        let Self { number, power, is_hexadecimal } = self;
        let one = BigUint::from(1_u8);
        if number == BigUint::ZERO {
            return round(number, one, 0);
        }
        let power = power.clamp(-2 * POWER_MAX, 2 * POWER_MAX);
        let size = u32::try_from(power.unsigned_abs()).expect("clamped");
        let rounded = if is_hexadecimal {
            round(number, one, power)
        } else if power >= 0 {
            round(number * BigUint::from(10_u8).pow(size), one, 0)
        } else {
            round(number, BigUint::from(10_u8).pow(size), 0)
        };
        rounded.filter(|rounded| !matches!(rounded, Magnitude::Finite { mantissa: 0, .. }))
    }
}

/// An exponent so large that it decides everything is cut to a bound.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits
        .iter()
        .fold(0, |size: i64, digit| (size * 10 + i64::from(digit - b'0')).min(POWER_MAX));
    Some(if is_negative { -size } else { size })
}

/// `numerator / denominator * 2^exponent`, rounded to the nearest that the format has; `None` if
/// that is infinite.
fn round(numerator: BigUint, denominator: BigUint, exponent: i64) -> Option<Magnitude> {
    if numerator == BigUint::ZERO {
        return Some(Magnitude::Finite { mantissa: 0, exponent: 0 });
    }
    // A first guess that leaves 64 or 65 bits of quotient, corrected below.
    let bits = |number: &BigUint| i64::try_from(number.bits()).expect("some ten thousand");
    let guess = bits(&numerator) - bits(&denominator) - MANTISSA_BITS as i64;
    let shift = guess.max(EXPONENT_MIN - exponent);
    let mut mantissa = shifted_quotient(&numerator, &denominator, shift);
    let mut last_bit = exponent + shift;
    if mantissa.bits() > MANTISSA_BITS {
        mantissa = shifted_quotient(&numerator, &denominator, shift + 1);
        last_bit += 1;
    }
    // Rounded up to the next power of two, which the next exponent has.
    if mantissa.bits() > MANTISSA_BITS {
        mantissa >>= 1_u8;
        last_bit += 1;
    }
    if last_bit > EXPONENT_MAX {
        return None;
    }
    let mantissa = u64::try_from(mantissa).expect("at most 64 bits");
    Some(Magnitude::Finite { mantissa, exponent: last_bit })
}

/// `numerator / (denominator * 2^shift)`, to the nearest, ties to even.
fn shifted_quotient(numerator: &BigUint, denominator: &BigUint, shift: i64) -> BigUint {
    if shift >= 0 {
        divide_to_even(numerator.clone(), denominator << shift)
    } else {
        divide_to_even(numerator << -shift, denominator.clone())
    }
}

fn divide_to_even(numerator: BigUint, denominator: BigUint) -> BigUint {
    let quotient = &numerator / &denominator;
    let twice = (numerator - &quotient * &denominator) << 1_u8;
    let rounds_up = twice > denominator || (twice == denominator && quotient.bit(0));
    quotient + u8::from(rounds_up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> ExtendedFloat {
        ExtendedFloat::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
    }

    fn sum(a: &str, b: &str) -> String {
        number(a).add(number(b)).expect("a finite sum").to_text()
    }

    // The figures of this test are what Redis 8.6.2 answers on x86-64.
    #[test]
    fn sums_are_those_of_eighty_bits() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("3.0e3", "200", "3200"),
            ("3100", "-1e-2", "3099.98999999999999999"),
            ("1e18", "0.1", "1000000000000000000.125"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("0", "0.000000000000000005", "0"),
            ("0", "0.000000000000000006", "0.00000000000000001"),
            ("0", "123456.789", "123456.78900000000000148"),
            ("1", "-1", "0"),
            ("-0.0", "-0", "0"),
            ("0", "-1e-400", "0"),
            ("0x10", "0X.8", "16.5"),
            ("0x1p4", "-0xA", "6"),
            ("-148889880452199", "0.33224538323640562241", "-148889880452198.667755126953125"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
        assert_eq!(sum("0", "1e4932").len(), 4933);
    }

    #[test]
    fn what_is_no_number_or_out_of_range_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "x",
            "1.5x",
            "1,5",
            "1e",
            "e1",
            ".",
            "-",
            "0x",
            "0xp1",
            "--1",
            "nan",
            "1_0",
            "1e4933",
            "1e-5000",
            "-1e99999999999999999999",
            "1\0",
            "0x1p20000",
        ] {
            assert_eq!(ExtendedFloat::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(ExtendedFloat::parse(&[b'1'; TEXT_BYTES_MAX]), None);
        assert_eq!(sum("0", "1e-4940"), "0", "too small to be shown, but not to be read");
        assert_eq!(sum("0", "0e99999999999999999999"), "0");
        assert_eq!(number("inf").add(number("1")), Err(NoSum));
        assert_eq!(number("1e4932").add(number("9e4931")).map(|_| ()), Err(NoSum));
    }

    proptest! {
        #[test]
        fn whole_numbers_add_up_exactly(
            a in -1_i64 << 62..1_i64 << 62,
            b in -1_i64 << 62..1_i64 << 62,
        ) {
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), (a + b).to_string());
        }

        #[test]
        fn any_bytes_are_a_number_or_none(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = ExtendedFloat::parse(&text);
        }

        #[test]
        fn what_is_shown_reads_as_the_same_to_seventeen_places(
            a in -1_000_000_000_i64..1_000_000_000, exponent in -12..3_i32,
        ) {
            let shown = sum(&format!("{a}e{exponent}"), "0");
            prop_assert_eq!(sum(&shown, "0"), shown.clone());
            let (exact, shown) = (a as f64 * 10_f64.powi(exponent), shown.parse::<f64>());
            let shown = shown.expect("decimal text");
            prop_assert!((exact - shown).abs() <= exact.abs() * 1e-15);
        }
    }
}
