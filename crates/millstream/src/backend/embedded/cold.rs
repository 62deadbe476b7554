//! Blocks that a reply shows and that are on disk only: read before the reply is looked at.

use std::sync::Arc;

use millstream_command::Reply;
use millstream_engine::{Engine, ReadEntries};
use millstream_model::{EntrySlice, LoadedBlock, Rejection};

use super::host::EmbeddedHost;
use super::value::error;
use crate::Error;

/// Blocks that are read at once.
const AT_ONCE: usize = 32;

/// Loads all that is missing.
///
/// # Errors
/// [`Error::Store`]: a block cannot be read.
pub(super) async fn warm(host: &Arc<EmbeddedHost>, reply: &mut Reply) -> Result<(), Error> {
    match reply {
        Reply::Entries(slice) => warm_slice(host, slice).await,
        Reply::Read(outcome) => {
            for stream in &mut outcome.streams {
                match &mut stream.entries {
                    ReadEntries::Plain(slice)
                    | ReadEntries::Redelivered { new: slice, .. }
                    | ReadEntries::WithClaims { new: slice, .. } => {
                        warm_slice(host, slice).await?;
                    }
                    // Its entries are pinned one by one.
                    ReadEntries::History(_) => {}
                }
            }
            Ok(())
        }
        Reply::Array(items) | Reply::Set(items) => {
            for item in items {
                Box::pin(warm(host, item)).await?;
            }
            Ok(())
        }
        Reply::Map(pairs) => {
            for (_, value) in pairs {
                Box::pin(warm(host, value)).await?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn warm_slice(host: &Arc<EmbeddedHost>, slice: &mut EntrySlice) -> Result<(), Error> {
    let runs: Vec<usize> =
        (0..slice.run_count()).filter(|run| slice.cold_of_run(*run).is_some()).collect();
    for some in runs.chunks(AT_ONCE) {
        let cold: Vec<_> = some.iter().filter_map(|run| slice.cold_of_run(*run)).collect();
        let loaded: Vec<LoadedBlock> =
            off_thread(host, move |engine| engine.load_for_reply(&cold)).await?;
        for (run, block) in some.iter().zip(&loaded) {
            slice.warm_run(*run, block);
        }
    }
    Ok(())
}

/// Reads from disk on a thread that may wait. Where nobody waits for it any more it goes on, and
/// whoever closes the store waits until it is over.
///
/// # Errors
/// What the engine says of a block that cannot be read.
pub(super) async fn off_thread<T: Send + 'static>(
    host: &Arc<EmbeddedHost>,
    read: impl FnOnce(&Engine) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Error> {
    let host = Arc::clone(host);
    match tokio::task::spawn_blocking(move || read(&host.store.engine)).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(rejection)) => {
            tracing::error!("{rejection}");
            Err(refused(&rejection))
        }
        Err(ended) => Err(Error::store(format!("blocks could not be loaded: {ended}"))),
    }
}

fn refused(rejection: &Rejection) -> Error {
    match millstream_command::rejection_reply(rejection) {
        Reply::Error(text) => error(&text),
        Reply::ErrorBytes(text) => error(&String::from_utf8_lossy(&text)),
        _ => Error::store(rejection.to_string()),
    }
}
