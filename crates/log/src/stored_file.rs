//! What a copy of a store has to take of one file.

/// A file of a store, and how much of it belongs to a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// `folder/file`.
    pub name: String,
    /// Bytes to copy from its beginning.
    pub bytes: u64,
    /// Length that the copy must have: what is behind `bytes` is zeros.
    pub file_bytes: u64,
    /// Whether the file never changes any more, so that a second name for it will do as a copy.
    pub is_final: bool,
}
