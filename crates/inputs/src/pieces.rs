//! Several byte strings in one input: each behind its length, two bytes, little-endian.

/// Takes an input apart. A length that goes beyond the end means all that is left.
pub fn pieces(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let piece;
        (piece, data) = rest.split_at(length);
        Some(piece)
    })
}

/// Puts byte strings together; what is too long for its length is left out.
pub fn put_pieces<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut data = Vec::new();
    for piece in pieces {
        if let Ok(length) = u16::try_from(piece.len()) {
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(piece);
        }
    }
    data
}
