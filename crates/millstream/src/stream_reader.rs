//! What is added to a stream, read as it comes and without a group.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use redis::cmd;

use crate::backend::Reader;
use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, StreamEntry, reply};

/// Waits for entries of one stream, on a connection of its own. Made by
/// [`StreamManager::reader`](crate::StreamManager::reader). Every reader gets every entry, and
/// nobody notices.
pub struct StreamReader {
    reader: Box<dyn Reader>,
    stream: Bytes,
    after: EntryId,
}

impl StreamReader {
    pub(crate) fn new(reader: Box<dyn Reader>, stream: Bytes, after: EntryId) -> Self {
        Self { reader, stream, after }
    }

    /// The entries after those that came before, at most `count` (1 at least) of them; waits for
    /// the first one for `longest` (1 ms at least). None: the time was over. The stream need not be
    /// there.
    ///
    /// Dropped while it waits, the reader is to be dropped, too.
    ///
    /// # Errors
    /// Those of the server. After [`Error::Connection`] the reader is of no use any more.
    pub async fn next(
        &mut self,
        count: usize,
        longest: Duration,
    ) -> Result<Vec<StreamEntry>, Error> {
        let mut command = cmd("XREAD");
        // To block for 0 would be for ever.
        command.arg("COUNT").arg(count.max(1)).arg("BLOCK").arg(milliseconds(longest).max(1));
        command.arg("STREAMS").arg(&self.stream[..]).arg(self.after);
        let answer = self.reader.read(&command, longest).await?;
        let found = reply::read(answer).map_err(NotUnderstood::of("XREAD"))?;
        let entries = found.into_iter().flat_map(|(_, entries)| entries);
        let entries: Vec<_> = entries.map(StreamEntry::of).collect();
        if let Some(last) = entries.last() {
            self.after = last.id;
        }
        Ok(entries)
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, after, .. } = self;
        f.debug_struct("StreamReader")
            .field("stream", stream)
            .field("after", after)
            .finish_non_exhaustive()
    }
}
