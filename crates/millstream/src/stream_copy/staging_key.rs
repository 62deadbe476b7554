//! The key that a copy is written under, until it is whole.

use crate::hash_slot::{hash_slot, hash_tag};

const MARK: &[u8] = b":millstream-copy:";

/// Beside a key, in the same slot of a Cluster, so that it can be renamed to it; the same one each
/// time, so that what an interrupted copy left is found.
pub(super) fn staging_key(key: &[u8]) -> Vec<u8> {
    let tag = hash_tag(key);
    // What has a closing brace in it, or nothing, is no tag.
    let tag = match tag.is_empty() || tag.contains(&b'}') {
        false => tag.to_vec(),
        true => {
            let slot = hash_slot(key);
            let mut numbers = (0_u32..).map(|number| number.to_string().into_bytes());
            numbers.find(|number| hash_slot(number) == slot).expect("every slot has some")
        }
    };
    [b"{", &tag[..], b"}", MARK, key].concat()
}

/// Whether a key is one that [`StreamCopy`](super::StreamCopy) writes under: what an interrupted
/// copy left, or one that is under way.
#[must_use]
pub fn is_staging_key(key: &[u8]) -> bool {
    let mut marks = key.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    marks.any(|(at, _)| staging_key(&key[at + MARK.len()..]) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_in_the_slot_of_its_key_and_known_by_its_name() {
        let keys: [&[u8]; 9] = [
            b"orders",
            b"{shop}:orders",
            b"a}b",
            b"{}",
            b"",
            b"{a}b}",
            b"a{b",
            b"\xff\0\n",
            b"x:millstream-copy:y",
        ];
        for key in keys {
            let staging = staging_key(key);
            assert_eq!(hash_slot(&staging), hash_slot(key), "{key:?}");
            assert!(is_staging_key(&staging) && !is_staging_key(key), "{key:?}");
        }
        assert_eq!(staging_key(b"orders"), b"{orders}:millstream-copy:orders");
        assert!(!is_staging_key(b"{order}:millstream-copy:orders"));
    }
}
