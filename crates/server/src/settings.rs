//! What may be changed while the server runs (CONFIG SET), apart from the engine's own settings.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use millstream_resp::RequestLimits;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::Config;
use crate::monitors::WAITING_BYTES_MAX;
use crate::output_limit::{OutputLimit, OutputLimits};

#[derive(Debug)]
pub(crate) struct Settings {
    /// As it was set last, for CONFIG GET and CONFIG REWRITE; what counts is the user `default`.
    requirepass: RwLock<String>,
    pub(crate) maxclients: AtomicUsize,
    /// `proto-max-bulk-len`.
    pub(crate) bulk_bytes_max: AtomicU64,
    /// `proto-max-array-len`.
    pub(crate) args_max: AtomicU32,
    /// `client-query-buffer-limit`.
    pub(crate) query_bytes_max: AtomicU32,
    /// Seconds after which a silent peer is asked whether it is there; 0: never.
    pub(crate) tcp_keepalive_s: AtomicU32,
    /// Seconds after which an idle connection is closed; 0: never.
    pub(crate) timeout_s: AtomicU32,
    pub(crate) timeout_changed: Notify,
    /// `tls-auth-clients-user`: the common name of a client's certificate is its user.
    pub(crate) tls_names_users: AtomicBool,
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
        Self {
            requirepass: RwLock::new(config.requirepass.clone().unwrap_or_default()),
            maxclients: AtomicUsize::new(config.maxclients),
            bulk_bytes_max: AtomicU64::new(limits.bulk_bytes_max),
            args_max: AtomicU32::new(limits.args_max),
            query_bytes_max: AtomicU32::new(limits.request_bytes_max),
            tcp_keepalive_s: AtomicU32::new(300),
            timeout_s: AtomicU32::new(0),
            timeout_changed: Notify::new(),
            tls_names_users: AtomicBool::new(false),
            blocked_max: AtomicUsize::new(0),
            output_limits: RwLock::default(),
            output_hard_bytes: AtomicU64::new(0),
            changed: Mutex::default(),
        }
    }

    pub(crate) fn note_password(&self, password: &str) {
        password.clone_into(&mut self.requirepass.write());
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

    /// How much may wait for a monitor: what others do is not bounded by what it takes.
    pub(crate) fn monitor_bytes_max(&self) -> u64 {
        match self.output_hard_bytes.load(Ordering::Relaxed) {
            0 => WAITING_BYTES_MAX,
            bytes => bytes,
        }
    }

    pub(crate) fn set_output_limits(&self, limits: OutputLimits) {
        self.output_hard_bytes.store(limits.normal.hard_bytes, Ordering::Relaxed);
        *self.output_limits.write() = limits;
    }

    pub(crate) fn password(&self) -> String {
        self.requirepass.read().clone()
    }

    pub(crate) fn limits(&self, unauthenticated: bool) -> RequestLimits {
        RequestLimits {
            bulk_bytes_max: self.bulk_bytes_max.load(Ordering::Relaxed),
            request_bytes_max: self.query_bytes_max.load(Ordering::Relaxed),
            args_max: self.args_max.load(Ordering::Relaxed),
            unauthenticated,
            ..RequestLimits::default()
        }
    }
}
