//! The engine within this process.
//!
//! ```text
//! Cmd -> batch: room, engine, blocks from disk -> released (on disk) -> value -> caller
//!                     |
//!                parked reads, by the numbers of their readers
//! ```
//!
//! The same commands as a server's, run by the same crates, without bytes in between. Threads of
//! the store are those of `millstream-runtime`. When the last handle goes, they end in order, and
//! whoever drops it waits for that; [`EmbeddedBackend::close`] does not block.
//!
//! Fails as the log does: after the first write or sync that failed everything is
//! [`Error::Store`]; so it is after a panic in the middle of a change, or on a thread of the store.
//! Tests: `tests/it/embedded.rs`, and the suite; `tests.rs` for what only a bad disk shows.

mod batch;
mod clock;
mod cold;
mod host;
mod own;
mod parked;
mod value;

#[cfg(test)]
mod tests;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use millstream_engine::{Engine, Options};
use millstream_runtime::{
    Clock, Host as _, LiveStore, Store, StoreOptions, SyncMode, Threads, open_store,
};
use redis::{Cmd, Pipeline, Value};
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use self::batch::{Batch, Request};
use self::host::{Absence, EmbeddedHost};
use super::{Backend, Promise, Reader};
use crate::Error;

pub(crate) use self::clock::{EngineClock, ManualClock};

/// An engine within the process; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddedBackend {
    /// Whoever runs something keeps it open meanwhile.
    open: Arc<RwLock<Option<OpenStore>>>,
    /// For whoever closes it.
    host: Weak<EmbeddedHost>,
}

/// Dropped, it is closed, which takes as long as the disk does.
#[derive(Debug)]
struct OpenStore {
    host: Arc<EmbeddedHost>,
    /// Behind the host, so that it is dropped after it.
    _absence: Absence,
    threads: Threads,
    /// Lets tokio's time pass for the engine.
    timer: Option<JoinHandle<()>>,
}

impl EmbeddedBackend {
    /// Opens a store. Blocks.
    pub(crate) fn open(options: StoreOptions) -> Result<Self, Error> {
        let clock = Clock::start();
        let (sync, is_in_memory) = (options.sync, options.is_in_memory);
        let Store { engine, durable, .. } =
            open_store(options, clock.now()).map_err(Error::store)?;
        let live = LiveStore::new(engine, sync, is_in_memory, clock.now());
        let (host, absence) = EmbeddedHost::new(live, EngineClock::System(clock));
        // Closed as a whole if a thread cannot be started.
        let mut open =
            OpenStore { host, _absence: absence, threads: Threads::default(), timer: None };
        open.threads.start_disk(&open.host, durable).map_err(Error::store)?;
        open.threads.start_timer(&open.host).map_err(Error::store)?;
        Ok(Self::of(open))
    }

    /// In memory, by a clock of a test's, without threads: the same in every run.
    pub(crate) fn for_tests(clock: EngineClock) -> Self {
        let engine = Engine::in_memory(&Options::default(), clock.now());
        let live = LiveStore::new(engine, SyncMode::No, true, clock.now());
        let since = match clock {
            EngineClock::Tokio(since) => Some(since),
            EngineClock::System(_) | EngineClock::Manual(_) => None,
        };
        let (host, absence) = EmbeddedHost::new(live, clock);
        let timer = since.map(|since| tokio::spawn(run_timer(Arc::clone(&host), since)));
        Self::of(OpenStore { host, _absence: absence, threads: Threads::default(), timer })
    }

    fn of(open: OpenStore) -> Self {
        let host = Arc::downgrade(&open.host);
        Self { open: Arc::new(RwLock::new(Some(open))), host }
    }

