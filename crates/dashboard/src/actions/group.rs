//! What is changed about a group.

use millstream::{ConsumerGroupManager, EntryId, GroupStart, PolicyItem};
use millstream_shown::visible;

use crate::failure::Failure;
use crate::visitor::Change;

/// Hands nothing out any more, or goes on.
///
/// # Errors
/// Those of the server: it has no policies, or the visitor no right.
pub(crate) async fn set_paused(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    is_paused: bool,
) -> Result<(), Failure> {
    let manager = ConsumerGroupManager::new(change.millstream(), stream);
    let word = if is_paused {
        manager.pause(group).await?;
        "paused"
    } else {
        manager.resume(group).await?;
        "resumed"
    };
    change.audit(&format!("{word} group {} of stream {}", visible(group), visible(stream)));
    Ok(())
}

/// Changes these items of its policy; it is managed from then on.
///
/// # Errors
/// Those of the server: a value is none that it takes. Nothing is changed then.
pub(crate) async fn change_policy(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    items: &[PolicyItem],
) -> Result<(), Failure> {
    ConsumerGroupManager::new(change.millstream(), stream).change_policy(group, items).await?;
    let (group, stream) = (visible(group), visible(stream));
    change.audit(&format!("changed the policy of group {group} of stream {stream}: {items:?}"));
    Ok(())
}

/// Removes a group with all that is pending in it.
///
/// # Errors
/// [`Failure::NotFound`], and those of the server.
pub(crate) async fn destroy(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
) -> Result<(), Failure> {
    let manager = ConsumerGroupManager::new(change.millstream(), stream);
    if !manager.destroy(group).await? {
        return Err(Failure::NotFound("there is no such group any more".to_owned()));
    }
    change.audit(&format!("destroyed group {} of stream {}", visible(group), visible(stream)));
    Ok(())
}

/// Moves a group: what comes after that entry is handed out next.
///
/// # Errors
/// Those of the server.
pub(crate) async fn set_id(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    to: EntryId,
) -> Result<(), Failure> {
    let manager = ConsumerGroupManager::new(change.millstream(), stream);
    manager.set_id(group, GroupStart::After(to)).await?;
    let (group, stream) = (visible(group), visible(stream));
    change.audit(&format!("moved group {group} of stream {stream} to {to}"));
    Ok(())
}

/// What becomes of what a deleted consumer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inheritance {
    /// Another consumer gets it; anybody in a group that keeps it by itself.
    Heir(Vec<u8>),
    /// It goes with the consumer, but in a group that keeps it by itself.
    Nobody,
}

/// Removes a consumer. Returns how many entries it had.
///
/// # Errors
/// [`Failure::NotFound`], and those of the server.
pub(crate) async fn delete_consumer(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    consumer: &[u8],
    inheritance: &Inheritance,
) -> Result<u64, Failure> {
    let manager = ConsumerGroupManager::new(change.millstream(), stream);
    let consumers = manager.consumers(group).await?;
    if !consumers.iter().any(|it| it.name_bytes == consumer) {
        let text = format!("there is no consumer {} any more", visible(consumer));
        return Err(Failure::NotFound(text));
    }
    let (count, became) = match inheritance {
        Inheritance::Heir(heir) => {
            let deleted = manager.delete_consumer(group, consumer, heir).await;
            if let Err(error) = &deleted {
                // It goes some entries at a time where the server does not keep them by itself.
                let (consumer, group) = (visible(consumer), visible(group));
                change.audit(&format!(
                    "could not delete consumer {consumer} of group {group} of stream {}; some of \
                     what it has may have been handed on to {}: {error}",
                    visible(stream),
                    visible(heir)
                ));
            }
            (deleted?, format!("handed on to {}", visible(heir)))
        }
        Inheritance::Nobody => {
            (manager.drop_consumer(group, consumer).await?, "without an heir".to_owned())
        }
    };
    let (consumer, group, stream) = (visible(consumer), visible(group), visible(stream));
    change.audit(&format!(
        "deleted consumer {consumer} of group {group} of stream {stream}, {count} pending {became}"
    ));
    Ok(count)
}
