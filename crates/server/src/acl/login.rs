//! Guessing passwords takes time: the answer to a wrong one is held back, longer and longer, for
//! the address that it came from.
//!
//! Who knows the password never waits, so nobody can be locked out by somebody else's guesses. What
//! is kept is bounded; whoever has more addresses than that guesses from each at the first pace.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::address::Address;

/// Mistakes that are answered at once.
const FREE: u32 = 3;
/// The longest wait is so many times the first.
const FACTOR_MAX: u32 = 32;
/// After so long without a mistake all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Addresses that are kept.
const ADDRESSES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Wrong logins by address.
#[derive(Debug)]
pub(crate) struct LoginFailures {
    by_address: Mutex<HashMap<Option<IpAddr>, Failures>>,
    /// `auth-failure-delay`, milliseconds; 0: nobody waits.
    pub(crate) delay_ms: AtomicU64,
}

impl Default for LoginFailures {
    fn default() -> Self {
        Self { by_address: Mutex::default(), delay_ms: AtomicU64::new(100) }
    }
}

/// What becomes of a wrong login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Penalty {
    /// Before it is answered.
    pub(crate) wait: Duration,
    /// How many there were from there, this one included.
    pub(crate) count: u32,
}

impl Penalty {
    /// Rarer and rarer, so that guesses do not fill the disk.
    pub(crate) const fn is_logged(self) -> bool {
        self.count.is_power_of_two()
    }
}

impl LoginFailures {
    pub(crate) fn note(&self, address: &Address, now: Instant) -> Penalty {
        let mut by_address = self.by_address.lock();
        let is_old =
            |failures: &Failures| now.saturating_duration_since(failures.last) >= FORGOTTEN_AFTER;
        let from = origin(address);
        if by_address.len() >= ADDRESSES_MAX && !by_address.contains_key(&from) {
            by_address.retain(|_, failures| !is_old(failures));
            if by_address.len() >= ADDRESSES_MAX {
                by_address.clear();
            }
        }
        let failures = by_address.entry(from).or_insert(Failures { count: 0, last: now });
        if is_old(failures) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let count = failures.count;
        // The dashboard of this process slows its visitors down by their own addresses, and waits
        // for one answer while others wait for it.
        let wait = if matches!(address, Address::Own) { Duration::ZERO } else { self.wait(count) };
        Penalty { wait, count }
    }

    fn wait(&self, count: u32) -> Duration {
        let first = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
        match count.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => first * 1u32.checked_shl(more).unwrap_or(FACTOR_MAX).min(FACTOR_MAX),
        }
    }
}

/// Who has one IPv6 address has all of its network. `None`: this machine.
fn origin(address: &Address) -> Option<IpAddr> {
    let Address::Tcp(address) = address else { return None };
    Some(match address.ip().to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let network = u128::from(ip) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        ip => ip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Address {
        Address::Tcp(text.parse().expect("an address"))
    }

    #[test]
    fn guesses_wait_longer_and_longer_by_network() {
        let failures = LoginFailures::default();
        let start = Instant::now();
        let waits = |address: &Address, count: usize| -> Vec<u128> {
            let penalty = || failures.note(address, start).wait.as_millis();
            std::iter::repeat_with(penalty).take(count).collect()
        };
        let all = waits(&tcp("10.0.0.1:1"), 12);
        assert_eq!(all, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200]);
        assert_eq!(waits(&tcp("[2001:db8::1]:1"), 3), [0, 0, 0]);
        assert_eq!(waits(&tcp("[2001:db8::2]:1"), 1), [100], "the same network");
        assert_eq!(waits(&tcp("10.0.0.2:1"), 1), [0]);
        let later = start + FORGOTTEN_AFTER;
        assert_eq!(failures.note(&tcp("10.0.0.1:1"), later).count, 1);
        assert_eq!(waits(&Address::Own, 12), [0; 12]);
        failures.delay_ms.store(0, Ordering::Relaxed);
        assert_eq!(waits(&tcp("10.0.0.9:1"), 5), [0; 5]);
        assert_eq!(failures.wait(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let failures = LoginFailures::default();
        let now = Instant::now();
        for at in 0..3 * ADDRESSES_MAX {
            let ip = std::net::Ipv4Addr::from(u32::try_from(at).expect("small"));
            failures.note(&Address::Tcp((ip, 1).into()), now);
        }
        assert!(failures.by_address.lock().len() <= ADDRESSES_MAX);
    }
}
