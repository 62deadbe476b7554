//! What systemd is told of a server (`Type=notify`). Nothing where nobody asked to be told.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millstream_server::RunningServer;
use sd_notify::NotifyState;

/// How often somebody who waits is told that it goes on.
const INTERVAL: Duration = Duration::from_secs(5);
/// How much longer they shall wait then, in microseconds.
const MORE_TIME_US: u32 = 30_000_000;

/// Asks for patience until it is dropped: reading much data takes longer than a supervisor waits.
#[derive(Debug)]
pub(crate) struct Patience(Option<(Sender<()>, JoinHandle<()>)>);

impl Patience {
    /// `what` is being done.
    pub(crate) fn ask(what: &'static str) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        let (sender, is_done) = channel();
        let begun = Instant::now();
        let tell_on = move || loop {
            let status = format!("{what}, {} s so far", begun.elapsed().as_secs());
            tell(&[NotifyState::Status(&status), NotifyState::ExtendTimeoutUsec(MORE_TIME_US)]);
            if is_done.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        };
        let named = thread::Builder::new().name("millstream-notify".to_owned());
        match named.spawn(tell_on) {
            Ok(thread) => Self(Some((sender, thread))),
            Err(error) => {
                tracing::warn!("systemd is not asked for patience: {error}");
                Self(None)
            }
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            // What is told next comes behind what it tells.
            let _ = thread.join();
        }
    }
}

/// The server listens.
pub(crate) fn ready(server: &RunningServer) {
    let plain = server.addresses().iter().map(ToString::to_string);
    let tls = server.tls_addresses().iter().map(|address| format!("{address} (TLS)"));
    let addresses: Vec<_> = plain.chain(tls).collect();
    let status = match &addresses[..] {
        [] => "listening on its Unix socket".to_owned(),
        addresses => format!("listening on {}", addresses.join(", ")),
    };
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// It was told to stop. What is on its way to the disk may take a while.
pub(crate) fn stopping() -> Patience {
    tell(&[NotifyState::Stopping]);
    Patience::ask("makes a last checkpoint")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd is not told: {error}");
    }
}
