//! How many dead letters are where those of a group go.

use bytes::Bytes;
use millstream::{DeadLetters, Error, GroupInfo, StreamManager};

use crate::failure::Failure;
use crate::visitor::Visitor;

/// Letters where those of the group go, of all groups that have them there. `None`: that is not for
/// the visitor to see, or it is no stream.
///
/// # Errors
/// No server answers.
pub(crate) async fn letter_count(
    visitor: &Visitor,
    stream: &Bytes,
    info: &GroupInfo,
) -> Result<Option<u64>, Failure> {
    let letters = DeadLetters::of_group(&visitor.millstream, stream, info);
    if !visitor.may_read(letters.stream()).await? {
        return Ok(None);
    }
    match StreamManager::new(&visitor.millstream, letters.stream()).info().await {
        Ok(info) => Ok(Some(info.map_or(0, |info| info.length))),
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
