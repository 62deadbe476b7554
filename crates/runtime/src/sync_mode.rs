//! What a reply promises.

use std::fmt;
use std::str::FromStr;

/// When a reply may leave, and what survives a power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Once everything that it reports is on disk.
    #[default]
    Always,
    /// Once it is with the operating system, which is told to sync each second.
    Everysec,
    /// At once; the operating system gets the log a few milliseconds later and syncs when it likes.
    No,
}

impl SyncMode {
    /// The word for it, as in Redis' `appendfsync`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for SyncMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Always, Self::Everysec, Self::No]
            .into_iter()
            .find(|mode| mode.word() == text)
            .ok_or_else(|| format!("'{text}' is none of always, everysec, no"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_mode_is_read_from_its_word_only() {
        assert_eq!("everysec".parse(), Ok(SyncMode::Everysec));
        assert!("Always".parse::<SyncMode>().is_err());
    }
}
