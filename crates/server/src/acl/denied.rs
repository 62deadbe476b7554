//! How often somebody was refused, as INFO shows it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Since the start, or since CONFIG RESETSTAT.
#[derive(Debug, Default)]
pub(crate) struct DeniedCounts {
    /// Wrong names and passwords.
    pub(crate) logins: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) keys: AtomicU64,
    pub(crate) databases: AtomicU64,
    /// Certificates that name no user who may come in.
    pub(crate) certificates: AtomicU64,
}

impl DeniedCounts {
    pub(crate) fn reset(&self) {
        let Self { logins, commands, keys, databases, certificates } = self;
        for count in [logins, commands, keys, databases, certificates] {
            count.store(0, Ordering::Relaxed);
        }
    }
}
