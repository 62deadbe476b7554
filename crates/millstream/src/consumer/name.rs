//! Names of consumers that stay the same over restarts, so that a worker finds what it had, and
//! groups do not fill up with names that never come back.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

/// Files for a while are deleted where nobody touches them for days. Another process would make
/// the file anew, and have the same slot.
const TOUCH_INTERVAL: Duration = Duration::from_hours(1);
/// More workers of one group than a machine has.
const SLOTS_MAX: u32 = 65_536;

/// This machine's name, and a number for each worker on it.
pub(super) fn of_slot(slot: u32) -> String {
    let host = rustix::system::uname();
    format!("{}-{slot}", host.nodename().to_string_lossy())
}

/// A slot that no other process on this machine has while this lives. It is free again when the
/// process ends, however it ends.
#[derive(Debug)]
pub(super) struct SlotLock {
    pub(super) slot: u32,
    locked: File,
}

impl SlotLock {
    /// Takes the lowest that is free among those of this name (of a group and its stream).
    pub(super) fn take(name: &str) -> io::Result<Self> {
        let user = rustix::process::getuid().as_raw();
        Self::take_in(&std::env::temp_dir().join(format!("millstream-slots-{user}")), name)
    }

    fn take_in(folder: &Path, name: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        for slot in 0..SLOTS_MAX {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(file_of(folder, name, slot))?;
            match file.try_lock() {
                Ok(()) => return Ok(Self { slot, locked: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("all slots are taken"))
    }

    /// Keeps the file young, for ever.
    pub(super) async fn keep(&self) {
        loop {
            sleep(TOUCH_INTERVAL).await;
            if let Err(error) = self.locked.set_modified(SystemTime::now()) {
                tracing::debug!("the file of the slot is not touched: {error}");
            }
        }
    }
}

/// Names may have any characters; a hash of them is short enough for every file system.
fn file_of(folder: &Path, name: &str, slot: u32) -> PathBuf {
    // FNV-1a: the same in every version of this program, which share the files.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    folder.join(format!("{hash:016x}-{slot}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_a_machine_have_names_that_stay() {
        assert_eq!(of_slot(3), of_slot(3));
        assert_ne!(of_slot(3), of_slot(4));
        assert!(of_slot(7).ends_with("-7") && of_slot(7).len() > 2);
    }

    #[test]
    fn the_lowest_free_slot_is_taken_and_free_again_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = |name: &str| SlotLock::take_in(folder.path(), name).expect("a slot");
        let (first, second) = (take("orders/billing"), take("orders/billing"));
        assert_eq!((first.slot, second.slot, take("orders/audit").slot), (0, 1, 0));
        drop(first);
        assert_eq!(take("orders/billing").slot, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_file_of_a_slot_does_not_grow_old_while_it_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = SlotLock::take_in(folder.path(), "orders/billing").expect("a slot");
        let long_ago = SystemTime::now() - 100 * TOUCH_INTERVAL;
        taken.locked.set_modified(long_ago).expect("sets it");
        let kept = tokio::time::timeout(2 * TOUCH_INTERVAL, taken.keep()).await;
        kept.expect_err("it keeps it for ever");
        let touched = taken.locked.metadata().and_then(|it| it.modified()).expect("a time");
        assert!(touched > long_ago + 50 * TOUCH_INTERVAL);
    }
}
