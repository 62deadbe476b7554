//! SIGINT (Ctrl-C) and SIGTERM, for commands that end in order.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts them from now on; they do nothing else any more. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// To be called on a runtime.
    ///
    /// # Errors
    /// The operating system refuses to tell of signals.
    pub(crate) fn watch() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (counter, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                counter.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(count))
    }

    /// When there were so many.
    pub(crate) async fn nth(&self, number: u32) {
        let mut count = self.0.clone();
        // The task that counts goes on for as long as the runtime.
        if count.wait_for(|count| *count >= number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Something that may be ended where it waits.
    ///
    /// # Errors
    /// Its own, and that it was interrupted.
    pub(crate) async fn unless_any<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.nth(1) => Err(anyhow::anyhow!("interrupted before anything was done")),
        }
    }
}
