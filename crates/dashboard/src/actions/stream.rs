//! What is changed about a stream.

use millstream::{
    ConsumerGroupManager, DelayedMessages, EntryId, GroupStart, RetentionItem, StreamManager, Trim,
};
use millstream_shown::{entries, visible};

use crate::failure::Failure;
use crate::visitor::Change;

/// Removes the oldest entries. Returns how many.
///
/// # Errors
/// Those of the server.
pub(crate) async fn trim(change: &Change<'_>, stream: &[u8], trim: Trim) -> Result<u64, Failure> {
    let count = StreamManager::new(change.millstream(), stream).trim(trim).await?;
    let (count_text, stream) = (entries(count), visible(stream));
    change.audit(&format!("trimmed stream {stream} by {count_text} ({trim:?})"));
    Ok(count)
}

/// Sets these items of what it keeps by itself.
///
/// # Errors
/// Those of the server: it has no retention, a value is none. Nothing is changed then.
pub(crate) async fn change_retention(
    change: &Change<'_>,
    stream: &[u8],
    items: &[RetentionItem],
) -> Result<(), Failure> {
    StreamManager::new(change.millstream(), stream).change_retention(items).await?;
    change.audit(&format!("changed what stream {} keeps: {items:?}", visible(stream)));
    Ok(())
}

/// Makes a group of a stream that is there. Returns whether it is new.
///
/// # Errors
/// Those of the server.
pub(crate) async fn create_group(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    start: GroupStart,
) -> Result<bool, Failure> {
    let manager = ConsumerGroupManager::new(change.millstream(), stream);
    let is_new = manager.create_with(group, start, false).await?;
    if is_new {
        let (group, stream) = (visible(group), visible(stream));
        change.audit(&format!("created group {group} of stream {stream} at {start:?}"));
    }
    Ok(is_new)
}

/// Deletes a stream with all that it has. Returns how many entries that were.
///
/// # Errors
/// [`Failure::NotFound`], and those of the server: the key is no stream.
pub(crate) async fn delete(change: &Change<'_>, stream: &[u8]) -> Result<u64, Failure> {
    let manager = StreamManager::new(change.millstream(), stream);
    // A key of another type is refused here.
    let info = manager.info().await?;
    let gone = || Failure::NotFound("there is no such stream any more".to_owned());
    let info = info.ok_or_else(gone)?;
    if info.scheduled.is_none() {
        // Beside the stream, which a worker would make anew to append one of them.
        match DelayedMessages::new(change.millstream(), stream).cancel_all().await {
            Err(error) if error.is_temporary() => return Err(error.into()),
            // What is under their keys is somebody else's, or not for this user.
            Ok(_) | Err(_) => {}
        }
    }
    if !manager.delete().await? {
        return Err(gone());
    }
    let count = entries(info.length);
    change.audit(&format!("deleted stream {} with {count}", visible(stream)));
    Ok(info.length)
}

/// Where to an age leads by the server's clock: what is before that id is older.
///
/// # Errors
/// Those of the server.
pub(crate) async fn older_than(
    millstream: &millstream::Millstream,
    age: std::time::Duration,
) -> Result<EntryId, Failure> {
    let now = millstream.time().await?;
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(u64::MAX);
    Ok(EntryId { ms, seq: 0 })
}
