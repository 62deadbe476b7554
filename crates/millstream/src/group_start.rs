//! Where a group begins to read.

use crate::EntryId;

/// What a group is given first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupStart {
    /// All that the stream has: `0`.
    #[default]
    First,
    /// What is added from now on: `$`.
    New,
    /// What comes after this entry.
    After(EntryId),
}

impl GroupStart {
    pub(crate) fn to_word(self) -> String {
        match self {
            Self::First => "0".to_owned(),
            Self::New => "$".to_owned(),
            Self::After(id) => id.to_string(),
        }
    }
}
