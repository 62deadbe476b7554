//! Values that arrive whole: COPY from another key, RESTORE from an image.
//!
//! What is logged is the whole value, so that recovery looks at no other key. Tests:
//! `tests/it/copy.rs`.

use std::fmt;

use millstream_model::Rejection;

use crate::ENTRY_BYTES_MAX;
use crate::image::{self, ImageError};
use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectKind, ObjectRef};
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// Why a value was not put under a key. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// The target exists, and was not to be replaced.
    Taken,
    /// The bytes are no image.
    Image(ImageError),
    /// The value does not fit into one record of the log.
    TooLarge,
    /// Blocks have to be loaded first, or cannot be.
    Rejected(Rejection),
    /// The log needs this much prepared space first: it was asked for, so try again soon.
    NoRoom {
        /// Bytes.
        bytes: u64,
    },
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("the target key exists"),
            Self::Image(error) => error.fmt(f),
            Self::TooLarge => f.write_str("the value is too large for one record of the log"),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::NoRoom { bytes } => write!(f, "the log has no room for {bytes} bytes yet"),
        }
    }
}

impl std::error::Error for CopyError {}

/// Whoever admits writes sets at least this much aside for each batch.
const ADMITTED_BYTES: usize = 32 << 10;

impl Transaction<'_> {
    /// A key's value as an image; `None` if the key is missing.
    ///
    /// # Errors
    /// [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn dump(&mut self, db: u8, key: &[u8]) -> Result<Option<Vec<u8>>, Rejection> {
        let Some(object) = self.find(db, key) else { return Ok(None) };
        self.need_all(object)?;
        Ok(Some(image::encode(&self.state().object(object.slot).data)))
    }

    /// Makes sure that the whole value is in memory.
    pub(crate) fn need_all(&mut self, object: ObjectRef) -> Result<(), Rejection> {
        let Some(stream) = self.state().object(object.slot).data.as_stream() else {
            return Ok(());
        };
        let cold: Vec<_> = stream.entries().cold_blocks().collect();
        self.need(object, cold)
    }

    /// Puts the value of an image under a key. The expiry is in Unix milliseconds; a key whose time
    /// has passed is not created, and what it would have replaced goes.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn restore(
        &mut self,
        db: u8,
        key: &[u8],
        image: &[u8],
        expires_at_ms: Option<u64>,
        replaces: bool,
    ) -> Result<(), CopyError> {
        if !replaces && self.look(db, key).is_some() {
            return Err(CopyError::Taken);
        }
        let limits = self.core.settings.block_limits;
        let data = image::decode(image, limits).map_err(|error| CopyError::Image(error.into()))?;
        if expires_at_ms.is_some_and(|at_ms| at_ms <= self.now.wall_ms) {
            self.remove(db, key);
            return Ok(());
        }
        self.put(db, key, image, data, expires_at_ms)
    }

    /// Copies a key with its value and expiry, in the same database or to another. Returns whether
    /// it did: not if the source is missing.
    ///
    /// # Errors
    /// [`CopyError`], but not for an image.
    pub fn copy_key(
        &mut self,
        (from_db, from): (u8, &[u8]),
        (to_db, to): (u8, &[u8]),
        replaces: bool,
    ) -> Result<bool, CopyError> {
        let Some(object) = self.find(from_db, from) else { return Ok(false) };
        if !replaces && self.find(to_db, to).is_some() {
            return Err(CopyError::Taken);
        }
        self.need_all(object).map_err(CopyError::Rejected)?;
        let source = self.state().object(object.slot);
        // An entry in an image has its field names with it, in memory it shares them.
        let factor = if source.kind() == ObjectKind::Stream { 2 } else { 1 };
        let bytes = source.heap_bytes() - source.schedule_bytes();
        self.ask_room(bytes.saturating_mul(factor).saturating_add(to.len()))?;
        let image = image::encode(&self.state().object(object.slot).data);
        // From its image, as recovery will have it: blocks are built anew.
        let limits = self.core.settings.block_limits;
        let data = image::decode(&image, limits).expect("it was encoded just now");
        let entry = self.state().database(from_db).keys.get(from).expect("found above");
        let expires_at_ms = entry.expires_at_ms;
        self.put(to_db, to, &image, data, expires_at_ms)?;
        Ok(true)
    }

    fn put(
        &mut self,
        db: u8,
        key: &[u8],
        image: &[u8],
        data: ObjectData,
        expires_at_ms: Option<u64>,
    ) -> Result<(), CopyError> {
        self.refuse_foreign_letters_of(key, &data, None).map_err(CopyError::Rejected)?;
        let logged = image.len() + key.len();
        if self.record_bytes() + logged > ENTRY_BYTES_MAX {
            return Err(CopyError::TooLarge);
        }
        self.ask_room(logged)?;
        let object = self.state().next_object_id();
        self.change(&Mutation::Restore { object, db, key, expires_at_ms, image, data });
        self.signal(db, key, Signal::Gone);
        self.signal(db, key, Signal::Ready);
        Ok(())
    }

    /// The command that is running said nothing of so much when it was admitted.
    fn ask_room(&self, bytes: usize) -> Result<(), CopyError> {
        let bytes = bytes as u64;
        self.need_log_room(bytes).map_err(|_| CopyError::NoRoom { bytes })
    }

    /// The same for what is refused otherwise; asked before anything changes.
    pub(crate) fn need_log_room(&self, bytes: u64) -> Result<(), Rejection> {
        if bytes > ADMITTED_BYTES as u64 && !self.may_log(bytes) {
            return Err(Rejection::NoLogRoom);
        }
        Ok(())
    }
}
