//! What is changed about a group.

use millstream::{ConsumerGroupManager, PolicyItem};
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