    /// The engine, which stays open as long as this is held.
    async fn host(&self) -> Result<RwLockReadGuard<'_, Arc<EmbeddedHost>>, Error> {
        let open = self.open.read().await;
        let host = RwLockReadGuard::try_map(open, |open| open.as_ref().map(|open| &open.host));
        let host = host.map_err(|_| Error::store("it was closed"))?;
        host.check()?;
        Ok(host)
    }

    async fn close_now(self) -> Result<(), Error> {
        let mut writing = pin!(self.open.write());
        // Once this stands in the queue nobody begins any more; then those that wait end.
        let mut open = match poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await {
            Poll::Ready(open) => open,
            Poll::Pending => {
                if let Some(host) = self.host.upgrade() {
                    host.readers.unblock_all();
                }
                writing.await
            }
        };
        let Some(mut open) = open.take() else { return Ok(()) };
        spawn_blocking(move || open.stop()).await.map_err(Error::store)?
    }

    /// Lets the next thing that is due by `until_ms` happen, with the clock on that time; false:
    /// nothing is, and it is that late now.
    pub(crate) async fn advance(&self, clock: &ManualClock, until_ms: u64) -> bool {
        let open = self.open.read().await;
        let Some(OpenStore { host, .. }) = &*open else {
            clock.move_to(until_ms);
            return false;
        };
        let next_ms = host.next_due().filter(|next_ms| *next_ms <= until_ms);
        clock.move_to(next_ms.unwrap_or(until_ms));
        host.run_due();
        next_ms.is_some()
    }
}

impl Backend for EmbeddedBackend {
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(async {
            let host = self.host().await?;
            let batch = Batch::new(&host, vec![Request::new(command)?]);
            batch.run().await?.pop().unwrap_or(Ok(Value::Nil))
        })
    }

    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>> {
        Box::pin(async {
            let host = self.host().await?;
            let requests = commands.cmd_iter().map(Request::new).collect::<Result<_, _>>()?;
            let batch = Batch::new(&host, requests);
            let values = match commands.is_transaction() {
                true => batch.run_as_one().await?,
                false => batch.run().await?,
            };
            values.into_iter().collect()
        })
    }

    fn reader<'a>(&'a self, _stream: &'a [u8]) -> Promise<'a, Box<dyn Reader>> {
        Box::pin(async {
            let number = self.host().await?.readers.add();
            Ok(Box::new(EmbeddedReader { backend: self.clone(), number }) as Box<dyn Reader>)
        })
    }

    fn close(&self) -> Promise<'_, ()> {
        // A task of its own goes on whoever stops to wait for it.
        let closing = tokio::spawn(self.clone().close_now());
        Box::pin(async { closing.await.map_err(Error::store)? })
    }
}

impl OpenStore {
    fn stop(&mut self) -> Result<(), Error> {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        self.threads.stop(&*self.host).map_err(Error::store)
    }
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!("{error}");
        }
    }
}

/// What the timer's thread does, by tokio's clock.
async fn run_timer(host: Arc<EmbeddedHost>, since: Instant) {
    loop {
        host.run_due();
        let next_ms = host.next_due().map(|next_ms| next_ms.max(host.now().monotonic_ms + 1));
        let due = async {
            match next_ms {
                Some(next_ms) => sleep_until(since + Duration::from_millis(next_ms)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = host.due_changed() => {}
        }
    }
}

struct EmbeddedReader {
    backend: EmbeddedBackend,
    number: u64,
}

impl Reader for EmbeddedReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, _: Duration) -> Promise<'a, Value> {
        Box::pin(async {
            let host = self.backend.host().await?;
            Batch::new(&host, vec![Request::new(command)?]).read(self.number).await
        })
    }

    fn unblock(&self) -> Promise<'static, ()> {
        let (host, number) = (self.backend.host.clone(), self.number);
        Box::pin(async move {
            if let Some(host) = host.upgrade() {
                host.readers.unblock(number);
            }
            Ok(())
        })
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        if let Some(host) = self.backend.host.upgrade() {
            host.readers.remove(self.number);
        }
    }
}
