//! Closing connections that have said nothing for as long as the setting `timeout` allows.
//!
//! A connection says that it is there by what it sends and by what it takes. That costs it one
//! store and no look at the clock; the clock is looked at here, once a second, and only while the
//! setting is on. Blocked connections are waiting, not idle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::clients::Client;
use crate::mailbox::KILLED;
use crate::shared::Shared;

/// The setting is in seconds, so it is kept to the second.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until the task is dropped.
pub(crate) async fn close_idle(shared: Arc<Shared>) {
    loop {
        let timeout = match shared.settings.timeout_s.load(Ordering::Relaxed) {
            0 => {
                shared.settings.timeout_changed.notified().await;
                continue;
            }
            seconds => Duration::from_secs(seconds.into()),
        };
        let now = Instant::now();
        for client in shared.clients.all() {
            let is_closing = client.signal.events() & KILLED != 0;
            if is_idle(&client, now, timeout) && !is_closing {
                shared.idle_clients.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("closing the idle connection of {}", client.address);
                client.signal.send(KILLED);
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn is_idle(client: &Client, now: Instant, timeout: Duration) -> bool {
    let mut facts = client.facts.lock();
    if client.is_active.swap(false, Ordering::Relaxed) {
        facts.last_at = facts.last_at.max(now);
    }
    // The end of its wait makes it active.
    !client.is_blocked.load(Ordering::Acquire)
        && now.saturating_duration_since(facts.last_at) >= timeout
}
