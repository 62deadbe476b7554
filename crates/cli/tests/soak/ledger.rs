//! What was sent and what became of it: one line for each message and group.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::Connection;

/// Work is spread over so many streams.
pub(crate) const STREAMS: usize = 4;
/// The first has a policy and leaves claiming to the server; the second is one as in Redis, whose
/// workers claim by themselves.
pub(crate) const GROUPS: [&str; 2] = ["billing", "audit"];
/// Each so many-th message is one that `billing` never gets done.
const POISON: u64 = 5000;
/// Each so many-th message is given now and added later.
const DELAYED: u64 = 100;
/// So many messages may be on their way before a producer waits.
const MOST_UNDER_WAY: u64 = 200_000;
/// More than two cores do.
const MOST_A_SECOND: u64 = 150_000;

pub(crate) fn connect(address: &str) -> Connection {
    let client = redis::Client::open(format!("redis://{address}")).expect("a well-formed URL");
    let connection = client.get_connection().expect("the server accepts");
    connection.set_read_timeout(Some(Duration::from_secs(60))).expect("above zero");
    connection
}

pub(crate) fn work_stream(number: usize) -> String {
    format!("work:{number}")
}

pub(crate) fn dead_letters(number: usize) -> String {
    format!("work:{number}:dlq")
}

/// A group's numbers.
#[derive(Debug, Default)]
pub(crate) struct GroupAccount {
    /// One bit for each message that was handled.
    seen: Vec<AtomicU64>,
    pub(crate) handled: AtomicU64,
    /// Handled another time: by who got it after somebody died, or failed.
    pub(crate) repeated: AtomicU64,
    /// What XACK said.
    pub(crate) acknowledged: AtomicU64,
    /// Acknowledged by a worker that did not live to see the reply.
    pub(crate) unknown: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) deaths: AtomicU64,
    /// Came too late: others had it already.
    pub(crate) fenced: AtomicU64,
}

impl GroupAccount {
    /// Notes that this message was handled.
    pub(crate) fn see(&self, number: u64) {
        let bit = 1 << (number % 64);
        let word = &self.seen[usize::try_from(number / 64).expect("it is small")];
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.handled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.repeated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The first message below this number that was not handled.
    pub(crate) fn first_missing(&self, end: u64) -> Option<u64> {
        let has = |number: u64| {
            let word = self.seen[usize::try_from(number / 64).expect("it is small")]
                .load(Ordering::Relaxed);
            word >> (number % 64) & 1 == 1
        };
        (0..end).find(|number| !has(*number))
    }
}

/// Shared by all that take part.
pub(crate) struct Ledger {
    address: String,
    /// Whether what the process takes is judged.
    pub(crate) is_long: bool,
    next: AtomicU64,
    added: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) poisoned: AtomicU64,
    /// How often a producer found too much under way.
    pub(crate) held_up: AtomicU64,
    pub(crate) groups: [GroupAccount; GROUPS.len()],
    /// Messages a second.
    rate: Mutex<f64>,
    producing: AtomicBool,
    working: AtomicBool,
    /// Consumers that are at work.
    living: Mutex<HashSet<String>>,
    waits: Mutex<Vec<Duration>>,
}

impl Ledger {
    pub(crate) fn new(address: &str, duration: Duration, is_long: bool) -> Self {
        let most = (duration.as_secs() + 60) * MOST_A_SECOND;
        let account = || {
            let words = (0..most / 64 + 1).map(|_| AtomicU64::new(0)).collect();
            GroupAccount { seen: words, ..GroupAccount::default() }
        };
        Self {
            address: address.to_owned(),
            is_long,
            next: AtomicU64::new(0),
            added: AtomicU64::new(0),
            events: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
            poisoned: AtomicU64::new(0),
            held_up: AtomicU64::new(0),
            groups: [account(), account()],
            rate: Mutex::new(0.0),
            producing: AtomicBool::new(true),
            working: AtomicBool::new(true),
            living: Mutex::default(),
            waits: Mutex::default(),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        connect(&self.address)
    }

    /// The next messages, which are the caller's to add.
    pub(crate) fn take_numbers(&self, count: u64) -> std::ops::Range<u64> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }

    pub(crate) fn is_poison(number: u64) -> bool {
        number % POISON == 7
    }

    pub(crate) fn is_delayed(number: u64) -> bool {
        number % DELAYED == 3
    }

    /// They were confirmed, after so long.
    pub(crate) fn note_added(&self, numbers: std::ops::Range<u64>, wait: Duration) {
        let count = |is: fn(u64) -> bool| numbers.clone().filter(|it| is(*it)).count() as u64;
        self.delayed.fetch_add(count(Self::is_delayed), Ordering::Relaxed);
        self.poisoned.fetch_add(count(Self::is_poison), Ordering::Relaxed);
        self.added.fetch_add(numbers.end - numbers.start, Ordering::Relaxed);
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
    }

    pub(crate) fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// How many messages all groups have handled, at least.
    pub(crate) fn handled_by_all(&self) -> u64 {
        let handled = self.groups.iter().map(|it| it.handled.load(Ordering::Relaxed));
        handled.min().expect("there are groups")
    }

    pub(crate) fn has_too_many_under_way(&self) -> bool {
        self.added().saturating_sub(self.handled_by_all()) > MOST_UNDER_WAY
    }

    /// How long producers waited since the last call.
    pub(crate) fn take_waits(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.waits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_rate(&self, rate: f64) {
        *self.rate.lock().expect("nobody panics with it") = rate;
    }

    pub(crate) fn rate(&self) -> f64 {
        *self.rate.lock().expect("nobody panics with it")
    }

    pub(crate) fn stop_producing(&self) {
        self.producing.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_producing(&self) -> bool {
        self.producing.load(Ordering::Relaxed)
    }

    pub(crate) fn stop_working(&self) {
        self.working.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed)
    }

    pub(crate) fn born(&self, name: &str) {
        self.living.lock().expect("nobody panics with it").insert(name.to_owned());
    }

    pub(crate) fn died(&self, name: &str) {
        self.living.lock().expect("nobody panics with it").remove(name);
    }

    pub(crate) fn is_alive(&self, name: &str) -> bool {
        self.living.lock().expect("nobody panics with it").contains(name)
    }

    pub(crate) fn summary(&self) -> String {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let mut text = format!(
            "{} of them delayed, {} poisoned, {} events besides; producers were held up {} times",
            of(&self.delayed),
            of(&self.poisoned),
            of(&self.events),
            of(&self.held_up)
        );
        for (name, group) in GROUPS.iter().zip(&self.groups) {
            text += &format!(
                "; {name}: {} workers died, {} messages came again, {} settlements too late, \
                 {} acknowledged unseen",
                of(&group.deaths),
                of(&group.repeated),
                of(&group.fenced),
                of(&group.unknown)
            );
        }
        text
    }
}

/// A point in time that goes on by steps, and never lags far behind.
pub(crate) struct Pace {
    next: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// Waits until so many more may go, at so many a second.
    pub(crate) fn wait(&mut self, count: u64, rate: f64) {
        let now = Instant::now();
        if self.next + Duration::from_secs(1) < now {
            self.next = now;
        }
        if let Some(left) = self.next.checked_duration_since(now) {
            std::thread::sleep(left);
        }
        self.next += Duration::from_secs_f64(count as f64 / rate);
    }
}
