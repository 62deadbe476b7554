//! How many connections the operating system lets this process have.
//!
//! The log opens files, too: clients that took the last descriptor would keep it from growing. So
//! some are set aside, and connections beyond the rest are refused like those beyond `maxclients`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the log, listeners, event loops, and whatever else the process has open.
const SET_ASIDE: u64 = 64;

/// Raises the limit of open files as far as `wanted` connections need and the system allows.
/// Returns how many connections fit; at least one.
pub(crate) fn make_room_for(wanted: usize) -> usize {
    let needed = (wanted as u64).saturating_add(SET_ASIDE);
    let limit = getrlimit(Resource::Nofile);
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < needed {
        let raised = needed.min(limit.maximum.unwrap_or(u64::MAX));
        let limit = Rlimit { current: Some(raised), ..limit };
        if raised > current && setrlimit(Resource::Nofile, limit).is_ok() {
            current = raised;
        }
    }
    let fits = current.saturating_sub(SET_ASIDE).max(1);
    usize::try_from(fits).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_than_wanted_or_possible() {
        assert_eq!(make_room_for(1), 1);
        let most = make_room_for(usize::MAX);
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(most as u64 <= limit && most > 1, "{most} of {limit}");
    }
}
