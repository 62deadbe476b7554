//! The thread that prepares log space ahead of the commit thread, and takes away what checkpoints
//! cover.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use millstream_engine::{LogPosition, Prepared, Preparer};
use rustix::io::Errno;

use crate::{LiveStore, PrepareFailure};

/// Sleeps at most so long while enough is prepared; whoever writes the log ends it earlier.
const ENOUGH_PAUSE: Duration = Duration::from_millis(500);
/// Before it tries again on a full or failing disk.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop` is set, or the log is poisoned.
pub(crate) fn run(mut preparer: Preparer, store: &LiveStore, stop: &AtomicBool) {
    *store.preparer.lock() = Some(thread::current());
    let mut complained = false;
    let mut removed_before = LogPosition::ZERO;
    while !stop.load(Ordering::Acquire) && store.poison().is_none() {
        let needed_from = store.engine.log_needed_from();
        if needed_from > removed_before {
            match preparer.remove_before(needed_from) {
                Ok(_) => removed_before = needed_from,
                // Tried again in the next round.
                Err(error) => tracing::warn!("cannot remove log that is not needed: {error}"),
            }
        }
        let stepped = preparer.step();
        store.set_prepare_failure(stepped.as_ref().err().map(|error| failure(error.source())));
        match stepped {
            Ok(Prepared::Grew) => complained = false,
            Ok(Prepared::Enough) => {
                complained = false;
                thread::park_timeout(ENOUGH_PAUSE);
            }
            Ok(Prepared::DiskFull) => {
                if !complained {
                    tracing::error!(
                        "the disk is full: only commands that free space are accepted until there \
                         is room"
                    );
                }
                complained = true;
                thread::park_timeout(RETRY_PAUSE);
            }
            Err(error) => {
                if !complained {
                    let source = error.source().map(ToString::to_string).unwrap_or_default();
                    tracing::error!("cannot prepare log space, will try again: {error}: {source}");
                }
                complained = true;
                thread::park_timeout(RETRY_PAUSE);
            }
        }
    }
    *store.preparer.lock() = None;
}

/// Of the process, or of the whole machine.
fn failure(source: Option<&(dyn Error + 'static)>) -> PrepareFailure {
    let number = source.and_then(|it| it.downcast_ref::<io::Error>()?.raw_os_error());
    let is_about_files = |errno: Errno| number == Some(errno.raw_os_error());
    if is_about_files(Errno::MFILE) || is_about_files(Errno::NFILE) {
        PrepareFailure::TooManyFiles
    } else {
        PrepareFailure::Other
    }
}
