//! CRC-16 and what a Cluster makes of it: the slot that a key is in.

/// A Cluster divides its keys into so many slots.
pub(crate) const SLOTS: u16 = 16_384;

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// CRC-16/XMODEM: polynomial 0x1021, begins with 0, nothing reflected or inverted.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let [high, low] = crc.to_be_bytes();
        (u16::from(low) << 8) ^ TABLE[usize::from(high ^ byte)]
    })
}

/// The part of a key that decides: what stands in its first braces, if that is anything; else all.
pub(crate) fn hash_tag(key: &[u8]) -> &[u8] {
    let find = |bytes: &[u8], what| bytes.iter().position(|byte| *byte == what);
    let Some(open) = find(key, b'{') else { return key };
    let inside = &key[open + 1..];
    match find(inside, b'}') {
        None | Some(0) => key,
        Some(end) => &inside[..end],
    }
}

/// The slot that a key is in.
pub(crate) fn hash_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_slots_that_the_specification_says() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(hash_slot(b""), 0);
        assert_eq!(hash_slot(b"foo"), 12_182);
        assert_eq!(hash_slot(b"{user1000}.following"), hash_slot(b"user1000"));
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }
}
