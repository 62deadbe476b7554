//! What is changed about single entries.

use std::time::Duration;

use millstream::{DelayedMessages, EntryId, Fields, Producer, StreamManager};
use millstream_shown::visible;

use crate::failure::Failure;
use crate::visitor::Change;

/// When and as what an entry is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adding {
    Now,
    As(EntryId),
    After(Duration),
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Entry(EntryId),
    /// It waits, and is called this.
    Delayed(String),
}

/// Adds an entry to a stream, which is made if it is not there.
///
/// # Errors
/// Those of the server: the id is not higher than all, the stream is full.
pub(crate) async fn add(
    change: &Change<'_>,
    stream: &[u8],
    fields: &Fields,
    adding: Adding,
) -> Result<Added, Failure> {
    let producer = Producer::new(change.millstream(), stream);
    let added = match adding {
        Adding::Now => Added::Entry(producer.add(fields).await?),
        Adding::As(id) => Added::Entry(producer.add_as(id, fields).await?),
        Adding::After(delay) => {
            let delayed = DelayedMessages::new(change.millstream(), stream);
            Added::Delayed(delayed.add_after(delay, fields).await?)
        }
    };
    let what = match &added {
        Added::Entry(id) => format!("added entry {id}"),
        Added::Delayed(token) => format!("added delayed entry {token}"),
    };
    change.audit(&format!("{what} to stream {}", visible(stream)));
    Ok(added)
}

/// Deletes an entry. Returns whether it was there.
///
/// # Errors
/// Those of the server.
pub(crate) async fn delete(
    change: &Change<'_>,
    stream: &[u8],
    id: EntryId,
) -> Result<bool, Failure> {
    let manager = StreamManager::new(change.millstream(), stream);
    let is_deleted = manager.delete_entries(&[id]).await? > 0;
    if is_deleted {
        change.audit(&format!("deleted entry {id} of stream {}", visible(stream)));
    }
    Ok(is_deleted)
}
