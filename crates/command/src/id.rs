//! Entry ids as commands spell them.
//!
//! `ms-seq` or `ms` alone, in decimal. Which short forms are allowed, and what a missing sequence
//! means, depends on where the text stands, so there is one function per context. Leading zeros are
//! accepted; signs and blanks, which some servers let pass by accident, are not. Knows no stream:
//! words such as `$` or `>` belong to the commands that have them. Tests in `id/tests.rs`.

use millstream_model::EntryId;

use crate::integer::{parse_u64, parse_u64_prefix};

/// Longer texts are refused unread.
const TEXT_BYTES_MAX: usize = 127;

/// The reply to a text that is no entry id.
pub const INVALID_ID: &str = "ERR Invalid stream ID specified as stream command argument";

/// The id that an append asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddId {
    /// `*`: the server's clock decides.
    Auto,
    /// `ms-*`: the next free sequence within these milliseconds.
    AutoSeq(u64),
    /// Exactly this one.
    Explicit(EntryId),
}

/// Why a bound of a range is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// The text is no id.
    Invalid,
    /// Nothing lies above the excluded start.
    InvalidStart,
    /// Nothing lies below the excluded end.
    InvalidEnd,
}

impl RangeError {
    /// The text of the error reply.
    #[must_use]
    pub const fn reply_text(self) -> &'static str {
        match self {
            Self::Invalid => INVALID_ID,
            Self::InvalidStart => "ERR invalid start ID for the interval",
            Self::InvalidEnd => "ERR invalid end ID for the interval",
        }
    }
}

/// An id where it has to be a plain one; without a sequence it has `missing_seq`.
#[must_use]
pub fn parse_strict(text: &[u8], missing_seq: u64) -> Option<EntryId> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    match parse_u64_prefix(text)? {
        (ms, [b'-', seq @ ..]) => Some(EntryId::new(ms, parse_u64(seq)?)),
        (ms, []) => Some(EntryId::new(ms, missing_seq)),
        _ => None,
    }
}

/// An id where `-` also stands for the smallest and `+` for the largest one.
#[must_use]
pub fn parse_or_extreme(text: &[u8], missing_seq: u64) -> Option<EntryId> {
    match text {
        b"-" => Some(EntryId::MIN),
        b"+" => Some(EntryId::MAX),
        _ => parse_strict(text, missing_seq),
    }
}

/// The id argument of an append: an id, `*`, or `ms-*`. A missing sequence is 0.
#[must_use]
pub fn parse_add_id(text: &[u8]) -> Option<AddId> {
    match text {
        b"*" => Some(AddId::Auto),
        [ms @ .., b'-', b'*'] if text.len() <= TEXT_BYTES_MAX => parse_u64(ms).map(AddId::AutoSeq),
        _ => parse_strict(text, 0).map(AddId::Explicit),
    }
}

/// The low end of a range, made inclusive. A missing sequence is the smallest.
///
/// # Errors
/// `Invalid`, or `InvalidStart` for an excluded start that leaves nothing above it.
pub fn parse_range_start(text: &[u8]) -> Result<EntryId, RangeError> {
    match text {
        [b'(', excluded @ ..] => parse_strict(excluded, 0)
            .ok_or(RangeError::Invalid)?
            .next()
            .ok_or(RangeError::InvalidStart),
        _ => parse_or_extreme(text, 0).ok_or(RangeError::Invalid),
    }
}

/// The high end of a range, made inclusive. A missing sequence is the largest, also after `(`.
///
/// # Errors
/// `Invalid`, or `InvalidEnd` for an excluded end that leaves nothing below it.
pub fn parse_range_end(text: &[u8]) -> Result<EntryId, RangeError> {
    match text {
        [b'(', excluded @ ..] => parse_strict(excluded, u64::MAX)
            .ok_or(RangeError::Invalid)?
            .previous()
            .ok_or(RangeError::InvalidEnd),
        _ => parse_or_extreme(text, u64::MAX).ok_or(RangeError::Invalid),
    }
}

#[cfg(test)]
mod tests;
