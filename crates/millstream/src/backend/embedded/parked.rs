//! Reads that wait in the engine, each for one reader.
//!
//! A read that is dropped is taken back: nothing is delivered to it any more. What was delivered in
//! the very moment before is pending for its consumer.
//!
//! Readers have numbers, by which others end their waits. One that does not wait
//! when it is told so does not wait the next time either, so that nobody has to know which came
//! first.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use millstream_command::{Reply, read_reply, rejection_reply};
use millstream_engine::{LogPosition, ReadRequest, ReadSink, Ticket, Transaction, WaitResult};
use parking_lot::Mutex;

use super::host::EmbeddedHost;

/// All readers by their numbers.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<ReaderTable>);

#[derive(Debug, Default)]
struct ReaderTable {
    last: u64,
    readers: HashMap<u64, Reader>,
}

#[derive(Debug, Default)]
struct Reader {
    /// Its wait, while it waits.
    slot: Option<Arc<Slot>>,
    is_unblocked: bool,
}

impl Readers {
    pub(super) fn add(&self) -> u64 {
        let mut table = self.0.lock();
        table.last += 1;
        let number = table.last;
        table.readers.insert(number, Reader::default());
        number
    }

    pub(super) fn remove(&self, number: u64) {
        self.0.lock().readers.remove(&number);
    }

    /// Ends the wait of a reader, or the next one.
    pub(super) fn unblock(&self, number: u64) {
        if let Some(reader) = self.0.lock().readers.get_mut(&number) {
            reader.unblock();
        }
    }

    pub(super) fn unblock_all(&self) {
        self.0.lock().readers.values_mut().for_each(Reader::unblock);
    }

    /// Notes a wait, unless it was ended already.
    fn begin(&self, number: u64, slot: &Arc<Slot>) -> bool {
        let mut table = self.0.lock();
        let Some(reader) = table.readers.get_mut(&number) else { return true };
        if std::mem::take(&mut reader.is_unblocked) {
            return false;
        }
        reader.slot = Some(Arc::clone(slot));
        true
    }

    fn end(&self, number: u64) {
        if let Some(reader) = self.0.lock().readers.get_mut(&number) {
            reader.slot = None;
        }
    }
}

impl Reader {
    fn unblock(&mut self) {
        match self.slot.take() {
            Some(slot) => slot.unblock(),
            None => self.is_unblocked = true,
        }
    }
}

/// Where the engine leaves the result of a read.
#[derive(Debug, Default)]
struct Slot {
    is_closed: AtomicBool,
    is_unblocked: AtomicBool,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    result: Option<(WaitResult, LogPosition)>,
    waker: Option<Waker>,
}

impl Slot {
    fn unblock(&self) {
        self.is_unblocked.store(true, Ordering::Release);
        self.wake(|_| {});
    }

    fn wake(&self, change: impl FnOnce(&mut SlotState)) {
        let mut state = self.state.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Sink(Arc<Slot>);

impl ReadSink for Sink {
    fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }

    fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
        self.0.wake(|state| state.result = Some((result, depends_on)));
    }
}

impl Drop for Sink {
    /// With no result the read was taken back, or the engine has dropped all that wait.
    fn drop(&mut self) {
        self.0.unblock();
    }
}

/// A read that waits. Dropped, it is taken back.
pub(super) struct Parked {
    host: Arc<EmbeddedHost>,
    reader: u64,
    ticket: Ticket,
    slot: Arc<Slot>,
    /// The engine does not know it any more.
    is_over: bool,
}

impl Parked {
    /// `None`: it is not to wait.
    pub(super) fn park(
        host: &Arc<EmbeddedHost>,
        reader: u64,
        request: ReadRequest,
        block_ms: Option<u64>,
        txn: &mut Transaction<'_>,
    ) -> Option<Self> {
        let slot = Arc::new(Slot::default());
        if !host.readers.begin(reader, &slot) {
            return None;
        }
        // The clock's millisecond has begun already, and a wait must not end early.
        let deadline = |block_ms| txn.now().monotonic_ms.saturating_add(block_ms).saturating_add(1);
        let deadline_ms = block_ms.map(deadline);
        let ticket = txn.park(request, deadline_ms, Box::new(Sink(Arc::clone(&slot))));
        Some(Self { host: Arc::clone(host), reader, ticket, slot, is_over: false })
    }

    /// Until there is something, its time is over, or somebody ends it: then `None`.
    pub(super) async fn wait(mut self) -> Option<(Reply, LogPosition)> {
        let ended = poll_fn(|context| {
            let mut state = self.slot.state.lock();
            if let Some(result) = state.result.take() {
                return Poll::Ready(Some(result));
            }
            if self.slot.is_unblocked.load(Ordering::Acquire) {
                return Poll::Ready(None);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        });
        let ended = ended.await;
        self.is_over = ended.is_some();
        let ended = match ended {
            Some(result) => Some(result),
            None if self.take_back() => None,
            // It was served in this very moment.
            None => self.slot.state.lock().result.take(),
        };
        ended.map(|(result, position)| match result {
            WaitResult::Read(outcome) => (read_reply(outcome), position),
            WaitResult::Rejected(why) => (rejection_reply(&why), position),
            WaitResult::TimedOut => (Reply::NilArray, position),
        })
    }

    /// False: it was served already, or the engine has dropped it.
    fn take_back(&self) -> bool {
        self.host.lock().is_some_and(|mut engine| engine.unpark(self.ticket))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.slot.is_closed.store(true, Ordering::Release);
        self.host.readers.end(self.reader);
        // While a panic unwinds the engine may be unusable; then it passes the waiter over.
        if !self.is_over && !std::thread::panicking() {
            self.take_back();
        }
    }
}
