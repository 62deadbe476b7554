//! How many connections the operating system lets this process have.
//!
//! The log opens files, too: clients that took the last descriptor would keep it from growing. So
//! some are set aside, and connections beyond the rest are refused like those beyond `maxclients`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Config;

/// For the log, listeners, event loops, and whatever else the process has open.
const SET_ASIDE: u64 = 64;
/// Handshakes of TLS at a time, which are no clients yet.
const HANDSHAKES_MAX: u64 = 1024;

/// How many files that others in this process want they get: at most a quarter of what there may
/// be. To be told in [`Config::files_of_others`].
#[must_use]
pub fn files_for_others(wanted: usize) -> usize {
    let possible = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    wanted.min(usize::try_from(possible / 4).unwrap_or(usize::MAX))
}

/// How many handshakes of TLS there is room for beside clients, where TLS is spoken.
pub(crate) fn handshakes_max(config: &Config) -> usize {
    if config.tls_port.is_none() {
        return 0;
    }
    let possible = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    // Clients need most of what there is.
    let places = HANDSHAKES_MAX.min(possible / 4).max(1);
    usize::try_from(places).unwrap_or(usize::MAX)
}

/// Raises the limit of open files as far as `wanted` connections, handshakes and others in this
/// process need and the system allows. Returns how many connections fit; at least one.
pub(crate) fn make_room_for(wanted: usize, config: &Config) -> usize {
    let others = handshakes_max(config).saturating_add(config.files_of_others);
    let set_aside = SET_ASIDE.saturating_add(others as u64);
    let needed = (wanted as u64).saturating_add(set_aside);
    let limit = getrlimit(Resource::Nofile);
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < needed {
        let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
        let limit = Rlimit { current: Some(raised), ..limit };
        if raised > current && setrlimit(Resource::Nofile, limit).is_ok() {
            current = raised;
        }
    }
    let fits = current.saturating_sub(set_aside).max(1);
    usize::try_from(fits).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_than_wanted_or_possible() {
        let config = Config::default();
        assert_eq!(make_room_for(1, &config), 1);
        let most = make_room_for(usize::MAX, &config);
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(most as u64 <= limit && most > 1, "{most} of {limit}");
    }

    #[test]
    fn what_others_may_open_is_set_aside() {
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let most = make_room_for(usize::MAX, &Config::default());
        let others = files_for_others(100);
        assert!((1..=100).contains(&others));
        let with_others = Config { files_of_others: others, ..Config::default() };
        // Without any limit there is nothing to share.
        if limit < u64::MAX {
            assert_eq!(make_room_for(usize::MAX, &with_others), most - others);
        }
        assert!(files_for_others(usize::MAX) as u64 <= limit / 4);
    }
}
