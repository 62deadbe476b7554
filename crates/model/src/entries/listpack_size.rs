//! How many bytes an entry would take in a Redis stream node.
//!
//! Approximate trimming and `radix-tree-keys` show where Redis cuts a stream into nodes, and it
//! cuts by the bytes of its own encoding, not by ours. So each block counts the bytes that the
//! equal node would have there. Nothing here is ever stored. The facts were checked against Redis
//! 8.6.
//!
//! - A list has 6 bytes of header and 1 of end mark.
//! - An element is its encoding, then the length of that encoding again, in 7-bit groups.
//! - An element that is the canonical decimal text of an `i64` is encoded as an integer.
//! - A node starts with: live count, deleted count, number of names, the names, 0.
//! - An entry is: flags, `ms` and `seq` relative to the node's first id, then its values
//!   (number of fields, names and values when its names are not the node's), number of elements.

use super::block::Block;
use crate::EntryId;

/// Header and end mark.
const LIST_BYTES: u64 = 7;

/// Longest text that can be an `i64`: a sign and 19 digits.
const INTEGER_TEXT_MAX: usize = 20;

/// Bytes of the length that follows `encoded` bytes; the odd 16,383 is Redis' own.
const fn back_length(encoded: u64) -> u64 {
    match encoded {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Bytes of an integer element.
pub(super) const fn integer(value: i64) -> u64 {
    let encoded = match value {
        0..=127 => 1,
        -4_096..=4_095 => 2,
        -32_768..=32_767 => 3,
        -8_388_608..=8_388_607 => 4,
        -2_147_483_648..=2_147_483_647 => 5,
        _ => 9,
    };
    encoded + 1
}

/// Bytes of an element holding `text`.
#[inline]
pub(super) fn string(text: &[u8]) -> u64 {
    if let Some(value) = canonical_integer(text) {
        return integer(value);
    }
    let length = text.len() as u64;
    let encoded = length
        + match length {
            0..=63 => 1,
            64..=4_095 => 2,
            _ => 5,
        };
    encoded + back_length(encoded)
}

/// The `i64` whose shortest decimal text is `text`.
#[inline]
fn canonical_integer(text: &[u8]) -> Option<i64> {
    let &first = text.first()?;
    if text.len() > INTEGER_TEXT_MAX || !(first == b'-' || first.is_ascii_digit()) {
        return None;
    }
    let digits = if first == b'-' { &text[1..] } else { text };
    match *digits.first()? {
        b'0' => return (text.len() == 1).then_some(0),
        b'1'..=b'9' => {}
        _ => return None,
    }
    // Negative, because that half of the range is the larger one.
    let mut value = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if first == b'-' { Some(value) } else { value.checked_neg() }
}

/// Bytes of a node without entries, whose names are those of `fields` (name, value, name, ..),
/// less its two counts, which change.
pub(super) fn empty_node(fields: &[&[u8]]) -> u64 {
    let names: u64 = fields.iter().step_by(2).map(|name| string(name)).sum();
    LIST_BYTES + integer(count(fields.len() / 2)) + names + integer(0)
}

/// Bytes of the two counts at the start of a node.
pub(super) fn counts(live: u32, deleted: u32) -> u64 {
    integer(i64::from(live)) + integer(i64::from(deleted))
}

/// Bytes of an entry in a node whose first entry is `base`.
pub(super) fn entry(base: EntryId, id: EntryId, fields: &[&[u8]], names_of_node: bool) -> u64 {
    let pairs = count(fields.len() / 2);
    let fixed = integer(0)
        + integer(id.ms.wrapping_sub(base.ms).cast_signed())
        + integer(id.seq.wrapping_sub(base.seq).cast_signed());
    if names_of_node {
        let values: u64 = fields.iter().skip(1).step_by(2).map(|value| string(value)).sum();
        fixed + values + integer(pairs + 3)
    } else {
        let all: u64 = fields.iter().map(|part| string(part)).sum();
        fixed + integer(pairs) + all + integer(2 * pairs + 4)
    }
}

/// Bytes of the node that holds what a block does, less its two counts.
pub(super) fn node(block: &Block) -> u64 {
    let names = |ordinal| block.entry(ordinal).pairs().map(|(name, _)| name);
    let mut bytes = 0;
    for ordinal in 0..block.len() {
        let stored = block.entry(ordinal);
        let fields: Vec<&[u8]> = stored.pairs().flat_map(|(name, value)| [name, value]).collect();
        if ordinal == 0 {
            bytes += empty_node(&fields);
        }
        let names_of_node = names(ordinal).eq(names(0));
        bytes += entry(block.base(), stored.id(), &fields, names_of_node);
    }
    bytes
}

fn count(n: usize) -> i64 {
    i64::try_from(n).expect("a number of fields fits memory")
}

#[cfg(test)]
mod tests {
    use super::{canonical_integer, integer, string};

    #[test]
    fn only_canonical_text_is_an_integer() {
        for (text, value) in [
            ("0", 0),
            ("-1", -1),
            ("127", 127),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), Some(value), "{text}");
        }
        for text in
            ["", "-", "-0", "00", "007", "+1", " 1", "1 ", "1a", "9223372036854775808", "--1"]
        {
            assert_eq!(canonical_integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(canonical_integer(b"-9223372036854775809"), None);
        assert_eq!(canonical_integer(b"18446744073709551615"), None);
    }

    #[test]
    fn elements_widen_where_redis_widens_them() {
        assert_eq!([0, 127, 128, -1, -4096, 4095].map(integer), [2, 2, 3, 3, 3, 3]);
        assert_eq!([4096, -4097, 32_768, -8_388_609].map(integer), [4, 4, 5, 6]);
        assert_eq!([2_147_483_648, i64::MIN].map(integer), [10, 10]);
        let lengths = [0, 63, 64, 125, 126, 4095, 4096, 16_377, 16_378];
        let bytes = lengths.map(|length| string(&vec![b'x'; length]));
        assert_eq!(bytes, [2, 65, 67, 128, 130, 4099, 4103, 16_384, 16_386]);
    }
}
