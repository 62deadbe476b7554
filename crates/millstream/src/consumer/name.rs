//! Names of consumers that stay the same over restarts, so that a worker finds what it had, and
//! groups do not fill up with names that never come back.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

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
    _locked: File,
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
                Ok(()) => return Ok(Self { slot, _locked: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("all slots are taken"))
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
}
