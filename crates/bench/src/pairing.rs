//! Which durability each of two servers is started with when they are compared.

use std::fmt;

use crate::server::SyncMode;

/// The modes of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// That of our server.
    pub ours: SyncMode,
    /// That of the peer.
    pub peer: SyncMode,
}

impl Pairing {
    /// We write a log that is never synced, the peer has no persistence.
    pub const UNSYNCED: Self = Self::alike(SyncMode::No);
    /// Both sync before they reply.
    pub const SYNCED: Self = Self::alike(SyncMode::Always);
    /// We sync before we reply, the peer keeps nothing at all.
    pub const DURABLE_AGAINST_VOLATILE: Self = Self { ours: SyncMode::Always, peer: SyncMode::No };

    /// Both in `mode`.
    pub const fn alike(mode: SyncMode) -> Self {
        Self { ours: mode, peer: mode }
    }
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ours == self.peer {
            write!(f, "{}", self.ours)
        } else {
            write!(f, "{} against {}", self.ours, self.peer)
        }
    }
}
