//! Unsigned integers in 7-bit groups, least significant first, and byte strings behind their
//! length.
//!
//! Only for bytes that this process wrote (or checked) itself: a truncated integer is a bug and
//! panics. One-byte integers, by far the most frequent, take the short path.

/// Appends `value` in 1 to 10 bytes.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Takes an integer off the front of `cursor`.
#[inline]
pub(super) fn read(cursor: &mut &[u8]) -> u64 {
    let (&first, rest) = cursor.split_first().expect("an integer has at least one byte");
    if first < 0x80 {
        *cursor = rest;
        return u64::from(first);
    }
    read_long(cursor)
}

#[inline(never)]
fn read_long(cursor: &mut &[u8]) -> u64 {
    let mut value = 0_u64;
    let mut shift = 0_u32;
    loop {
        let (&byte, rest) = cursor.split_first().expect("an integer ends with a byte below 0x80");
        *cursor = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

/// Takes an integer off the front of foreign bytes; `None` if there is none.
pub(super) fn try_read(cursor: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = cursor.split_first()?;
        *cursor = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes a byte string off the front of foreign bytes; `None` if there is none.
pub(super) fn try_read_bytes<'a>(cursor: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(try_read(cursor)?).ok()?;
    let (bytes, rest) = cursor.split_at_checked(length)?;
    *cursor = rest;
    Some(bytes)
}

/// Appends the length of `bytes`, then `bytes`.
#[inline]
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes a byte string and its length off the front of `cursor`.
#[inline]
pub(super) fn read_bytes<'a>(cursor: &mut &'a [u8]) -> &'a [u8] {
    let length = read(cursor);
    let (bytes, rest) = cursor.split_at(usize::try_from(length).expect("a length fits memory"));
    *cursor = rest;
    bytes
}

#[cfg(test)]
mod tests {
    use super::{read, read_bytes, write, write_bytes};

    #[test]
    fn every_width_reads_back() {
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                let mut out = Vec::new();
                write(&mut out, value);
                out.push(0x55);
                let mut cursor = out.as_slice();
                assert_eq!(read(&mut cursor), value);
                assert_eq!(cursor, [0x55]);
            }
        }
    }

    #[test]
    fn byte_strings_read_back() {
        let mut out = Vec::new();
        let long = vec![7; 300];
        write_bytes(&mut out, b"");
        write_bytes(&mut out, &long);
        let mut cursor = out.as_slice();
        assert_eq!(read_bytes(&mut cursor), b"");
        assert_eq!(read_bytes(&mut cursor), long);
        assert!(cursor.is_empty());
    }
}
