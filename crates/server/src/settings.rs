//! What may be changed while the server runs (CONFIG SET), apart from the engine's own settings.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use millstream_resp::RequestLimits;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::Config;
use crate::output_limit::{OutputLimit, OutputLimits};

#[derive(Debug)]
pub(crate) struct Settings {
    requirepass: RwLock<Option<String>>,
    /// The same in one read.
    has_password: AtomicBool,
    pub(crate) maxclients: AtomicUsize,
    /// `proto-max-bulk-len`.
    pub(crate) bulk_bytes_max: AtomicU64,
    /// `client-query-buffer-limit`.
    pub(crate) query_bytes_max: AtomicU32,
    /// Seconds after which a silent peer is asked whether it is there; 0: never.
    pub(crate) tcp_keepalive_s: AtomicU32,
    /// Seconds after which an idle connection is closed; 0: never.
    pub(crate) timeout_s: AtomicU32,
    pub(crate) timeout_changed: Notify,
    /// `blocked-clients-max`; 0: as many as there are clients.
    pub(crate) blocked_max: AtomicUsize,
    output_limits: RwLock<OutputLimits>,
    /// The hard limit of usual clients in one read.
    pub(crate) output_hard_bytes: AtomicU64,
    /// What CONFIG SET has changed, for CONFIG REWRITE.
    pub(crate) changed: Mutex<BTreeSet<&'static str>>,
}

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = RequestLimits::default();
        let settings = Self {
            requirepass: RwLock::new(None),
            has_password: AtomicBool::new(false),
            maxclients: AtomicUsize::new(config.maxclients),
            bulk_bytes_max: AtomicU64::new(limits.bulk_bytes_max),
            query_bytes_max: AtomicU32::new(limits.request_bytes_max),
            tcp_keepalive_s: AtomicU32::new(300),
            timeout_s: AtomicU32::new(0),
            timeout_changed: Notify::new(),
            blocked_max: AtomicUsize::new(0),
            output_limits: RwLock::default(),
            output_hard_bytes: AtomicU64::new(0),
            changed: Mutex::default(),
        };
        settings.set_password(config.requirepass.as_deref().unwrap_or_default());
        settings
    }

    /// The empty text means: no password.
    pub(crate) fn set_password(&self, password: &str) {
        let password = (!password.is_empty()).then(|| password.to_owned());
        self.has_password.store(password.is_some(), Ordering::Release);
        *self.requirepass.write() = password;
    }

    /// Closes connections that are idle for so long from now on; 0: none.
    pub(crate) fn set_timeout(&self, seconds: u32) {
        self.timeout_s.store(seconds, Ordering::Relaxed);
        self.timeout_changed.notify_one();
    }

    pub(crate) fn output_limits(&self) -> OutputLimits {
        *self.output_limits.read()
    }

    /// Of usual clients.
    pub(crate) fn output_limit(&self) -> OutputLimit {
        self.output_limits.read().normal
    }

    pub(crate) fn set_output_limits(&self, limits: OutputLimits) {
        self.output_hard_bytes.store(limits.normal.hard_bytes, Ordering::Relaxed);
        *self.output_limits.write() = limits;
    }

    pub(crate) fn has_password(&self) -> bool {
        self.has_password.load(Ordering::Acquire)
    }

    pub(crate) fn password(&self) -> String {
        self.requirepass.read().clone().unwrap_or_default()
    }

    /// Takes the same time wherever the first wrong byte is.
    pub(crate) fn is_password(&self, given: &[u8]) -> bool {
        let password = self.requirepass.read();
        let Some(expected) = password.as_ref().map(String::as_bytes) else { return true };
        let differences = (0..given.len())
            .fold(0, |differences, at| differences | (given[at] ^ expected[at % expected.len()]));
        differences == 0 && given.len() == expected.len()
    }

    pub(crate) fn limits(&self, unauthenticated: bool) -> RequestLimits {
        RequestLimits {
            bulk_bytes_max: self.bulk_bytes_max.load(Ordering::Relaxed),
            request_bytes_max: self.query_bytes_max.load(Ordering::Relaxed),
            unauthenticated,
            ..RequestLimits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_as_a_whole_only() {
        let settings = Settings::new(&Config::default());
        assert!(!settings.has_password() && settings.is_password(b"anything"));
        settings.set_password("secret");
        assert!(settings.has_password() && settings.is_password(b"secret"));
        for wrong in ["", "s", "secre", "secret1", "secretsecret", "Secret"] {
            assert!(!settings.is_password(wrong.as_bytes()), "{wrong}");
        }
    }
}
