//! What is done with dead letters, and what became of each.

use millstream::{EntryId, Error, Requeued};
use millstream_shown::{plural, visible};

use crate::failure::Failure;

/// Reasons that are told of those that failed.
const REASONS_MAX: usize = 5;

/// What is done with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Requeue,
    Purge,
}

impl Verb {
    /// # Errors
    /// [`Failure::Invalid`].
    pub(crate) fn of(word: &str) -> Result<Self, Failure> {
        match word {
            "requeue" => Ok(Self::Requeue),
            "purge" => Ok(Self::Purge),
            _ => Err(Failure::Invalid("letters are given back (requeue), or purged".to_owned())),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Purge => "purge",
        }
    }

    /// As in "3 letters were ...".
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Requeue => "given back",
            Self::Purge => "deleted",
        }
    }
}

/// What became of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) changed: u64,
    /// Of those, how many entries were added to their stream once more.
    pub(crate) added_anew: u64,
    /// Gone before.
    pub(crate) not_there: u64,
    /// They stay as they are.
    pub(crate) failed: u64,
    /// Why, the first of them.
    pub(crate) reasons: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.added_anew += other.added_anew;
        self.not_there += other.not_there;
        self.failed += other.failed;
        let room = REASONS_MAX.saturating_sub(self.reasons.len());
        self.reasons.extend(other.reasons.iter().take(room).cloned());
    }

    /// # Errors
    /// Others would fail for the same reason.
    pub(super) fn note(
        &mut self,
        id: EntryId,
        became: Result<Requeued, Error>,
    ) -> Result<(), Error> {
        match became {
            Ok(Requeued::GivenBack) => self.changed += 1,
            Ok(Requeued::AddedAnew) => {
                self.changed += 1;
                self.added_anew += 1;
            }
            Ok(Requeued::NotThere) => self.not_there += 1,
            Err(error) if concerns_all(&error) => return Err(error),
            Err(error) => {
                self.failed += 1;
                if self.reasons.len() < REASONS_MAX {
                    let why = visible(error.to_string().as_bytes());
                    self.reasons.push(format!("{id}: {why}"));
                }
            }
        }
        Ok(())
    }

    /// For people: `3 letters were given back, 1 of them as a new entry for all groups.`
    pub(crate) fn words(&self, verb: Verb) -> String {
        let were = if self.changed == 1 { "was" } else { "were" };
        let mut text = format!("{} {were} {}", plural(self.changed, "letter"), verb.done());
        match self.added_anew {
            0 => {}
            1 => text.push_str(", 1 of them as a new entry for all groups"),
            anew => text.push_str(&format!(", {anew} of them as new entries for all groups")),
        }
        text.push('.');
        if self.not_there > 0 {
            text.push_str(&format!(" {} gone before.", self.not_there));
        }
        if self.failed > 0 {
            text.push_str(&format!(" {} stay: {}", self.failed, self.reasons.join("; ")));
        }
        text
    }
}

/// Whether it says something of the server, and nothing of the one letter.
fn concerns_all(error: &Error) -> bool {
    match error {
        Error::Connection(_) | Error::Unsupported { .. } => true,
        Error::Refused { code, .. } => {
            matches!(&**code, "NOAUTH" | "NOPERM" | "OOM" | "MISCONF") || error.is_temporary()
        }
        _ => error.is_temporary(),
    }
}
