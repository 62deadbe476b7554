//! What is not the same on both sides.

use bytes::Bytes;

/// Something that the copy should have and has otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyDifference {
    /// The group that it is about; `None`: the stream itself.
    pub group: Option<Bytes>,
    /// What it is: `entries-read`, or `entry 1-1`.
    pub what: String,
    /// What the source has; `-` is nothing.
    pub source: String,
    /// What the target has.
    pub target: String,
}

impl CopyDifference {
    pub(super) fn new(
        group: Option<&Bytes>,
        what: &str,
        source: &impl ToString,
        target: &impl ToString,
    ) -> Self {
        Self {
            group: group.cloned(),
            what: what.to_owned(),
            source: source.to_string(),
            target: target.to_string(),
        }
    }
}

/// A number where there is one.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
