//! What a handler of batches says when it could not do all of its work.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::handler_error::HandlerError;
use crate::EntryId;

/// Which messages of a batch were not done. Made by `?` from any error or [`HandlerError`]: then
/// none of them was.
#[derive(Debug)]
pub struct BatchError {
    which: Which,
}

#[derive(Debug)]
enum Which {
    All(HandlerError),
    Some(HashMap<(String, EntryId), HandlerError>),
}

impl BatchError {
    /// None was done, and each gets this verdict.
    #[must_use]
    pub fn all(error: HandlerError) -> Self {
        Self { which: Which::All(error) }
    }

    /// These were not done; the others were, and are acknowledged. A message is named by its
    /// stream and its ID, as [`Message::stream`](crate::Message::stream) and
    /// [`Message::id`](crate::Message::id) have them. One that names no message of the batch makes
    /// all of it fail: nobody knows which one was meant.
    #[must_use]
    pub fn some(errors: impl IntoIterator<Item = ((String, EntryId), HandlerError)>) -> Self {
        Self { which: Which::Some(errors.into_iter().collect()) }
    }

    /// What became of each of these.
    pub(super) fn split(self, keys: &[(String, EntryId)]) -> Vec<Result<(), HandlerError>> {
        match self.which {
            Which::All(error) => {
                let HandlerError { verdict, source } = error;
                let shared = Shared(Arc::from(source));
                let each = || HandlerError { verdict, source: Box::new(shared.clone()) };
                keys.iter().map(|_| Err(each())).collect()
            }
            Which::Some(mut errors) => {
                let named: Vec<_> = keys.iter().map(|key| errors.remove(key)).collect();
                let unknown = errors.into_keys().next();
                let other = || match &unknown {
                    None => Ok(()),
                    Some((stream, id)) => Err(HandlerError::retry(format!(
                        "the handler says that {id} of {stream} failed, which is not in its batch"
                    ))),
                };
                named.into_iter().map(|error| error.map_or_else(other, Err)).collect()
            }
        }
    }
}

impl From<HandlerError> for BatchError {
    fn from(error: HandlerError) -> Self {
        Self::all(error)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for BatchError {
    fn from(source: E) -> Self {
        Self::all(HandlerError::retry(source))
    }
}

/// One error for several messages.
#[derive(Clone, Debug)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
