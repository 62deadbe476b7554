//! Where the dead letters of a stream are.

use std::ffi::OsString;

use millstream::{DeadLetter, DeadLetters, EntryId, Error, LetterFilter};

use crate::name::Name;
use crate::server::{Server, ServerOptions};

#[derive(Debug, clap::Args)]
pub(super) struct LettersOptions {
    /// Key of the stream whose letters are meant: those in STREAM:dlq, on a Cluster in
    /// {STREAM}:dlq where only that is on the same server
    stream: OsString,
    /// Key of the stream that the letters are in, where it is another one. Others may have letters
    /// there, too: only those that come from STREAM are meant
    #[arg(long, value_name = "KEY")]
    letters: Option<OsString>,
}

/// The names of the command line.
pub(super) struct Place {
    stream: Name,
    letters: Option<Name>,
}

/// Letters that were found.
#[derive(Debug)]
pub(super) struct Letters {
    pub(super) letters: DeadLetters,
    /// Of the stream that they are in.
    pub(super) key: Name,
    /// Of the stream that they come from.
    pub(super) stream: Name,
    /// Whether others may have letters there, too.
    is_shared: bool,
    /// The newest entry of that; `None`: there is no such stream, or it is empty.
    pub(super) last: Option<EntryId>,
}

impl LettersOptions {
    /// # Errors
    /// A name is none.
    pub(super) fn place(&self, server: &ServerOptions) -> anyhow::Result<Place> {
        let letters = self.letters.as_deref().map(|key| server.name(key)).transpose()?;
        Ok(Place { stream: server.name(&self.stream)?, letters })
    }
}

impl Place {
    /// # Errors
    /// There is neither the stream nor one of letters.
    pub(super) async fn find(self, server: &Server) -> anyhow::Result<Letters> {
        let Self { stream, letters } = self;
        let is_shared = letters.is_some();
        let letters = match letters {
            Some(key) => DeadLetters::new(&server.millstream, key),
            None => DeadLetters::of(&server.millstream, &stream),
        };
        let key = Name::from(bytes::Bytes::copy_from_slice(letters.stream()));
        let info = server.stream(&key).info().await;
        let info = info.map_err(server.cannot(format!("look at stream {key}")))?;
        if info.is_none() && is_shared {
            return Err(server.no_stream(&key));
        }
        if info.is_none() {
            let there = server.stream(&stream).info().await;
            if there.map_err(server.cannot(format!("look at stream {stream}")))?.is_none() {
                return Err(server.no_stream(&stream));
            }
        }
        Ok(Letters { letters, key, stream, is_shared, last: info.and_then(|info| info.last) })
    }
}

impl Letters {
    /// The same filter, for letters of this stream alone.
    pub(super) fn of_stream(&self, filter: LetterFilter) -> LetterFilter {
        if self.is_shared { filter.stream(&self.stream) } else { filter }
    }

    /// Those letters of these that are there, in the order in which they are named.
    pub(super) async fn named(&self, ids: &[EntryId]) -> Result<Vec<DeadLetter>, Error> {
        let mut found = self.letters.find(ids).await?;
        found.retain(|it| !self.is_shared || it.stream_bytes == self.stream.as_ref());
        Ok(found)
    }
}
