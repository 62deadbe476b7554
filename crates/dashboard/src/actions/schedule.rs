//! What is done with delayed entries: added, taken back, appended at once.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use millstream::{DelayedMessages, Error, Fields};
use millstream_shown::{entries, visible};

use crate::failure::Failure;
use crate::visitor::Change;

/// Entries that a request names at most.
const NAMED_MAX: usize = 1000;
/// Entries that are changed at the same time.
const AT_ONCE: usize = 100;

/// What is done with delayed entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Cancel,
    Run,
}

impl Verb {
    /// # Errors
    /// [`Failure::Invalid`].
    pub(crate) fn of(word: &str) -> Result<Self, Failure> {
        match word {
            "cancel" => Ok(Self::Cancel),
            "run" => Ok(Self::Run),
            _ => Err(Failure::Invalid("delayed entries are cancelled, or run".to_owned())),
        }
    }

    /// As in "2 entries were ...".
    fn done(self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Run => "appended",
        }
    }
}

/// When an entry is to come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    After(Duration),
    At(SystemTime),
}

/// Adds one; returns its token.
///
/// # Errors
/// Those of the server.
pub(crate) async fn add(
    change: &Change<'_>,
    stream: &[u8],
    when: When,
    fields: &Fields,
) -> Result<String, Failure> {
    let delayed = DelayedMessages::new(change.millstream(), stream);
    let token = match when {
        When::After(delay) => delayed.add_after(delay, fields).await?,
        When::At(moment) => delayed.add_at(moment, fields).await?,
    };
    change.audit(&format!("delayed an entry of stream {} as {token}", visible(stream)));
    Ok(token)
}

/// What became of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    /// Some wait on as before; the text says why.
    pub(crate) is_part: bool,
}

/// Changes those that are named.
///
/// # Errors
/// [`Failure::Invalid`]: nothing is other than before, and why.
pub(crate) async fn change_some(
    change: &Change<'_>,
    stream: &[u8],
    verb: Verb,
    tokens: &[&str],
) -> Result<Outcome, Failure> {
    if tokens.is_empty() {
        return Err(Failure::Invalid("no entry is ticked".to_owned()));
    }
    if tokens.len() > NAMED_MAX {
        return Err(Failure::Invalid(format!("at most {NAMED_MAX} entries are named at a time")));
    }
    let delayed = DelayedMessages::new(change.millstream(), stream);
    let (mut changed, mut gone, mut failed) = (0, 0, Vec::new());
    for some in tokens.chunks(AT_ONCE) {
        let each = some.iter().map(|token| async {
            match verb {
                Verb::Cancel => delayed.cancel(token).await,
                Verb::Run => delayed.run_now(token).await,
            }
        });
        let mut is_over = false;
        for (token, became) in some.iter().zip(join_all(each).await) {
            match became {
                Ok(true) => changed += 1,
                Ok(false) => gone += 1,
                Err(error) => {
                    is_over |= matches!(error, Error::Connection(_) | Error::Unsupported { .. });
                    failed.push(format!("{}: {error}", visible(token.as_bytes())));
                }
            }
        }
        if is_over {
            break;
        }
    }
    let were = if changed == 1 { "was" } else { "were" };
    let mut text = format!("{} {were} {}.", entries(changed), verb.done());
    if gone > 0 {
        text.push_str(&format!(" {gone} did not wait any more."));
    }
    if let Some(first) = failed.first() {
        let first = visible(first.as_bytes());
        text.push_str(&format!(" {} wait on as before: {first}", failed.len()));
    }
    change.audit(&format!("delayed entries of stream {}: {text}", visible(stream)));
    let is_part = !failed.is_empty();
    if is_part && changed == 0 {
        Err(Failure::Invalid(text))
    } else {
        Ok(Outcome { text, is_part })
    }
}
