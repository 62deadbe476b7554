//! Keys beside a stream that a Cluster keeps on the node of the stream.

use crate::hash_slot::hash_tag;

/// A key with this suffix in the slot of the stream: its hash tag is the stream's own, or the whole
/// key of the stream. A key that has braces without being tagged by them may have no such
/// companion; on one server that does not matter.
pub(crate) fn beside(stream: &str, suffix: &str) -> String {
    let key = bytes_beside(stream.as_bytes(), suffix);
    String::from_utf8(key).expect("texts and braces are text")
}

/// The same for a key of any bytes.
pub(crate) fn bytes_beside(stream: &[u8], suffix: &str) -> Vec<u8> {
    let is_tagged = hash_tag(stream) != stream;
    let (open, close): (&[u8], &[u8]) =
        if is_tagged || stream.contains(&b'}') { (b"", b"") } else { (b"{", b"}") };
    [open, stream, close, b":", suffix.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn a_companion_has_the_hash_tag_of_its_stream() {
        assert_eq!(beside("orders", "delayed"), "{orders}:delayed");
        assert_eq!(beside("{orders:3}", "delayed"), "{orders:3}:delayed");
        assert_eq!(beside("shop:{7}:orders", "delayed"), "shop:{7}:orders:delayed");
        assert_eq!(beside("a}b", "delayed"), "a}b:delayed");
    }
}
