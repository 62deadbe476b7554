//! Connections that watch what others run (MONITOR).
//!
//! Whoever runs a command leaves its line with each monitor while it still holds the engine, so
//! that lines stand in the order of execution; monitors are woken after the engine is free. A
//! monitor that does not read is cut off, so it cannot use up the memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clients::Client;
use crate::mailbox::{KILLED, MONITORED};

/// A monitor with more waiting for it is cut off, unless `client-output-buffer-limit` says how much
/// may wait for a client.
pub(crate) const WAITING_BYTES_MAX: u64 = 32 << 20;
/// A queue that grew beyond this goes back to the allocator once it is empty.
const CAPACITY_MAX: usize = 256 << 10;

/// One monitor, between those who run commands and its session.
#[derive(Debug)]
pub(crate) struct Monitor {
    client: Arc<Client>,
    queue: Mutex<Vec<u8>>,
}

impl Monitor {
    /// Moves up to so many bytes of lines; whether some are left.
    pub(crate) fn take(&self, bytes_max: usize, to: &mut Vec<u8>) -> bool {
        let mut queue = self.queue.lock();
        let count = queue.len().min(bytes_max);
        to.extend(queue.drain(..count));
        if queue.is_empty() && queue.capacity() > CAPACITY_MAX {
            *queue = Vec::new();
        }
        !queue.is_empty()
    }

    /// Lets an empty queue go.
    pub(crate) fn give_back_unused(&self) {
        let mut queue = self.queue.lock();
        if queue.is_empty() {
            *queue = Vec::new();
        }
    }

    /// Bytes of the queue, used or not.
    pub(crate) fn memory(&self) -> usize {
        self.queue.lock().capacity()
    }

    /// Forgets all lines; none are left.
    pub(crate) fn discard(&self) -> bool {
        *self.queue.lock() = Vec::new();
        false
    }

    fn waiting_bytes(&self) -> usize {
        self.queue.lock().len() + self.client.output_buffered.load(Ordering::Relaxed)
    }

    fn is_overdue(&self, bytes_max: u64) -> bool {
        self.waiting_bytes() as u64 > bytes_max
    }

    fn cut_off(&self) {
        let Client { id, address, .. } = &*self.client;
        tracing::warn!(
            "client {id} at {address} monitors and does not read: cut off with {} bytes waiting for \
             it",
            self.waiting_bytes()
        );
        self.client.signal.send(KILLED);
    }
}

/// All monitors.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    /// So many, in one read.
    count: AtomicUsize,
    all: Mutex<Vec<Arc<Monitor>>>,
    /// Those that did not read.
    pub(crate) cut_off: AtomicU64,
}

impl Monitors {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn add(&self, client: Arc<Client>) -> Arc<Monitor> {
        let monitor = Arc::new(Monitor { client, queue: Mutex::default() });
        let mut all = self.all.lock();
        all.push(Arc::clone(&monitor));
        self.count.store(all.len(), Ordering::Relaxed);
        monitor
    }

    pub(crate) fn remove(&self, monitor: &Arc<Monitor>) {
        self.retain(|other| !Arc::ptr_eq(other, monitor));
    }

    fn retain(&self, wanted: impl FnMut(&Arc<Monitor>) -> bool) {
        let mut all = self.all.lock();
        all.retain(wanted);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// Leaves a line with every monitor for which no more than so much waits. They see it after
    /// [`Self::wake`].
    pub(crate) fn leave(&self, line: &[u8], bytes_max: u64) {
        for monitor in &*self.all.lock() {
            if !monitor.is_overdue(bytes_max) {
                monitor.queue.lock().extend_from_slice(line);
            }
        }
    }

    /// Tells monitors that there are lines, and cuts off those that did not read the ones before.
    pub(crate) fn wake(&self, bytes_max: u64) {
        self.retain(|monitor| {
            if monitor.is_overdue(bytes_max) {
                self.cut_off.fetch_add(1, Ordering::Relaxed);
                monitor.cut_off();
                return false;
            }
            if !monitor.queue.lock().is_empty() {
                monitor.client.signal.send(MONITORED);
            }
            true
        });
    }
}

/// The line for a command, as Redis writes it.
pub(crate) fn line(at: Duration, db: u8, address: &str, args: &[&[u8]]) -> Vec<u8> {
    let seconds = (at.as_secs(), at.subsec_micros());
    let mut line = format!("+{}.{:06} [{db} {address}]", seconds.0, seconds.1);
    for argument in args {
        line.push_str(" \"");
        argument.iter().for_each(|byte| push_escaped(*byte, &mut line));
        line.push('"');
    }
    line.push_str("\r\n");
    line.into_bytes()
}

fn push_escaped(byte: u8, to: &mut String) {
    match byte {
        b'\\' | b'"' => to.extend(['\\', byte.into()]),
        b'\n' => to.push_str("\\n"),
        b'\r' => to.push_str("\\r"),
        b'\t' => to.push_str("\\t"),
        7 => to.push_str("\\a"),
        8 => to.push_str("\\b"),
        b' '..=b'~' => to.push(byte.into()),
        _ => {
            let _ = write!(to, "\\x{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_as_redis_writes_it() {
        let at = Duration::from_micros(1_795_620_680_002_852);
        let args: [&[u8]; 3] = [b"echo", b"a\"b\\c\n\r\t\x07\x08\0\xff z", b""];
        assert_eq!(
            String::from_utf8(line(at, 3, "127.0.0.1:60698", &args)).as_deref(),
            Ok("+1795620680.002852 [3 127.0.0.1:60698] \"echo\" \
                \"a\\\"b\\\\c\\n\\r\\t\\a\\b\\x00\\xff z\" \"\"\r\n")
        );
    }
}
