//! Strings: small values beside the streams. Durable and transactional like the rest.
//!
//! A SET makes a new object, as it does for a WATCH and for readers parked on the key; INCR changes
//! the one there is. Tests: `tests/it/keys.rs`.

use bytes::Bytes;
use millstream_model::Rejection;

use crate::keyspace::Lifetime;
use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectRef};
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// What becomes of a string's expiry when it is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StringExpiry {
    /// It stays from now on.
    #[default]
    None,
    /// The expiry it has stays as it is.
    Keep,
    /// It goes at that time, Unix milliseconds; one that has passed removes it at once.
    At(i64),
}

/// What OBJECT ENCODING calls a string that was changed in place, until the store is opened again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StringForm {
    /// By what it looks like: an integer, a short text, a long one.
    #[default]
    Any,
    /// A text, also where it looks like an integer.
    Text,
    /// A buffer that may grow.
    Buffer,
}

impl Transaction<'_> {
    /// A string's value; `None` if the key is missing.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn string(&mut self, db: u8, key: &[u8]) -> Result<Option<Bytes>, Rejection> {
        let Some(object) = self.find(db, key) else { return Ok(None) };
        match &self.state().object(object.slot).data {
            ObjectData::String(value) => Ok(Some(value.bytes.clone())),
            ObjectData::Stream(_) => Err(Rejection::WrongType),
        }
    }

    /// Sets a string, replacing whatever the key holds.
    pub fn set_string(&mut self, db: u8, key: &[u8], value: Bytes, expiry: StringExpiry) {
        let expires_at_ms = match expiry {
            StringExpiry::None => None,
            StringExpiry::Keep => match self.lifetime(db, key) {
                Lifetime::Until(at_ms) => Some(at_ms),
                Lifetime::Missing | Lifetime::Unlimited => None,
            },
            StringExpiry::At(at_ms) => match u64::try_from(at_ms) {
                Ok(at_ms) if at_ms > self.now.wall_ms => Some(at_ms),
                _ => {
                    self.remove(db, key);
                    return;
                }
            },
        };
        let object = self.state().next_object_id();
        self.change(&Mutation::CreateString { object, db, key, value, expires_at_ms });
        self.signal(db, key, Signal::Gone);
    }

    /// Changes a string in place: its expiry stays. The string must exist.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoSuchKey`].
    pub fn replace_string(
        &mut self,
        db: u8,
        key: &[u8],
        value: Bytes,
        form: StringForm,
    ) -> Result<(), Rejection> {
        let object = self.find_string(db, key)?;
        self.change(&Mutation::SetString { object, value, form });
        Ok(())
    }

    /// Puts bytes behind a string, which must exist; its expiry stays. Returns the new length.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoSuchKey`].
    pub fn append_to_string(
        &mut self,
        db: u8,
        key: &[u8],
        suffix: &[u8],
    ) -> Result<usize, Rejection> {
        let object = self.find_string(db, key)?;
        self.change(&Mutation::AppendString { object, suffix });
        Ok(self.state().object(object.slot).data.string_bytes())
    }

    fn find_string(&mut self, db: u8, key: &[u8]) -> Result<ObjectRef, Rejection> {
        let object: ObjectRef = self.find(db, key).ok_or(Rejection::NoSuchKey)?;
        match self.state().object(object.slot).data {
            ObjectData::Stream(_) => Err(Rejection::WrongType),
            ObjectData::String(_) => Ok(object),
        }
    }
}
