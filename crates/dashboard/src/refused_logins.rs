//! Who guesses passwords waits longer and longer, and fills no log.
//!
//! Counted by address. Who knows the password never waits, so nobody is locked out by what others
//! guess. The server holds guesses back as well, but it knows this process alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Before a first wrong login is answered.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Mistakes that are answered after that.
const FREE: u32 = 3;
/// The longest wait is so many times the first.
const FACTOR_MAX: u32 = 16;
/// After so long without a mistake all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Addresses that are kept.
const ADDRESSES_MAX: usize = 4096;

/// Wrong logins by address.
#[derive(Debug, Default)]
pub(crate) struct RefusedLogins(Mutex<HashMap<IpAddr, Refused>>);

#[derive(Clone, Copy, Debug)]
struct Refused {
    count: u32,
    last: Instant,
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
    /// Rarer and rarer.
    pub(crate) fn is_logged(self) -> bool {
        self.count.is_power_of_two()
    }
}

impl RefusedLogins {
    pub(crate) fn note(&self, from: IpAddr, now: Instant) -> Penalty {
        let mut all = self.0.lock();
        let is_old = |it: &Refused| now.saturating_duration_since(it.last) >= FORGOTTEN_AFTER;
        let from = origin(from);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&from) {
            all.retain(|_, refused| !is_old(refused));
            if all.len() >= ADDRESSES_MAX {
                all.clear();
            }
        }
        let refused = all.entry(from).or_insert(Refused { count: 0, last: now });
        if is_old(refused) {
            refused.count = 0;
        }
        refused.count = refused.count.saturating_add(1);
        refused.last = now;
        let doublings = refused.count.saturating_sub(FREE);
        let factor = 1u32.checked_shl(doublings).unwrap_or(FACTOR_MAX).min(FACTOR_MAX);
        Penalty { wait: FIRST_WAIT * factor, count: refused.count }
    }
}

impl RefusedLogins {
    /// Somebody has logged in from there.
    pub(crate) fn forget(&self, from: IpAddr) {
        self.0.lock().remove(&origin(from));
    }
}

/// Who has one IPv6 address has all of its network.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_wait_longer_and_longer_and_are_logged_more_and_more_rarely() {
        let refused = RefusedLogins::default();
        let now = Instant::now();
        let from = |text: &str| text.parse::<IpAddr>().expect("an address");
        let all: Vec<Penalty> = (0..9).map(|_| refused.note(from("10.0.0.1"), now)).collect();
        let waits: Vec<u128> = all.iter().map(|it| it.wait.as_millis()).collect();
        assert_eq!(waits, [500, 500, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        let logged: Vec<u32> = all.iter().filter(|it| it.is_logged()).map(|it| it.count).collect();
        assert_eq!(logged, [1, 2, 4, 8]);
        assert_eq!(refused.note(from("10.0.0.2"), now).count, 1);
        refused.note(from("2001:db8::1"), now);
        assert_eq!(refused.note(from("2001:db8::2"), now).count, 2, "the same network");
        assert_eq!(refused.note(from("10.0.0.1"), now + FORGOTTEN_AFTER).count, 1);
        refused.forget(from("10.0.0.2"));
        assert_eq!(refused.note(from("10.0.0.2"), now).count, 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let refused = RefusedLogins::default();
        let now = Instant::now();
        for at in 0..3 * ADDRESSES_MAX {
            let ip = std::net::Ipv4Addr::from(u32::try_from(at).expect("small"));
            refused.note(ip.into(), now);
        }
        assert!(refused.0.lock().len() <= ADDRESSES_MAX);
    }
}
