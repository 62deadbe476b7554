//! How what was left by others, or failed, comes back to a worker.

use crate::Abilities;

/// Best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The server does it: a plain read returns it when its time has come.
    Policy,
    /// Each read takes over what is idle: `XREADGROUP CLAIM`.
    Claim,
    /// Now and then `XAUTOCLAIM`.
    AutoClaim,
    /// Nobody else has the stream: all that is pending in the group is taken at once.
    Leased,
    /// Now and then `XPENDING IDLE`, and `XCLAIM` of what that finds.
    PendingAndClaim,
}

impl Method {
    pub(super) fn best(abilities: &Abilities) -> Self {
        if abilities.has_policies {
            Self::Policy
        } else if abilities.has_claim {
            Self::Claim
        } else if abilities.has_auto_claim {
            Self::AutoClaim
        } else {
            Self::PendingAndClaim
        }
    }

    /// Whether the worker looks for it itself, beside its reads.
    pub(super) fn looks(self) -> bool {
        matches!(self, Self::AutoClaim | Self::PendingAndClaim)
    }
}
