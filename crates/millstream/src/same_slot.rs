//! Keys beside a stream that a Cluster keeps on the node of the stream.

use crate::hash_slot::hash_tag;

/// A key with this suffix in the slot of the stream: its hash tag is the stream's own, or the whole
/// key of the stream. A key that has braces without being tagged by them may have no such
/// companion; on one server that does not matter.
pub(crate) fn beside(stream: &[u8], suffix: &str) -> Vec<u8> {
    let is_tagged = hash_tag(stream) != stream;
    if is_tagged || stream.contains(&b'}') {
        [stream, b":", suffix.as_bytes()].concat()
    } else {
        [b"{", stream, b"}:", suffix.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn a_companion_has_the_hash_tag_of_its_stream() {
        assert_eq!(beside(b"orders", "delayed"), b"{orders}:delayed");
        assert_eq!(beside(b"{orders:3}", "delayed"), b"{orders:3}:delayed");
        assert_eq!(beside(b"shop:{7}:orders", "delayed"), b"shop:{7}:orders:delayed");
        assert_eq!(beside(b"a}b", "delayed"), b"a}b:delayed");
    }
}
