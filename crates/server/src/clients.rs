//! All connections: what CLIENT LIST shows of them, and the means to reach them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use millstream_acl::User;
use millstream_command::table::CommandSpec;
use parking_lot::Mutex;

use crate::address::Address;
use crate::mailbox::Signal;

/// One connection as others see it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    /// Of this process itself.
    is_own: bool,
    pub(crate) address: Address,
    pub(crate) local_address: Address,
    pub(crate) connected_at: Instant,
    pub(crate) signal: Arc<Signal>,
    pub(crate) is_blocked: AtomicBool,
    /// Blocked, and for a limited time.
    pub(crate) has_deadline: AtomicBool,
    /// What holds it up is none of the waits that CLIENT UNBLOCK ends.
    pub(crate) is_postponed: AtomicBool,
    /// Its place among those that a pause holds up.
    pub(crate) turn: AtomicU64,
    /// It sent or took something since the last look for idle ones; only kept with `timeout`.
    pub(crate) is_active: AtomicBool,
    /// Bytes encoded and not yet sent.
    pub(crate) output_buffered: AtomicUsize,
    /// Of those, what waits for nothing but the client.
    pub(crate) output_waiting: AtomicUsize,
    /// Bytes that the client has taken.
    pub(crate) output_taken: AtomicU64,
    /// Bytes of all its buffers.
    pub(crate) memory: AtomicUsize,
    pub(crate) facts: Mutex<Facts>,
}

impl Client {
    /// Whether it is this process itself.
    pub(crate) fn is_own(&self) -> bool {
        self.is_own
    }
}

/// What changes during a connection.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) name: Vec<u8>,
    pub(crate) library_name: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) db: u8,
    pub(crate) resp: u8,
    /// Commands queued by MULTI; `None` outside.
    pub(crate) queued: Option<usize>,
    pub(crate) watched: usize,
    pub(crate) last_command: Option<&'static CommandSpec>,
    pub(crate) last_at: Instant,
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    /// Bytes read and not yet run.
    pub(crate) input_buffered: usize,
    pub(crate) no_evict: bool,
    pub(crate) no_touch: bool,
    pub(crate) is_authenticated: bool,
    pub(crate) user: Arc<User>,
    pub(crate) is_monitor: bool,
}

impl Facts {
    fn new(now: Instant, user: Arc<User>) -> Self {
        Self {
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            db: 0,
            resp: 2,
            queued: None,
            watched: 0,
            last_command: None,
            last_at: now,
            commands: 0,
            input_bytes: 0,
            output_bytes: 0,
            input_buffered: 0,
            no_evict: false,
            no_touch: false,
            is_authenticated: false,
            user,
            is_monitor: false,
        }
    }
}

/// All connections by number.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    last_id: AtomicU64,
    /// Those of this process itself, which take nobody's place.
    own: AtomicUsize,
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Clients {
    /// Notes a connection, unless there are `max` already; `None` is for this process itself.
    pub(crate) fn add(
        &self,
        address: Address,
        local_address: Address,
        signal: Arc<Signal>,
        max: Option<usize>,
        user: Arc<User>,
    ) -> Option<Arc<Client>> {
        let mut by_id = self.by_id.lock();
        // Changed with the lock held only.
        let own = self.own.load(Ordering::Relaxed);
        match max {
            Some(max) if by_id.len() - own >= max => return None,
            Some(_) => {}
            None => self.own.store(own + 1, Ordering::Relaxed),
        }
        let now = Instant::now();
        let client = Arc::new(Client {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            is_own: max.is_none(),
            address,
            local_address,
            connected_at: now,
            signal,
            is_blocked: AtomicBool::new(false),
            has_deadline: AtomicBool::new(false),
            is_postponed: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            is_active: AtomicBool::new(false),
            output_buffered: AtomicUsize::new(0),
            output_waiting: AtomicUsize::new(0),
            output_taken: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
            facts: Mutex::new(Facts::new(now, user)),
        });
        by_id.insert(client.id, Arc::clone(&client));
        Some(client)
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut by_id = self.by_id.lock();
        if by_id.remove(&id).is_some_and(|client| client.is_own) {
            self.own.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.lock().get(&id).cloned()
    }

    /// In the order in which they connected.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.lock().values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    /// How many are not of this process itself.
    pub(crate) fn strangers(&self) -> usize {
        let by_id = self.by_id.lock();
        by_id.len() - self.own.load(Ordering::Relaxed)
    }

    pub(crate) fn tell_all(&self, event: u8) {
        for client in self.all() {
            client.signal.send(event);
        }
    }
}
