//! The two versions of the protocol a connection may speak.

/// Protocol of a connection: starts as `Resp2`, changed by HELLO, set back by RESET.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Arrays, bulk strings, integers, two kinds of nil.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, verbatim text, pushes and one null.
    Resp3,
}

impl Protocol {
    /// The number that HELLO takes and reports: 2 or 3.
    #[must_use]
    pub fn version(self) -> u8 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }

    /// The protocol with this HELLO number, if there is one.
    #[must_use]
    pub fn from_version(version: i64) -> Option<Self> {
        match version {
            2 => Some(Protocol::Resp2),
            3 => Some(Protocol::Resp3),
            _ => None,
        }
    }
}
