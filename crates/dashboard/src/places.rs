//! How many may do something at a time, by the files that a dashboard may have open: the server
//! whose process this is needs files for its log.

use tokio::sync::Semaphore;

/// Connections of visitors, by default; others wait until one of them ends.
const CONNECTIONS: usize = 512;
/// Those who are just logging in; others wait.
const LOGINS: usize = 32;
/// Those who have logged in.
const SESSIONS: usize = 64;

/// A connection to the server whose process this is has both its ends here.
const CONNECTION_FILES: usize = 2;
/// Whoever logs in as the default user has two connections.
const LOGIN_FILES: usize = 2 * CONNECTION_FILES;
/// The listener, the event loop, and connections of the dashboard's own, old and new.
const OWN_FILES: usize = 16;

/// Files that a dashboard has open at most, unless it is told to have fewer.
pub const FILES_WANTED: usize =
    OWN_FILES + CONNECTIONS + LOGINS * LOGIN_FILES + SESSIONS * CONNECTION_FILES;

/// How many of each there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) connections: usize,
    pub(crate) logins: usize,
    pub(crate) sessions: usize,
}

impl Places {
    /// With no more than so many files, but for what nobody could work without.
    pub(crate) fn within(files: usize) -> Self {
        let share = |wanted: usize| {
            let files = files.clamp(OWN_FILES, FILES_WANTED) - OWN_FILES;
            (wanted * files / (FILES_WANTED - OWN_FILES)).max(1)
        };
        let [connections, logins, sessions] = [CONNECTIONS, LOGINS, SESSIONS].map(share);
        Self { connections, logins, sessions }
    }
}

impl Default for Places {
    /// In a process of its own: nobody else's files are at stake there, and the server may hold
    /// back each wrong login for seconds, behind which others would wait.
    fn default() -> Self {
        Self { connections: CONNECTIONS, logins: Semaphore::MAX_PERMITS, sessions: SESSIONS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_no_more_files_than_there_are() {
        let all = Places { connections: CONNECTIONS, logins: LOGINS, sessions: SESSIONS };
        assert_eq!(Places::within(FILES_WANTED), all);
        assert_eq!(Places::within(usize::MAX), all);
        assert_eq!(Places::within(0), Places { connections: 1, logins: 1, sessions: 1 });
        for files in 40..FILES_WANTED {
            let Places { connections, logins, sessions } = Places::within(files);
            let taken = connections + logins * LOGIN_FILES + sessions * CONNECTION_FILES;
            assert!(taken + OWN_FILES <= files, "{taken} of {files}");
        }
    }
}
