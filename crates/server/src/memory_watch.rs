//! What is done about memory: looks at how much is used, closes clients that take too much of it
//! and those that take nothing of what waits for them, and has the others give back what they do
//! not need.
//!
//! Ten times a second while there is something to bound, once a second else; when somebody asks for
//! it at once, but for a pause after the last look.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::clients::Client;
use crate::info::resident_bytes;
use crate::mailbox::{GIVE_BACK, KILLED};
use crate::memory_budget::MemoryLevel;
use crate::shared::Shared;

const INTERVAL: Duration = Duration::from_millis(100);
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks, whoever asks: clients may take too much without one that may be closed.
const PAUSE: Duration = Duration::from_millis(10);
/// Above the hard limit clients with more than this are closed.
const LARGE_CLIENT_BYTES: usize = 1 << 20;
/// Clients with less than this are not at fault, whoever is spared.
const SMALL_CLIENT_BYTES: usize = 64 << 10;
/// Less than this is not worth waking a client for.
const SPARE_BYTES: usize = 8 << 10;
/// Counting what is used takes at most about this part of the time.
const COUNT_SHARE: u32 = 10;

/// Runs until the task is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stalled = Stalled::default();
    let mut count = Count { due: Instant::now(), may_hurry: true };
    let mut cache_max = 0;
    loop {
        let budget = &shared.memory;
        let is_idle = budget.max() == 0 && !budget.is_pressed();
        let interval = if is_idle { IDLE_INTERVAL } else { INTERVAL };
        let _ = tokio::time::timeout(interval, budget.look_wanted.notified()).await;
        bound_cache(&shared, &mut cache_max);
        look(&shared, &mut count);
        if budget.clients_max().is_some_and(|max| budget.clients() > max) {
            evict(&shared, budget.clients_max().unwrap_or(usize::MAX), SMALL_CLIENT_BYTES);
        }
        if budget.level() == MemoryLevel::AboveHard {
            evict(&shared, 0, LARGE_CLIENT_BYTES);
        }
        if budget.is_pressed() {
            have_memory_given_back(&shared);
        }
        stalled.close(&shared);
        tokio::time::sleep(PAUSE).await;
    }
}

/// When what is used may be counted again.
struct Count {
    due: Instant,
    /// The last count was due. One that is not is for commands that are refused by a guess.
    may_hurry: bool,
}

/// Blocks that could be read again take no more than half of `maxmemory`.
fn bound_cache(shared: &Shared, last_max: &mut u64) {
    let max = shared.memory.max();
    if max != std::mem::replace(last_max, max) {
        let wanted = shared.config.cache_mb.saturating_mul(1 << 20);
        let bytes = if max > 0 { wanted.min(max / 2) } else { wanted };
        shared.store.engine.set_cache_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

/// Measures what is used.
fn look(shared: &Shared, count: &mut Count) {
    let budget = &shared.memory;
    let is_guessed = budget.take_guess();
    if budget.max() == 0 {
        return;
    }
    let resident = resident_bytes();
    if resident <= budget.max() {
        budget.judge(resident);
        return;
    }
    let begun = Instant::now();
    let is_due = begun >= count.due;
    let hurries = is_guessed && count.may_hurry;
    if !is_due && !hurries {
        return;
    }
    count.may_hurry = is_due;
    let data = shared.store.engine.count_memory(shared.clock.now()) as u64;
    count.due = begun + begun.elapsed() * COUNT_SHARE;
    budget.judge(resident.min(data + startup(shared) + budget.clients() as u64));
}

/// What the process takes without data and clients.
fn startup(shared: &Shared) -> u64 {
    shared.startup_bytes.load(Ordering::Relaxed)
}

/// Closes clients that hold more than `above` bytes, those with most first, until all together
/// hold no more than `max`.
fn evict(shared: &Shared, max: usize, above: usize) {
    let mut clients: Vec<(usize, Arc<Client>)> = shared
        .clients
        .all()
        .into_iter()
        .map(|client| (client.memory.load(Ordering::Relaxed), client))
        .filter(|(bytes, client)| *bytes > above && may_be_evicted(client))
        .collect();
    clients.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut all = shared.memory.clients();
    for (bytes, client) in clients {
        if all <= max {
            break;
        }
        all = all.saturating_sub(bytes);
        // One that is on its way already counts as gone.
        if client.signal.events() & KILLED == 0 {
            shared.memory.evicted_clients.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "closing the connection of {}: its buffers take {bytes} bytes, and clients take \
                 too much memory together",
                client.address
            );
            client.signal.send(KILLED);
        }
    }
}

fn may_be_evicted(client: &Client) -> bool {
    !client.is_own() && !client.facts.lock().no_evict
}

fn have_memory_given_back(shared: &Shared) {
    for client in shared.clients.all() {
        if client.memory.load(Ordering::Relaxed) > SPARE_BYTES {
            client.signal.send(GIVE_BACK);
        }
    }
}

/// Clients for which something waits that they do not take.
#[derive(Default)]
struct Stalled {
    /// What each had taken, and since when it is no more.
    since: HashMap<u64, (u64, Instant)>,
}

impl Stalled {
    /// `client-output-buffer-limit`, soft.
    fn close(&mut self, shared: &Shared) {
        let limit = shared.settings.output_limit();
        if limit.soft_bytes == 0 || limit.soft_s == 0 {
            self.since.clear();
            return;
        }
        let now = Instant::now();
        let patience = Duration::from_secs(limit.soft_s.into());
        let mut still = HashMap::new();
        for client in shared.clients.all() {
            let waiting = client.output_waiting.load(Ordering::Relaxed) as u64;
            if waiting < limit.soft_bytes || client.is_own() {
                continue;
            }
            let taken = client.output_taken.load(Ordering::Relaxed);
            let known = self.since.get(&client.id).filter(|(before, _)| *before == taken);
            let since = known.map_or(now, |(_, since)| *since);
            still.insert(client.id, (taken, since));
            if now.duration_since(since) >= patience && client.signal.events() & KILLED == 0 {
                shared.stalled_clients.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    "closing the connection of {}: it has taken nothing of its replies for {} s",
                    client.address,
                    limit.soft_s
                );
                client.signal.send(KILLED);
            }
        }
        self.since = still;
    }
}
