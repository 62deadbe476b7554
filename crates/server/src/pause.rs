//! CLIENT PAUSE: commands wait until a deadline, or until CLIENT UNPAUSE.
//!
//! Each command asks [`Pause::is_on`], which is one load of memory that hardly ever changes; only
//! then it looks closer. While a pause is on no key expires, as in Redis: whoever switches over to
//! another machine wants the data to stand still. Parked reads go on to wait, and time out.
//!
//! A session that is held up says so before it looks at the pause, and whoever ends the pause
//! changes it before looking for sessions to wake, both under the lock in here: one sees the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millstream_runtime::millis;
use parking_lot::Mutex;

use crate::mailbox::PAUSE_ENDED;
use crate::shared::Shared;

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Paused {
    /// Those that may change data.
    Writes,
    /// All.
    All,
}

#[derive(Clone, Copy, Debug)]
struct State {
    paused: Paused,
    until: Instant,
}

/// Whether commands wait. On a cache line of its own, since every command reads it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Pause {
    is_on: AtomicBool,
    /// The last number that somebody drew who is held up.
    turns: AtomicU64,
    state: Mutex<Option<State>>,
}

impl Pause {
    /// Whether there may be a pause; it may have ended.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Begins a pause, or makes the present one longer and stricter; never shorter or milder.
    pub(crate) fn begin(&self, paused: Paused, until: Instant) {
        let mut state = self.state.lock();
        let present = Self::present(&mut state);
        *state = Some(State {
            paused: present.map_or(paused, |present| present.paused.max(paused)),
            until: present.map_or(until, |present| present.until.max(until)),
        });
        self.is_on.store(true, Ordering::Release);
    }

    /// Until when a command that may or may not write has to wait; `None`: it may run.
    pub(crate) fn holds(&self, is_write: bool) -> Option<Instant> {
        let mut state = self.state.lock();
        let present = Self::present(&mut state);
        if present.is_none() {
            self.is_on.store(false, Ordering::Release);
        }
        present
            .filter(|present| is_write || present.paused == Paused::All)
            .map(|present| present.until)
    }

    /// The next place in the queue of those held up.
    pub(crate) fn draw_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// When the pause ends by itself; `None`: there is none.
    pub(crate) fn until(&self) -> Option<Instant> {
        if !self.is_on() {
            return None;
        }
        Self::present(&mut self.state.lock()).map(|present| present.until)
    }

    fn present(state: &mut Option<State>) -> Option<State> {
        *state = state.filter(|present| present.until > Instant::now());
        *state
    }

    /// Values of the INFO fields `paused_reason`, `paused_actions` and
    /// `paused_timeout_milliseconds`.
    pub(crate) fn info(&self) -> [String; 3] {
        let Some(present) = Self::present(&mut self.state.lock()) else {
            return ["none".into(), "none".into(), "0".into()];
        };
        let actions = match present.paused {
            Paused::Writes => "write",
            Paused::All => "all",
        };
        let left = present.until.saturating_duration_since(Instant::now());
        ["client_pause".into(), actions.into(), millis(left).to_string()]
    }
}

/// Ends the pause for everybody. With the engine held, the timer finds out at its next look.
pub(crate) fn end(shared: &Shared, is_engine_held: bool) {
    *shared.pause.state.lock() = None;
    shared.pause.is_on.store(false, Ordering::Release);
    let mut postponed = shared.clients.all();
    postponed.retain(|client| client.is_postponed.load(Ordering::Acquire));
    // Who came first is served first, at least by the same worker.
    postponed.sort_by_key(|client| client.turn.load(Ordering::Relaxed));
    postponed.iter().for_each(|client| client.signal.send(PAUSE_ENDED));
    // What is due to expire has waited, too.
    if !is_engine_held {
        shared.store.engine.wake_timer();
    }
}

/// The end of a pause of so many milliseconds from now; `None` if no clock goes so far.
pub(crate) fn deadline(pause_ms: u64) -> Option<Instant> {
    // Longer than any server lives, and short enough for every clock.
    const LONGEST: Duration = Duration::from_secs(1000 * 365 * 86_400);
    Instant::now().checked_add(Duration::from_millis(pause_ms).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_pause_only_grows() {
        let pause = Pause::default();
        assert!(!pause.is_on() && pause.holds(true).is_none());
        assert_eq!(pause.info(), ["none", "none", "0"]);
        let late = at(100);
        pause.begin(Paused::Writes, late);
        assert_eq!((pause.holds(true), pause.holds(false)), (Some(late), None));
        pause.begin(Paused::All, at(1));
        assert_eq!(pause.holds(false), Some(late));
        pause.begin(Paused::Writes, at(1));
        let [reason, actions, left] = pause.info();
        assert_eq!((&reason[..], &actions[..]), ("client_pause", "all"));
        assert!((90_000..=100_000).contains(&left.parse::<u64>().expect("a number")), "{left}");
    }

    #[test]
    fn what_is_over_holds_nobody() {
        let pause = Pause::default();
        pause.begin(Paused::All, Instant::now());
        assert!(pause.holds(true).is_none() && pause.until().is_none());
        assert!(!pause.is_on(), "a look that finds it over puts an end to the looking");
        pause.begin(Paused::Writes, at(10));
        assert!(pause.holds(false).is_none(), "a pause that is over leaves nothing of its mode");
    }
}
